from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from unrolled.kernels import library
from unrolled.metrics import ngrams

Run = Callable[..., Any]


@pytest.fixture
def cat(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The classic example: p₁ = 5/7, p₂ = 4/6."""
    texts = ("the cat the cat on the mat", "the cat is on the mat", "there is a cat on the mat")
    paths = tuple(tmp_path / name for name in ("hypothesis", "one", "two"))
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text + "\n")
    return paths  # type: ignore[return-value]


def test_json_is_one_document_with_all_parts(unrolled: Run, cat: tuple[Path, Path, Path]) -> None:
    found = unrolled("bleu", cat[0], "--ref", cat[1], "--ref", cat[2], "--json").json
    assert set(found) == {
        "score",
        "precisions",
        "brevity_penalty",
        "hypothesis_length",
        "reference_length",
        "signature",
    }
    assert found["precisions"][:2] == pytest.approx([500 / 7, 400 / 6])
    assert (found["hypothesis_length"], found["reference_length"]) == (7, 7)


@pytest.mark.parametrize("options", [[], ["--tokenize", "none"], ["--lowercase"]])
def test_it_is_sacrebleus(options: list[str], unrolled: Run, tmp_path: Path) -> None:
    hypotheses = ["The cat, sat on the mat.", "It's 3.5% of THE dogs ran home today!", "é漢字 and so on"]
    references = ["The cat sat on a mat.", "it's 3.5 % of the dogs ran home today!", "é漢字 and so on ."]
    (tmp_path / "h").write_text("\n".join(hypotheses) + "\n")
    (tmp_path / "r").write_text("\n".join(references) + "\n")
    found = unrolled("bleu", tmp_path / "h", "--ref", tmp_path / "r", "--json", *options).json
    expected = sacrebleu.corpus_bleu(
        hypotheses,
        [references],
        tokenize="none" if "none" in options else "13a",
        lowercase="--lowercase" in options,
    )
    assert found["score"] == pytest.approx(expected.score, abs=1e-9)


def test_text_says_the_score_and_how_to_cite_it(unrolled: Run, cat: tuple[Path, Path, Path]) -> None:
    told = unrolled("bleu", "-", "--ref", cat[1], stdin="the cat is on the mat\n")
    assert told.lines[0].startswith("BLEU = 100.00  precisions 100.0 100.0 100.0 100.0")
    assert told.lines[1].startswith("BLEU|nrefs:1|case:mixed|")


def test_files_of_different_lengths_are_named_with_their_counts(
    unrolled: Run, cat: tuple[Path, Path, Path]
) -> None:
    cat[1].write_text("a\nb\n")
    told = unrolled("bleu", cat[0], "--ref", cat[1])
    assert told.code == 2
    assert f"{cat[0]} has 1 line but {cat[1]} has 2" in told.err


def test_an_unknown_tokenization_names_the_known_ones(unrolled: Run, cat: tuple[Path, Path, Path]) -> None:
    told = unrolled("bleu", cat[0], "--ref", cat[1], "--tokenize", "14a")
    assert told.code == 2
    assert "13a" in told.err
    assert "none" in told.err


def test_an_empty_file_is_named(unrolled: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    told = unrolled("bleu", tmp_path / "a", "--ref", tmp_path / "a")
    assert told.code == 2
    assert "a: is empty: there is nothing to score" in told.err


@pytest.mark.skipif(library.load() is None, reason="no native library in this installation")
def test_it_counts_on_the_threads_asked_for(
    unrolled: Run, cat: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    function = library.function

    def watched(*signature: Any) -> Any:
        kernel = function(*signature)
        return lambda *given: asked.append(given[5]) or kernel(*given)

    monkeypatch.setattr(library, "function", watched)
    ngrams._kernel.cache_clear()
    try:
        unrolled("bleu", cat[0], "--ref", cat[1], "--threads", 5)
    finally:
        ngrams._kernel.cache_clear()
    assert asked == [5]


def test_a_file_of_one_line_is_a_corpus(unrolled: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello world\n")
    assert unrolled("bleu", tmp_path / "a", "--ref", tmp_path / "a").out.startswith("BLEU = 0.00")
