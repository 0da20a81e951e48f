from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unrolled.cli
from unrolled import __version__
from unrolled.cli import bleu as bleu_module
from unrolled.cli.main import COMMANDS, main
from unrolled.errors import RunError

Run = Callable[..., Any]
SHARED = {"main", "everywhere", "running", "lines", "show", "by_length"}


def test_every_command_has_its_module_and_every_module_its_command() -> None:
    modules = {module.name for module in pkgutil.iter_modules(unrolled.cli.__path__)}
    assert modules - SHARED == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_the_options_that_are_everywhere(command: str, unrolled: Run) -> None:
    told = unrolled(command, "--help")
    assert told.code == 0
    assert f"unrolled {command}" in told.out
    assert "Example" in told.out
    for option in ("--device", "--threads", "--seed", "--debug"):
        assert option in told.out


def test_help_lists_the_commands(unrolled: Run) -> None:
    told = unrolled("--help")
    assert told.code == 0
    for command in COMMANDS:
        assert f" {command} " in told.out
    assert unrolled("-h").out == told.out


def test_no_command_shows_the_help(unrolled: Run) -> None:
    told = unrolled()
    assert told.code == 2
    assert "Usage: unrolled" in told.out + told.err


def test_version(unrolled: Run) -> None:
    assert unrolled("--version").out == f"unrolled {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["transalte", "x"], "did you mean 'translate'?"),
        (["bleu", "h", "--reff", "r"], "--ref"),
        (["bleu", "h"], "--ref"),
        (["translate", "run", "--beam", "0"], "--beam"),
        (["translate", "run", "--beam", "many"], "--beam"),
        (["bleu", "absent.txt", "--ref", "absent.txt"], "absent.txt: no such file"),
        (["translate", "absent-run"], "absent-run: no such run folder"),
        (["train", "absent.toml"], "absent.toml"),
        (["new", "transalte", "x.tsv"], "translate"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], says: str, unrolled: Run) -> None:
    told = unrolled(*arguments)
    assert told.code == 2
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert says in told.err
    assert "Traceback" not in told.err


def test_an_argument_that_is_no_text_is_named_as_such(unrolled: Run, tmp_path: Path) -> None:
    name = tmp_path / "p\udce9.tsv"
    name.write_text("".join(f"{n}\t{n}{n}\n" for n in range(9)))
    told = unrolled("new", "translate", name)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "is not valid UTF-8" in told.err


def test_debug_shows_where(unrolled: Run) -> None:
    for arguments in (
        ["bleu", "absent", "--ref", "r", "--debug"],
        ["--debug", "bleu", "absent", "--ref", "r"],
    ):
        told = unrolled(*arguments)
        assert told.code == 2
        assert "Traceback" in told.err
        assert told.err.splitlines()[-1] == "unrolled: absent: no such file"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (RunError("the disk\nis full"), 1, "unrolled: the disk is full\n"),
        (
            OSError(28, "No space left on device", "out.txt"),
            1,
            "unrolled: out.txt: No space left on device\n",
        ),
        (ValueError("odd"), 1, "unrolled: ValueError: odd (unexpected: --debug shows where)\n"),
        (KeyboardInterrupt(), 130, "unrolled: interrupted\n"),
    ],
)
def test_failures_have_their_code_and_one_line(
    error: BaseException, code: int, says: str, unrolled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: str) -> list[str]:
        raise error

    monkeypatch.setattr(bleu_module, "all_lines", fail)
    told = unrolled("bleu", "h", "--ref", "r")
    assert (told.code, told.out, told.err) == (code, "", says)


def test_a_warning_is_one_line(
    unrolled: Run, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def warn(file: str) -> list[str]:
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
        return ["a b c d"]

    monkeypatch.setattr(bleu_module, "all_lines", warn)
    assert unrolled("bleu", "h", "--ref", "r").err.splitlines()[0] == "unrolled: warning: careful"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["bleu", "{file}", "--ref", "{file}"], ["translate", "--help"]]
)
def test_torch_and_matplotlib_are_not_imported_for_nothing(arguments: list[str], tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("a b c d e\n")
    arguments = [argument.format(file=file) for argument in arguments]
    code = (
        f"import sys; from unrolled.cli.main import main; main({arguments!r}); "
        "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = [sys.executable, "-m", "unrolled.cli.main", "bleu", "--help"]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(60) in (0, 1)
    assert errors == b""


def test_threads_do_not_spin_while_they_wait_unless_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "infinite")
    main(["--version"])
    assert os.environ["GOMP_SPINCOUNT"] == "infinite"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    main(["--version"])
    assert os.environ["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("a b c d e\n")
    script = [sys.executable, "-m", "unrolled.cli.main", "bleu", str(file), "--ref", str(file)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(script, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "unrolled: standard output: No space left on device\n")


def test_closed_output_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a b c d e\n")
    command = f"{sys.executable} -m unrolled.cli.main bleu lines.txt --ref lines.txt >&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
