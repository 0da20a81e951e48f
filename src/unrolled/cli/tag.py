"""``unrolled tag``: tag each word of each line."""

from __future__ import annotations

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import FileArgument, JsonOption, RunArgument, WithOption, answer, open_run

app = typer.Typer(add_completion=False)


@app.command()
def tag(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = "-",
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Tag each word of each line.

    Tag each word of lines whose words are separated by spaces: one line in, one line of tags out.

    [bold]Example:[/bold]  unrolled tag runs/names sentences.txt
    """
    predictor = open_run(run, settings(ctx), verb="tag", others=others)
    for _ in answer(predictor, file, {}, as_json=json):
        pass
