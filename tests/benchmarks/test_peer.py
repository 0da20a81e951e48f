from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks import peer

SERVE = f"""
import sys
sys.path.insert(0, {str(peer.SCRIPTS)!r})
from serve import serve

def prepare(*, folder, scale):
    if scale < 0:
        raise ValueError("scale: negative")
    print("a library speaks")
    from arrays import read, write
    write(folder, doubled=read(folder, "given", (2, 2)) * scale)
    return {{"scale": scale}}, lambda: None

serve(prepare)
"""


def test_a_peer_prepares_answers_with_numbers_and_takes_turns(tmp_path: Path) -> None:
    given = torch.arange(4.0).reshape(2, 2)
    peer.write_arrays(tmp_path, given=given.t())
    with peer.Peer([sys.executable, "-c", SERVE]) as process:
        assert process.prepare(folder=str(tmp_path), scale=2) == {"scale": 2}
        assert torch.equal(peer.read_array(tmp_path, "doubled", (2, 2)), 2 * given.t())
        assert 0 < process.turn() < 1


def test_a_peer_that_cannot_run_says_why(tmp_path: Path) -> None:
    with peer.Peer([sys.executable, "-c", SERVE]) as process:
        with pytest.raises(peer.PeerError, match="nothing is prepared"):
            process.turn()
        with pytest.raises(peer.PeerError, match="ValueError: scale: negative"):
            process.prepare(folder=str(tmp_path), scale=-1)
    with (
        peer.Peer([sys.executable, "-c", "import no_such_module"]) as broken,
        pytest.raises(peer.PeerError, match="No module named 'no_such_module'"),
    ):
        broken.prepare()
