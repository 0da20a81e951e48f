from __future__ import annotations

import re

import numpy as np
import pytest

from unrolled.errors import RunError
from unrolled.text.projector import write_projector


def test_a_folder_for_the_projector(tmp_path):
    matrix = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    write_projector(tmp_path / "out", ["a", "b c", "é"], matrix)
    named = dict(re.findall(r'(\w+): "(.*)"', (tmp_path / "out" / "projector_config.pbtxt").read_text()))
    numbers = np.loadtxt(tmp_path / "out" / named["tensor_path"], delimiter="\t", dtype=np.float32)
    assert np.array_equal(numbers, matrix)
    words = (tmp_path / "out" / named["metadata_path"]).read_text(encoding="utf-8")
    assert words == "a\nb c\né\n"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="out: cannot write"):
        write_projector(tmp_path / "out", ["a"], np.ones((1, 2), dtype=np.float32))
