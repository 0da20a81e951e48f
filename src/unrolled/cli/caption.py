"""``unrolled caption``: pictures in, sentences out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import print_line
from unrolled.cli.running import JsonOption, RunArgument, given, open_run, print_json_array

app = typer.Typer(add_completion=False)


@app.command()
def caption(
    ctx: typer.Context,
    run: RunArgument,
    pictures: Annotated[
        list[Path], typer.Argument(metavar="IMAGE…", help="Picture files.", show_default=False)
    ],
    beam: Annotated[
        int | None, typer.Option(metavar="B", min=1, help="Hypotheses kept at each step; 1 is greedy.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what is in each picture, one line a picture.

    [bold]Example:[/bold]  unrolled caption runs/captions photo.jpg
    """
    captioner = open_run(run, settings(ctx), verb="caption")
    paths = [str(picture) for picture in pictures]
    answers = zip(paths, captioner.predict(paths, **given(beam=beam)), strict=True)
    for _, found in print_json_array(answers) if json else answers:
        if not json:
            print_line(found.text)
