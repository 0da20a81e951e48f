"""One training step of a word language model at the sizes of PyTorch's ``word_language_model`` example.

WikiText-2, 33,278 words, two LSTM layers of 200, 20 sequences of 35 words; and the memory it takes above what
is there once everything is imported.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import unrolled.nn
from benchmarks import peer
from benchmarks.measure import OURS, by_turns, check, difference, limit, reference, timed
from benchmarks.options import Options, data
from benchmarks.report import Goal, Report, milliseconds
from unrolled.nn.adaptive import AdaptiveSoftmax, Projection
from unrolled.nn.conversion import to_torch
from unrolled.nn.embedding import Embedding
from unrolled.runs import TrainingSettings
from unrolled.training.optimizer import build_optimizer, clip

EXAMPLE, FLOORED, ADAPTIVE = "PyTorch's example", "ours, gradient_floor", "ours, adaptive softmax"
CUTOFFS = (2000, 10000)
SIZE, LAYERS, STEPS, BATCH = 200, 2, 35, 20
DROPOUT, CLIP, RATE, FLOOR = 0.2, 0.25, 20.0, 1e-4
WARM = 150
"""Updates before anything is measured: the softmax of fresh weights is flat, and no floor typical of it."""


class Ours(nn.Module):
    """Embedding, our LSTM, and the projection with its loss in one."""

    def __init__(self, vocabulary: int, *, adaptive: bool = False) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, SIZE, padding=None)
        self.layers = unrolled.nn.LSTM(SIZE, SIZE, LAYERS, dropout=DROPOUT, forget_bias=0.0)
        self.projection = (
            AdaptiveSoftmax(SIZE, vocabulary, cutoffs=CUTOFFS) if adaptive else Projection(SIZE, vocabulary)
        )
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.gradient_floor = 0.0

    def forward(self, words: Tensor, targets: Tensor) -> Tensor:
        """The mean loss."""
        output, _ = self.layers(F.dropout(self.embedding(words), DROPOUT, self.training))
        features = F.dropout(output, DROPOUT, self.training).flatten(0, 1)
        return self.projection.loss(features, targets, gradient_floor=self.gradient_floor) / len(targets)


class Example(nn.Module):
    """The example's model: ``torch.nn`` and all logits."""

    def __init__(self, ours: Ours) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPOUT)
        self.encoder = nn.Embedding.from_pretrained(ours.embedding.weight.detach().clone(), freeze=False)
        self.rnn = to_torch(ours.layers)
        self.decoder = nn.Linear(*ours.projection.weight.shape[::-1])
        self.decoder.load_state_dict(ours.projection.state_dict())

    def forward(self, words: Tensor, targets: Tensor) -> Tensor:
        output, _ = self.rnn(self.drop(self.encoder(words)))
        decoded = self.decoder(self.drop(output)).view(-1, self.decoder.out_features)
        return F.nll_loss(F.log_softmax(decoded, dim=1), targets)


Update = Callable[[Tensor, Tensor], None]


def example_update(model: Example) -> Update:
    """The example's: plain gradient descent after clipping."""

    def update(words: Tensor, targets: Tensor) -> None:
        model.zero_grad()
        model(words, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-RATE)

    return update


def our_update(model: Ours) -> Update:
    """The same, as the trainer does it."""
    settings = TrainingSettings(
        updates=1, optimizer="sgd", momentum=0.0, weight_decay=0.0, learning_rate=RATE, clip_norm=CLIP
    )
    optimizer = build_optimizer(model, settings)

    def update(words: Tensor, targets: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        model(words, targets).backward()
        clip(model.parameters(), settings)
        optimizer.step()

    return update


def updating(model: nn.Module) -> Update:
    model.train()
    return example_update(model) if isinstance(model, Example) else our_update(model)  # type: ignore[arg-type]


@cache
def batches() -> tuple[int, list[tuple[Tensor, Tensor]]]:
    """The vocabulary's size, and the text as the example cuts it."""
    words = [w for line in _lines() for w in [*line.split(), "<eos>"]]
    places = {word: index for index, (word, _) in enumerate(Counter(words).most_common())}
    ids = torch.tensor([places[word] for word in words])
    stream = ids[: len(ids) // BATCH * BATCH].view(BATCH, -1).t().contiguous()
    cut = range(0, len(stream) - STEPS, STEPS)
    return len(places), [(stream[i : i + STEPS], stream[i + 1 : i + 1 + STEPS].flatten()) for i in cut]


def _lines() -> list[str]:
    (path,) = sorted(data("wikitext-2").glob("*train*"))
    return path.read_text(encoding="utf-8").splitlines()


def run(options: Options) -> Report:
    vocabulary, text = batches()
    torch.manual_seed(0)
    ours = Ours(vocabulary)
    adaptive = Ours(vocabulary, adaptive=True)
    peer.warn(f"training a language model for {WARM} updates")
    update = our_update(ours)
    for words, targets in text[:WARM]:
        update(words, targets)
    floored = copy.deepcopy(ours)
    floored.gradient_floor = FLOOR
    example = Example(ours)
    words, targets = text[WARM]
    exact, error = _check(ours, floored, adaptive, example, words, targets)
    models: dict[str, nn.Module] = {OURS: ours, FLOORED: floored, ADAPTIVE: adaptive, EXAMPLE: example}
    contenders = {name: timed(_steps(model, text[WARM:])) for name, model in models.items()}
    times = by_turns(contenders, options.rounds)
    gflop = 6e-9 * BATCH * STEPS * (LAYERS * 4 * SIZE * 2 * SIZE + SIZE * vocabulary)
    memory = {name: _memory_of(name) for name in (OURS, EXAMPLE)}
    rows = []
    for name in models:
        ratio = f"{times.ratio(EXAMPLE, name):.2f}" if name != EXAMPLE else ""
        share = f"{times.share(gflop, name):.2f}" if name != ADAPTIVE else ""
        used = f"{memory[name]:.0f}" if name in memory else ""
        rows.append([name, milliseconds(times.seconds(name)), ratio, share, used])
    work, share = f"V = {vocabulary:,}, E = H = {SIZE}", times.share(gflop)
    goals = [
        Goal(work, "× the example's step, exact gradients", times.ratio(EXAMPLE), 1.4, peak_share=share),
        Goal(work, f"× the example's step, gradient_floor {FLOOR:g}", times.ratio(EXAMPLE, FLOORED), 2),
        Goal(work, "× the example's step, adaptive softmax", times.ratio(EXAMPLE, ADAPTIVE), 3),
        Goal(work, "of the example's memory", memory[OURS] / memory[EXAMPLE], 0.5, at_most=True),
    ]
    notes = [
        f"gradients beside float64's reference: {exact:.0e}; with gradient_floor {FLOOR:g}: {error:.1e}",
        "memory: the most that three steps take above what is there after the imports, in a process apart",
        *limit([times]),
    ]
    return Report(goals, ["contender", "ms", "× the example", "of peak", "memory, MB"], rows, notes)


def _steps(model: nn.Module, text: list[tuple[Tensor, Tensor]]) -> Callable[[], None]:
    """One update a call, from one batch to the next."""
    update, place = updating(model), -1

    def step() -> None:
        nonlocal place
        place = (place + 1) % len(text)
        update(*text[place])

    return step


def _check(
    ours: Ours, floored: Ours, adaptive: Ours, example: Example, words: Tensor, targets: Tensor
) -> tuple[float, float]:
    """How far our gradients are from the reference's in float64: exact ones, and with a floor. Those of the
    adaptive softmax are compared with its own."""

    def gradients(model: nn.Module) -> list[Tensor]:
        found = torch.autograd.grad(model.eval()(words, targets), list(model.parameters()))
        return [each.to_dense() if each.is_sparse else each for each in found]

    with reference():
        expected = gradients(copy.deepcopy(ours).double())
        of_adaptive = gradients(copy.deepcopy(adaptive).double())
    check("adaptive softmax's gradients", max(map(difference, gradients(adaptive), of_adaptive)), 1e-5)
    found = [max(map(difference, gradients(model), expected)) for model in (ours, floored)]
    check("our gradients", found[0], 1e-5)
    check("our gradients with a floor", found[1], 0.1)
    with torch.no_grad():
        loss = (ours(words, targets) - example.eval()(words, targets)).abs().item()
    check("the example's loss", loss, 1e-4)
    theirs = gradients(example)
    ends = max(difference(theirs[i], expected[i]) for i in (0, -2, -1))
    check("the example's gradients of vectors and projection", ends, 1e-5)
    return found[0], found[1]


def _memory_of(name: str) -> float:
    """MB, from a process that does nothing else."""
    command = [sys.executable, "-c", f"from benchmarks import word_model; word_model.memory({name!r})"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, cwd=peer.ROOT)
    return float(found.stdout)


def memory(name: str) -> None:
    """Print the most that three steps take above what is there."""
    torch.set_num_threads(2)
    vocabulary, text = batches()
    text = [(words.clone(), targets.clone()) for words, targets in text[:3]]
    batches.cache_clear()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    ours = Ours(vocabulary)
    update = updating(ours if name == OURS else Example(ours))
    del ours
    for words, targets in text:
        update(words, targets)
    print(_status("VmHWM") - before)


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)
