from __future__ import annotations

import subprocess
import sys

import pytest

from unrolled import tasks
from unrolled.errors import UserError


def test_every_named_task_is_found_and_says_what_it_is() -> None:
    assert "translate" in tasks.names()
    for name in tasks.names():
        task = tasks.find(name)
        assert task.name == name
        assert all(getattr(task, about) for about in ("shape", "verb", "predictor_type"))
        assert {"data", "model"} <= set(task.Sections.model_fields)


def test_an_unknown_task_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown task 'transalte': .*translate"):
        tasks.find("transalte")


def test_a_name_is_taken_once() -> None:
    task = tasks.find("translate")
    assert tasks.register(task) is task
    other = type("Other", (task,), {"name": "translate"})
    with pytest.raises(ValueError, match="'translate' is registered already"):
        tasks.register(other)


def test_naming_the_tasks_does_not_import_torch() -> None:
    program = "import sys; from unrolled import tasks; tasks.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
