"""The toy task and its runs, from the tests of training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SPECIFICATION = importlib.util.spec_from_file_location(
    "toy_fixtures", Path(__file__).parents[1] / "training" / "conftest.py"
)
assert _SPECIFICATION
assert _SPECIFICATION.loader
_FIXTURES = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(_FIXTURES)

toy, recipe, fit = _FIXTURES.toy, _FIXTURES.recipe, _FIXTURES.fit
