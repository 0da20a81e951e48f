"""The options every command takes, before its name or after it: --device, --threads, --seed, --debug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

_PANEL = "Everywhere"


@dataclass
class Settings:
    """What the options say; the command line makes one and hands it down as ``ctx.obj``."""

    device: str = "auto"
    threads: int | None = None
    seed: int | None = None
    debug: bool = False


def settings(ctx: typer.Context) -> Settings:
    """The settings of the running command."""
    found = ctx.find_object(Settings)
    return found if found is not None else Settings()


def add_everywhere(command: Any) -> Any:
    """Give a command, or each command of a group, the options of this module."""
    command.params.extend(option for option in _options() if option.name not in _names(command))
    for below in getattr(command, "commands", {}).values():
        add_everywhere(below)
    return command


def _names(command: Any) -> set[str]:
    return {parameter.name for parameter in command.params}


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    if value is not None and value is not False and param.name is not None:
        setattr(settings(ctx), param.name, value)
    return value


def _template(
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE",
            help="Where to compute: cpu, cuda, cuda:1; auto takes a GPU when there is one.",
            rich_help_panel=_PANEL,
            callback=_keep,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Processor threads; all of them by default.",
            rich_help_panel=_PANEL,
            callback=_keep,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="S",
            min=0,
            max=2**63 - 1,
            help="Seed of all that is random.",
            rich_help_panel=_PANEL,
            callback=_keep,
        ),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show the traceback of an error.", rich_help_panel=_PANEL, callback=_keep
        ),
    ] = False,
) -> None: ...


def _options() -> list[Any]:
    """Fresh option objects: the parser keeps them per command."""
    holder = typer.Typer(add_completion=False)
    holder.command()(_template)
    options = typer.main.get_command(holder).params
    for option in options:
        option.expose_value = False
    return [option for option in options if option.name != "help"]
