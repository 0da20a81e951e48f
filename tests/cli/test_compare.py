from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Make = Callable[..., Path]


def test_a_run_against_itself_differs_in_nothing(unrolled: Run, fake_run: Make) -> None:
    run = fake_run()
    found = unrolled("compare", run, run, "--json").json["scores"]["bleu"]
    assert found["difference"] == 0
    assert found["first"] == found["second"]
    assert (found["low"], found["high"]) == (0, 0)
    assert found["signature"].startswith("BLEU|")


def test_a_table_with_both_values_and_p(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("compare", fake_run(), fake_run(name="other"), "--split", "dev")
    assert told.code == 0
    assert told.lines[0] == "on dev"
    assert told.lines[2].split()[0] == "BLEU"


def test_runs_of_different_tasks_are_refused(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("compare", fake_run(), fake_run("classify", "other"))
    assert told.code == 2
    assert "is a run of task 'task-translate' and" in told.err
    assert "of 'task-classify': compare runs of one task" in told.err


def test_the_curve_is_of_the_first_score_under_the_runs_names(
    unrolled: Run, fake_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    drawn: dict[str, Any] = {}

    def draw(series: Any, path: Path, **axes: Any) -> None:
        drawn.update(axes, names=[each.name for each in series])

    monkeypatch.setattr("unrolled.drawing.draw_curves", draw)
    runs = [fake_run(name="attention"), fake_run(name="none")]
    assert unrolled("compare", *runs, "--plot", tmp_path / "curve.svg").code == 0
    assert drawn == {"names": ["attention", "none"], "x_label": "source length (tokens)", "y_label": "BLEU"}


def test_by_length_a_table_and_a_curve_for_each(unrolled: Run, fake_run: Make, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    runs = [fake_run(name="attention"), fake_run(name="none")]
    told = unrolled("compare", *runs, "--by-length", "--plot", tmp_path / "curve.svg")
    assert told.code == 0
    assert [line for line in told.lines if line in map(str, runs)] == list(map(str, runs))
    assert told.out.count("over 3") == 2
    drawn = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert len(drawn) > 1000


def test_runs_judged_by_other_texts_are_refused(unrolled: Run, tmp_path: Path) -> None:
    lines = [f"{label} {word} {label[0]}" for label in ("yes", "no") for word in "abcdefgh"]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "my.toml").write_text(
        'task = "classify"\n[data]\ntrain = "lines.txt"\ndev_size = 4\ntest_size = 6\n'
        "[model]\nembedding_size = 4\nhidden_size = 4\n[training]\nupdates = 1\ntensorboard = false\n"
    )
    runs = [tmp_path / name for name in ("one", "two")]
    for seed, run in enumerate(runs, 1):
        trained = unrolled("train", tmp_path / "my.toml", "--run", run, "--set", f"data.split_seed={seed}")
        assert trained.code == 0
    told = unrolled("compare", *runs)
    assert told.code == 2
    assert "were given other test texts (the first to differ:" in told.err
    assert unrolled("compare", runs[0], runs[0]).code == 0


def test_language_models_of_other_vocabularies_or_texts(unrolled: Run, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat\na dog ran\nbirds sing\n" * 5)
    (tmp_path / "other.txt").write_text("the dog sat\na cat ran\nbirds fly\n" * 5)
    (tmp_path / "my.toml").write_text(
        'task = "language-model"\n[data]\ntrain = "text.txt"\ndev = "text.txt"\ntest = "text.txt"\n'
        '[text]\nkind = "byte"\n[model]\nembedding_size = 4\nhidden_size = 4\n'
        "[training]\nupdates = 1\ncolumns = 2\nwindow = 5\ntensorboard = false\n"
    )
    runs = {
        "bytes": [],
        "characters": ["text.kind=character"],
        "other": ["data.test=other.txt"],
        "words": ["text.kind=word"],
        "fewer": ["text.kind=word", "text.size=8"],
    }
    for name, overrides in runs.items():
        more = [part for each in overrides for part in ("--set", each)]
        assert unrolled("train", tmp_path / "my.toml", "--run", tmp_path / name, *more).code == 0

    def compare(*names: str) -> Any:
        return unrolled("compare", *(tmp_path / name for name in names))

    told = compare("bytes", "other")
    assert told.code == 2
    assert "were given other test texts: train both on the same data" in told.err
    told = compare("bytes", "characters")
    assert told.code == 0
    assert "bits per character" in told.out
    told = compare("words", "fewer")
    assert told.code == 2
    left_out = "of tokens or questions of vocabularies that differ"
    assert f"(left out: nats per token, {left_out}; perplexity, {left_out})" in told.err
    told = compare("bytes", "words")
    assert "left out: nats per token, taken otherwise (nats per token|per:" in told.err


def test_by_length_in_json(unrolled: Run, fake_run: Make) -> None:
    told = unrolled("compare", fake_run(), fake_run(name="other"), "--by-length", "--json")
    first, second = told.json["scores"]["bleu"]["by_length"]
    assert [each["label"] for each in first] == [each["label"] for each in second] == ["0–3", "over 3"]


def test_scores_are_shown_before_a_picture_fails(
    unrolled: Run, fake_run: Make, tmp_path: Path, refuse: Callable[[str], None]
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    refuse("unrolled.drawing.draw_curves")
    told = unrolled("compare", fake_run(), fake_run(name="other"), "--plot", tmp_path / "a.svg")
    assert told.code == 1
    assert "BLEU" in told.out
