"""The worked examples of Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation …"."""

from __future__ import annotations

import pytest

from unrolled.metrics import bleu

GUIDE = [
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command"
    " of the party",
    "it is the practical guide for the army always to heed the directions of the party",
]
FIRST = "it is a guide to action which ensures that the military always obeys the commands of the party"
SECOND = "it is to insure the troops forever hearing the activity guidebook that party direct"
CAT = ["the cat is on the mat", "there is a cat on the mat"]


@pytest.mark.parametrize(
    ("candidate", "references", "unigrams", "bigrams"),
    [
        (FIRST, GUIDE, (17, 18), (10, 17)),  # section 2.1, example 1, candidate 1
        (SECOND, GUIDE, (8, 14), (1, 13)),  # candidate 2
        ("the the the the the the the", CAT, (2, 7), (0, 6)),  # example 2: counts are clipped
    ],
)
def test_modified_precisions(candidate, references, unigrams, bigrams):
    score = bleu([candidate], [references], tokenize="none")
    assert (score.correct[0], score.total[0]) == unigrams
    assert (score.correct[1], score.total[1]) == bigrams


def test_the_better_candidate_scores_better():
    assert bleu([FIRST], [GUIDE]).score > bleu([SECOND], [GUIDE]).score


def test_matching_a_references_length_costs_nothing():
    # Section 2.2.2: a candidate of 12 words beside references of 12, 15 and 17 has no brevity penalty.
    references = [" ".join("w" * length) for length in (12, 15, 17)]
    score = bleu([" ".join("w" * 12)], [references], tokenize="none")
    assert (score.reference_length, score.brevity_penalty) == (12, 1.0)
