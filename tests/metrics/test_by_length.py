from __future__ import annotations

import pytest

from unrolled.errors import UserError
from unrolled.metrics import Score, bleu, by_length, calibration_error


def test_each_bucket_is_the_metric_of_its_segments():
    hypotheses = ["a b c d e", "a b c d x", "a x c y e", "q r s t u"]
    references = [["a b c d e"], ["a b c d e"], ["a b c d e"], ["q r s t v w"]]
    lengths = [10, 11, 25, 3]
    buckets = by_length(bleu(hypotheses, references), lengths, edges=(10, 20))
    assert [bucket.label for bucket in buckets] == ["0–10", "11–20", "over 20"]
    assert [bucket.segments for bucket in buckets] == [2, 1, 1]
    assert [bucket.mean_length for bucket in buckets] == [6.5, 11.0, 25.0]
    for bucket, chosen in zip(buckets, ([0, 3], [1], [2]), strict=True):
        alone = bleu([hypotheses[i] for i in chosen], [references[i] for i in chosen], effective_order=False)
        assert bucket.score.value == pytest.approx(alone.value)
    assert buckets[0].as_dict()["value"] == buckets[0].score.value


def test_empty_ranges_are_left_out():
    score = bleu(["a b c d"] * 2, [["a b c d"]] * 2)
    assert [bucket.label for bucket in by_length(score, [4, 44])] == ["0–10", "41–50"]


def test_what_cannot_be_split_is_named():
    score = bleu(["a b c d"] * 2, [["a b c d"]] * 2)
    with pytest.raises(UserError, match="1 lengths for 2 segments"):
        by_length(score, [4])
    with pytest.raises(UserError, match="must be numbers that rise"):
        by_length(score, [4, 5], edges=(20, 10))
    with pytest.raises(UserError, match="no statistics"):
        by_length(Score("x", 1.0), [1])


def test_the_interval_of_a_calibration_error_is_mirrored_in_a_bucket_as_in_the_whole():
    right = [i % 2 == 0 for i in range(200)]
    (bucket,) = by_length(calibration_error([0.5] * 200, right), [4] * 200)
    assert bucket.score.value == 0
    assert bucket.score.interval == calibration_error([0.5] * 200, right).interval == (0, 0)
