"""The tasks by name: the only place that knows which jobs there are."""

from __future__ import annotations

import importlib

from unrolled.errors import UserError, nearest
from unrolled.tasks.task import Task

_MODULES = {
    "classify": "unrolled.tasks.classify",
    "tag": "unrolled.tasks.tag",
    "language-model": "unrolled.tasks.language_model",
    "embed": "unrolled.tasks.embed",
    "caption": "unrolled.tasks.caption",
    "translate": "unrolled.tasks.translate",
}
"""Recipe name → module; imported when asked for, so that a command pays for one task alone."""

_REGISTERED: dict[str, type[Task]] = {}


def names() -> list[str]:
    """The tasks a recipe can name."""
    return sorted({*_MODULES, *_REGISTERED})


def register(task: type[Task]) -> type[Task]:
    """Make a task of one's own known to recipes, as a class decorator.

    Raises:
        ValueError: another task has this name.
    """
    if _REGISTERED.get(task.name, task) is not task:
        raise ValueError(f"a task named {task.name!r} is registered already")
    _REGISTERED[task.name] = task
    return task


def find(name: str) -> type[Task]:
    """The task of that name.

    Raises:
        UserError: no such task; the nearest known one is named.
    """
    if name not in _REGISTERED and name in _MODULES:
        importlib.import_module(_MODULES[name])
    try:
        return _REGISTERED[name]
    except KeyError:
        raise UserError(f"unknown task {name!r}: {nearest(name, names())}") from None
