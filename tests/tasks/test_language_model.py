"""The language model as strings see it: prepared, trained for a moment, asked."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import Recipe, average, load
from unrolled.tasks.language_model import LanguageModel
from unrolled.tasks.language_predictor import LanguagePredictor
from unrolled.training import train

LINES = ["the cat sat", "a dog ran off", "", "the dog sat on the cat", "a cat", "birds sing ."]
SECTIONS = "[model]\nembedding_size = 8\nhidden_size = 12\n[training]\nupdates = 1\ncolumns = 2\nwindow = 5\n"
Make = Callable[..., LanguagePredictor]


@pytest.fixture
def recipe(tmp_path: Path) -> Any:
    """A recipe's text for LINES, settings by dotted key over it."""
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    path = tmp_path / "my.toml"
    path.write_text(
        'task = "language-model"\n[data]\ntrain = "text.txt"\ndev = "text.txt"\ntest = "text.txt"\n'
        + SECTIONS
    )
    return lambda *overrides: Recipe.read(path, overrides)


@pytest.fixture
def make(recipe: Any, tmp_path: Path) -> Make:
    """An untrained model, far from uniform, in float64."""

    def predictor(*overrides: str, models: int = 1, text: str | None = None) -> LanguagePredictor:
        if text is not None:
            (tmp_path / "text.txt").write_text(text, encoding="utf-8")
        folder = tmp_path / "-".join(["run", *overrides]).replace("/", "_")
        folder.mkdir(exist_ok=True)
        task = LanguageModel.prepare(recipe(*overrides).sections, folder)
        torch.manual_seed(1)
        built = [task.build().eval().double() for _ in range(models)]
        with torch.no_grad():
            for model in built:
                for parameter in model.parameters():
                    parameter.mul_(3)
        return cast(LanguagePredictor, task.predictor(built))

    return predictor


FORMS = ("stream", "lines", "documents")
KINDS = ("word", "character", "byte", "bpe")


def ids_of(predictor: LanguagePredictor, part: str = "test") -> list[int]:
    return [int(i) for i in predictor.task.store(part).ids]


def test_a_stream_is_predicted_from_an_eos_on_every_token_once(make: Make) -> None:
    predictor = make()
    ids, model = [3, *ids_of(predictor)], predictor.models[0]
    inputs, targets = (torch.tensor(part)[:, None] for part in (ids[:-1], ids[1:]))
    whole = -model.log_probs(inputs, targets)[0].detach().sum()
    score = predictor.task.evaluate(predictor.models, "test")["perplexity"]
    words = sum(len(line.split()) + 1 for line in LINES)
    assert score.details["tokens"] == words
    assert score.value == pytest.approx(math.exp(float(whole) / words), rel=1e-12)


def test_the_test_part_of_penn_treebank_predicts_its_published_number_of_tokens(
    data: Path, tmp_path: Path
) -> None:
    overrides = [
        f"data.root={data / 'ptb'}",
        "model.hidden_size=4",
        "model.embedding_size=4",
        "model.layers=1",
    ]
    sections = Recipe.read("ptb", overrides).sections
    task = LanguageModel.prepare(sections, tmp_path)
    score = task.evaluate([task.build().eval()], "test")["perplexity"]
    assert score.details["tokens"] == 82_430
    assert task.tokenizer.size - 2 == 10_000


@pytest.mark.parametrize("window", [1, 4, 1000])
def test_carried_state_gives_the_perplexity_of_one_pass(
    make: Make, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    predictor = make()
    whole = predictor.stream_losses(predictor.task.store("test").ids)
    monkeypatch.setattr("unrolled.tasks.language_predictor.POSITIONS", window)
    np.testing.assert_allclose(predictor.stream_losses(predictor.task.store("test").ids), whole, rtol=1e-12)


def test_training_windows_sum_to_the_loss_of_one_pass(make: Make) -> None:
    predictor = make("training.columns=1", "training.window=3")
    task, model = predictor.task, predictor.models[0]
    total, count, carried = 0.0, 0, None
    for batch in task.plan(1, 0):
        loss = task.loss(model, batch, carried)
        total, count, carried = total + loss.total.item(), count + loss.count, loss.carried
    losses = predictor.stream_losses(task.store("train").ids)
    assert count == len(losses) == sum(batch.count for batch in task.plan(1, 0))
    assert total == pytest.approx(losses.sum(), rel=1e-12)


def test_quick_scores_are_near_the_exact_ones(make: Make) -> None:
    predictor = make(text="a b c d\n" * 200)
    quick = predictor.task.evaluate(predictor.models, "dev", quick=True)["nats_per_token"]
    exact = predictor.task.evaluate(predictor.models, "dev")["nats_per_token"]
    assert quick.value == pytest.approx(exact.value, rel=0.02)
    assert quick.details["tokens"] == exact.details["tokens"] == 1000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_kind(make: Make, form: str, kind: str) -> None:
    predictor = make(f"data.form={form}", f"text.kind={kind}")
    task = predictor.task
    store = task.store("test")
    assert [task.tokenizer.decode(row) for row in store] == {
        "documents": ["\n".join(LINES) if kind != "word" else " ".join(" ".join(LINES).split())],
        "lines": [line for line in LINES if line],
    }.get(form, LINES)
    assert all(row[-1] == task.tokenizer.eos for row in store)
    scores = task.evaluate(predictor.models, "test")
    tokens = scores["perplexity"].details["tokens"]
    assert tokens == len(store.ids)
    assert scores["perplexity"].value == pytest.approx(math.exp(scores["nats_per_token"].value))
    assert ("bits_per_character" in scores) == (kind != "word")
    if kind != "word":
        details = scores["bits_per_character"].details
        # Each line's, or the document's, end is a character; empty lines by themselves are left out.
        text = sum(len(line) + 1 for line in LINES if line or form != "lines")
        assert details["characters"] == text
        assert scores["bits_per_character"].value * text == pytest.approx(
            details["negative_log_prob"] / math.log(2)
        )
    text = predictor.generate("the cat", length=30, seed=3)[0]
    assert text.text.startswith("the cat")
    assert task.endless == (len(text.tokens) == 30 and form == "stream")


def test_lines_are_texts_by_themselves(make: Make) -> None:
    predictor = make("data.form=lines")
    one_by_one = [predictor.score([line])[0] for line in LINES]
    together = predictor.score(LINES)
    for alone, scored in zip(one_by_one, together, strict=True):
        assert alone.log_prob == pytest.approx(scored.log_prob, rel=1e-12)
        assert scored.log_prob == pytest.approx(sum(scored.token_log_probs))
        assert scored.score == pytest.approx(scored.log_prob / len(scored.tokens))
        assert scored.tokens == [*scored.text.split(), "</s>"]
    # In training an empty line is left out, and every other is in one batch of an epoch.
    counts = [batch.count for batch in predictor.task.plan(1, 0)]
    wanted = sum(len(line.split()) + 1 for line in LINES if line)
    assert sum(counts) == wanted
    # In dev and test too, or the ends of empty lines, of which training has none, would be asked for.
    assert [len(predictor.task.store(part).ids) for part in ("dev", "test")] == [wanted, wanted]


def test_a_stream_scores_each_line_given_those_before_it(make: Make) -> None:
    predictor = make()
    scored = predictor.score(LINES)
    whole = predictor.task.evaluate(predictor.models, "test")["nats_per_token"]
    assert -sum(each.log_prob for each in scored) == pytest.approx(whole.details["negative_log_prob"])
    assert scored[1].log_prob != pytest.approx(predictor.score(LINES[1:2])[0].log_prob)
    assert predictor.score([]) == []


def test_resets_make_lines_of_a_stream_independent(make: Make) -> None:
    stream, lines = make("model.reset=true"), make("data.form=lines")
    lines.models[0].load_state_dict(stream.models[0].state_dict())
    for mine, theirs in zip(stream.score(LINES), lines.score(LINES), strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, rel=1e-12)


def test_an_ensemble_is_the_mean_of_probabilities(make: Make) -> None:
    both = make(models=2)
    alone = [both.task.predictor([model]).score(LINES) for model in both.models]  # type: ignore[attr-defined]
    for first, second, mean in zip(*alone, both.score(LINES), strict=True):
        expected = np.logaddexp(first.token_log_probs, second.token_log_probs) - math.log(2)
        np.testing.assert_allclose(mean.token_log_probs, expected, rtol=1e-10)
    text = both.generate("the", length=5, seed=1)[0]
    again = both.score(["the " + " ".join(text.tokens)])[0] if "</s>" not in text.tokens else None
    if again is not None:
        np.testing.assert_allclose(again.token_log_probs[1:6], text.token_log_probs, rtol=1e-10)


# Generation.


def test_the_same_seed_writes_the_same_text(make: Make) -> None:
    predictor = make("text.kind=character")
    texts = [predictor.generate("the", length=40, seed=seed)[0] for seed in (5, 5, 6)]
    assert texts[0] == texts[1]
    assert texts[0].text != texts[2].text
    unseeded = predictor.generate("the", length=40)[0]
    assert predictor.generate("the", length=40, seed=unseeded.seed)[0] == unseeded
    several = predictor.generate("the", length=40, seed=5, samples=3)
    assert len({text.text for text in several}) == 3
    assert next(iter(predictor.predict(["the"], length=40, seed=5))) == texts[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_is_the_text(make: Make, kind: str) -> None:
    predictor = make(f"text.kind={kind}")
    shown: list[str] = []
    text = predictor.generate('the "cat', length=60, seed=2, show=shown.append)[0]
    assert "".join(shown) == text.text
    assert len(shown) > 5


def test_greedy_takes_the_likeliest_each_time(make: Make) -> None:
    predictor = make()
    first, second = (predictor.generate("the", length=12, temperature=0, seed=seed)[0] for seed in (1, 2))
    assert first.tokens == second.tokens
    ids = [predictor.task.tokenizer.id(token) for token in ("the", *first.tokens)]
    log_probs = predictor.models[0].read(torch.tensor([3, *ids])[:, None]).features[1:-1, 0]
    projection = predictor.models[0].projection
    logits = log_probs @ projection.weight.T + projection.bias
    logits[:, [0, 1, 2]] = -torch.inf
    assert logits.argmax(-1).tolist() == ids[1:]


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.7}, {"top_k": 4}, {"top_p": 0.8}, {"temperature": 1.5, "top_k": 6}]
)
def test_frequencies_are_the_models_probabilities(make: Make, options: dict[str, Any]) -> None:
    predictor = make("text.kind=character")
    tokenizer, model = predictor.task.tokenizer, predictor.models[0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.div_(2.5)
        ids = [tokenizer.eos, *tokenizer.encode("th")]
        state = model.start(torch.tensor(ids[:-1])[:, None])
        log_probs = model.step(state, torch.tensor(ids[-1:]))[1][0]
    log_probs[[tokenizer.pad, tokenizer.unk, tokenizer.bos]] = -torch.inf
    probabilities = (log_probs / options.get("temperature", 1.0)).softmax(-1).numpy()
    order = np.argsort(-probabilities, kind="stable")
    kept = order[: options.get("top_k") or len(order)]
    inside = np.zeros_like(probabilities)
    inside[kept] = probabilities[kept] / probabilities[kept].sum()
    begins = np.cumsum(inside[order]) - inside[order]
    inside[order[begins >= options.get("top_p", 1.0)]] = 0
    inside /= inside.sum()
    count = 20_000
    drawn = predictor.generate("th", samples=count, length=1, seed=11, **options)
    seen = np.bincount([cast(int, tokenizer.id(text.tokens[0])) for text in drawn], minlength=len(inside))
    assert seen[inside == 0].sum() == 0
    expected = count * inside[inside > 0]
    common = expected >= 5
    statistic = float(((seen[inside > 0] - expected)[common] ** 2 / expected[common]).sum())
    # Of chi-square with k degrees of freedom, mean k and variance 2k; five deviations are one in 10⁵.
    degrees = int(common.sum()) - 1
    assert statistic < degrees + 5 * math.sqrt(2 * degrees) + 5, (statistic, degrees)


def test_unknown_and_padding_are_never_written(make: Make) -> None:
    predictor = make("text.min_count=2")
    with torch.no_grad():
        predictor.models[0].projection.bias[[0, 1, 2]] = 50.0
    text = predictor.generate("", length=50, seed=1)[0]
    assert not {"<pad>", "<unk>", "<s>"} & set(text.tokens)
    assert len(text.tokens) == 50


def test_texts_end_at_eos_or_at_length(make: Make) -> None:
    predictor = make("data.form=lines")
    texts = predictor.generate("the", samples=20, length=8, seed=4)
    for text in texts:
        assert ("</s>" in text.tokens[:-1]) is False
        assert text.tokens[-1] == "</s>" or len(text.tokens) == 8
        assert len(text.tokens) == len(text.token_log_probs)
        assert text.log_prob == pytest.approx(sum(text.token_log_probs))
    assert any(text.tokens[-1] == "</s>" for text in texts)


def test_a_text_longer_than_ever_trained_on(make: Make) -> None:
    predictor = make("data.form=lines", "data.max_length=5")
    text = predictor.generate("the cat sat on " * 40, length=300, temperature=2.0, seed=0)[0]
    assert text.tokens
    assert all(map(math.isfinite, text.token_log_probs))
    assert len(predictor.score(["the cat " * 500])[0].tokens) == 1001


def test_prompts(make: Make) -> None:
    stream, lines = make(), make("data.form=lines")
    assert len(stream.generate("the\ncat", length=3, seed=1)[0].tokens) == 3
    assert stream.task.prompt("the\ncat").tolist()[1] == 3
    assert stream.task.prompt("").tolist() == []
    assert stream.generate("the zebra", length=3, seed=1)[0].text.startswith("the zebra")
    with pytest.raises(UserError, match="--prompt 'zebras yodel': the model knows none of its words"):
        stream.generate("zebras yodel")
    found = list(stream.predict(["zebras yodel", "the"], length=3))
    assert [bool(each.tokens) for each in found] == [False, True]
    assert found[0].problem.startswith("prompt 'zebras yodel': the model knows none of its words")
    with pytest.raises(UserError, match="several lines"):
        lines.generate("the\ncat")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"temperature": -0.1}, "temperature -0.1 is not possible"),
        ({"temperature": float("nan")}, "temperature nan is not possible"),
        ({"top_k": -1}, "top_k -1 is not possible"),
        ({"top_p": 0.0}, "top_p 0.0 is not possible"),
        ({"length": 0}, "length 0 is not possible"),
        ({"samples": 0}, "samples 0 is not possible"),
        ({"temprature": 1.0}, "did you mean 'temperature'"),
    ],
)
def test_options_out_of_range(make: Make, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        make().generate("the", **options)


# Data.


def test_preparing_a_second_time_opens_what_is_there(make: Make, recipe: Any, tmp_path: Path) -> None:
    first = make()
    (tmp_path / "text.txt").unlink()
    again = LanguageModel.prepare(first.task.sections, first.task.folder)
    assert [b.targets.tolist() for b in again.plan(1, 0)] == [
        b.targets.tolist() for b in first.task.plan(1, 0)
    ]


def test_progress_says_what_is_done(recipe: Any, tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    folder = tmp_path / "progress"
    folder.mkdir()
    LanguageModel.prepare(recipe().sections, folder, lambda what, share: seen.append((what, share)))
    assert ("train: 6 texts", 1.0) in seen
    assert any(what.startswith("turning train into ids: 6") and share > 0.9 for what, share in seen)
    assert json.loads((folder / "cache" / "prepared.json").read_text())["train"]["kept"] == 6


def test_a_part_that_is_not_there(recipe: Any, make: Make, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(f'task = "language-model"\n[data]\ntrain = "text.txt"\n{SECTIONS}')
    predictor = make()
    with pytest.raises(UserError, match=r"no test part \(it has: train\).*data\.test_size"):
        predictor.task.evaluate(predictor.models, "test")
    with pytest.raises(UserError, match="no scores by source length"):
        predictor.task.evaluate(predictor.models, "train", by_length=True)


def test_too_little_text_for_the_columns(make: Make) -> None:
    with pytest.raises(UserError, match="cannot fill 100 columns"):
        make("training.columns=100").task.plan(1, 0)


def test_an_empty_file_and_a_bidirectional_model_are_refused(make: Make, recipe: Any) -> None:
    with pytest.raises(UserError, match=r"text\.txt: no texts for data\.train"):
        make(text="")
    with pytest.raises(UserError, match=r"model.bidirectional: .*reads backwards has seen the answer"):
        recipe("model.bidirectional=true")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus() -> None:
    root = Path(__file__).parents[2]
    peaks = []
    for gigabytes in (0.02, 0.2):
        command = [sys.executable, "-m", "benchmarks.memory", "--updates", "5", "--gigabytes", str(gigabytes)]
        answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        found = json.loads(answer.stdout)
        assert found["tokens"] > 1e8 * gigabytes
        peaks.append(found["peak_anonymous_bytes"])
    # What grows is the count of distinct words, which is bounded; ids alone would add some 100 MB here.
    assert peaks[1] - peaks[0] < 80e6, peaks
    assert peaks[1] < 1e9, peaks


def test_an_average_can_be_evaluated(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    data = '[data]\ntrain = "text.txt"\ndev = "text.txt"'
    (tmp_path / "my.toml").write_text(f'task = "language-model"\n{data}\n{SECTIONS}')
    run = tmp_path / "run"
    train(tmp_path / "my.toml", run, threads=1, progress=False)
    average([run, run], tmp_path / "mean")
    one, mean = (load(each) for each in (run, tmp_path / "mean"))
    scores = [each.task.evaluate(each.models, "dev")["perplexity"].value for each in (one, mean)]
    assert scores[0] == pytest.approx(scores[1])


def test_clusters_of_a_tied_table_are_trained_kept_and_drawn_from(recipe: Any, tmp_path: Path) -> None:
    overrides = ["model.cutoffs=[6, 10]", "training.updates=4"]
    trained = cast(LanguagePredictor, train(recipe(*overrides), tmp_path / "run", threads=1, progress=False))
    again = cast(LanguagePredictor, load(tmp_path / "run"))
    texts = [each.generate("the", length=30, seed=3)[0] for each in (trained, again)]
    assert texts[0] == texts[1]
    scored = again.score(["the cat sat"])[0]
    assert scored.log_prob == pytest.approx(trained.score(["the cat sat"])[0].log_prob)
    with pytest.raises(UserError, match=r"model.cutoffs = \[6, 99\]: should be below the \d+ entries"):
        train(recipe("model.cutoffs=[6, 99]"), tmp_path / "other", threads=1, progress=False)
    assert not (tmp_path / "other/cache/train").exists()
    with pytest.raises(UserError, match=r"model.cutoffs: \[9, 4\] should be numbers above 0 that rise"):
        recipe("model.cutoffs=[9, 4]")


def test_a_prompt_that_is_no_text_is_refused(make: Make) -> None:
    with pytest.raises(UserError, match="not valid UTF-8"):
        make("text.kind=character").generate("a\udcff")


def test_a_prompts_first_line_may_be_empty(make: Make) -> None:
    found = make().generate("\nthe", length=3, seed=1)[0]
    assert found.text.startswith("\nthe")


def test_a_single_text_is_not_taken_for_lines(make: Make) -> None:
    model = make()
    with pytest.raises(TypeError, match="a list of lines is wanted"):
        model.score("To be")
    with pytest.raises(TypeError, match="a list of lines is wanted"):
        next(model.predict("To be"))


def test_a_part_is_known_by_its_text_however_it_is_cut(make: Make) -> None:
    words, characters = make(), make("text.kind=character")
    assert words.task.text_digest("dev") == characters.task.text_digest("dev") is not None
    assert make("text.kind=byte", text="other\ntext\n").task.text_digest("dev") != words.task.text_digest(
        "dev"
    )


def test_segments_of_tokens_are_of_one_vocabulary(make: Make) -> None:
    def over(*overrides: str) -> str:
        model = make("text.kind=character", *overrides)
        return model.task.evaluate(model.models, "dev")["bits_per_character"].over

    assert over() == ""
    assert over("data.form=documents") != ""
