"""Planted mistakes of a search and of a model, told apart."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled import decoding, metrics
from unrolled.errors import UserError
from unrolled.inspection import errors
from unrolled.inspection.errors import verdict_of
from unrolled.tasks.inside import HeldOut, Reading, Searching, Traced
from unrolled.tasks.translate import Translator

NAMES = ["<pad>", "<unk>", "<s>", "</s>", "A", "B", "C"]
PAD, UNK, BOS, EOS, A, B, C = range(7)


def table(*rows: tuple[tuple[int, ...], dict[int, float]]) -> dict[tuple[int, ...], dict[int, float]]:
    return dict(rows)


LANGUAGE = {
    # Greedy takes A, whose every continuation is unlikely; B, the reference, would have been better.
    "garden path": table(((), {A: 0.6, B: 0.4}), ((A,), {A: 0.34, B: 0.33, C: 0.33}), ((B,), {EOS: 1.0})),
    # The model is sure of A; the reference is C.
    "sure": table(((), {A: 0.9, C: 0.1}), ((A,), {EOS: 1.0}), ((C,), {EOS: 1.0})),
    "right": table(((), {B: 1.0}), ((B,), {EOS: 1.0})),
    "unknown": table(((), {A: 1.0}), ((A,), {EOS: 1.0})),
}
REFERENCES = {"garden path": ["C C", "B"], "sure": ["C"], "right": ["A", "B"], "unknown": ["zzz"]}


@dataclass(frozen=True)
class Prefixes:
    prefixes: list[tuple[str, tuple[int, ...]]]


class Table:
    """log P of the next token, by text and all tokens before it; what is not said ends."""

    def start(self, source: Sequence[str]) -> Prefixes:
        return Prefixes([(text, ()) for text in source])

    def step(self, state: Prefixes, tokens: Tensor) -> tuple[Prefixes, Tensor]:
        rows = [
            (text, before if token == BOS else (*before, token))
            for (text, before), token in zip(state.prefixes, tokens.tolist(), strict=True)
        ]
        return Prefixes(rows), torch.stack([self.next(*row) for row in rows])

    def select(self, state: Prefixes, rows: Tensor) -> Prefixes:
        return Prefixes([state.prefixes[row] for row in rows.tolist()])

    @staticmethod
    def next(text: str, before: tuple[int, ...]) -> Tensor:
        found = torch.full((len(NAMES),), 1e-9, dtype=torch.float64)
        for token, probability in LANGUAGE[text].get(before, {EOS: 1.0}).items():
            found[token] = probability
        return found.log()


@dataclass(frozen=True)
class Said:
    text: str
    score: float
    tokens: list[str]
    unknown: int = 0


class Teller(Searching):
    """Searches and scores the language above by the library's own search."""

    def __init__(self, beam: int = 1) -> None:
        sections = types.SimpleNamespace(decoding=decoding.DecodingSettings(beam=beam))
        super().__init__(types.SimpleNamespace(sections=sections, score_names=("accuracy",), name="told"), [])  # type: ignore[arg-type]

    def answers(self, texts: Sequence[str], **options: Any) -> list[Said]:
        found = decoding.beam_search(
            Table(), texts, max_length=[5] * len(texts), bos=BOS, eos=EOS, banned=(PAD, UNK, BOS), **options
        )
        return [
            Said(" ".join(names := [NAMES[token] for token in each[0].tokens]), each[0].score, names)
            for each in found
        ]

    def score(self, sources: Sequence[str], targets: Sequence[str], **options: Any) -> list[Said]:
        found = []
        for text, target in zip(sources, targets, strict=True):
            ids = [NAMES.index(word) if word in NAMES else UNK for word in target.split()] + [EOS]
            total = sum(float(Table.next(text, tuple(ids[:place]))[token]) for place, token in enumerate(ids))
            score = total / len(ids) ** options["length_penalty"]
            found.append(Said(target, score, [NAMES[token] for token in ids], ids.count(UNK)))
        return found

    def judge(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, metrics.Score]:
        return {"word_error_rate": metrics.word_error_rate(answers, references)}

    def held_out(self, split: str, count: int | None = None) -> list[HeldOut]:
        return [HeldOut(text, references) for text, references in REFERENCES.items()][:count]

    def trace(self, text: str, reference: str | None = None, **options: Any) -> Traced:
        raise NotImplementedError

    def read(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> Reading:
        raise NotImplementedError

    predict = None  # type: ignore[assignment]


Teller.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


def test_search_and_model_are_told_apart() -> None:
    view = errors(Teller(), penalties=(0.0, 1.0))
    verdicts = {each.text: each.verdict for each in view.judged}
    assert verdicts == {"garden path": "search", "sure": "model", "right": "right", "unknown": "unknown"}
    found = {each.text: each for each in view.judged}
    assert found["garden path"].reference == "B"  # of the two references the one the model scores best
    assert found["garden path"].reference_score == pytest.approx(np.log(0.4) / 2**0.7)
    assert found["garden path"].answer_score == pytest.approx(np.log(0.6 * 0.34) / 3**0.7)
    assert found["garden path"].gap < 0 < found["sure"].gap
    assert found["unknown"].reference_score is None
    assert view.outcome.verdicts == {"right": 1, "search": 1, "model": 1, "unknown": 1}
    assert view.outcome.wrong == 3
    assert [each.text for each in view.worst("search")] == ["garden path"]


def test_a_wider_beam_recovers_what_the_search_missed() -> None:
    view = errors(Teller())
    assert [each.beam for each in view.beams] == [1, 3, 10, 30]
    assert [each.verdicts["search"] for each in view.beams] == [1, 0, 0, 0]
    assert [each.metrics["word_error_rate"] for each in view.beams] == [75, 50, 50, 50]
    assert view.beams[1].mean_score > view.beams[0].mean_score
    assert not view.higher_is_better
    arrays = view.arrays()
    assert arrays["beams/search"].tolist() == [1, 0, 0, 0]
    assert arrays["verdict"].tolist() == ["search", "model", "right", "unknown"]


def test_length_counts_what_was_said_against_the_first_reference() -> None:
    view = errors(Teller(), penalties=(0.7,))
    # garden path "A A" (2) of 2, sure "A" of 1, right "B" of 1, unknown "A" of 1
    assert view.penalties[0].length_ratio == pytest.approx(5 / 5)
    assert view.penalties[0].change == (0, 0)


def many(monkeypatch: pytest.MonkeyPatch, texts: Sequence[str]) -> Teller:
    """A dev set large enough for a difference not to be chance."""
    monkeypatch.setattr(Teller, "held_out", lambda *_: [HeldOut(text, REFERENCES[text]) for text in texts])
    return Teller()


def test_the_advice_follows_from_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = errors(many(monkeypatch, ["garden path"] * 30 + ["sure"] * 10))
    assert "The search is at fault in 75% of the errors, and beam 3 moves word_error_rate" in missed.advice
    assert "from 100.00 to 25.00: decode with --beam 3" in missed.advice
    sure = errors(many(monkeypatch, ["sure"] * 30 + ["right"]))
    assert "model is at fault in 100% of the errors, the search in 0%" in sure.advice
    assert "a wider beam will not help" in sure.advice
    right = errors(many(monkeypatch, ["right"] * 3))
    assert "nothing to mend" in right.advice
    # Two texts are too few to say that a beam betters anything.
    chance = errors(many(monkeypatch, ["garden path", "right"]))
    assert "no beam measured betters word_error_rate beyond chance" in chance.advice


def test_a_references_unknown_word_does_not_hide_another_reference() -> None:
    answer = Said("A", -1.0, ["A"])
    unknown, known = Said("zzz", -0.1, ["<unk>", "</s>"], 1), Said("B", -2.0, ["B", "</s>"])
    assert verdict_of(answer, [unknown, known]) == ("model", known)
    assert verdict_of(answer, [unknown]) == ("unknown", unknown)
    assert verdict_of(answer, [known, Said("A", -3.0, ["A", "</s>"])])[0] == "right"


def test_a_translators_errors(translator: Translator) -> None:
    told: list[str] = []
    view = errors(translator, "dev", 6, beams=(1, 2), penalties=(0.0, 1.0), progress=told.append)
    assert sum(view.outcome.verdicts.values()) == len(view.judged) == 6
    for each in view.judged:
        again = translator.score([each.text] * 2, [each.answer, each.reference])
        assert each.answer_score == pytest.approx(again[0].score, abs=1e-9)
        assert each.reference_score == pytest.approx(again[1].score, abs=1e-9)
        assert (each.verdict == "search") == (again[1].score > again[0].score + 1e-12)
    assert view.beams[0].metrics == pytest.approx(
        {
            name: score.value
            for name, score in translator.judge(
                [
                    each.text
                    for each in translator.answers([each.text for each in view.judged], beam=1, nbest=1)
                ],
                [[each.reference] for each in view.judged],
            ).items()
        }
    )
    assert told == ["beam 3, α = 0.7", "beam 1, α = 0.7", "beam 2, α = 0.7", "beam 3, α = 0", "beam 3, α = 1"]
    assert view.advice in view.lines()
    assert len(view.pictures()) == 4


def test_a_split_that_is_not_there_is_named(translator: Translator) -> None:
    with pytest.raises(UserError, match="has no test part"):
        errors(translator, "test")
