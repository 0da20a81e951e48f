from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from unrolled.cli.lines import CHUNK, all_lines, chunks, print_line
from unrolled.errors import UserError


def give(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"no end", ["no end"]),
        (b"\xef\xbb\xbfbom\r\n", ["bom"]),
        ("é\u2028x\n漢\n".encode(), ["é\u2028x", "漢"]),
    ],
)
def test_files_and_standard_input_give_the_same_lines(
    data: bytes, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.txt").write_bytes(data)
    give(monkeypatch, data)
    assert all_lines(str(tmp_path / "in.txt")) == lines
    assert all_lines("-") == lines


def test_a_long_input_comes_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [str(number) for number in range(3 * CHUNK + 7)]
    give(monkeypatch, "\n".join(wanted).encode())
    found = list(chunks("-"))
    assert [line for chunk in found for line in chunk] == wanted
    assert max(map(len, found)) <= CHUNK


def test_a_line_is_handed_on_while_the_next_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as typist:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))
        answers = chunks("-")
        typist.write(b"first\n")
        assert next(answers) == ["first"]  # would block for ever if it waited for a full chunk
        threading.Thread(target=lambda: (time.sleep(0.05), typist.write(b"second\n"), typist.close())).start()
        assert next(answers) == ["second"]
        assert list(answers) == []


def test_invalid_text_is_named_after_what_came_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"one\ntwo\nthr\xffee\n"
    give(monkeypatch, data)
    answers = chunks("-")
    assert next(answers) == ["one", "two"]
    with pytest.raises(UserError, match="standard input:3: not valid UTF-8"):
        next(answers)
    (tmp_path / "in.txt").write_bytes(data)
    with pytest.raises(UserError, match=r"in\.txt:3: not valid UTF-8"):
        all_lines(str(tmp_path / "in.txt"))


def test_an_answer_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("two\nlines")
    assert capsys.readouterr().out == "two lines\n"


def test_leaving_before_the_input_ends_is_no_error() -> None:
    code = "import sys; from unrolled.cli.lines import chunks; print(next(chunks('-'))); sys.exit(3)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a line\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"['a line']\n"
        assert process.wait(60) == 3  # the thread still waits for a second line
        assert process.stderr.read() == b""


def test_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UserError, match="standard input is closed: give a FILE"):
        list(chunks("-"))
