"""What the tasks open to whoever wants to look inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from unrolled import tasks
from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks.inside import Readable, Searching
from unrolled.tasks.translate import Translator

PAIRS = [("a b", "B A"), ("a b c", "C B A"), ("c", "C")]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """``make(task, data, setting, …)``: its predictor, untrained, in double precision."""

    def predictor(name: str, data: str, *overrides: str) -> Any:
        (tmp_path / "data.tsv").write_text(data, encoding="utf-8")
        recipe = tmp_path / "my.toml"
        recipe.write_text(
            f'task = "{name}"\n[data]\ntrain = "data.tsv"\ndev = "data.tsv"\n'
            "[model]\nembedding_size = 8\nhidden_size = 12\n[training]\nupdates = 1\n"
        )
        task = tasks.find(name).prepare(Recipe.read(recipe, overrides).sections, tmp_path)
        torch.manual_seed(1)
        return task.predictor([task.build().double().eval()])

    return predictor


@pytest.fixture
def translator(make: Callable[..., Any]) -> Translator:
    return cast("Translator", make("translate", "".join(f"{a}\t{b}\n" for a, b in PAIRS)))


def test_a_reading_is_the_forced_pass_token_by_token(translator: Translator) -> None:
    texts, answers = zip(*PAIRS, strict=True)
    reading = translator.read(texts, answers)
    assert reading.part == "decoder"
    assert reading.tokens["encoder"][0] == ["a", "b", "</s>"]
    assert reading.tokens["decoder"][0] == ["<s>", "B", "A"]
    assert reading.expected[0] == ["B", "A", "</s>"]
    assert reading.attended == reading.tokens["encoder"]
    assert reading.separators == {"encoder": " ", "decoder": " "}
    forced = reading.run()
    assert forced.log_probs.requires_grad
    for column, scored in enumerate(translator.score(texts, answers)):
        own = forced.log_probs[: len(scored.tokens), column].tolist()
        assert own == pytest.approx(scored.token_log_probs, abs=1e-9)


def test_without_answers_the_models_own_are_read(translator: Translator) -> None:
    (best,) = translator.answers(["a b c"], max_length=9)
    assert translator.read(["a b c"]).expected == [[*best.tokens, "</s>"]]


def test_the_trace_is_of_the_search_that_answers(translator: Translator) -> None:
    best = translator.translate(["a b c"], beam=2)[0]
    traced = translator.trace("a b c", "C qqq", beam=2)
    path = [traced.trace.sentences[0][index] for index in traced.trace.winners[0][0]]
    assert [traced.names[each.token] for each in path] == [*best.tokens, "</s>"]
    assert path[-1].score == pytest.approx(best.score)
    assert traced.reference is not None
    assert [traced.names[token] for token in traced.reference] == ["C", "<unk>", "</s>"]


def test_what_was_held_out_and_how_it_is_judged(translator: Translator) -> None:
    assert translator.held_out("dev", 2) == [("a b", ["B A"]), ("a b c", ["C B A"])]
    scores = translator.judge(["B A", "C"], [["B A"], ["C B A"]])
    assert set(scores) == {"bleu", "chrf"}
    assert [each.unknown for each in translator.score(["a", "a"], ["zzz A qq", "A"])] == [2, 0]
    assert translator.texts(["a", " ", "b"]) == ["a", "b"]
    assert isinstance(translator, Readable | Searching)


def test_mistakes_are_named(translator: Translator) -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: translator.read(["a", " "]), "text 2 is empty"),
        (lambda: translator.read(["a", "b"], ["A"]), "2 texts but 1 answers"),
        (lambda: translator.trace(""), "text 1 is empty"),
        (lambda: translator.trace("a", beem=3), "beem"),
    ]
    for call, says in cases:
        with pytest.raises(UserError, match=says):
            call()


TEXT = "the cat sat\n\na dog ran\n"


@pytest.mark.parametrize("reset", ["false", "true"])
@pytest.mark.parametrize("form", ["stream", "documents", "lines"])
def test_a_language_model_reads_a_text_as_it_scores_it(
    make: Callable[..., Any], form: str, reset: str
) -> None:
    model = make(
        "language-model", TEXT, f'data.form="{form}"', 'text.kind="character"', f"model.reset={reset}"
    )
    lines = ["the cat", "a dog"]
    texts = model.texts([*lines, *([" "] if form == "lines" else [])])
    assert texts == (lines if form == "lines" else ["the cat\na dog"])
    reading = model.read(texts)
    end = "\n" if form == "stream" else "</s>"
    scored = model.score(lines)
    assert [token for each in reading.expected for token in each] == [
        end if token == "</s>" else token for each in scored for token in each.tokens
    ]
    for read, expected in zip(reading.tokens["layers"], reading.expected, strict=True):
        assert read == [end, *expected[:-1]]
    log_probs = reading.run().log_probs
    own = [log_probs[: len(each), column] for column, each in enumerate(reading.expected)]
    torch.testing.assert_close(
        torch.cat(own).detach(), torch.tensor([p for each in scored for p in each.token_log_probs]).double()
    )
    (first, *_) = model.held_out("dev", 3)
    assert first.text.startswith("the cat sat")
    assert first.references == []
    with pytest.raises(UserError, match="is given no answers"):
        model.read(texts, texts)


LABELLED = "x a b\ny c d a\nx,y b\n"


@pytest.mark.parametrize("several", [False, True])
def test_a_classifiers_label_stands_at_the_end(make: Callable[..., Any], several: bool) -> None:
    model = make("classify", LABELLED, 'data.format="lines"', f"data.several={str(several).lower()}")
    texts = ["a b", "c d a"]
    found = model.classify(texts)
    reading = model.read(texts)
    assert reading.whole
    assert reading.expected == [["", "", found[0].text or "∅"], ["", "", "", found[1].text or "∅"]]
    log_probs = reading.run().log_probs.detach()
    for column, each in enumerate(found):
        p = each.probabilities
        every = [p[name] if name in each.labels else 1 - p[name] for name in p]
        expected = np.log(every).sum() if several else np.log(p[each.text])
        last = len(reading.expected[column]) - 1
        assert float(log_probs[last, column]) == pytest.approx(expected, rel=1e-5)
        assert int((log_probs[:, column] != 0).sum()) == 1
    assert model.held_out("dev", 1) == [("a b", ["x"])]
    assert model.read(["a b"], ["y"]).expected[0][-1] == "y"


def test_labels_are_read_as_they_are_trained_on(make: Callable[..., Any]) -> None:
    model = make("classify", LABELLED, 'data.format="lines"', "data.several=true")
    assert model.read(["a b"], ["y, x"]).run().log_probs.shape == (3, 1)


def test_an_answer_whose_label_holds_the_separator(make: Callable[..., Any]) -> None:
    rows = '{"text": "a b", "label": ["x,y", "z"]}\n{"text": "c d", "label": "z"}\n'
    model = make("classify", rows, 'data.format="jsonl"', "data.several=true")
    model.models[0].readout.bias.data.fill_(9)
    assert model.classify(["a b"])[0].labels == ["x,y", "z"]
    assert model.read(["a b"]).expected[0][-1] == "x,y,z"


TAGGED = "Ann I-PER\nsees O\nBob I-PER\n\na O\ncat O\n"


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_a_taggers_steps_are_its_words(make: Callable[..., Any], output: str) -> None:
    model = make("tag", TAGGED, 'data.scheme="IOB1"', f'model.output="{output}"')
    texts = ["Ann sees Bob", "a"]
    reading = model.read(texts, ["I-PER O I-PER", "O"])
    assert reading.tokens == {"reader": [["Ann", "sees", "Bob"], ["a"]]}
    assert reading.expected == [["I-PER", "O", "I-PER"], ["O"]]
    log_probs = reading.run().log_probs
    assert log_probs.shape == (3, 2)
    assert not log_probs[1:, 1].any()
    assert bool((log_probs <= 0).all())
    assert model.read(texts).expected == [each.tags for each in model.tag([text.split() for text in texts])]
    assert model.held_out("dev", 1) == [("Ann sees Bob", ["I-PER O I-PER"])]
    with pytest.raises(UserError, match="text 1 has 3 words but 1 tags"):
        model.read(["Ann sees Bob"], ["O"])
