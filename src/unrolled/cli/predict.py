"""``unrolled predict``: whatever the run was trained for."""

from __future__ import annotations

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import FilesArgument, JsonOption, RunArgument, WithOption, answer, given, open_run

app = typer.Typer(add_completion=False)


@app.command()
def predict(
    ctx: typer.Context,
    run: RunArgument,
    files: FilesArgument = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Do what the run was trained for, line by line: one line out for each line in.

    [bold]Example:[/bold]  unrolled predict runs/fr-en input.txt > output.txt
    """
    chosen = settings(ctx)
    predictor = open_run(run, chosen, others=others)
    for _ in answer(predictor, files, given(seed=chosen.seed), as_json=json):
        pass
