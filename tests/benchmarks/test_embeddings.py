from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.embeddings import METHODS, Row, memory
from benchmarks.memory import write
from benchmarks.peer import PeerError

from benchmarks import embeddings


def test_a_row_is_the_median_of_its_rounds() -> None:
    ours = Row("unrolled", [20.0, 30.0, 90.0], {"analogies": [5.0, 7.0, 6.0]})
    theirs = Row("gensim", [10.0, 10.0, 10.0])
    assert ours.cells("text", theirs) == ["text: unrolled", "30", "3.00", "", "6.0 (spread 2.0)", ""]


def test_without_the_authors_program_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOVE", str(tmp_path))
    with pytest.raises(PeerError, match="build/glove is not there: clone stanfordnlp/GloVe"):
        embeddings.compare_glove(tmp_path / "text.txt", embeddings.Tests(), threads=1, seeds=[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's count of a process's pages")
@pytest.mark.parametrize("method", METHODS)
def test_beside_its_matrices_a_training_holds_under_100_megabytes(tmp_path: Path, method: str) -> None:
    write(tmp_path / "text.txt", 20_000_000)
    used = memory(tmp_path / "text.txt", method, 1)
    given = used["matrices"] + used["words"]
    assert 0 < used["matrices"] < used["peak"] < given + 100
