"""``unrolled evaluate``: the task's own metrics, and what is needed to cite them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.by_length import ByLengthOption, PlotOption, check_plot, draw_by_length, show_by_length
from unrolled.cli.everywhere import settings
from unrolled.cli.running import JsonOption, RunArgument, SplitOption, WithOption, given, open_run
from unrolled.cli.show import show_scores, show_table
from unrolled.errors import UserError
from unrolled.files import to_json

if TYPE_CHECKING:
    from unrolled.metrics import Score
    from unrolled.tasks import Example

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    ctx: typer.Context,
    run: RunArgument,
    split: SplitOption = "test",
    by_length: ByLengthOption = False,
    plot: PlotOption = None,
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw which label was taken for which (.png or .svg)."),
    ] = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Score a run on held-out data: each figure with its 95 % interval and a signature to cite.

    The scores of a single run are kept in its scores.json.

    [bold]Examples:[/bold]  unrolled evaluate runs/fr-en
    ·  unrolled evaluate runs/fr-en --split dev --by-length --plot by-length.png
    """
    check_plot(plot)
    check_plot(confusion)
    from unrolled.runs.folder import RunFolder

    folder = RunFolder(run)
    weights = folder.written()
    predictor = open_run(run, settings(ctx), others=others)
    if confusion is not None and (why := predictor.task.unconfused):
        raise UserError(f"{run}: {why}: leave --confusion out")
    options = given(by_length=True if by_length or plot else None)
    scores = predictor.task.evaluate(predictor.models, split, **options)
    if json:
        plain = {name: score.as_dict() for name, score in scores.items()}
        examples = [vars(each) for each in predictor.examples()]
        ensemble = {"with": [str(each) for each in others]} if others else {}
        about = {"run": str(run), **ensemble, "split": split}
        print(to_json({**about, "scores": plain, **given(examples=examples or None)}, indent=2))
    else:
        show_scores(scores, title=f"{' + '.join(map(str, [run, *(others or ())]))} on {split}")
        for score in scores.values():
            show_by_length(score)
        for example in predictor.examples():
            _show_example(example)
    # What can fail to be written comes after what was shown, the scores before pictures of them.
    if not others and folder.written() == weights:
        folder.write_scores(split, scores)
    elif not others:
        typer.echo(f"not kept in {folder.scores}: training changed the weights meanwhile", err=True)
    if plot is not None:
        draw_by_length({"": next(iter(scores.values()))}, plot)
    if confusion is not None:
        _draw_confusion(scores, confusion)
        typer.echo(f"wrote {confusion}", err=True)


def _show_example(example: Example) -> None:
    answers = [
        [f"{place} best", text, f"{score:.3f}"] for place, (text, score) in enumerate(example.answers, 1)
    ]
    given = [["given", text, f"{score:.3f}"] for text, score in example.given]
    show_table(["", example.text, "score"], answers + given)


def _draw_confusion(scores: dict[str, Score], path: Path) -> None:
    from unrolled.drawing import draw_confusion

    table = next(score.details["confusion"] for score in scores.values() if "confusion" in score.details)
    draw_confusion(table["counts"], table["labels"], path)
