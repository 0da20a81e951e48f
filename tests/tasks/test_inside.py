"""What the tasks open to whoever wants to look inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks.inside import Readable, Searching
from unrolled.tasks.translate import Translate, Translator

PAIRS = [("a b", "B A"), ("a b c", "C B A"), ("c", "C")]


@pytest.fixture
def translator(tmp_path: Path) -> Translator:
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    recipe = tmp_path / "my.toml"
    recipe.write_text(
        'task = "translate"\n[data]\ntrain = "pairs.tsv"\ndev = "pairs.tsv"\n'
        "[model]\nembedding_size = 8\nhidden_size = 12\n[training]\nupdates = 1\n"
    )
    task = Translate.prepare(Recipe.read(recipe, ()).sections, tmp_path)
    torch.manual_seed(1)
    return cast("Translator", task.predictor([task.build().double().eval()]))


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
        (lambda: translator.read(["a", " "]), "text 2 of 2 is empty"),
        (lambda: translator.read(["a", "b"], ["A"]), "2 texts but 1 answers"),
        (lambda: translator.trace(""), "text 1 of 1 is empty"),
        (lambda: translator.trace("a", beem=3), "beem"),
    ]
    for call, says in cases:
        with pytest.raises(UserError, match=says):
            call()
