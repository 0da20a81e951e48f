from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_line_a_picture(unrolled: Callable[..., Any], fake_run: Callable[..., Path]) -> None:
    run = fake_run("caption")
    assert unrolled("caption", run, "a.jpg", "b.jpg").lines == ["A.JPG", "B.JPG"]
    assert unrolled("caption", run, "a.jpg", "--json").json == [
        {"input": "a.jpg", "text": "A.JPG", "score": -0.5}
    ]
