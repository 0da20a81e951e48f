"""One window of skip-gram or CBOW as its equations are written, and training without native kernels.

A window has hidden vectors H (a neighbour's vector each, or one combination of several) and output vectors O,
each with a label t: 1 for a word that stood there, 0 for one drawn from the noise. Its loss and gradients are

    L = −Σ log σ(h·o) where t = 1, −Σ log σ(−h·o) where t = 0;   G = σ(H Oᵀ) − T;   ∂H = G O;   ∂O = Gᵀ H.

Skip-gram (Mikolov et al. 2013) shares the negatives of a word among its neighbours (Ji et al. 2016). CBOW
takes the mean of the neighbours, and its true gradient: each neighbour gets 1/n of it (İrsoy et al. 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from unrolled.embeddings.noise import below, draw
from unrolled.kernels.embeddings import WindowJob


class Window(NamedTuple):
    """What one window touches: hidden vector n is ``combine[n] @ input[rows]``."""

    rows: Int[np.ndarray, " inputs"]
    combine: Float[np.ndarray, "hidden inputs"]
    targets: Int[np.ndarray, " outputs"]
    labels: Float[np.ndarray, " outputs"]
    counted: Float[np.ndarray, " outputs"]
    """0 where the noise drew the very word that is to be predicted."""
    rate: float


class Gradients(NamedTuple):
    """The loss, and its gradients by the rows a window touches."""

    loss: float
    rows: Float[np.ndarray, "inputs dimensions"]
    targets: Float[np.ndarray, "outputs dimensions"]


def gradients(
    window: Window,
    inputs: Float[np.ndarray, "inputs dimensions"],
    outputs: Float[np.ndarray, "outputs dimensions"],
) -> Gradients:
    """Loss and gradients of a window, given the rows it touches."""
    hidden = window.combine @ inputs
    logits = hidden @ outputs.T
    signed = np.where(window.labels, logits, -logits)
    loss = float((np.logaddexp(0, -signed) * window.counted).sum())
    error = (1 / (1 + np.exp(-logits)) - window.labels) * window.counted
    return Gradients(loss, window.combine.T @ (error @ outputs), error.T @ hidden)


def windows(
    job: WindowJob, ids: Int[np.ndarray, " words"], bounds: Int[np.ndarray, " sentences+1"], position: int
) -> Iterator[Window]:
    """The windows of a block of sentences, given as to ``kernels.embeddings.train_windows``."""
    places = position + np.arange(bounds[-1] - bounds[0])
    block = ids[bounds[0] : bounds[-1]]
    kept = (draw(job.seed, places, 0) & np.uint64(0xFFFFFFFF)) <= job.keep[block]
    for first, last in zip(bounds[:-1] - bounds[0], bounds[1:] - bounds[0], strict=True):
        stay = np.flatnonzero(kept[first:last]) + first
        words = block[stay]
        for i, place in enumerate(places[stay]):
            reach = job.window - int(below(draw(job.seed, place, 1), job.window))
            near = np.concatenate([words[max(0, i - reach) : i], words[i + 1 : i + reach + 1]])
            if len(near):
                yield _window(job, int(words[i]), near, int(place))


def _window(job: WindowJob, centre: int, near: Int[np.ndarray, " neighbours"], place: int) -> Window:
    skipgram, pieces = job.architecture == 0, job.pieces is not None
    # Where words have many pieces, the centre's are gathered once and its neighbours predicted from them.
    given, wanted = (np.array([centre]), near) if skipgram and pieces else (near, np.array([centre]))
    choices = 2 + np.arange(len(wanted) * job.negatives)
    bits = draw(job.seed, place, choices).reshape(len(wanted), job.negatives)
    noise = below(bits, len(job.output))
    taken = (bits & np.uint64(0xFFFFFFFF)) > job.noise_odds[noise]
    noise = np.where(taken, job.noise_alias[noise], noise)
    targets = np.concatenate([wanted[:, None], noise], axis=1)
    labels = np.zeros(targets.shape)
    labels[:, 0] = 1
    counted = np.ones(targets.shape)
    counted[:, 1:] = noise != wanted[:, None]

    if job.pieces is not None and job.pieces_begin is not None:
        parts = [job.pieces[job.pieces_begin[word] : job.pieces_begin[word + 1]] for word in given]
        rows = np.concatenate(parts)
        scales = np.concatenate([np.full(len(part), 1 / np.sqrt(len(part)) / len(given)) for part in parts])
        combine = scales[None]
    else:
        rows = given
        combine = np.eye(len(given)) if skipgram else np.full((1, len(given)), 1 / len(given))
    done = place / job.total
    rate = max(job.last_rate, job.first_rate + (job.last_rate - job.first_rate) * done)
    return Window(rows, combine, targets.ravel(), labels.ravel(), counted.ravel(), rate)


def train_windows(
    job: WindowJob, ids: Int[np.ndarray, " words"], bounds: Int[np.ndarray, " sentences+1"], position: int
) -> tuple[float, int]:
    """As ``kernels.embeddings.train_windows`` with one thread, in NumPy; the loss is of every window."""
    loss, predicted = 0.0, 0
    for window in windows(job, ids, bounds, position):
        found = gradients(window, job.input[window.rows], job.output[window.targets])
        np.add.at(job.input, window.rows, (-window.rate * found.rows).astype(job.input.dtype))
        np.add.at(job.output, window.targets, (-window.rate * found.targets).astype(job.output.dtype))
        loss += found.loss
        predicted += int(window.labels.sum()) * len(window.combine)
    return loss, predicted
