from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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


def line(update: int, norms: list[float], clipped: float) -> dict[str, object]:
    return {**old_line(update, sum(norms) / len(norms), max(norms), clipped), "gradient_norms": norms}


def old_line(update: int, mean: float, largest: float, clipped: float) -> dict[str, object]:
    return {"update": update, "gradient_norm": mean, "gradient_norm_largest": largest, "clipped": clipped}


def test_the_norm_of_every_update_is_read(folder: RunFolder) -> None:
    write(
        folder,
        line(3, [1.0, 4.0, 2.5], 2 / 3),
        {"update": 3, "dev": {"bleu": 3}},
        line(4, [0.5], 0.0),
        '{"upd',
    )
    found = training_norms(folder, "mine")
    assert found is not None
    assert (found.update.tolist(), found.norm.tolist()) == ([1, 2, 3, 4], [1.0, 4.0, 2.5, 0.5])
    assert (found.updates, found.largest, found.threshold) == (4, 4.0, 2.0)
    assert found.share_clipped == pytest.approx(2 / 4)
    assert "over 4 updates" in found.summary
    assert "median 1.75 and was 4 at most; 50.0% of the updates were clipped" in found.summary
    assert found.as_dict()["median"] == 1.75


def test_of_an_older_log_a_lines_mean_is_read_and_shares_are_weighted_by_updates(folder: RunFolder) -> None:
    write(folder, old_line(50, 1.5, 4.0, 0.5), old_line(60, 0.5, 1.0, 0.0), line(62, [3.0, 1.0], 0.5))
    found = training_norms(folder, "mine")
    assert found is not None
    assert (found.update.tolist(), found.norm.tolist()) == ([50, 60, 61, 62], [1.5, 0.5, 3.0, 1.0])
    assert (found.updates, found.largest) == (62, 4.0)
    assert found.share_clipped == pytest.approx(26 / 62)


def test_a_long_training_is_few_points(folder: RunFolder) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    norms = np.random.default_rng(0).lognormal(size=100_000).round(4).tolist()
    write(folder, line(len(norms), norms, 0.0))
    found = training_norms(folder, "mine")
    assert found is not None
    distribution, by_update = (picture.markup for picture in found.pictures())
    assert len(distribution) + len(by_update) < 200_000
    assert "largest" in by_update


def test_of_a_short_training_each_update_is_one_point(folder: RunFolder) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    write(folder, line(3, [0.5, 1.0, 4.0], 1 / 3))
    found = training_norms(folder, "mine")
    assert found is not None
    assert "largest" not in found.pictures()[1].markup


def test_a_run_without_a_log_has_none(folder: RunFolder) -> None:
    assert training_norms(folder, "mine") is None
    write(folder, {"update": 1, "dev": {}})
    assert training_norms(folder, "mine") is None


@pytest.mark.parametrize(
    "damaged", ['{"upd', '{"gradient_norm": 1}', "5", '{"update": 1, "gradient_norm": "x"}']
)
def test_a_damaged_line_is_named(folder: RunFolder, damaged: str) -> None:
    write(folder, damaged, line(1, [0.5], 0.0))
    with pytest.raises(UserError, match=r"log\.jsonl:1: damaged"):
        training_norms(folder, "mine")
