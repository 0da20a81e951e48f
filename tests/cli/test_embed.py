from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.text import vectors

WORDS = ["king", "queen", "man", "woman", "car"]
MATRIX = np.array([[1, 1, 0], [1, -1, 0], [0.2, 1, 0], [0.2, -1, 0], [0, 0, 1]], dtype=np.float32)

Command = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    vectors.write(tmp_path / "vectors.txt", WORDS, MATRIX)
    return tmp_path / "vectors.txt"


def test_neighbours_with_their_cosines(unrolled: Command, file: Path) -> None:
    found = unrolled("embed", "similar", file, "king", "-n", 2)
    assert found.lines[1].split() == ["man", "0.832"]
    assert len(found.lines) == 3
    found = unrolled("embed", "similar", file, "king", "car", "--json").json
    assert found["king"][0] == ["man", pytest.approx(0.832, abs=1e-3)]
    assert len(found["car"]) == 4


@pytest.mark.parametrize("words", ["man : king :: woman : ?", "man king woman"])
def test_an_analogy_as_people_write_it(unrolled: Command, file: Path, words: str) -> None:
    assert unrolled("embed", "analogy", file, *words.split()).lines[1].startswith("queen")
    assert unrolled("embed", "analogy", file, *words.split(), "--json").json[0][0] == "queen"


def test_the_odd_one_out(unrolled: Command, file: Path) -> None:
    assert unrolled("embed", "odd-one-out", file, "king", "man", "car").out == "car\n"


def test_evaluation_tells_its_coverage(unrolled: Command, file: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("king\tqueen\t9\nking\tman\t8\ncar\tking\t1\nbus\tcar\t5\n")
    (tmp_path / "analogies.txt").write_text(": royal\nman king woman queen\nman king woman car\nx y z w\n")
    given = ("--pairs", tmp_path / "pairs.tsv", "--analogies", tmp_path / "analogies.txt")
    found = unrolled("embed", "evaluate", file, *given)
    assert "word pairs: 3 of 4 have vectors for all their words (75.0 %)" in found.out
    assert re.search(r"^royal +50.0 +2 +3$", found.out, re.M)
    scores = unrolled("embed", "evaluate", file, *given, "--json").json["scores"]
    assert scores["analogies"]["value"] == 50
    assert scores["analogies"]["details"]["sections"]["royal"] == {"right": 1, "known": 2, "asked": 3}


def test_a_page_holds_every_word_and_a_picture_is_drawn(
    unrolled: Command, file: Path, tmp_path: Path
) -> None:
    assert unrolled("embed", "plot", file, tmp_path / "words.html").code == 0
    page = (tmp_path / "words.html").read_text(encoding="utf-8")
    assert re.findall(r'data-word="(\w+)"', page) == WORDS
    assert page.count("<td>") == len(WORDS)
    found = unrolled("embed", "plot", file, tmp_path / "w.html", "king", "queen", "/", "man", "woman")
    assert found.code == 0
    page = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert "</span> king queen</span>" in page
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    assert unrolled("embed", "plot", file, tmp_path / "words.png", "-n", 3).code == 0
    vectors.write(tmp_path / "alike.txt", [f"word{i}" for i in range(60)], np.ones((60, 3), dtype=np.float32))
    found = unrolled("embed", "plot", tmp_path / "alike.txt", tmp_path / "alike.png")
    assert re.search(r"^\d+ of 60 names had no room", found.err, re.M)
    vectors.write(tmp_path / "slash.txt", ["a", "/", "b"], MATRIX[:3])
    assert unrolled("embed", "plot", tmp_path / "slash.txt", tmp_path / "s.html").code == 0
    assert '"/"' in (tmp_path / "s.html").read_text(), "a slash of the text is a word"
    assert (tmp_path / "words.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("form", ["word2vec", "glove", "binary"])
def test_exported_vectors_are_the_same(unrolled: Command, file: Path, tmp_path: Path, form: str) -> None:
    assert unrolled("embed", "export", file, tmp_path / "out", "--form", form).code == 0
    words, matrix = vectors.read(tmp_path / "out")
    assert vectors.layout(tmp_path / "out").form == form
    assert words == WORDS
    assert np.array_equal(matrix, MATRIX)


def test_vectors_for_the_projector(unrolled: Command, file: Path, tmp_path: Path) -> None:
    assert unrolled("embed", "export", file, tmp_path / "out", "--form", "projector").code == 0
    assert (tmp_path / "out" / "words.tsv").read_text().split() == WORDS


def test_text_becomes_a_run_that_answers(unrolled: Command, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The sun and the moon.\n" * 30)
    run = tmp_path / "run"
    options = ("--raw", "--dimensions", 8, "--epochs", 2, "--set", "text.min_count=2", "--threads", 1)
    found = unrolled("embed", "train", tmp_path / "text.txt", "--run", run, *options)
    assert found.code == 0, found.err
    assert f"unrolled embed similar {run}" in found.out
    assert len(unrolled("embed", "similar", run, "sun").lines) == 1 + 4
    assert 'split = "words"' in (run / "recipe.toml").read_text()
    again = unrolled("embed", "train", tmp_path / "text.txt", "--run", run, *options)
    assert "nothing to do" in again.err
    assert unrolled("predict", run, stdin="sun\n").out.split()[0] in {"the", "and", "moon", "."}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("similar", "FILE", "kin"), "no vector for the word 'kin'; spelled alike: king"),
        (("similar", "none.txt", "king"), "none.txt: no such file"),
        (("similar", "SHORT", "a"), "short.txt:3: a short row: 2 numbers, but the other vectors have 3"),
        (("similar", "LONG", "a"), "long.txt:3: a long row"),
        (("analogy", "FILE", "king", "man"), "2 words (king man): three are wanted"),
        (("odd-one-out", "FILE", "king"), "three at least are wanted"),
        (("evaluate", "FILE"), "give --pairs or --analogies"),
        (("plot", "FILE", "out.gif"), "out.gif: give a file that ends in .png, .svg, .html, .htm"),
        (("plot", "FILE", "none/out.png"), "the folder none does not exist"),
        (("plot", "FILE", "out.png", "king", "quen"), "spelled alike: queen"),
        (("train", "none.txt", "--run", "run"), "none.txt: no such file"),
        (("train", "FILE", "--run", "run", "--dimensions", "0"), "model.dimensions = 0"),
        (("train", "FILE", "--run", "run", "--epochs", "0"), "training.epochs = 0"),
        (("train", "EMPTY", "--run", "run"), "empty.txt: no texts"),
        (("train", "RARE", "--run", "run"), "no word occurs text.min_count = 5 times"),
        (
            ("export", "SPACED", "out", "--form", "binary"),
            "cannot hold the word 'a b'; word2vec and glove can",
        ),
    ],
)
def test_a_mistake_is_one_line(
    unrolled: Command,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("2 3\na 1 2 3\nb 1.5 2.5\n")
    (tmp_path / "long.txt").write_text("2 3\na 1 2 3\nb 1.5 2.5 3.5 4.5\n")
    (tmp_path / "spaced.txt").write_text("1 2\na b 1.5 2.5\n")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "rare.txt").write_text("all different words\n")
    places = {"FILE": file} | {
        name.upper(): f"{name}.txt" for name in ("short", "long", "spaced", "empty", "rare")
    }
    found = unrolled("embed", *(places.get(each, each) for each in arguments))
    assert found.code == 2
    assert complaint in found.err
    assert [line.startswith("unrolled: ") for line in found.err.splitlines()].count(True) == 1
    assert "Traceback" not in found.err


def test_a_run_of_another_task_is_refused(unrolled: Command, fake_run: Callable[..., Path]) -> None:
    found = unrolled("embed", "similar", fake_run("translate"), "king")
    assert found.code == 2
    assert "was trained for task" in found.err
