from __future__ import annotations

import subprocess
import sys

from unrolled import text


def test_every_public_name_is_there():
    assert sorted(text.__all__) == text.__all__
    assert all(hasattr(text, name) for name in text.__all__)


def test_the_room_does_without_torch():
    script = "import sys, unrolled.text, unrolled.text.vectors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
