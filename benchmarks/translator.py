"""The translator that is measured beside JoeyNMT: its sizes, its data, and its weights in both forms.

One model for both: a bidirectional GRU encoder, and a GRU decoder with additive attention and input feeding,
which JoeyNMT calls "bahdanau" with ``input_feeding`` and we call Luong's decoder with the additive score. Our
weights are handed to JoeyNMT, so that losses and greedy translations can be compared number by number.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks import peer
from benchmarks.options import data
from unrolled.models import EncoderDecoder
from unrolled.nn.torch_form import NAMES, torch_weights
from unrolled.runs import Recipe, TrainingSettings
from unrolled.tasks.translate import Translate
from unrolled.tasks.writing import Batch
from unrolled.training.optimizer import build_optimizer, clip

JOEYNMT = "JoeyNMT"
LONGEST = 60
"""Tokens of an answer at most."""
RECIPE = """
task = "translate"
[data]
train = ["{0}/train.lc.norm.tok.en", "{0}/train.lc.norm.tok.de"]
dev = ["{0}/val.lc.norm.tok.en", "{0}/val.lc.norm.tok.de"]
test = ["{0}/test_2016_flickr.lc.norm.tok.en", "{0}/test_2016_flickr.lc.norm.tok.de"]
[text.source]
kind = "word"
min_count = 2
[text.target]
kind = "word"
min_count = 2
[model]
cell = "gru"
cell_options = {{reset = "after"}}
embedding_size = 256
hidden_size = 512
encoder_size = 256
attention = "luong"
score = "additive"
input_feeding = true
bridge = "last"
embedding_dropout = 0.3
readout_dropout = 0.3
[training]
epochs = 1
batch_tokens = 2000
optimizer = "adam"
learning_rate = 0.0005
clip_norm = 1.0
"""


@cache
def prepared() -> tuple[Translate, TrainingSettings]:
    """The task on Multi30k, its vocabularies learnt and its data read, and how it is trained."""
    _FOLDER.append(folder := tempfile.TemporaryDirectory())
    path = Path(folder.name) / "recipe.toml"
    path.write_text(RECIPE.format(data("multi30k")), encoding="utf-8")
    recipe = Recipe.read(path)
    return cast("Translate", Translate.prepare(recipe.sections, Path(folder.name))), recipe.training


_FOLDER: list[tempfile.TemporaryDirectory[str]] = []  # kept until the process ends


def build(task: Translate) -> EncoderDecoder:
    """Fresh weights. The projection's bias, which JoeyNMT does not have, stays zero."""
    torch.manual_seed(0)
    model = cast("EncoderDecoder", task.build())
    bias = model.decoder.readout.projection.bias
    bias.requires_grad_(False).zero_()
    return model


class Training:
    """Updates of a model as the trainer makes them."""

    def __init__(self, task: Translate, model: nn.Module, settings: TrainingSettings) -> None:
        self.task, self.model, self.settings = task, model.train(), settings
        self.optimizer = build_optimizer(model, settings)

    def update(self, batch: Batch) -> float:
        """The mean loss of a prediction."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.task.loss(self.model, batch)
        (loss.total / loss.count).backward()
        clip(self.model.parameters(), self.settings)
        self.optimizer.step()
        return loss.total.item() / loss.count


@cache
def trained(updates: int = 250) -> EncoderDecoder:
    """A model that has learnt enough to end its sentences: what it writes is as long as in earnest."""
    task, settings = prepared()
    model = build(task)
    training = Training(task, model, settings.model_copy(update={"learning_rate": 0.002}))
    peer.warn(f"training a translator for {updates} updates")
    done = 0
    while done < updates:
        for batch in task.plan(seed=1, epoch=done):
            training.update(cast("Batch", batch))
            done += 1
            if done == updates:
                break
    return model.eval()


def gflop(model: EncoderDecoder, source: Tensor, steps: float, looked_at: float) -> float:
    """Of one pass forward, every product; real positions alone. The additive energies count one addition, one
    tanh and one multiply-add a feature.

    Args:
        source: lengths of the sentences read.
        steps: of the decoder, each of one hypothesis.
        looked_at: positions of the source, summed over those steps.
    """
    settings = model.settings
    hidden, words, state = settings.hidden_size, settings.embedding_size, settings.direction_size
    features = 2 * state
    read = 2 * (2 * 3 * state * (words + state)) + 2 * features * hidden  # both directions, keys
    write = 2 * _step_weights(model)
    look = 4 * hidden + 2 * features
    bridge = 2 * features * hidden * len(source)
    return 1e-9 * (float(source.sum()) * read + steps * write + looked_at * look + bridge)


def read_bytes(model: EncoderDecoder, source: Tensor, steps: int) -> tuple[int, int]:
    """Of float32 weights that one row's products read: in a step of the decoder, and in all, where no product
    is of two rows. Of the encoder its recurrent matrices, once a position: the rest takes all positions at
    once."""
    step, state = _step_weights(model), model.settings.direction_size
    return 4 * step, 4 * (steps * step + int(source.sum()) * 2 * 3 * state * state)


def _step_weights(model: EncoderDecoder) -> int:
    """In the matrices of a step of the decoder, each of which a row is multiplied by once."""
    settings = model.settings
    hidden, words, features = settings.hidden_size, settings.embedding_size, 2 * settings.direction_size
    cell = 3 * hidden * (words + hidden + hidden)  # on word, s̃ and state
    vocabulary = model.decoder.readout.projection.weight.shape[0]
    return cell + hidden * hidden + (features + hidden) * hidden + hidden * vocabulary


def training_gflop(model: EncoderDecoder, batches: Sequence[Batch]) -> float:
    """Of training: a pass forward, and twice its products backward."""
    total = 0.0
    for batch in batches:
        source, target = batch.source_lengths.double(), batch.target_lengths.double() - 1
        total += 3 * gflop(model, source, float(target.sum()), float((source * target).sum()))
    return total


def joeynmt_weights(model: EncoderDecoder) -> dict[str, Tensor]:
    """Our weights under JoeyNMT's names."""
    encoder, decoder = model.encoder, model.decoder
    luong = cast("Any", decoder.cell)
    attention = luong.attentional.attention
    combine = luong.attentional.weight  # [context, s] here, [s, context] there
    features = attention.feature_size
    named: dict[str, Tensor] = {
        "src_embed.lut.weight": encoder.embedding.weight,
        "trg_embed.lut.weight": decoder.embedding.weight,
        "decoder.att_vector_layer.weight": torch.cat((combine[:, features:], combine[:, :features]), dim=1),
        "decoder.att_vector_layer.bias": combine.new_zeros(len(combine)),
        "decoder.output_layer.weight": decoder.readout.projection.weight,
        "decoder.attention.key_layer.weight": attention.key_weight,
        "decoder.attention.query_layer.weight": attention.query_weight,
        "decoder.attention.energy_layer.weight": attention.energy_weight,
        "decoder.bridge_layer.weight": decoder.bridge.levels[0].weight,
        "decoder.bridge_layer.bias": decoder.bridge.levels[0].bias,
    }
    cells = {
        "encoder.rnn.{}_l0": encoder.layers.cells[0],
        "encoder.rnn.{}_l0_reverse": encoder.layers.cells[1],
    }
    for pattern, cell in {**cells, "decoder.rnn.{}_l0": luong.cell}.items():
        named |= {pattern.format(name): w for name, w in zip(NAMES, torch_weights(cell), strict=True)}
    return named


@dataclass(frozen=True)
class JoeyNMT:
    """JoeyNMT with a model's weights, what it answered when it was prepared, and where it wrote numbers."""

    process: peer.Peer
    answer: dict[str, Any]
    folder: Path


@contextmanager
def joeynmt(task: Translate, model: EncoderDecoder, **arguments: Any) -> Iterator[JoeyNMT]:
    """JoeyNMT, ready to take turns.

    Raises:
        PeerError: it cannot run.
    """
    with tempfile.TemporaryDirectory() as folder, peer.python("joeynmt_translator") as process:
        peer.write_arrays(Path(folder), **joeynmt_weights(model))
        sizes = {"source_size": task.source.size, "target_size": task.target.size}
        yield JoeyNMT(process, process.prepare(folder=folder, **sizes, **arguments), Path(folder))


def rows(padded: Tensor, lengths: Tensor) -> list[list[int]]:
    """The columns of a padded batch, as lists."""
    return [padded[:length, row].tolist() for row, length in enumerate(lengths.tolist())]
