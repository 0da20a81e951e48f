"""What lesser processors compute: a few tests that compare kernels with references, once for each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled import kernels

LEVELS = ["baseline", "avx2", "avx512"]
FOUND = kernels.describe()["instruction_set"]
LESS = LEVELS[: LEVELS.index(FOUND)] if FOUND else []
CHOSEN = (
    "kernels/test_product.py",
    "kernels/test_program.py",
    "models/test_program.py::test_is_step_and_choice",
    "models/test_program.py::test_packed_weights_are_near",
    "nn/test_additive.py",
    "nn/test_dropout.py",
    "nn/test_fused.py::test_single_is_the_reference_in_double",
    "nn/test_fused_attentive.py::test_double_is_the_reference",
    "nn/test_traced.py::test_a_traced_step_is_the_loop",
    "nn/test_traced.py::test_single_precision_and_odd_sizes",
)


@pytest.mark.skipif(not LESS, reason="there is nothing less than the instruction set in use")
@pytest.mark.parametrize("level", LESS or ["none"])
def test_lesser_processors_compute_the_same(level: str) -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-k", "not (test_single_is_the_reference_in_double and full)"),  # ragged ones are enough
            *(str(tests / each) for each in CHOSEN),
        ],
        env={**os.environ, "UNROLLED_INSTRUCTION_SET": level},
        cwd=tests.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
