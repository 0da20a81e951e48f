"""What the command line hands to every subject."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer import ROOT, PeerError


@dataclass(frozen=True)
class Options:
    """``rounds``: how many; ``only``: rows whose name holds this text."""

    rounds: int = 5
    only: str = ""

    def wants(self, name: str) -> bool:
        return self.only in name


def data(name: str) -> Path:
    """A folder of ``$UNROLLED_DATA`` (else ``../shared/data``).

    Raises:
        PeerError: it is not there.
    """
    folder = Path(os.environ.get("UNROLLED_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        raise PeerError(f"{folder} is not there: set UNROLLED_DATA")
    return folder
