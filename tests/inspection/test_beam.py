"""The tree against everything that could be said."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from unrolled.errors import UserError
from unrolled.inspection import Beam, beam
from unrolled.tasks.translate import Translator

LONGEST = 3  # tokens, eos counted


@pytest.fixture
def everything(translator: Translator) -> dict[tuple[str, ...], tuple[float, float]]:
    """Every answer to "a d" of at most LONGEST tokens with its log-probability and its score."""
    words = translator.task.target.vocabulary[4:]
    spelled = [" ".join(p) for n in range(LONGEST) for p in itertools.product(words, repeat=n)]
    scored = translator.score(["a d"] * len(spelled), spelled, length_penalty=0.7)
    return {tuple(each.tokens): (each.log_prob, each.score) for each in scored}


def spelled(view: Beam, index: int) -> list[int]:
    """The nodes from the first token to this one."""
    path = [index]
    while (parent := view.nodes[path[0]].parent) is not None:
        path.insert(0, parent)
    return path


def test_a_beam_as_wide_as_the_language_finds_the_best(translator: Translator, everything) -> None:
    view = beam(translator, "a d", beam=len(everything), max_length=LONGEST, length_penalty=0.7)
    path = [view.nodes[index] for index in view.winners[0]]
    best = max(everything, key=lambda each: everything[each][1])
    assert tuple(node.token for node in path) == best
    assert path[-1].score == pytest.approx(everything[best][1], abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_every_node_has_its_probability_and_the_best_are_kept(
    translator: Translator, everything, width: int
) -> None:
    view = beam(translator, "a d", beam=width, max_length=LONGEST, length_penalty=0.7)
    for index, node in enumerate(view.nodes):
        path = spelled(view, index)
        tokens = tuple(view.nodes[each].token for each in path)
        assert node.total == pytest.approx(sum(view.nodes[each].log_prob for each in path))
        if node.token == "</s>":
            assert (node.total, node.score) == pytest.approx(everything[tokens], abs=1e-9)
    for step in range(1, LONGEST + 1):
        here = [node for node in view.nodes if node.step == step]
        kept = [node.total for node in here if node.fate != "cut"]
        assert len(kept) <= width
        assert all(node.total <= min(kept) for node in here if node.fate == "cut")


def test_where_the_reference_fell_out(translator: Translator) -> None:
    wide = beam(translator, "a d", beam=4, max_length=LONGEST)
    found = wide.nodes[wide.winners[0][-1]]
    answer = " ".join(wide.nodes[index].token for index in wide.winners[0][:-1])
    kept = beam(translator, "a d", answer, beam=4, max_length=LONGEST).reference
    assert kept is not None
    assert (kept.fell_out, kept.path) == (None, wide.winners[0])
    assert "found" in kept.summary
    # The first expansion that was cut, taken for the reference: it fell out there, in the place it had.
    index = next(i for i, node in enumerate(wide.nodes) if node.fate == "cut" and node.token != "</s>")
    path = spelled(wide, index)
    reference = " ".join(wide.nodes[each].token for each in path)
    cut = beam(translator, "a d", reference, beam=4, max_length=LONGEST).reference
    assert cut is not None
    step = wide.nodes[index].step
    rank = index - next(i for i, node in enumerate(wide.nodes) if node.step == step) + 1
    assert (cut.fell_out, cut.rank, cut.path) == (step, rank, path)
    assert f"in place {rank} there" in cut.summary
    unknown = beam(translator, "a d", "zzz", beam=4, max_length=LONGEST)
    assert unknown.reference is not None
    assert (unknown.reference.fell_out, unknown.reference.rank) == (1, None)
    assert unknown.lines()[-1] == unknown.reference.summary
    assert f"{found.score:.4f}" in unknown.lines()[0]


def test_a_picture_shows_what_was_kept_and_little_of_what_was_cut(translator: Translator) -> None:
    view = beam(translator, "a d", "B", beam=4, max_length=LONGEST)
    drawn = view._drawn()
    assert sum(node.standing in ("kept", "won") for node in drawn) == sum(
        node.fate != "cut" for node in view.nodes
    )
    assert sum(node.standing == "won" for node in drawn) == len(view.winners[0])
    assert sum(node.standing == "cut" for node in drawn) <= 2 * LONGEST
    arrays = view.arrays()
    assert arrays["token"].tolist() == [node.token for node in view.nodes]
    assert arrays["parent"][0] == -1


def test_options_are_the_searchs(translator: Translator) -> None:
    with pytest.raises(UserError, match="beem"):
        beam(translator, "a", beem=3)


def test_several_answers_when_asked_for(translator: Translator) -> None:
    assert len(beam(translator, "a d", beam=3, nbest=3).winners) == 3


def test_it_works_without_attention(load: Callable[..., Translator]) -> None:
    assert beam(load('model.attention="none"'), "a").winners
