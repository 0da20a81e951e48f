"""``unrolled train``: a recipe becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli.everywhere import settings
from unrolled.errors import UserError

app = typer.Typer(add_completion=False)


@app.command()
def train(
    ctx: typer.Context,
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A recipe's file, or the name of one that is shipped.", show_default=False
        ),
    ],
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder; runs/<recipe's name> by default."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Change a setting of the recipe; repeatable.",
            show_default=False,
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Of captions: leave out pictures that are missing or damaged, with a warning each; the same"
            " as --set data.skip_bad=true.",
        ),
    ] = False,
    allow_inexact: Annotated[
        bool,
        typer.Option(
            "--allow-inexact",
            help="Resume with other threads, kernels, versions or data: the result is not quite the same.",
        ),
    ] = False,
) -> None:
    """Train a model. The same command again resumes where it stopped, exactly.

    [bold]Examples:[/bold]  unrolled train pronounce
    ·  unrolled train my.toml --run runs/small --set model.hidden_size=128
    """
    import unrolled

    chosen = settings(ctx)
    if skip_bad:
        from unrolled.runs import Recipe

        if (task := Recipe.read(recipe, overrides or []).task) != "caption":
            raise UserError(f"--skip-bad is for captions, and {recipe} is for task {task!r}: leave it out")
    trained = unrolled.train(
        recipe,
        run,
        overrides=[*(overrides or []), *["data.skip_bad=true"] * skip_bad],
        device=chosen.device,
        threads=chosen.threads,
        seed=chosen.seed,
        allow_inexact=allow_inexact,
    )
    print(f"{trained.task.folder}: trained; use it: unrolled {trained.task.verb} {trained.task.folder}")
