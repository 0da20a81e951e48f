"""The equations of a window against autograd, and the native loop against the equations."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unrolled import kernels
from unrolled.embeddings.noise import alias_table, keep_odds
from unrolled.embeddings.window import gradients, train_windows, windows
from unrolled.kernels.embeddings import WindowJob
from unrolled.kernels.embeddings import train_windows as train_natively

VOCABULARY, SENTENCES = 30, 12
CASES = {
    "skip-gram": {"architecture": 0},
    "cbow": {"architecture": 1},
    "skip-gram with pieces": {"architecture": 0, "pieces": True},
    "cbow with pieces": {"architecture": 1, "pieces": True},
    "seven negatives": {"architecture": 0, "negatives": 7},
    "wide": {"architecture": 0, "dimensions": 100},
}

native = pytest.mark.skipif(kernels.load() is None, reason="the native kernels are not built")


def make_job(
    seed: int,
    *,
    architecture: int,
    pieces: bool = False,
    negatives: int = 5,
    dimensions: int = 7,
    vocabulary: int = VOCABULARY,
) -> tuple[WindowJob, Any, Any]:
    random = np.random.default_rng(seed)
    counts = random.integers(1, 50, vocabulary)
    table = alias_table(counts**0.75)
    job = WindowJob(
        architecture=architecture,
        window=4,
        negatives=negatives,
        seed=seed,
        total=500,
        first_rate=0.05,
        last_rate=0.001,
        keep=keep_odds(counts, 0.05),
        noise_odds=table.odds,
        noise_alias=table.alias,
        input=random.normal(size=(vocabulary + 11, dimensions)).astype(np.float32),
        output=random.normal(size=(vocabulary, dimensions)).astype(np.float32),
    )
    if pieces:
        lengths = random.integers(1, 6, vocabulary)
        job.pieces_begin = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        job.pieces = random.integers(0, len(job.input), lengths.sum()).astype(np.int32)
    bounds = np.concatenate([[0], np.cumsum(random.integers(1, 9, SENTENCES))]).astype(np.int64)
    return job, random.integers(0, vocabulary, bounds[-1]).astype(np.int32), bounds


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_gradients_are_those_of_autograd(case: str, seed: int) -> None:
    job, ids, bounds = make_job(seed, **CASES[case])
    seen = 0
    for window in windows(job, ids, bounds, 0):
        inputs = torch.tensor(job.input[window.rows], dtype=torch.float64, requires_grad=True)
        outputs = torch.tensor(job.output[window.targets], dtype=torch.float64, requires_grad=True)
        logits = torch.from_numpy(window.combine) @ inputs @ outputs.T
        labels = torch.from_numpy(window.labels).expand_as(logits)
        weights = torch.from_numpy(window.counted).expand_as(logits)
        loss = F.binary_cross_entropy_with_logits(logits, labels, weights, reduction="sum")
        loss.backward()
        found = gradients(window, inputs.detach().numpy(), outputs.detach().numpy())
        assert found.loss == pytest.approx(loss.item(), rel=1e-12)
        np.testing.assert_allclose(found.rows, inputs.grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(found.targets, outputs.grad.numpy(), atol=1e-12)
        seen += 1
    assert seen > 20


@native
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_native_loop_does_what_the_equations_say(case: str, seed: int) -> None:
    job, ids, bounds = make_job(seed, **CASES[case])
    reference = copy.deepcopy(job)
    before = job.input.copy()
    train_natively(job, ids, bounds, 17)
    train_windows(reference, ids, bounds, 17)
    assert np.abs(job.input - before).max() > 1e-3
    for mine, theirs in ((job.input, reference.input), (job.output, reference.output)):
        assert np.linalg.norm(mine - theirs) <= 1e-5 * np.linalg.norm(theirs), f"{case}, seed {seed}"


@native
def test_native_loss_is_that_of_a_sample() -> None:
    # One window in 64 is measured: the first, here.
    job, ids, bounds = make_job(4, architecture=0)
    first = next(windows(job, ids, bounds, 0))
    expected = gradients(first, job.input[first.rows], job.output[first.targets]).loss
    loss, pairs = train_natively(job, ids, bounds, 0)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert pairs == len(first.rows)


@native
@pytest.mark.parametrize("case", CASES)
def test_synchronous_result_does_not_depend_on_threads(case: str) -> None:
    results = []
    for threads in (1, 2, 3):
        job, ids, bounds = make_job(5, **CASES[case])
        train_natively(job, ids, bounds, 0, threads=threads, synchronous=True)
        results.append((job.input.tobytes(), job.output.tobytes()))
    assert results[0] == results[1] == results[2]


@native
def test_synchronous_changes_are_those_of_the_frozen_rows() -> None:
    job, ids, bounds = make_job(6, architecture=0, vocabulary=16 * 100)  # rounds of a hundred windows
    frozen = copy.deepcopy(job)
    expected = job.input.astype(np.float64)
    for window in windows(frozen, ids, bounds, 0):
        found = gradients(window, frozen.input[window.rows], frozen.output[window.targets])
        np.add.at(expected, window.rows, -window.rate * found.rows)
    train_natively(job, ids, bounds, 0, threads=2, synchronous=True)
    np.testing.assert_allclose(job.input, expected, rtol=2e-5, atol=2e-6)


@native
def test_a_job_with_the_wrong_type_is_refused() -> None:
    job, ids, bounds = make_job(1, architecture=0)
    with pytest.raises(TypeError, match="contiguous array of int32"):
        train_natively(job, ids.astype(np.int64), bounds, 0)
