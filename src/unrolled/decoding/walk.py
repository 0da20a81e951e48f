"""The decoder's side of a search: step by step, one row a hypothesis still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from unrolled.decoding.candidates import extend, extend_or_end
from unrolled.decoding.protocol import Decoder, device_of, sentences_of
from unrolled.decoding.sampling import TOGETHER, Drawing, Sampling
from unrolled.errors import RunError, UserError

_LIKELIEST = Sampling(temperature=0)


class Walk:
    """Feeds tokens to a decoder and answers each row's likeliest next ones, within bounds on length.

    Attributes:
        batch: number of sentences.
        longest: T_max of each sentence, eos counted, ``(batch,)``.
        steps: how many were made.

    Raises:
        UserError: bounds on length that contradict each other, or the number of sentences; a banned eos.
        RunError: log-probabilities that are not numbers.
    """

    def __init__(
        self,
        decoder: Decoder,
        source: Any,
        min_length: int,
        max_length: int | Sequence[int] | Int[Tensor, " batch"],
        bos: int | Int[Tensor, " batch"],
        eos: int,
        banned: Sequence[int],
    ) -> None:
        if eos in banned:
            raise UserError("eos is banned: no hypothesis could end")
        self.decoder, self.eos, self.min_length = decoder, eos, min_length
        self.state = decoder.start(source)
        self.batch, self.steps = sentences_of(self.state, max_length=max_length, bos=bos), 0
        self.longest = _longest(max_length, min_length, self.batch)
        self._device = device_of(decoder)
        self._tokens = torch.as_tensor(bos, device=self._device).expand(self.batch)
        self._banned = torch.tensor(sorted(set(banned)), dtype=torch.int64, device=self._device)
        self._banned_and_eos = torch.cat([self._banned, self._banned.new_tensor([eos])])

    def step(self, k: int, sentence: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The ``k`` likeliest tokens that may follow each row: log-probabilities and ids, ``(rows, k)``.

        ``sentence`` tells which one each row belongs to. Descending, ties to the lower id, −∞ for none.
        """
        self.steps += 1
        forbidden = self._banned if self.steps >= self.min_length else self._banned_and_eos
        at_end = self.longest[sentence] == self.steps
        if at_end.any():
            last = torch.from_numpy(at_end).to(self._device)
            found = extend_or_end(self.decoder, self.state, self._tokens, k, forbidden, last, self.eos)
        else:
            found = extend(self.decoder, self.state, self._tokens, k, forbidden)
        self.state = found.state
        return self._numbers(found.log_probs), found.ids.cpu().numpy()

    def likeliest(self, sentence: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The likeliest token after each row, the likeliest after that, and so on: ``(steps, rows)``.

        Several steps where the decoder makes them at once; what stands after a row's eos or −∞ is void.
        """
        # Rows that have ended go on to the last of the steps: cheap for a few rows alone.
        together = min(int(self.longest[sentence].min()) - 1 - self.steps, TOGETHER // len(sentence))
        if together < 2 or not hasattr(self.decoder, "draw"):
            log_probs, ids = self.step(1, sentence)
            return log_probs.T, ids.T
        drawing = Drawing(_LIKELIEST, self._banned, self.eos, self.min_length - 1 - self.steps)
        uniform = torch.zeros(together, len(sentence), dtype=torch.float64, device=self._device)
        self.state, found, ids = self.decoder.draw(self.state, self._tokens, uniform, drawing)
        self.steps += len(ids)
        return self._numbers(found), ids.cpu().numpy()

    def _numbers(self, log_probs: Tensor) -> NDArray[np.float64]:
        found = log_probs.double().cpu().numpy()
        if np.isnan(found).any():
            raise RunError(
                f"the model's log-probabilities are not numbers at step {self.steps} of the search"
            )
        return found

    def select(self, rows: NDArray[np.int64], tokens: NDArray[np.int64]) -> None:
        """Go on with these rows, each after its token."""
        if len(rows) == 0:
            return
        if len(rows) != len(self._tokens) or (rows != np.arange(len(rows))).any():
            self.state = self.decoder.select(self.state, torch.from_numpy(rows).to(self._device))
        self._tokens = torch.from_numpy(tokens).to(self._device)


def _longest(
    max_length: int | Sequence[int] | Int[Tensor, " batch"], min_length: int, batch: int
) -> NDArray[np.int64]:
    longest = torch.as_tensor(max_length, dtype=torch.int64, device="cpu").expand(batch).numpy()
    if min_length < 0:
        raise UserError(f"min_length {min_length} is negative: 0 or more is possible")
    least = max(1, min_length)
    if len(longest) and longest.min() < least:
        raise UserError(
            f"max_length {longest.min()} is below {least}, the least possible length (eos counts): "
            "raise max_length or lower min_length"
        )
    return longest
