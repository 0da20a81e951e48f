"""``unrolled evaluate``: the task's own metrics, and what is needed to cite them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import JsonOption, RunArgument, SplitOption, WithOption, given, open_run, to_json
from unrolled.cli.show import interval, show_scores, show_table
from unrolled.errors import UserError

if TYPE_CHECKING:
    from unrolled.metrics import Score
    from unrolled.tasks import Example

app = typer.Typer(add_completion=False)


@app.command()
def evaluate(
    ctx: typer.Context,
    run: RunArgument,
    split: SplitOption = "test",
    by_length: Annotated[
        bool, typer.Option("--by-length", help="Also by the length of the source, for a translator.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Draw the scores by length (.png or .svg).")
    ] = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Score a run on held-out data: each figure with its 95 % interval and a signature to cite.

    The scores of a single run are kept in its scores.json.

    [bold]Examples:[/bold]  unrolled evaluate runs/fr-en
    ·  unrolled evaluate runs/fr-en --split dev --by-length --plot by-length.png
    """
    if plot is not None:
        from unrolled.drawing import check_target

        check_target(plot)
    predictor = open_run(run, settings(ctx), others=others)
    options = given(by_length=True if by_length or plot else None)
    scores = predictor.task.evaluate(predictor.models, split, **options)
    if not others:
        from unrolled.runs.folder import RunFolder

        RunFolder(run).write_scores(split, scores)
    if json:
        plain = {name: score.as_dict() for name, score in scores.items()}
        examples = [vars(each) for each in predictor.examples()]
        print(
            to_json(
                {"run": str(run), "split": split, "scores": plain, **given(examples=examples or None)},
                indent=2,
            )
        )
    else:
        show_scores(scores, title=f"{run} on {split}")
        for score in scores.values():
            _show_by_length(score)
        for example in predictor.examples():
            _show_example(example)
    if plot is not None:
        _draw_by_length(scores, plot)
        typer.echo(f"wrote {plot}", err=True)


def _show_example(example: Example) -> None:
    answers = [
        [f"{place} best", text, f"{score:.3f}"] for place, (text, score) in enumerate(example.answers, 1)
    ]
    given = [["given", text, f"{score:.3f}"] for text, score in example.given]
    show_table(["", example.text, "score"], answers + given)


def _by_length(score: Score) -> list[dict[str, Any]]:
    """The score on each range of source lengths, where the task gave it."""
    found: list[dict[str, Any]] = score.details.get("by_length", [])
    return found


def _show_by_length(score: Score) -> None:
    rows = [
        [each["label"], str(each["segments"]), f"{each['value']:.2f}", interval(each["low"], each["high"])]
        for each in _by_length(score)
    ]
    if rows:
        show_table(["source length", "segments", score.name, "95 % interval"], rows)


def _draw_by_length(scores: dict[str, Score], path: Path) -> None:
    from unrolled.drawing import Series, draw_curves

    kinds = ("mean_length", "value", "low", "high")
    series = [
        Series(score.name, *([each[kind] for each in _by_length(score)] for kind in kinds))
        for score in scores.values()
        if _by_length(score)
    ]
    if not series:
        raise UserError("this task has no scores by length: leave --plot out")
    draw_curves(series, path, x_label="source length (tokens)", y_label="score")
