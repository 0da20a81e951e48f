from __future__ import annotations

import json
from pathlib import Path

import pytest

from unrolled.errors import UserError
from unrolled.inspection import training_norms
from unrolled.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "format_version").write_text("1\n")
    (tmp_path / "recipe.toml").write_text(
        'task = "translate"\n[data]\ntrain = "a.tsv"\n[training]\nupdates = 9\nclip_norm = 2.0\n'
    )
    return RunFolder(tmp_path)


def write(folder: RunFolder, *entries: object) -> None:
    folder.log.write_text(
        "".join(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in entries)
    )


def line(update: int, mean: float, largest: float, clipped: float) -> dict[str, float]:
    return {"update": update, "gradient_norm": mean, "gradient_norm_largest": largest, "clipped": clipped}


def test_the_log_is_read_and_shares_weighted_by_updates(folder: RunFolder) -> None:
    write(
        folder, line(50, 1.5, 4.0, 0.5), {"update": 50, "dev": {"bleu": 3}}, line(60, 0.5, 1.0, 0.0), '{"upd'
    )
    found = training_norms(folder, "mine")
    assert found is not None
    assert (found.update.tolist(), found.threshold) == ([50, 60], 2.0)
    assert found.share_clipped == pytest.approx(25 / 60)
    assert "over 60 updates" in found.summary
    assert "median 1 and was 4 at most; 41.7% of the updates were clipped" in found.summary
    assert found.as_dict()["largest_of_all"] == 4.0


def test_a_run_without_a_log_has_none(folder: RunFolder) -> None:
    assert training_norms(folder, "mine") is None
    write(folder, {"update": 1, "dev": {}})
    assert training_norms(folder, "mine") is None


def test_a_damaged_line_is_named(folder: RunFolder) -> None:
    write(folder, '{"upd', line(60, 0.5, 1.0, 0.0))
    with pytest.raises(UserError, match=r"log\.jsonl:1: damaged"):
        training_norms(folder, "mine")
