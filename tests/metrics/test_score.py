from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

import unrolled
from unrolled.metrics import Score, Tally, bleu, word_error_rate
from unrolled.metrics.tally import share


def test_an_interval_given_is_kept_and_one_left_out_is_drawn_from_the_tally():
    assert (Score("x", 1.0, 0.5, 1.5).low, Score("x", 1.0, 0.5, 1.5).high) == (0.5, 1.5)
    assert Score("x", 1.0).low is None
    tally = Tally(np.array([[1, 1], [0, 1]] * 50), share)
    score = Score("share", 50.0, tally=tally)
    assert 35 < score.low < 45
    assert 55 < score.high < 65


def test_error_rates_are_better_when_lower():
    assert bleu(["a b"], [["a b"]]).better_than(bleu(["a b"], [["a c"]]))
    assert word_error_rate(["a"], [["a"]]).better_than(word_error_rate(["a"], [["b"]]))
    assert not Score("x", 1.0).better_than(1.0)
    assert Score("x", 1.0, higher_is_better=False).better_than(1.5)


def test_a_score_is_plain_data_and_says_how_it_was_made():
    score = bleu(["A b c d e", "f"], [["a b c d e", "a"], ["f"]], lowercase=True)
    data = json.loads(json.dumps(score.as_dict()))
    assert data["name"] == "BLEU"
    assert data["signature"] == (
        f"BLEU|nrefs:var|case:lc|eff:no|tok:13a|smooth:exp|version:unrolled-{unrolled.__version__}"
    )
    assert data["details"]["correct"][0] == 6
    assert data["low"] <= data["value"] <= data["high"]
    assert str(Score("BLEU", 12.345, 11.0, 13.0)) == "BLEU = 12.35 [11.00, 13.00]"


def test_metrics_never_import_torch():
    code = (
        "import sys; from unrolled.metrics import bleu; bleu(['a'], [['a']]).low;"
        " print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
