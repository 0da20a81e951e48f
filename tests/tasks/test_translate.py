"""The translator as strings see it: prepared, trained for a moment, asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import Recipe
from unrolled.tasks.translate import Translate, Translator

PAIRS = [
    (" ".join(letters), " ".join(letters[::-1]).upper())
    for letters in ("ab", "abc", "ca", "bca", "a", "cbab")
]


@pytest.fixture
def recipe(tmp_path: Path) -> Any:
    """A recipe's text for PAIRS, settings by dotted key over it."""
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS), encoding="utf-8")
    path = tmp_path / "my.toml"
    path.write_text(
        'task = "translate"\n[data]\ntrain = "pairs.tsv"\ndev = "pairs.tsv"\n'
        "[model]\nembedding_size = 8\nhidden_size = 12\n[training]\nupdates = 1\nbatch_tokens = 12\n"
    )
    return lambda *overrides: Recipe.read(path, overrides)


@pytest.fixture
def make(recipe: Any, tmp_path: Path) -> Any:
    def translator(*overrides: str, lines: Sequence[tuple[str, str]] = ()) -> Translator:
        if lines:
            (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in lines), encoding="utf-8")
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        task = Translate.prepare(recipe(*overrides).sections, folder)
        torch.manual_seed(1)
        return cast(Translator, task.predictor([task.build().eval()]))

    return translator


def test_preparing_a_second_time_opens_what_is_there(make: Any, tmp_path: Path) -> None:
    first = make()
    (tmp_path / "pairs.tsv").unlink()
    again = Translate.prepare(first.task.sections, tmp_path / "run")
    assert [list(b.source.T) and b.count for b in again.plan(1, 0)] == [
        b.count for b in first.task.plan(1, 0)
    ]


def test_a_plan_holds_every_pair_once_and_depends_on_seed_and_epoch_alone(make: Any) -> None:
    task = make().task
    seen = []
    for batch in task.plan(3, 1):
        for row in range(batch.source.shape[1]):
            source = batch.source[: batch.source_lengths[row] - 1, row].tolist()
            target = batch.target[1 : batch.target_lengths[row] - 1, row].tolist()
            seen.append((task.source.decode(source), task.target.decode(target)))
    assert sorted(seen) == sorted(PAIRS)
    assert all(torch.equal(a.target, b.target) for a, b in zip(task.plan(3, 1), task.plan(3, 1), strict=True))
    assert sum(batch.count for batch in task.plan(1, 0)) == sum(len(b.split()) + 1 for _, b in PAIRS)


def test_one_line_out_for_each_in_whatever_it_holds(make: Any) -> None:
    lines = ["a b", "", "zzz unknown", "   ", "c " * 300, "a"]
    found = make().translate(lines, max_length=5)
    assert len(found) == len(lines)
    assert found[1].text == found[3].text == ""
    assert found[0].text == make().translate(["a b"], max_length=5)[0].text


def test_scores_are_what_the_search_found(make: Any) -> None:
    translator = make()
    best = translator.translate(["a b c"], beam=4, nbest=4, max_length=4)[0]
    assert [each.score for each in best.nbest] == sorted((e.score for e in best.nbest), reverse=True)
    again = translator.score(["a b c"] * 4, [each.text for each in best.nbest])
    for searched, scored in zip(best.nbest, again, strict=True):
        assert scored.log_prob == pytest.approx(searched.log_prob, abs=1e-5)
        assert scored.score == pytest.approx(searched.score, abs=1e-5)
        assert sum(scored.token_log_probs) == pytest.approx(scored.log_prob, abs=1e-5)
        assert scored.tokens[-1] == "</s>"
    with pytest.raises(UserError, match="2 sources but 1 targets"):
        translator.score(["a", "b"], ["A"])


def test_samples_are_drawn_again_by_their_seed(make: Any) -> None:
    translator = make()
    options = {"samples": 4, "temperature": 1.5, "max_length": 4}
    first, second, other = (
        [[each.text for each in found.nbest] for found in translator.translate(["a b c", "b"], **how)]
        for how in ({**options, "seed": 3}, {**options, "seed": 3}, {**options, "seed": 4})
    )
    assert first == second != other
    assert [len(texts) for texts in first] == [4, 4]
    likeliest, greedy = (
        translator.translate(["a b c"], **how)[0] for how in ({"temperature": 0}, {"beam": 1})
    )
    assert likeliest.text.startswith(greedy.text)  # a search ends within its bounds, what is drawn need not


def test_attention_is_over_the_words_of_the_line(make: Any) -> None:
    best = make().translate(["a b c"], max_length=4)[0]
    assert best.attention.shape == (len(best.tokens) + 1, 3)
    assert best.source_tokens == ["a", "b", "c"]
    assert bool((best.attention.sum(1) <= 1 + 1e-6).all())
    with pytest.raises(UserError, match="no attention"):
        _ = make('model.attention="none"').translate(["a"], max_length=4)[0].attention


def test_an_unknown_word_is_copied_from_where_it_looked(make: Any) -> None:
    # Every target word is rare, so that the only thing to say is an unknown word.
    options = ("text.target.min_count=7", "decoding.allow_unknown=true", "decoding.replace_unknown=true")
    translator = make(*options)
    found = translator.translate(["a qqq b"], min_length=2, max_length=3)[0]
    looked_at = found.attention.argmax(1).tolist()
    assert found.tokens == [["a", "qqq", "b"][place] for place in looked_at[: len(found.tokens)]]
    assert found.text == " ".join(found.tokens)


def test_several_models_answer_together(make: Any) -> None:
    one = make()
    both = one.task.predictor([one.models[0], one.task.build().eval()])
    same = one.task.predictor([one.models[0], one.models[0]])
    assert same.translate(["a b"])[0].log_prob == pytest.approx(one.translate(["a b"])[0].log_prob, abs=1e-5)
    assert both.score(["a b"], ["B A"])[0].log_prob != one.score(["a b"], ["B A"])[0].log_prob


def test_evaluation(make: Any) -> None:
    translator = make('metrics.report=["bleu", "word_error_rate"]')
    scores = translator.task.evaluate(translator.models, "dev", by_length=True)
    assert set(scores) == {"bleu", "word_error_rate", "perplexity"}
    assert sum(each["segments"] for each in scores["bleu"].details["by_length"]) == len(PAIRS)
    with pytest.raises(UserError, match="has no test part"):
        translator.task.evaluate(translator.models, "test")


def test_examples_of_the_recipe(make: Any) -> None:
    translator = make('data.examples=[["a b", "B A", "A B"], ["c"]]')
    first, second = translator.examples()
    assert (first.text, second.text, second.given) == ("a b", "c", [])
    assert len(first.answers) == 3
    assert first.answers[0][0] == translator.translate(["a b"], beam=3)[0].text
    scored = translator.score(["a b"] * 2, ["B A", "A B"])
    assert first.given == [(each.text, each.score) for each in scored]


def test_pairs_that_cannot_be_learnt_from_are_counted(make: Any, tmp_path: Path) -> None:
    make(lines=[("a b", "A B"), ("", "X"), ("a " * 200, "A")])
    prepared = json.loads((tmp_path / "run/cache/prepared.json").read_text())
    assert (prepared["kept"], prepared["empty"], prepared["too_long"]) == (1, 1, 1)
    assert prepared["first_left_out"].endswith("pairs.tsv:2")


@pytest.mark.parametrize(
    ("lines", "overrides", "says"),
    [
        ([("a " * 200, "A")], [], "no pairs are left"),
        ([], ["data.test_size=50"], "leaves nothing to train on"),
        ([], ["data.columns=[1, 3]"], r"pairs.tsv:1: column 3 is wanted"),
    ],
)
def test_mistakes_in_the_data_name_their_place(make: Any, lines: Any, overrides: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        make(*overrides, lines=lines)


def test_options_are_checked(make: Any) -> None:
    translator = make()
    with pytest.raises(UserError, match="beem"):
        translator.translate(["a"], beem=3)
    with pytest.raises(UserError, match="nbest"):
        translator.translate(["a"], beam=2, nbest=3)


def test_nothing_to_read_is_scored_and_counts_as_wrong(make: Any) -> None:
    translator = make(lines=[*PAIRS, ("", "A")])
    scored = translator.score(["a", "", "b"], ["A", "A", "B"])
    assert [each.text for each in scored] == ["A", "A", "B"]
    assert scored[1].log_prob == pytest.approx(translator.score([""], ["A"])[0].log_prob, abs=1e-5)
    assert "perplexity" in translator.task.evaluate(translator.models, "dev", quick=True)


def test_samples_of_a_line_do_not_depend_on_the_lines_beside_it(make: Any) -> None:
    translator = make()
    options = {"samples": 3, "temperature": 1.5, "seed": 3}
    alone, beside = (translator.translate(lines, **options) for lines in (["b"], ["a b c a b c", "b", "c"]))
    assert [each.text for each in beside[1].nbest] == [each.text for each in alone[0].nbest]


def test_replaced_unknown_characters_are_joined_as_the_target_is(make: Any) -> None:
    options = ('text.source.kind="character"', 'text.target.kind="character"')
    translator = make(*options, 'model.attention="luong"', "decoding.replace_unknown=true")
    assert translator.task.sections.decoding.allow_unknown
    source = translator.task.read(["ab"])[0]
    unknown = translator.task.target.tokens([translator.task.target.unk])[0]
    written = {"text": "", "score": 0.0, "log_prob": 0.0, "tokens": ["A", unknown]}
    written["_attend"] = lambda: torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    found = translator.finish("ab", source, written, translator.task.sections.decoding)
    assert found.text == "A" + found.source_tokens[1]


def test_it_resumes_exactly(recipe: Any, tmp_path: Path, resumes_exactly: Any) -> None:
    (tmp_path / "my.toml").write_text(
        (tmp_path / "my.toml")
        .read_text()
        .replace("hidden_size = 12", "hidden_size = 12\nreadout_dropout = 0.2\nlabel_smoothing = 0.1")
    )
    resumes_exactly(tmp_path / "my.toml")


def test_neighbours_and_padding_change_scores_by_rounding_alone(make: Any) -> None:
    translator = make()
    lines = ["a b c", "c", "b a c a b c a b", "a a"]
    together = translator.translate(lines, max_length=6)
    alone = [translator.translate([line], max_length=6)[0] for line in lines]
    assert [each.text for each in together] == [each.text for each in alone]
    for one, two in zip(together, alone, strict=True):
        assert one.score == pytest.approx(two.score, abs=1e-5)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ('model.tie="all"', r"--set model.tie: model.tie = .* set text.shared = true"),
        ("decoding.replace_unknown=true", "--set decoding.replace_unknown"),
        ('model.cell="lstmm"', r"--set model.cell: model.cell: unknown cell 'lstmm': did you mean 'lstm'"),
        ('model.cell_options={forget_bias="one"}', r"cell_options: forget_bias = 'one': should be like"),
        ('model.cell_options={bias="no"}', r"cell_options: bias = 'no': should be like its default, True"),
        ('model.cell_options={dtype="float64"}', "--set model.cell_options: model.cell_options: "),
    ],
)
def test_settings_that_do_not_go_together(recipe: Any, override: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        recipe('model.attention="none"', override)


def test_without_attention_no_word_can_be_copied(make: Any) -> None:
    with pytest.raises(UserError, match="replace_unknown: a model trained with attention"):
        make('model.attention="none"').translate(["a"], replace_unknown=True)


def test_a_single_text_is_not_scored_letter_by_letter(make: Any) -> None:
    with pytest.raises(TypeError, match="a list of lines is wanted"):
        make().score("a b", "A B")


def test_a_blank_side_is_named(make: Any) -> None:
    with pytest.raises(UserError, match=r"the target side of data\.train: empty"):
        make(lines=[("a", ""), ("b", " ")])


def test_references_are_in_the_normal_form_that_is_written(make: Any) -> None:
    lines = [("a", "e\u0301"), ("b", "o"), ("c", "u")]
    translator = make(lines=lines)
    assert [each.references for each in translator.task.segments("dev")] == [["\u00e9"], ["o"], ["u"]]
    scores = translator.task.evaluate(translator.models, "dev")
    assert scores["perplexity"].over == translator.task.target.digest


@pytest.mark.parametrize("kind", ["bpe", "character"])
def test_a_line_of_white_space_is_empty_whatever_the_tokenizer(make: Any, kind: str) -> None:
    size = "text.source.size=260" if kind == "bpe" else "text.source.min_count=1"
    translator = make(f"text.source.kind={kind}", size, lines=[("a b", "A"), (" ", "B"), ("b", "C")])
    assert [each.tokens for each in translator.translate([" "])] == [[]]
    assert len(translator.task.plan(1, 0)[0].source_lengths) == 2
