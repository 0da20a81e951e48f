from __future__ import annotations

import json
import math

import numpy as np
import torch

from unrolled.cli.running import given, to_json


def test_json_keeps_every_script_and_has_no_number_json_lacks() -> None:
    text = to_json({"é漢": [math.nan, math.inf, 0.5], "a": (1, None, True)})
    assert text == '{"é漢": [null, null, 0.5], "a": [1, null, true]}'


def test_json_of_arrays_and_tensors() -> None:
    value = {"a": np.float32(0.5), "b": np.arange(3), "c": torch.tensor([[1.0, math.nan]])}
    assert json.loads(to_json(value)) == {"a": 0.5, "b": [0, 1, 2], "c": [[1.0, None]]}


def test_only_options_that_were_given() -> None:
    assert given(beam=None, nbest=0, length_penalty=0.0) == {"nbest": 0, "length_penalty": 0.0}
