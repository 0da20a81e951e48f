"""``unrolled score``: how probable is this text?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import all_lines, check_once, print_line
from unrolled.cli.running import JsonOption, RunArgument, WithOption, open_run
from unrolled.errors import UserError, counted
from unrolled.files import to_json

app = typer.Typer(add_completion=False)


@app.command()
def score(
    ctx: typer.Context,
    run: RunArgument,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE|-", help="Text, for a model of one side.", show_default=False),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="FILE", help="Source lines, for a translator.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="FILE", help="The target line of each source line.")
    ] = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """The log-probability (in nats) of given text: which of two does the model prefer?

    A line out for each line in: the log-probability, a tab, and the score: what a translator's search ranks
    by (that divided by length to the power of the length penalty), or a language model's mean a token. --json
    gives each token's. A model of one long text scores each line given those before it; one of documents
    takes the file as one of them.

    [bold]Examples:[/bold]  unrolled score runs/fr-en --source a.fr --target a.en
    ·  unrolled score runs/ptb text.txt
    """
    pairs = source is not None or target is not None
    if pairs and (source is None or target is None or file is not None):
        raise UserError("give --source FILE and --target FILE together, or one FILE for a model of one side")
    predictor: Any = open_run(run, settings(ctx), others=others)
    if not predictor.scored:
        raise UserError(f"{run}: a run of task {predictor.task.name!r} gives text no probability")
    if (len(predictor.scored) > 1) != pairs:
        needed = "one FILE" if pairs else "--source FILE and --target FILE"
        raise UserError(f"{run}: was trained for task {predictor.task.name!r}: score it with {needed}")
    sides = [side for side in (source, target) if side is not None] or [file or "-"]
    check_once(*sides)
    texts = [all_lines(side) for side in sides]
    if len(texts[0]) != len(texts[-1]):
        lines = counted(len(texts[0]), "line")
        raise UserError(f"{sides[0]} has {lines} but {sides[1]} has {len(texts[1])}: one each")
    found = predictor.score(*texts)
    if json:
        print(to_json([each.as_dict() for each in found], indent=2))
        return
    for each in found:
        print_line(f"{each.log_prob:.4f}\t{each.score:.4f}")
