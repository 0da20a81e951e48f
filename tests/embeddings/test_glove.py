"""GloVe's entries against autograd, and the native loop against them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from unrolled import kernels
from unrolled.embeddings.glove import train_entries
from unrolled.kernels.embeddings import GLOVE_TENSORS, train_glove

WORDS, SIZE = 40, 20
MATRICES = ("input", "output")
native = pytest.mark.skipif(kernels.load() is None, reason="the native kernels are not built")


def make(seed: int, entries: int) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, ...]]:
    random = np.random.default_rng(seed)
    tensors = {
        name: random.uniform(0.5, 1.5, (WORDS, SIZE) if name in MATRICES else WORDS).astype(np.float32)
        for name in GLOVE_TENSORS
    }
    rows, columns = random.integers(0, WORDS, (2, entries)).astype(np.int32)
    logs, weights = random.normal(size=(2, entries)).astype(np.float32)
    return tensors, (rows, columns, logs, np.abs(weights))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_step_is_adagrad_on_the_gradients_of_autograd(seed: int) -> None:
    tensors, (rows, columns, logs, weights) = make(seed, 1)
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()}
    learnt = [name for name in GLOVE_TENSORS if not name.endswith("squares")]
    for name in learnt:
        given[name].requires_grad_()
    i, j = int(rows[0]), int(columns[0])
    difference = (
        given["input"][i] @ given["output"][j] + given["input_bias"][i] + given["output_bias"][j] - logs[0]
    )
    loss = weights[0] * difference**2
    (loss / 2).backward()
    total = train_entries(tensors, rows, columns, logs, weights, 0.05)
    assert total == pytest.approx(loss.item(), rel=1e-5)
    for name in learnt:
        gradient, squares = given[name].grad, given[f"{name}_squares"]
        rows = gradient.reshape(WORDS, -1)
        expected = given[name].detach() - 0.05 * (rows / squares.sqrt()[:, None]).reshape(gradient.shape)
        np.testing.assert_allclose(tensors[name], expected, rtol=1e-5, err_msg=f"{name}, seed {seed}")
        np.testing.assert_allclose(tensors[f"{name}_squares"], squares + (rows**2).mean(1), rtol=1e-5)


@native
@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_native_loop_does_what_the_equations_say(seed: int, threads: int) -> None:
    # It takes the entries by blocks of rows and columns; each by itself here, so that their order is known.
    tensors, entries = make(seed, 60)
    reference = copy.deepcopy(tensors)
    mine = theirs = 0.0
    for k in range(60):
        one = tuple(np.ascontiguousarray(each[k : k + 1]) for each in entries)
        mine += train_glove(tensors, *one, 0.05, threads=threads)
        theirs += train_entries(reference, *one, 0.05)
    assert mine == pytest.approx(theirs, rel=1e-4)
    for name in GLOVE_TENSORS:
        difference = np.linalg.norm(tensors[name] - reference[name]) / np.linalg.norm(reference[name])
        assert difference <= 1e-5, f"{name}, seed {seed}"


@native
def test_any_number_of_threads_gives_the_same_bits() -> None:
    found = []
    for threads in (1, 2, 3):
        tensors, entries = make(5, 3000)
        train_glove(tensors, *entries, 0.05, threads=threads)
        found.append({name: value.tobytes() for name, value in tensors.items()})
    assert found[0] == found[1] == found[2]
