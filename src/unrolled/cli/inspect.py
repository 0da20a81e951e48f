"""``unrolled inspect``: look inside a trained run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import all_lines, check_once
from unrolled.cli.running import (
    BeamOption,
    JsonOption,
    LengthPenaltyOption,
    RunArgument,
    SplitOption,
    given,
    open_run,
)
from unrolled.errors import UserError
from unrolled.files import to_json

if TYPE_CHECKING:
    from unrolled.inspection import View
    from unrolled.tasks import Predictor

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")

FileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE|-",
        help="Texts to read (a captioner's: paths); - is standard input.",
        show_default=False,
    ),
]
TextOption = Annotated[str | None, typer.Option(metavar="TEXT", help="One text, instead of a file.")]
AnswersOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="The answer to each text; the model's own otherwise.")
]
AnswerOption = Annotated[str | None, typer.Option(metavar="TEXT", help="The answer to --text.")]
LimitOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Judge the errors of the first N texts alone.")
]
OutputOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="A page (.html), pictures (.png, .svg) or arrays (.npz); repeatable.",
    ),
]


@app.callback()
def inspect() -> None:
    """Look inside a trained run: gates, gradients, alignments, and whose fault an error is.

    Without --output or --json the chief figures are printed. A page is one file that works offline.

    [bold]Examples:[/bold]  unrolled inspect report runs/fr-en -o report.html
    ·  unrolled inspect gates runs/shakespeare play.txt -o gates.html
    """


@app.command()
def alignment(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = None,
    text: TextOption = None,
    answers: AnswersOption = None,
    answer: AnswerOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """What each output token looked at; printed as Pharaoh pairs (0-0 1-2 …), a line for each line.

    [bold]Examples:[/bold]  unrolled inspect alignment runs/fr-en --text "un chat noir" -o picture.png
    ·  unrolled inspect alignment runs/fr-en input.fr --answers reference.en > pairs
    """
    predictor = _open(ctx, run, output)
    from unrolled import inspection

    lines, replies = _lines(file, text, answers, answer)
    _show(inspection.alignment(predictor, lines, replies), output, json)


@app.command()
def gates(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = None,
    text: TextOption = None,
    answers: AnswersOption = None,
    answer: AnswerOption = None,
    cell: Annotated[
        str | None, typer.Option(metavar="PATH", help="The cell to show: encoder.layers.cells.0, ...")
    ] = None,
    gate: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its gate or state: update, forget, cell, hidden, ...")
    ] = None,
    unit: Annotated[int | None, typer.Option(metavar="N", help="The unit, from 0.")] = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Every gate and state over a text: units that track something, gates that stand open or shut.

    The text is coloured by the unit asked for, else by those that best track quotes, brackets, lines,
    capitals.

    [bold]Examples:[/bold]  unrolled inspect gates runs/shakespeare play.txt -o gates.html
    ·  unrolled inspect gates runs/shakespeare play.txt --gate cell --unit 42 -o unit.png
    """
    predictor = _open(ctx, run, output)
    from unrolled import inspection

    texts, replies = _texts(predictor, file, text, answers, answer)
    _show(inspection.gates(predictor, texts, replies, cell=cell, name=gate, unit=unit), output, json)


@app.command()
def gradients(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = None,
    text: TextOption = None,
    answers: AnswersOption = None,
    answer: AnswerOption = None,
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", metavar="RUN", help="Another run, on the same texts; repeatable."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps of each text whose loss is looked at.")
    ] = None,
    at: Annotated[
        int | None, typer.Option(metavar="T", min=0, help="Look at the loss of this output alone, from 0.")
    ] = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """How far back a loss reaches, what one output depends on, and how large gradients were in training.

    [bold]Examples:[/bold]  unrolled inspect gradients runs/lstm play.txt --with runs/rnn -o gradients.html
    """
    predictors = {str(run): _open(ctx, run, output)}
    predictors |= {str(each): open_run(each, settings(ctx)) for each in others or ()}
    from unrolled import inspection

    texts, replies = _texts(predictors[str(run)], file, text, answers, answer)
    _show(inspection.gradients(predictors, texts, replies, **given(steps=steps, at=at)), output, json)


@app.command()
def beam(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = None,
    text: TextOption = None,
    answer: AnswerOption = None,
    beam: BeamOption = None,
    length_penalty: LengthPenaltyOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """The tree of one text's search; printed: the answers found, each with its score and log-probability.

    With --answer it is told where the search lost that answer.

    [bold]Examples:[/bold]  unrolled inspect beam runs/fr-en --text "un chat" --answer "a cat" -o tree.svg
    """
    predictor = _open(ctx, run, output)
    from unrolled import inspection

    texts, _ = _texts(predictor, file, text, None, None)
    if len(texts) != 1:
        raise UserError(
            f"beam looks at one text, not at {len(texts)}: give --text TEXT"
            if texts
            else "beam: no text to look at"
        )
    options = given(beam=beam, length_penalty=length_penalty)
    _show(inspection.beam(predictor, texts[0], answer, **options), output, json)


@app.command()
def errors(
    ctx: typer.Context,
    run: RunArgument,
    split: SplitOption = "dev",
    limit: LimitOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Whose fault errors are, the search's or the model's; what wider beams and other α would change.

    [bold]Examples:[/bold]  unrolled inspect errors runs/fr-en --limit 200 -o errors.html
    """
    predictor = _open(ctx, run, output)
    from unrolled import inspection

    _show(inspection.errors(predictor, split, limit, progress=_say), output, json)


@app.command()
def report(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = None,
    text: TextOption = None,
    answers: AnswersOption = None,
    answer: AnswerOption = None,
    limit: LimitOption = None,
    output: OutputOption = None,
    json: JsonOption = False,
) -> None:
    """Every view that the run has, on one page; of its first dev texts unless others are given.

    Errors are of 100 dev texts unless --limit is given.

    [bold]Examples:[/bold]  unrolled inspect report runs/fr-en -o report.html
    """
    predictor = _open(ctx, run, output)
    from unrolled import inspection

    texts, replies = (
        _texts(predictor, file, text, answers, answer)
        if any(each is not None for each in (file, text, answers, answer))
        else (None, None)
    )
    _show(inspection.report(predictor, texts, replies, progress=_say, **given(judged=limit)), output, json)


def _open(ctx: typer.Context, run: Path, output: Sequence[Path] | None) -> Predictor:
    """The run, once it is known that what is asked for can be written: before anything long begins."""
    if output:
        from unrolled.inspection import check_output

        for path in output:
            check_output(path)
    return open_run(run, settings(ctx))


def _lines(
    file: str | None, text: str | None, answers: str | None, answer: str | None
) -> tuple[list[str], list[str] | None]:
    """The lines that were given, and the answer to each if there are any."""
    if (file is not None) == (text is not None):
        raise UserError("give the text: either FILE (- is standard input) or --text TEXT")
    if (answers is not None and file is None) or (answer is not None and text is None):
        raise UserError("--answers FILE goes with a file of texts, --answer TEXT with --text")
    check_once(*(each for each in (file, answers) if each is not None))
    lines = [text] if text is not None else all_lines(file or "-")
    replies = [answer] if answer is not None else None if answers is None else all_lines(answers)
    if replies is not None and len(replies) != len(lines):
        raise UserError(f"{answers}: has {len(replies)} lines for {len(lines)} texts: one each")
    return lines, replies


def _texts(
    predictor: Predictor, file: str | None, text: str | None, answers: str | None, answer: str | None
) -> tuple[list[str], list[str] | None]:
    """The texts that the lines are to the task; with answers each line is one."""
    lines, replies = _lines(file, text, answers, answer)
    split: Callable[[list[str]], list[str]] = getattr(predictor, "texts", list)
    return (split(lines), None) if replies is None else (lines, replies)


def _show(view: View, output: Sequence[Path] | None, json: bool) -> None:
    from unrolled.inspection import write

    for path in output or ():
        for written in write(view, path):
            typer.echo(f"wrote {written}", err=True)
    if json:
        print(to_json(view.as_dict(), indent=2))
    elif not output:
        for line in view.lines():
            print(line)


def _say(doing: str) -> None:
    typer.echo(doing, err=True)
