from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.kernels import library
from unrolled.metrics import bleu, ngrams
from unrolled.metrics.mteval import tokenize_13a

PIECES = [
    *(
        "a",
        "b",
        "the",
        "cat",
        "é",
        "日本",
        "7",
        "1,000.5",
        "5-6",
        "--",
        "a.b..c...d",
        ",.,",
        "x.",
        ".9",
        "9.",
        "8-",
    ),
    *(
        "(z)",
        "it's",
        "&amp;lt;",
        "&quot;",
        "&amp;quot;",
        "&",
        "<skipped>",
        "<skip",
        "-\n",
        "-\n-\n",
        "\n",
        "{~}",
    ),
    *(
        "\u00a0",
        "\u2003",
        "\u3000",
        "\u0085",
        "\x1c",
        "\t",
        " ",
        " ",
        " ",
        "\ud800",
        "\x00",
        "\u200b",
        "\x7f",
    ),
]
LINES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=20)
CORPORA = st.lists(st.tuples(LINES, st.lists(LINES, min_size=1, max_size=3)), min_size=1, max_size=4)

needs_library = pytest.mark.skipif(
    library.load() is None, reason=f"the native library is not in use: {library.describe()['reason']}"
)


@needs_library
@pytest.mark.parametrize("tokenize", ["13a", "none"])
@settings(max_examples=600)
@given(CORPORA)
def test_native_counts_equal_pythons(tokenize, pairs):
    hypotheses, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    native = ngrams.count_natively(hypotheses, references, tokenize)
    assert native.tolist() == ngrams.count_in_python(hypotheses, references, tokenize).tolist()


@needs_library
def test_whitespace_is_what_python_splits_at():
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    lines = [f"a{character}b{character}" for character in characters]
    lengths = ngrams.count_natively(lines, [["x"]] * len(lines), "none")[:, 0]
    assert lengths.tolist() == [len(line.split()) for line in lines]


@needs_library
def test_every_pair_of_characters_is_tokenized_alike():
    # The rules look at two neighbouring characters at a time; three show what a match takes away.
    alphabet = [*map(chr, range(0x20, 0x7F)), "é", "日", "\n", "\u00a0"]
    lines = [f"{a}{b}{c}" for a in alphabet for b in alphabet for c in ".,-5a&é \n"]
    together = [f"{line} " + " ".join(tokenize_13a(line.rstrip())) for line in lines]
    native = ngrams.count_natively(lines, [[each] for each in together], "13a")
    assert native.tolist() == ngrams.count_in_python(lines, [[each] for each in together], "13a").tolist()


@needs_library
def test_many_segments_on_several_threads():
    hypotheses = [f"a{i % 7} b{i % 5} c d{i % 3} e" * (1 + i % 4) for i in range(9000)]
    references = [[f"a{i % 5} b{i % 5} c d e", "c d0 e"][: 1 + i % 2] for i in range(9000)]
    native = ngrams.count_natively(hypotheses, references, "none")
    assert (native == ngrams.count_in_python(hypotheses, references, "none")).all()


@needs_library
def test_a_long_line_among_short_ones():
    hypotheses = ["a b", "x y z " * 40_000, "a b c d"]
    references = [["a b"], ["x y z " * 30_000 + "w " * 10], ["a b c e"]]
    native = ngrams.count_natively(hypotheses, references, "none")
    assert (native == ngrams.count_in_python(hypotheses, references, "none")).all()


def test_without_a_library_the_score_is_the_same(monkeypatch):
    hypotheses, references = ["The cat, sat.", "on a mat"], [["The cat sat.", "A cat, sat."], ["on the mat"]]
    native = bleu(hypotheses, references)
    monkeypatch.setattr(library, "load", lambda: None)
    reference = bleu(hypotheses, references)
    assert (native.score, native.details) == (reference.score, reference.details)


@needs_library
def test_it_counts_on_as_many_threads_as_pytorch_has_or_is_given(monkeypatch):
    import torch

    asked, kernel = [], ngrams._kernel(True)
    monkeypatch.setattr(ngrams, "_kernel", lambda _: lambda *given: asked.append(given[5]) or kernel(*given))
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            bleu(["a b"], [["a b"]])
            bleu(["a b"], [["a b"]], threads=7)
    finally:
        torch.set_num_threads(before)
    assert asked == [1, 7, 3, 7]


@needs_library
def test_without_pytorch_there_is_a_thread_for_each_processor():
    program = """
import os, sys
from unrolled import processors
from unrolled.metrics import bleu
assert bleu(["a b c d"], [["a b c d"]]).score > 99
assert "torch" not in sys.modules
assert processors.threads() == len(os.sched_getaffinity(0))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
