"""``unrolled classify``: name the class of each line."""

from __future__ import annotations

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import FilesArgument, JsonOption, RunArgument, WithOption, answer, open_run

app = typer.Typer(add_completion=False)


@app.command()
def classify(
    ctx: typer.Context,
    run: RunArgument,
    files: FilesArgument = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Name the class of each line.

    Sort texts into the classes the run was trained on: one line in, one class out, or several where texts may
    have several. With --json, the probability of every class.

    [bold]Example:[/bold]  unrolled classify runs/sentiment reviews.txt
    """
    predictor = open_run(run, settings(ctx), verb="classify", others=others)
    for _ in answer(predictor, files, {}, as_json=json):
        pass
