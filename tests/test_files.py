from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled.errors import RunError, UserError
from unrolled.files import check_output, write_whole


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (b"one", b"", b"three"):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a"
    write_whole(path, b"old")

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        RunError, match=r"/a: cannot write: No space left on device; what was saved before is intact"
    ):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_too_large_for_the_disk_is_an_error_of_one_line(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from unrolled.errors import RunError\n"
        "from unrolled.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), bytes(2000))\n"
        "except RunError as error: print(error); sys.exit(error.exit_code)\n"
    )
    path = tmp_path / "a"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", program, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1, answer.stderr
    assert answer.stdout.startswith(f"{path}: cannot write: File too large")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert resource.getrlimit(resource.RLIMIT_FSIZE) != (1000, 1000)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere/a: cannot write: No such file or directory"):
        write_whole(tmp_path / "nowhere" / "a", b"")


def test_a_link_stays_one_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to("a")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    write_whole(tmp_path / "pipe", [b"on", b"e"])
    assert reader.communicate(timeout=60)[0] == b"one"
    assert (tmp_path / "pipe").is_fifo()


def test_where_output_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_output(tmp_path / "a.png", (".png",)) == tmp_path / "a.png"
    (tmp_path / "d.png").mkdir()
    for name, says in {
        "a.gif": r"a\.gif: give a file that ends in \.png, \.svg",
        "d.png": "is a folder; give a file's name",
        "no/a.png": "does not exist; create it first",
    }.items():
        with pytest.raises(UserError, match=says):
            check_output(tmp_path / name, (".png", ".svg"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=r"a\.png: cannot be written: no permission"):
        check_output(tmp_path / "a.png", (".png",))
