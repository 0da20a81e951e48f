"""``unrolled new``: look at data, write a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unrolled.errors import UserError
from unrolled.files import write_whole

app = typer.Typer(add_completion=False)


@app.command()
def new(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="translate, language-model, classify, tag, caption or embed.",
            show_default=False,
        ),
    ],
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA…", help="The files to learn from.", show_default=False)
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="RECIPE",
            help="Where to write it; - prints it. By default DATA's name.toml here.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a recipe that is there.")] = False,
) -> None:
    """Look at data and write a commented recipe with settings fitted to it.

    [bold]Examples:[/bold]  unrolled new translate pairs.tsv
    ·  unrolled new translate train.fr train.en -o fr-en.toml
    """
    from unrolled import tasks

    recipe = tasks.find(task).look(data)
    if output == "-":
        print(recipe, end="")
        return
    path = Path(output) if output else Path(data[0].absolute().name).with_suffix(".toml")
    if path.exists() and not force:
        raise UserError(f"{path}: exists already; give another name with -o, or --force to write over it")
    write_whole(path, recipe.encode())
    print(f"wrote {path}; read it, then: unrolled train {path}")
