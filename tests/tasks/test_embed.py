"""Word vectors as a task: from text to a run, resumed exactly, asked by name."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled import kernels
from unrolled.embeddings import Vectors
from unrolled.errors import UserError
from unrolled.runs import Recipe, load
from unrolled.tasks import embed
from unrolled.tasks.embed import Embed
from unrolled.training import Interrupted, train
from unrolled.training.interruption import Interruption

native = pytest.mark.skipif(kernels.load() is None, reason="the native kernels are not built")

TOPICS = (
    ["sun", "moon", "star", "sky", "comet"],
    ["bread", "cheese", "butter", "soup", "salad"],
)
RECIPE = """\
task = "embed"
[data]
train = "text.txt"
[text]
min_count = 2
[model]
dimensions = 12
window = 3
subsample = 0.0
[training]
epochs = 6
batch_words = 200
learning_rate = 0.1
tensorboard = false
log_every = 1
"""
METHODS = {
    "skip-gram": [],
    "cbow": ['model.method="cbow"'],
    "pieces": ["model.piece_lengths=[3, 4]", "model.piece_rows=500"],
    "glove": ['model.method="glove"', "training.epochs=25"],
}

Fit = Callable[..., Any]


def write_text(path: Path, sentences: int) -> None:
    chosen = random.Random(1)
    lines = [" ".join(chosen.choices(TOPICS[i % 2], k=8)) for i in range(sentences)]
    path.write_text("\n".join([*lines, "rare", ""]) + "\n")


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    write_text(tmp_path / "text.txt", 200)
    (tmp_path / "recipe.toml").write_text(RECIPE)

    def run(*overrides: str, name: str = "run", threads: int = 1, **options: Any) -> Any:
        path = tmp_path / name
        return train(
            tmp_path / "recipe.toml", path, overrides=overrides, threads=threads, progress=False, **options
        )

    return run


def weights(predictor: Any) -> dict[str, torch.Tensor]:
    return dict(predictor.models[0].named_parameters())


def same(one: Any, other: Any) -> bool:
    mine, theirs = weights(one), weights(other)
    return all(torch.equal(mine[name], theirs[name]) for name in mine.keys() | theirs.keys())


@pytest.mark.parametrize("method", METHODS)
def test_words_of_a_topic_come_to_be_near_each_other(fit: Fit, method: str) -> None:
    predictor = fit(*METHODS[method])
    vectors = predictor.vectors
    assert sorted(vectors.words) == sorted(itertools.chain(*TOPICS)), "the rare word has no vector"
    for topic in TOPICS:
        for word in topic:
            near = {other for other, _ in vectors.most_similar(word, topn=4)}
            assert near == {*topic} - {word}, (method, word, near)
    answer, empty = predictor.predict(["sun", ""], topn=4)
    assert empty.text == ""
    assert set(answer.text.split()) == {*TOPICS[0]} - {"sun"}


@pytest.mark.parametrize("method", ["skip-gram", "cbow", "pieces"])
def test_without_kernels_the_reference_learns_the_same(
    fit: Fit, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [*METHODS[method], "training.epochs=1"]
    mine = weights(fit(*options))
    monkeypatch.setattr(kernels, "load", lambda: None)
    theirs = weights(fit(*options, name="reference"))
    for name, tensor in mine.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=1e-6)


def test_without_kernels_glove_learns_as_well(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "load", lambda: None)  # another order of entries: not the same numbers
    test_words_of_a_topic_come_to_be_near_each_other(fit, "glove")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_interrupted_ends_the_same(
    fit: Fit, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(*METHODS[method], name="whole")
    with monkeypatch.context() as patch:
        calls = itertools.count()
        patch.setattr(Interruption, "signal", property(lambda self: 15 if next(calls) == 4 else None))
        with pytest.raises(Interrupted, match="update 5 is saved"):
            fit(*METHODS[method])
    assert same(fit(*METHODS[method]), whole)


@native
def test_reproducible_vectors_do_not_depend_on_threads(fit: Fit) -> None:
    one, two = (fit("model.reproducible=true", name=f"t{n}", threads=n) for n in (1, 2))
    assert same(one, two)


def test_a_loaded_run_needs_neither_text_nor_cache(fit: Fit, tmp_path: Path) -> None:
    before = fit(*METHODS["pieces"]).vectors
    (tmp_path / "text.txt").unlink()
    for file in (tmp_path / "run" / "cache").rglob("*"):
        if file.is_file():
            file.unlink()
    after = load(tmp_path / "run").vectors
    np.testing.assert_array_equal(before.matrix, after.matrix)
    assert after.similarity("moonlight", "moon") > after.similarity("moonlight", "butter")


def test_the_run_says_what_it_learnt_from(
    fit: Fit, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    train(tmp_path / "recipe.toml", tmp_path / "told", threads=1)
    told = capsys.readouterr().err
    assert "train: 1,600 words, 10 different ones" in told
    assert "tokens/s" in told


def test_questions_are_asked_at_each_validation(fit: Fit, tmp_path: Path) -> None:
    pairs = [(a, b, 9) for a, b in itertools.pairwise(TOPICS[0])]
    pairs += [(a, b, 1) for a, b in zip(*TOPICS, strict=True)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\t{n}\n" for a, b, n in pairs))
    predictor = fit('metrics.pairs="pairs.tsv"', 'training.validate_every="2 epochs"')
    scores = predictor.task.evaluate(predictor.models, "test")
    assert scores["pairs"].value > 70
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert log.count('"dev"') == 3


@pytest.mark.parametrize(
    ("text", "override", "complaint"),
    [
        ("", "", "text.txt: no texts for data.train"),
        ("\n\n", "", "text.txt: holds no words"),
        ("a b c\n", "", r"text.txt: no word occurs text.min_count = 2 times: lower it"),
        ("a a\n", 'data.train="none.txt"', "none.txt: no such file"),
        ("a a\n", "training.clip_norm=1.0", "training.clip_norm: this task's model changes its own weights"),
        ("a a\n", 'training.precision="float64"', "training.precision: this task's model"),
        ("a a\n", 'model.method="glov"', "model.method"),
        ("a a\n", "model.piece_lengths=[4, 3]", "piece_lengths: the shortest is at least 1"),
    ],
)
def test_a_mistake_is_named(fit: Fit, tmp_path: Path, text: str, override: str, complaint: str) -> None:
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(UserError, match=complaint):
        fit(*([override] if override else []))


def test_raw_text_is_split_into_words(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("The sun, the moon. Don't!\n" * 9)
    words = fit('text.split="words"', "text.lowercase=true").vectors.words
    assert sorted(words) == sorted(["the", "sun", ",", "moon", ".", "don't", "!"])


def test_vectors_of_two_runs_are_no_ensemble(fit: Fit, tmp_path: Path) -> None:
    for name in ("run", "other"):
        fit("training.epochs=1", name=name)
    with pytest.raises(UserError, match="give one run"):
        _ = load([tmp_path / "run", tmp_path / "other"]).vectors


def test_a_trained_run_starts_a_model(fit: Fit, tmp_path: Path) -> None:
    vectors: Vectors = fit("training.epochs=1").vectors
    vectors.save(tmp_path / "vectors.txt")
    again = Vectors.load(tmp_path / "vectors.txt")
    assert again.words == vectors.words
    np.testing.assert_array_equal(again.matrix, vectors.matrix)


@pytest.mark.parametrize(
    ("line", "split"), [("The sun, the moon.", "words"), ("the sun , the moon .", "space")]
)
def test_a_recipe_that_fits_the_text(tmp_path: Path, line: str, split: str) -> None:
    (tmp_path / "text.txt").write_text(f"{line}\n" * 50)
    (tmp_path / "recipe.toml").write_text(Embed.look([tmp_path / "text.txt"]))
    recipe = Recipe.read(tmp_path / "recipe.toml")
    assert recipe.sections.text.split == split
    predictor = train(recipe, tmp_path / "run", threads=1, progress=False)
    assert "sun" in predictor.vectors


def test_a_recipe_for_the_one_text_of_a_jsonl(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "body": "the cat sat on the mat"}\n' * 60)
    (tmp_path / "recipe.toml").write_text(Embed.look([tmp_path / "a.jsonl"]))
    assert Recipe.read(tmp_path / "recipe.toml").sections.data.column == "body"


def test_a_recipe_that_is_silent_has_the_methods_own_rate(tmp_path: Path) -> None:
    def rate(*overrides: str) -> tuple[float, str]:
        training = Recipe.read(tmp_path / "recipe.toml", overrides).training
        return training.learning_rate, training.schedule

    (tmp_path / "recipe.toml").write_text('task = "embed"\n[data]\ntrain = "x"\n[training]\nepochs = 1\n')
    assert rate() == (0.025, "linear")
    assert rate('model.method="cbow"') == (0.075, "linear")
    assert rate('model.method="glove"') == (0.1, "constant")
    assert rate("training.learning_rate=0.5") == (0.5, "linear")


@native
def test_a_window_wider_than_any_sentence(fit: Fit) -> None:
    wide = fit(
        'model.method="glove"', "model.window=10000000", "model.memory=1", "training.epochs=1", name="wide"
    )
    whole = fit('model.method="glove"', "model.window=100", "training.epochs=1", name="whole")
    np.testing.assert_array_equal(wide.vectors["sun"], whole.vectors["sun"])


def test_scores_are_asked_for_where_they_can_be(fit: Fit, tmp_path: Path) -> None:
    trained = fit("training.updates=1")
    with pytest.raises(UserError, match=rf"unrolled embed evaluate {tmp_path / 'run'} --pairs FILE"):
        trained.task.evaluate(trained.models, "test")
    with pytest.raises(UserError, match="no scores by source length"):
        trained.task.evaluate(trained.models, "test", by_length=True)


def test_a_text_of_one_long_line(fit: Fit, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("one two three " * 5000)
    sections = fit("training.updates=1", "text.min_count=1").task.sections
    lines = list(embed._lines(sections))
    assert max(map(len, lines)) < 2 * embed.PIECE
    assert " ".join(lines).split() == ["one", "two", "three"] * 5000
