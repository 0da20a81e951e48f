"""``unrolled compare``: is one run better than another, or was it luck?"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.by_length import ByLengthOption, PlotOption, check_plot, draw_by_length, show_by_length
from unrolled.cli.everywhere import settings
from unrolled.cli.running import JsonOption, SplitOption, given, open_run, task_of
from unrolled.cli.show import interval, show_table
from unrolled.errors import UserError
from unrolled.files import to_json

if TYPE_CHECKING:
    from unrolled.metrics import Comparison, Score
    from unrolled.tasks import Predictor
    from unrolled.tasks.inside import HeldOut

app = typer.Typer(add_completion=False)


@app.command()
def compare(
    ctx: typer.Context,
    first: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run.", show_default=False)],
    second: Annotated[
        Path, typer.Argument(metavar="RUN", help="Another of the same task.", show_default=False)
    ],
    split: SplitOption = "test",
    by_length: ByLengthOption = False,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two runs on the same data by paired bootstrap (Koehn 2004).

    Difference is the first run less the second; p is how often chance alone would give as large a one.

    [bold]Examples:[/bold]  unrolled compare runs/attention runs/no-attention
    ·  unrolled compare runs/attention runs/no-attention --by-length --plot curve.png
    """
    check_plot(plot)
    from unrolled import metrics

    chosen = settings(ctx)
    predictor = open_run(first, chosen)
    if (theirs := task_of(second).name) != predictor.task.name:
        raise UserError(
            f"{first} is a run of task {predictor.task.name!r} and {second} of {theirs!r}: compare runs of"
            " one task"
        )
    other = open_run(second, chosen)
    _check_same_texts(predictor, other, split, f"{first} and {second}")
    options = given(by_length=True if by_length or plot else None)
    scores = predictor.task.evaluate(predictor.models, split, **options)
    other_scores = other.task.evaluate(other.models, split, **options)
    compared: dict[str, tuple[Score, Score, Comparison]] = {}
    left_out: list[str] = []
    for name in filter(other_scores.__contains__, scores):
        a, b = scores[name], other_scores[name]
        if a.signature != b.signature:
            left_out.append(f"{a.name}, taken otherwise ({a.signature} and {b.signature})")
        elif a.over != b.over:
            left_out.append(f"{a.name}, of tokens or questions of vocabularies that differ")
        elif a.tally is not None and b.tally is not None:
            compared[name] = (a, b, metrics.compare(a, b, **given(seed=chosen.seed)))
    told = f"left out: {'; '.join(sorted(left_out))}" if left_out else ""
    if not compared:
        raise UserError(
            f"{first} and {second} have no score in common that can be compared by segments"
            + (f" ({told})" if told else "")
        )
    if told:
        typer.echo(told, err=True)
    pairs = [
        (run, score)
        for one, other_score, _ in compared.values()
        for run, score in ((first, one), (second, other_score))
    ]
    if json:
        plain: dict[str, Any] = {
            name: {
                **result.as_dict(),
                "signature": a.signature,
                **({"by_length": [each.details.get("by_length", []) for each in (a, b)]} if options else {}),
            }
            for name, (a, b, result) in compared.items()
        }
        print(
            to_json({"first": str(first), "second": str(second), "split": split, "scores": plain}, indent=2)
        )
    else:
        rows = [
            [
                a.name,
                f"{a.value:.2f}",
                f"{b.value:.2f}",
                f"{result.difference:+.2f}",
                interval(result.low, result.high, "+"),
                f"{result.p_value:.4f}",
            ]
            for a, b, result in compared.values()
        ]
        header = ["score", str(first), str(second), "difference", "95 % interval", "p"]
        show_table(header, rows, title=f"on {split}")
        for run, score in pairs:
            show_by_length(score, title=str(run))
    if plot is not None:  # last: where it cannot be written, the scores were shown
        names = (str(first), str(second)) if first.name == second.name else (first.name, second.name)
        draw_by_length(dict(zip(names, next(iter(compared.values()))[:2], strict=True)), plot)


def _check_same_texts(one: Predictor, other: Predictor, split: str, runs: str) -> None:
    """Refuse runs that are not judged by the same texts: segments are compared pair by pair.

    Raises:
        UserError: they are not; the first texts that differ are shown.
    """
    from unrolled.tasks.inside import Readable
    from unrolled.tasks.writer import Writer

    def held_out(given: Readable) -> list[HeldOut]:
        # Of pictures the names as the data has them, wherever they lie.
        return Writer.held_out(given, split) if isinstance(given, Writer) else given.held_out(split)

    again = "train both on the same data, held out alike (data.split_by, data.split_seed)"
    if not (isinstance(one, Readable) and isinstance(other, Readable)):
        return
    if len({one.task.text_digest(split), other.task.text_digest(split)} - {None}) > 1:
        raise UserError(f"{runs} were given other {split} texts: {again}")
    for ours, theirs in zip_longest(held_out(one), held_out(other)):
        # A stream has no references, and what its tokenizer made of it is not the text: hence the digest.
        if ours != theirs and (ours is None or theirs is None or ours.references or theirs.references):
            shown = " and ".join("none" if each is None else repr(each.text) for each in (ours, theirs))
            raise UserError(f"{runs} were given other {split} texts (the first to differ: {shown}): {again}")
