"""Drawing words at random: temperature, the k likeliest, the likeliest that make up p."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.decoding.protocol import Decoder, Hypothesis, State, device_of, hypothesis, sentences_of
from unrolled.errors import RunError, UserError
from unrolled.kernels.top import top

TOGETHER = 16
"""The most steps made at once: few enough that whoever reads along sees no halt."""


@dataclass(frozen=True)
class Sampling:
    """What is drawn from, after the model's log-probabilities were divided by the temperature.

    Attributes:
        temperature: below 1 prefers the likely; 0 takes the likeliest, every time.
        top_k: draw among so many of the likeliest; 0 for all.
        top_p: draw among the fewest, likeliest first, whose probabilities reach this sum (Holtzman et al.
            2020).

    Raises:
        UserError: a value out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise UserError(f"temperature {self.temperature} is not possible: 0 (greedy) or more")
        if self.top_k < 0:
            raise UserError(f"top_k {self.top_k} is not possible: 1 or more, or 0 for no limit")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top_p {self.top_p} is not possible: above 0, at most 1")

    def draw(
        self, log_probs: Float[Tensor, "rows vocabulary"], uniform: Float[Tensor, " rows"]
    ) -> Int[Tensor, " rows"]:
        """One id a row, by where a number from [0, 1) falls among the probabilities."""
        if self.temperature == 0:
            return log_probs.max(dim=-1).indices
        exact = log_probs.double()  # the highest is taken off, lest a tiny T make all −∞
        scaled = (exact - exact.amax(dim=-1, keepdim=True)) / self.temperature
        ids = None
        if self.top_k or self.top_p < 1:
            scaled, ids = top(scaled, self.top_k or scaled.shape[-1])
        reached = (scaled - scaled.logsumexp(dim=-1, keepdim=True)).exp().cumsum(dim=-1)
        # Those that begin below p: the one that reaches it is the last of them. The likeliest always is.
        begins = torch.cat([torch.zeros_like(reached[:, :1]), reached[:, :-1]], dim=-1)
        kept = (begins < self.top_p).sum(dim=-1)
        total = reached.gather(1, kept[:, None] - 1)
        # "right": a token of probability 0 is never drawn, not even by a uniform number of 0.
        place = torch.searchsorted(reached, uniform.to(reached)[:, None] * total, right=True)
        place = torch.minimum(place, kept[:, None] - 1)
        return (place if ids is None else ids.gather(1, place))[:, 0]


@dataclass(frozen=True)
class Drawing:
    """Some steps of drawing.

    Attributes:
        forbidden: ids that are never drawn.
        eos: ends a row; it is not drawn in the first ``spared`` steps.
    """

    sampling: Sampling
    forbidden: Int[Tensor, " forbidden"]
    eos: int | None = None
    spared: int = 0


def draw_steps(
    decoder: Decoder,
    state: State,
    tokens: Int[Tensor, " rows"],
    uniform: Float[Tensor, "steps rows"],
    drawing: Drawing,
) -> tuple[State, Float[Tensor, "made rows"], Int[Tensor, "made rows"]]:
    """What ``decoder.draw`` may do at once (:class:`unrolled.decoding.Decoder`), step by step."""
    ids, own = [], []
    ended = torch.zeros_like(tokens, dtype=torch.bool)
    for step, numbers in enumerate(uniform):
        state, log_probs = decoder.step(state, tokens)
        allowed = log_probs.index_fill(1, drawing.forbidden, -torch.inf)
        if drawing.eos is not None and step < drawing.spared:
            allowed[:, drawing.eos] = -torch.inf
        highest = allowed.max(dim=-1).values
        possible = highest.isfinite()
        tokens = drawing.sampling.draw(allowed.where(possible[:, None], 0), numbers)
        own.append(torch.where(possible, log_probs.gather(1, tokens[:, None])[:, 0], highest))
        tokens = torch.where(possible, tokens, -1)
        ids.append(tokens)
        if drawing.eos is not None:
            ended |= tokens == drawing.eos
        if bool(ended.all() | ~possible.all()):
            break
    return state, torch.stack(own), torch.stack(ids)


@dataclass(frozen=True)
class Drawn:
    """One step of :func:`stream`: each row's token and its log-probability, None where it had ended."""

    tokens: list[int | None]
    log_probs: list[float | None]


@torch.inference_mode()
def stream(
    decoder: Decoder,
    source: Any,
    *,
    samples: int = 1,
    sampling: Sampling | None = None,
    seed: int | Sequence[int] = 0,
    min_length: int = 0,
    max_length: int | Sequence[int],
    bos: int | Int[Tensor, " batch"],
    eos: int | None = None,
    banned: Sequence[int] = (),
) -> Iterator[Drawn]:
    """Draw token after token and give each step at once, so that a text is read while it is written.

    Row ``i · samples + j`` is sample ``j`` of sentence ``i``. A row ends after its eos, or ``max_length``
    tokens (one number, or one a sentence). The log-probabilities are the model's own, whatever was drawn
    from.

    Args:
        sampling: what to draw from; by default the model's distribution.
        seed: same seed, same text, whatever other sentences there are; one a sentence, or the first one's,
            from which the others' count on.
        min_length: eos is not drawn before so many tokens, itself counted.
        bos: what each sentence continues: one id, or one a sentence (the last token of a prompt).
        eos: left out, nothing ends before ``max_length``.
        banned: ids that are never drawn.

    Raises:
        UserError: an option out of range.
        RunError: the decoder's log-probabilities are not numbers, or all of them −∞.
    """
    sampling = sampling or Sampling()
    if samples < 1:
        raise UserError(f"samples {samples} is not possible: 1 or more")
    limits = torch.as_tensor(max_length, dtype=torch.int64, device="cpu")
    least = int(limits.min()) if limits.numel() else 1
    if least < 1 or min_length < 0 or min_length > least:
        raise UserError(
            f"min_length {min_length} and max_length {least} are not possible: 0 ≤ min ≤ max, 1 ≤ max"
        )
    if eos is not None and eos in banned:
        raise UserError("eos is banned: leave it out to go on to max_length")
    if not limits.numel():
        return
    device = device_of(decoder)
    state = decoder.start(source)
    sentences = sentences_of(state, bos=bos, max_length=max_length, seed=seed)
    rows = torch.arange(sentences, device=device).repeat_interleave(samples)
    tokens = torch.as_tensor(bos, device=device).expand(sentences)[rows]
    if samples > 1:
        state = decoder.select(state, rows)
    forbidden = torch.tensor(sorted(set(banned)), dtype=torch.int64, device=device)
    seeds: Any = seed
    if not np.ndim(seeds):
        seeds = range(seeds, seeds + sentences)
    generators = [torch.Generator("cpu").manual_seed(each) for each in seeds]
    longest = limits.expand(sentences).repeat_interleave(samples).tolist()
    draw = getattr(decoder, "draw", partial(draw_steps, decoder))
    most = TOGETHER if hasattr(decoder, "draw") else 1
    count = len(tokens)
    alive = list(range(count))
    made, together = 0, 1
    while alive:
        together = min(together, most, max(longest[row] for row in alive) - made)
        # Numbers for the rows that have ended, too: theirs must not pass to the others.
        uniform = torch.cat(
            [
                torch.rand(together, samples, generator=each, dtype=torch.float64, device="cpu")
                for each in generators
            ],
            dim=1,
        )[:, alive].to(device)
        drawing = Drawing(sampling, forbidden, eos, min_length - 1 - made)
        state, log_probs, ids = draw(state, tokens, uniform, drawing)
        going = [True] * len(alive)
        for row_ids, row_log_probs in zip(ids.tolist(), log_probs.tolist(), strict=True):
            if min(row_ids) < 0:
                raise RunError(f"the model gives no token a probability after {made} tokens")
            made += 1
            drawn = Drawn([None] * count, [None] * count)
            for place, row in enumerate(alive):
                if going[place]:
                    drawn.tokens[row], drawn.log_probs[row] = row_ids[place], row_log_probs[place]
                    going[place] = row_ids[place] != eos and made < longest[row]
            yield drawn
            if not any(going):
                return
        together, tokens = 2 * together, ids[-1]
        if not all(going):
            kept = torch.tensor([place for place, goes in enumerate(going) if goes], device=device)
            state, tokens = decoder.select(state, kept), tokens[kept]
            alive = [row for row, goes in zip(alive, going, strict=True) if goes]


def sample(
    decoder: Decoder, source: Any, *, samples: int = 1, eos: int | None = None, **options: Any
) -> list[list[Hypothesis]]:
    """``samples`` texts drawn for each sentence; options as for :func:`stream`.

    A text that reached ``max_length`` without eos has as many log-probabilities as tokens.

    Raises:
        UserError, RunError: as :func:`stream`.
    """
    tokens: list[list[int]] = []
    log_probs: list[list[float]] = []
    for drawn in stream(decoder, source, samples=samples, eos=eos, **options):
        if not tokens:
            tokens, log_probs = [[] for _ in drawn.tokens], [[] for _ in drawn.tokens]
        for row, (token, log_prob) in enumerate(zip(drawn.tokens, drawn.log_probs, strict=True)):
            if token is None or log_prob is None:
                continue
            log_probs[row].append(log_prob)
            if token != eos:
                tokens[row].append(token)
    texts = [hypothesis(*each, length_penalty=0.0) for each in zip(tokens, log_probs, strict=True)]
    return [texts[row : row + samples] for row in range(0, len(texts), samples)]
