"""``unrolled``: finds the command, runs it, and turns every error into one line and an exit code.

A command's module is imported when the command is asked for, and what a command needs (torch above all) when
it runs: help and ``unrolled bleu`` answer at once.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from unrolled import __version__
from unrolled.cli.everywhere import Settings, add_everywhere
from unrolled.errors import UserError, nearest
from unrolled.files import FULL

COMMANDS = (
    "new",
    "train",
    "predict",
    "translate",
    "generate",
    "classify",
    "tag",
    "caption",
    "score",
    "evaluate",
    "compare",
    "inspect",
    "bleu",
    "embed",
    "info",
)
"""In the order of the help. ``unrolled.cli.<name>`` holds ``app``, a typer application."""


class LazyGroup(TyperGroup):
    """Imports a command's module when the command is wanted."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"unrolled.cli.{cmd_name}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            self.commands[cmd_name] = add_everywhere(command)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            raise UserError(f"no command {args[0]!r}: {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"unrolled {__version__}")
        raise typer.Exit


@app.callback()
def _unrolled(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Sequence models, unrolled: train, decode and look inside recurrent networks.

    [bold]A first run:[/bold]  unrolled new translate pairs.tsv  ·  unrolled train pairs.toml
    ·  echo "a line" | unrolled translate runs/pairs

    Every command takes --device, --threads, --seed and --debug; COMMAND --help tells more.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0, 2 for a mistake in what was given, 1 for a failure while running.

    Errors are one line on standard error; ``--debug`` adds where they came from.
    """
    settings = Settings()
    # Threads that spin while they wait cost a time slice a wait as soon as something else wants the core;
    # read when PyTorch is imported, which is later. Training beside a busy process: 3 times as fast.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell: what would be written there is not wanted
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (open until the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            command = add_everywhere(typer.main.get_command(app))
            arguments = list(sys.argv[1:] if arguments is None else arguments)
            code = command.main(args=arguments, prog_name="unrolled", standalone_mode=False, obj=settings)
            sys.stdout.flush()
        except KeyboardInterrupt:
            code = 130
        except SystemExit as error:  # typer's answer to a broken pipe
            return _leave_quietly(error.code)
        except BrokenPipeError:
            return _leave_quietly(1)
        except Exception as error:
            if settings.debug:
                traceback.print_exc()
            # Whatever writes a file names it.
            if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
                return _leave_quietly(_say(f"standard output: {error.strerror or error}", 1))
            return _explain(error)
    if code == 130:
        return _say("interrupted", code)
    return code if isinstance(code, int) else 0


def _leave_quietly(code: str | int | None) -> int:
    """Whoever read our output has gone, as ``head`` does: the interpreter must not complain at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code if isinstance(code, int) else 1


def _explain(error: Exception) -> int:
    """Say what went wrong in one line; the exit code that belongs to it."""
    if isinstance(error, UserError):
        return _say(str(error), error.exit_code)
    if hasattr(error, "format_message"):  # what typer found wrong with the command line
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)
            return 2
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "unrolled"
        message = error.format_message().rstrip(".").replace("Value error, ", "")
        return _say(f"{message}; {where} --help shows what there is", 2)
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return _say("an argument, a file's name or a text is not valid UTF-8: convert or rename it", 2)
    if isinstance(error, OSError) and error.strerror:
        return _say(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}", 1)
    name = type(error).__name__
    return _say(f"{name}: {error} (unexpected: --debug shows where)", 1)


def _say(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # whoever read it has gone: the exit code remains
        print("unrolled: " + " ".join(message.split()), file=sys.stderr)
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"unrolled: warning: {message}", file=file or sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
