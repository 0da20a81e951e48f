from __future__ import annotations

import os
import tarfile
from pathlib import Path

from unrolled.text.label_settings import LabelledData
from unrolled.training import sources


def test_files_folders_and_archives_that_change_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\n")
    (tmp_path / "texts" / "pos").mkdir(parents=True)
    (tmp_path / "texts" / "pos" / "1.txt").write_text("one")
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "texts", "set")
    data = LabelledData(root=str(tmp_path), train="a.tsv", dev="texts", test="set.tar.gz/set")
    found = sources.stamps(data)
    paths = [str(tmp_path / name) for name in ("a.tsv", "texts", "set.tar.gz")]
    assert list(found) == paths
    assert sources.changed(tmp_path, found) == []
    sources.record(tmp_path, found)
    assert sources.changed(tmp_path, sources.stamps(data)) == []
    (tmp_path / "texts" / "pos" / "2.txt").write_text("two")
    os.utime(tmp_path / "a.tsv", (1, 1))
    assert sources.changed(tmp_path, sources.stamps(data)) == paths[:2]


def test_data_elsewhere_are_told_unless_they_are_as_large(tmp_path: Path) -> None:
    for name, content in (("here", "a\tb\n"), ("moved", "a\tb\n"), ("other", "a\tb\nc\td\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.tsv").write_text(content)
    found = {
        name: sources.stamps(LabelledData(root=str(tmp_path / name), train="a.tsv"))
        for name in ("here", "moved", "other")
    }
    sources.record(tmp_path, found["here"])
    assert sources.changed(tmp_path, found["moved"]) == []
    assert sources.changed(tmp_path, found["other"]) == [str(tmp_path / "other" / "a.tsv")]


def test_what_is_no_file_or_is_gone_is_not_looked_at(tmp_path: Path) -> None:
    data = LabelledData(root="$NOWHERE", train="a.tsv", dev=str(tmp_path / "gone"), test="huggingface:x")
    assert sources.stamps(data) == {}
    assert sources.stamps(None) == {}
