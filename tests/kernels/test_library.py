from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from unrolled import kernels
from unrolled.errors import RunError
from unrolled.kernels.library import function, openmp_runtimes

needs_native = pytest.mark.skipif(kernels.load() is None, reason="no native library in this installation")


def described(code: str, **environment: str) -> dict[str, object]:
    program = f"{code}\nimport json; print(json.dumps(kernels.describe()))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_reference_can_be_asked_for() -> None:
    answer = described(
        "from unrolled import kernels; assert kernels.load() is None", UNROLLED_KERNELS="reference"
    )
    assert answer["path"] == "reference"
    assert answer["reason"] == "UNROLLED_KERNELS=reference"


@pytest.mark.parametrize(
    ("variable", "value", "choices"),
    [
        ("UNROLLED_KERNELS", "natve", "'native', 'reference'"),
        ("UNROLLED_INSTRUCTION_SET", "avx-2", "'avx512', 'avx2', 'baseline'"),
    ],
)
def test_a_mistyped_choice_names_the_choices(variable: str, value: str, choices: str) -> None:
    program = "from unrolled import kernels; kernels.load()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert f"UserError: {variable}={value!r}: choose one of {choices}" in done.stderr


@needs_native
def test_without_torch_there_is_no_openmp_runtime() -> None:
    answer = described(
        "from unrolled import kernels; kernels.load(); import sys; assert 'torch' not in sys.modules"
    )
    assert answer["path"] == "native"
    assert answer["openmp"] == []


@needs_native
@pytest.mark.parametrize(
    "first",
    [
        "import torch; import unrolled.kernels as k; k.load()",
        "import unrolled.kernels as k; k.load(); import torch; k.load()",
    ],
)
def test_with_torch_there_is_one_openmp_runtime(first: str) -> None:
    answer = described(f"{first}\nfrom unrolled import kernels\ntorch.ones(999, 999) @ torch.ones(999, 999)")
    assert len(answer["openmp"]) == 1  # type: ignore[arg-type]
    assert answer["openmp_note"] is None


@needs_native
@pytest.mark.parametrize("threads", [1, 3])
def test_torchs_threads_are_used_and_as_many_as_it_says(threads: int) -> None:
    program = f"""
import os, torch
from unrolled.kernels.product import product
running = lambda: len(os.listdir("/proc/self/task"))
torch.set_num_threads(1)
a = torch.ones(600, 600)
torch.set_num_threads({threads})
before = running()
product(a, a, out=torch.empty_like(a))
ours = running()
a @ a
torch.ones(10**7).exp_()
print(ours - before, running() - ours)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(threads - 1), "0"]


@needs_native
@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_the_instruction_set_can_be_lowered(level: str) -> None:
    answer = described("from unrolled import kernels", UNROLLED_INSTRUCTION_SET=level)
    assert answer["instruction_set"] in ("baseline", level)


@needs_native
def test_a_function_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(RunError, match="make native"):
        function("no_such_kernel")


def test_runtimes_are_files() -> None:
    assert all(os.path.exists(path) for path in openmp_runtimes())


@needs_native
@pytest.mark.parametrize(
    "first",
    [
        "import sklearn.utils._openmp_helpers; k.function('unrolled_product'); import torch",
        "import sklearn.utils._openmp_helpers, torch",
        "import torch; k.function('unrolled_product'); import sklearn.utils._openmp_helpers",
    ],
)
def test_of_several_openmp_runtimes_pytorchs_is_used(first: str, lacking: Callable[[str], Any]) -> None:
    if importlib.util.find_spec("sklearn") is None:
        lacking("needs scikit-learn, which brings an OpenMP runtime of its own")
    answer = described(
        f"import unrolled.kernels.library as k; {first}\n"
        "from unrolled import kernels\n"
        "k.function('unrolled_product')\n"
        "assert k._shared == [k._pytorchs_runtime()], k._shared\n"
        "assert 'torch' in k._shared[0] and 'scikit' not in k._shared[0], k._shared"
    )
    assert len(answer["openmp"]) == 2  # type: ignore[arg-type]
    assert str(answer["openmp_note"]).startswith("2 runtimes")
