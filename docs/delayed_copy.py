"""The delayed copy: which recurrence can learn across 50 steps? Draws docs/delayed-copy.svg.

A sequence shows symbols that carry no information but for the first; DELAY steps later the network is asked
for that one. RNN (tanh), GRU and LSTM are trained alike, and the gradient of the final loss at the state k
steps before is measured with the tools of `unrolled inspect gradients`.

    python docs/delayed_copy.py [OUT.svg]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import drawing
from unrolled.inspection.gradients import Curve, curve, state_gradients
from unrolled.nn import Recurrent, watching

DELAY, SYMBOLS, HIDDEN, BATCH, UPDATES, KEEP = 50, 8, 64, 64, 400, 4.0
SEEDS = range(5)
CELLS = ("lstm", "gru", "rnn")


@dataclass(frozen=True)
class Outcome:
    """One network after training: its share of right answers on fresh sequences, and its gradients."""

    cell: str
    seed: int
    accuracy: float
    gradients: Curve

    @property
    def at_delay(self) -> float:
        """‖∂L⟨t⟩/∂a⟨t−k⟩‖ at k = DELAY: the state that has just read the symbol to remember."""
        return float(self.gradients.median[DELAY])


class Copier(nn.Module):
    """One layer of a cell, and a readout of its last state."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.layer = Recurrent(cell, SYMBOLS + 1, HIDDEN)
        self.readout = nn.Linear(HIDDEN, SYMBOLS)
        # What has gates begins with those that keep almost open (Gers et al. 2000; Tallec & Ollivier 2018,
        # "Can recurrent neural networks warp time?"): at σ(4) a state fades by half in about 40 steps.
        with torch.no_grad():
            for inner in self.layer.cells:
                gates = inner.bias.unflatten(0, (len(inner.gates), -1))
                if "forget" in inner.gates:
                    gates[inner.gates.index("forget")] = KEEP
                elif "update" in inner.gates:
                    gates[inner.gates.index("update")] = -KEEP

    def forward(self, inputs: Tensor) -> Tensor:
        """log P of each symbol, ``(batch, symbols)``, from ``(time, batch, symbols + 1)``."""
        return self.readout(self.layer(inputs).output[-1]).log_softmax(dim=-1)


def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch: the symbol, DELAY − 1 steps of noise over symbols, and the mark that asks; the answers."""
    noise = torch.randint(SYMBOLS, (DELAY + 1, BATCH), generator=generator)
    answers = noise[0].clone()
    noise[-1] = SYMBOLS
    return nn.functional.one_hot(noise, SYMBOLS + 1).float(), answers


def run(cell: str, seed: int, updates: int = UPDATES) -> Outcome:
    """Train one network, then look at it."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(1000 + seed)
    model = Copier(cell)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _ in range(updates):
        inputs, answers = draw(generator)
        loss = nn.functional.nll_loss(model(inputs), answers)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    inputs, answers = draw(generator)
    with watching(nudges=True) as passages:
        log_probs = model(inputs)
    accuracy = float((log_probs.argmax(-1) == answers).float().mean())
    # Only the last step predicts something.
    predicted = log_probs.gather(1, answers[:, None]).T
    steps = torch.cat([torch.zeros(DELAY, BATCH), predicted])
    chosen = np.full((1, BATCH), DELAY)
    (norms,) = state_gradients(steps, passages, chosen)
    return Outcome(cell, seed, accuracy, curve(cell, norms, chosen))


def picture(outcomes: Sequence[Outcome], path: str | Path) -> None:
    """The median over seeds of each cell's curve, and the band from the least to the greatest."""
    series = []
    for cell in dict.fromkeys(each.cell for each in outcomes):
        curves = np.stack([each.gradients.median for each in outcomes if each.cell == cell])
        right = np.median([each.accuracy for each in outcomes if each.cell == cell])
        name = f"{cell.upper()}: {right:.0%} right"
        median, low, high = np.median(curves, axis=0), curves.min(axis=0), curves.max(axis=0)
        series.append(drawing.Series(name, np.arange(DELAY + 1), median, low, high))
    drawing.draw_curves(series, path, log_y=True, x_label="distance k (steps)", y_label="‖∂L⟨t⟩ / ∂a⟨t−k⟩‖")


if __name__ == "__main__":
    found = []
    for cell in CELLS:
        for seed in SEEDS:
            found.append(run(cell, seed))
            each = found[-1]
            print(
                f"{cell}\tseed {seed}\tright {each.accuracy:.1%}\tgradient at k={DELAY}: {each.at_delay:.2e}",
                flush=True,
            )
    picture(found, sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("delayed-copy.svg"))
