"""The classifier as strings see it: prepared, trained for a moment, asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import Recipe, load
from unrolled.tasks.classify import Classify
from unrolled.tasks.label_predictor import LabelPredictor
from unrolled.tasks.task import prepared_digest
from unrolled.training import train

# Whether an x stands anywhere: what a classifier has to find.
TEXTS = [" ".join(letters) for length in (1, 2, 3) for letters in itertools.product("abcx", repeat=length)]
LINES = [f"{'with' if 'x' in text else 'without'} {text}" for text in TEXTS]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text("\n".join(LINES) + "\n")
    path = tmp_path / "my.toml"
    path.write_text(
        'task = "classify"\n[data]\ntrain = "train.txt"\ndev = "train.txt"\ntest = "train.txt"\n'
        "[model]\nembedding_size = 8\nhidden_size = 8\nword_dropout = 0.1\nreadout_dropout = 0.1\n"
        "[training]\nupdates = 40\nbatch_tokens = 60\nlearning_rate = 0.02\ntensorboard = false\n"
    )
    return path


def prepare(recipe: Path, folder: Path, *overrides: str) -> tuple[Classify, list[str]]:
    told: list[str] = []
    folder.mkdir(exist_ok=True)
    sections = Recipe.read(recipe, overrides).sections
    return Classify.prepare(sections, folder, lambda what, share: told.append(what)), told


def test_training_data_are_known_by_a_digest(recipe: Path, tmp_path: Path) -> None:
    def digest(name: str, *overrides: str) -> str | None:
        prepare(recipe, tmp_path / name, *overrides)
        return prepared_digest(tmp_path / name)

    (tmp_path / "fewer.txt").write_text("\n".join(LINES[:-1]) + "\n")
    whole = digest("a")
    assert whole == digest("b") == digest("c", "data.test=fewer.txt")
    assert len({whole, digest("d", "data.dev=fewer.txt"), digest("e", "data.train=fewer.txt")}) == 3
    for left in ("[3, 4]", "half"):  # of an older version; damaged
        (tmp_path / "a" / "cache" / "prepared.json").write_text(left)
        assert prepared_digest(tmp_path / "a") is None


def test_it_learns_and_answers_in_order(recipe: Path, tmp_path: Path) -> None:
    trained = train(
        recipe, tmp_path / "run", overrides=["training.calibrate=true"], threads=1, progress=False
    )
    assert isinstance(trained, LabelPredictor)
    found = trained.classify(["a b c", "", "c x", "unknown words x " * 60])
    assert [each.text for each in (found[0], *found[2:])] == ["without", "with", "with"]
    for each in found:
        assert sum(each.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert each.as_dict() == {
            "text": each.text,
            "labels": [each.text],
            "probabilities": each.probabilities,
        }
    scores = trained.task.evaluate(trained.models, "test", by_length=True)
    assert scores["accuracy"].value > 95
    table = scores["accuracy"].details["confusion"]
    assert table["labels"] == ["with", "without"]
    assert sum(map(sum, table["counts"])) == len(TEXTS)
    assert scores["accuracy"].details["by_length"]
    # Batches change no answer; the temperature is kept with the weights.
    alone = trained.classify(["c x"])[0]
    assert alone.probabilities == pytest.approx(found[2].probabilities, abs=1e-5)
    temperature = trained.models[0].state_dict()["temperature"]
    assert temperature != 1
    again = load(tmp_path / "run")
    assert torch.equal(again.models[0].state_dict()["temperature"], temperature)
    both = load([tmp_path / "run", tmp_path / "run"])
    assert isinstance(both, LabelPredictor)
    assert both.classify(["c x"])[0].probabilities == pytest.approx(alone.probabilities)
    with pytest.raises(UserError, match="classify has no option 'beam'"):
        next(trained.predict(["a"], beam=3))


def test_it_resumes_exactly(recipe: Path, resumes_exactly: Callable[[Path], None]) -> None:
    resumes_exactly(recipe)


SPELLED = [
    "model.characters=convolution",
    "model.character_size=8",
    "text.lowercase=true",
    "text.min_count=9",
]


def test_an_unknown_word_is_known_by_its_characters(recipe: Path, tmp_path: Path) -> None:
    # Hardly a word comes twice, so that what tells them apart, a capital, is in their characters alone.
    capital = [f"yes {first.upper()}{rest}" for first in "pqrst" for rest in ("ome", "il", "at")]
    small = [f"no {first}{rest}" for first in "pqrst" for rest in ("ome", "il", "at")]
    (tmp_path / "train.txt").write_text("\n".join(capital + small) + "\n")
    overrides = [*SPELLED, "text.min_count=2", "training.updates=80"]
    trained = train(recipe, tmp_path / "run", overrides=overrides, threads=1, progress=False)
    assert isinstance(trained, LabelPredictor)
    assert [each.text for each in trained.classify(["Rook", "rook", "S t", "tomato"])] == [
        "yes",
        "no",
        "yes",
        "no",
    ]
    assert len(trained.classify([""])) == 1
    again = load(tmp_path / "run")
    assert isinstance(again, LabelPredictor)
    assert again.classify(["Rook"])[0].probabilities == trained.classify(["Rook"])[0].probabilities


def test_spelled_words_reach_the_model_as_they_stand(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("with A x\nwithout a\nwith X\nwith x x x\n")
    task, _ = prepare(recipe, tmp_path / "run", *SPELLED, "text.min_count=2", "text.characters.min_count=1")
    assert task.characters is not None
    seen = set()
    for batch in task.plan(1, 0):
        of = batch.sentences
        for row, length in enumerate(of.lengths.tolist()):
            forms = of.forms[:length, row]
            spelled = [task.characters.decode(of.characters[:, form]) for form in forms]
            assert spelled[-1] == "", "the end of a text"
            assert of.words[forms].tolist() == [*task.tokenizer.encode(" ".join(spelled)), task.tokenizer.eos]
            seen.add(tuple(spelled[:-1]))
    assert seen == {("A", "x"), ("a",), ("X",), ("x", "x", "x")}


def test_marks_are_split_off_the_words_that_are_spelled(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("with A, x!\nwithout a, b!\n")
    overrides = [*SPELLED, "text.min_count=2", "text.characters.min_count=1", 'text.split="words"']
    task, _ = prepare(recipe, tmp_path / "run", *overrides)
    assert task.characters is not None
    assert task.pieces("A, x!") == ["A", ",", "x", "!"]
    assert task.tokenizer.pieces("A, x!") == ["a", ",", "x", "!"]
    assert task.characters.vocabulary[4:] == ["!", ",", "A", "a", "b", "x"]
    reading = LabelPredictor(task, [task.build().eval()]).read(["A b"])
    assert reading.tokens["reader"] == [["A", "b", "</s>"]]
    with pytest.raises(UserError, match=r'model\.characters = "convolution" spells words: set text\.kind'):
        prepare(recipe, tmp_path / "bpe", *SPELLED, "text.kind=bpe")


def test_a_plan_holds_every_text_once_with_its_label(recipe: Path, tmp_path: Path) -> None:
    task, told = prepare(recipe, tmp_path / "run")
    assert told[-1] == "train: 45 with, 39 without"
    seen = []
    for batch in task.plan(1, 0):
        sentences = batch.sentences
        for ids, length, label in zip(sentences.ids.t(), sentences.lengths, batch.labels, strict=True):
            assert ids[length - 1] == task.tokenizer.eos
            seen.append(
                f"{task.labels.names[int(label.argmax())]} {task.tokenizer.decode(ids[: length - 1])}"
            )
    assert sorted(seen) == sorted(LINES)
    assert sum(batch.count for batch in task.plan(1, 0)) == len(LINES)
    losses = [task.loss(task.build(), batch) for batch in task.plan(1, 0)]
    assert sum(loss.tokens or 0 for loss in losses) == sum(len(text.split()) + 1 for text in TEXTS)
    (tmp_path / "train.txt").unlink()
    again, _ = prepare(recipe, tmp_path / "run")
    assert [batch.count for batch in again.plan(1, 0)] == [batch.count for batch in task.plan(1, 0)]


@pytest.mark.parametrize(("keep", "wanted"), [("head", "a b"), ("tail", "b c")])
def test_long_training_texts_are_cut(recipe: Path, tmp_path: Path, keep: str, wanted: str) -> None:
    task, _ = prepare(recipe, tmp_path / "run", "data.max_length=2", f"data.keep={keep}")
    texts = task._train[0]
    assert task.tokenizer.decode(texts[TEXTS.index("a b c")]) == wanted


def test_several_labels(recipe: Path, tmp_path: Path) -> None:
    rows = [f"{text}\t{','.join(sorted({*text.split()} & {'a', 'x'}))}" for text in TEXTS]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    parts = [f"data.{part}=train.tsv" for part in ("train", "dev", "test")]
    overrides = ["data.several=true", "training.class_weights=balanced", "training.updates=60", *parts]
    trained = train(recipe, tmp_path / "run", overrides=overrides, threads=1, progress=False)
    assert isinstance(trained, LabelPredictor)
    found = trained.classify(["b c", "a b", "x a", "c x"])
    assert [each.text for each in found] == ["", "a", "a,x", "x"]
    scores = trained.task.evaluate(trained.models, "test")
    assert scores.keys() == {"accuracy", "macro_f1"}
    assert scores["macro_f1"].value > 95
    assert trained.task.unconfused == "a text may have several labels (data.several)"


def test_data_labels_says_what_it_leaves_out(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a b\tone\nb c\ttwo\nc d\tthree\n" * 3)
    parts = [f"data.{part}=train.tsv" for part in ("train", "dev", "test")]
    _, told = prepare(recipe, tmp_path / "run", 'data.labels=["one", "two"]', *parts)
    assert "3 texts left out: none of their labels is in data.labels" in told


def test_class_weights_move_the_answers(recipe: Path, tmp_path: Path) -> None:
    task, _ = prepare(recipe, tmp_path / "run", "training.class_weights={ with = 5.0 }")
    torch.manual_seed(1)
    model: Any = task.build()
    batch = task.plan(1, 0)[0]
    logits = model(batch.sentences)
    weights = torch.tensor([5.0, 1.0])
    model.eval()
    logits = model(batch.sentences)
    each = -(batch.labels * logits.log_softmax(-1)).sum(-1) * (batch.labels @ weights)
    assert torch.allclose(task.loss(model, batch).total, each.sum())


def test_a_label_that_training_lacks_is_told_and_counts_as_wrong(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("with x\nunseen a\n")
    task, told = prepare(recipe, tmp_path / "run", "data.test=test.txt")
    (line,) = [each for each in told if "not in the training data" in each]
    assert "test.txt:2: label 'unseen' of test" in line
    scores = task.evaluate([task.build().eval()], "test")
    assert scores["accuracy"].value <= 50


def test_mistakes_are_told_before_training(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.labels: no training text has the label 'maybe'"):
        prepare(recipe, tmp_path / "a", 'data.labels=["with", "maybe"]')
    with pytest.raises(UserError, match=r"class_weights: no label 'wiht'"):
        prepare(recipe, tmp_path / "b", "training.class_weights={ wiht = 2.0 }")
    assert not (tmp_path / "b/cache/train.text").exists()
    (tmp_path / "train.txt").write_text("same a\nsame b\n")
    with pytest.raises(UserError, match="all training texts have the label 'same'"):
        prepare(recipe, tmp_path / "c")
    (tmp_path / "one.toml").write_text(
        'task = "classify"\n[data]\ntrain = "train.txt"\n[training]\nupdates = 1\ncalibrate = true\n'
    )
    with pytest.raises(UserError, match=r"training\.calibrate needs a dev part"):
        prepare(tmp_path / "one.toml", tmp_path / "d")


def test_bytes_can_be_classified(recipe: Path, tmp_path: Path) -> None:
    task, _ = prepare(recipe, tmp_path / "run", 'text.kind="byte"')
    assert [*task.labels] == ["with", "without"]


def test_runs_that_answer_otherwise_do_not_vote_together(recipe: Path, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "several")]
    for run, several in zip(runs, ("false", "true"), strict=True):
        how = [f"data.several={several}", "training.updates=1"]
        train(recipe, run, overrides=how, threads=1, progress=False)
    with pytest.raises(UserError, match=r"one and .*several differ in data\.several"):
        load(runs)


def test_a_temperature_is_not_taken_over(recipe: Path, tmp_path: Path) -> None:
    asked = ["training.calibrate=true"]
    train(recipe, tmp_path / "first", overrides=asked, threads=1, progress=False)
    started = [f"training.start_from={tmp_path / 'first'}", "training.updates=2"]
    trained = train(recipe, tmp_path / "second", overrides=started, threads=1, progress=False)
    assert trained.models[0].state_dict()["temperature"] == 1


def test_it_is_calibrated_without_a_validation_too(recipe: Path, tmp_path: Path) -> None:
    overrides = ["training.calibrate=true", "training.validate_every=0"]
    trained = train(recipe, tmp_path / "run", overrides=overrides, threads=1, progress=False)
    assert trained.models[0].state_dict()["temperature"] != 1


def test_a_label_named_twice_is_refused(recipe: Path) -> None:
    with pytest.raises(UserError, match=r"data.labels = .*a label stands there twice"):
        Recipe.read(recipe, ['data.labels=["with", "with"]'])
