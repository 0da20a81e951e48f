from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_shapes_are_what_signatures_say(tmp_path: Path) -> None:
    script = Path(__file__).with_name("shapes.py")  # in a process apart: the check is laid on at import
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.stdout == "all shapes are as they say\n", done.stderr[-2000:]
