"""What the commands that use a trained run share: opening it, reading lines, printing answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from unrolled.cli.everywhere import Settings, settings
from unrolled.cli.lines import chunks, print_line
from unrolled.errors import UserError, at
from unrolled.files import to_json

if TYPE_CHECKING:
    from unrolled.tasks import Prediction, Predictor, Task
    from unrolled.tasks.writer import Writer, Written

Answer = TypeVar("Answer", bound="Prediction")

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A trained run's folder.", show_default=False)
]
FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE|-", help="Text, one example a line; - is standard input.", show_default=False
    ),
]
FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE…|-",
        help="Text, one example a line; - or nothing is standard input.",
        show_default=False,
    ),
]
WithOption = Annotated[
    list[Path] | None,
    typer.Option("--with", metavar="RUN", help="Another run that votes too (an ensemble); repeatable."),
]
BeamOption = Annotated[
    int | None, typer.Option(metavar="B", min=1, help="Hypotheses kept at each step; 1 is greedy.")
]
WeightsOption = Annotated[
    Literal["float32", "bfloat16", "int8"] | None,
    typer.Option(
        help="How matrices are read: in fewer bits faster, and nearly as exact.", show_default=False
    ),
]
LengthPenaltyOption = Annotated[
    float | None,
    typer.Option(metavar="α", min=0.0, help="Log-probability is divided by length to this power."),
]
TemperatureOption = Annotated[
    float | None,
    typer.Option(
        metavar="T", min=0.0, help="Below 1 bolder on the likely, above 1 more varied; 0: the likeliest."
    ),
]
TopKOption = Annotated[
    int | None, typer.Option(metavar="K", min=0, help="Choose among the K likeliest only; 0: among all.")
]
MinLengthOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help="Shortest output in tokens, its end counted.")
]
MaxLengthOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Longest output in tokens, its end counted.")
]
TopPOption = Annotated[
    float | None,
    typer.Option(
        metavar="P", min=0.0, max=1.0, help="Choose among the likeliest that together have share P."
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Draw N at random for each instead of searching: its number, score, text, with tabs between.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SplitOption = Annotated[Literal["test", "dev"], typer.Option(help="Which part of the run's data.")]


def open_run(
    run: Path, settings: Settings, *, verb: str | None = None, others: Sequence[Path] | None = None
) -> Predictor:
    """The trained run, with ``others`` as an ensemble.

    Raises:
        UserError: no run, or one that another verb is for.
    """
    if verb is not None:
        check_verb(run, verb)
    import unrolled

    runs = [run, *(others or ())]
    return unrolled.load(runs if len(runs) > 1 else run, device=settings.device, threads=settings.threads)


def task_of(run: Path) -> type[Task]:
    """What a run was trained for, without loading it.

    Raises:
        UserError: no run, or a damaged one.
    """
    from unrolled import tasks
    from unrolled.runs.folder import RunFolder
    from unrolled.runs.load import open_recipe

    return tasks.find(open_recipe(RunFolder(run)).task)


def check_verb(run: Path, verb: str) -> None:
    """Refuse a run that was trained for something else than ``verb``.

    Raises:
        UserError: the verb that fits is named.
    """
    task = task_of(run)
    if task.verb != verb:
        raise UserError(f"{run}: was trained for task {task.name!r}: unrolled {task.verb} {run}")


def answer(
    predictor: Predictor, files: Sequence[str] | None, options: dict[str, Any], *, as_json: bool = False
) -> Iterator[tuple[str, Prediction]]:
    """Answer the lines of files in order and print each answer once there is one; yields what was printed.

    A line that cannot be answered gets an empty answer and a warning.
    """
    answers = (pair for file in files or ["-"] for pair in answered(predictor, file, options))
    if as_json:
        yield from print_json_array(answers)
    else:
        for line, prediction in answers:
            print_line(prediction.text)
            yield line, prediction


def answered(predictor: Predictor, file: str, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The lines of a file and their answers; of those that have none a warning says why."""
    pairs = (
        pair
        for chunk in chunks(file)
        for pair in zip(chunk, predictor.predict(chunk, **options), strict=True)
    )
    for number, (line, prediction) in enumerate(pairs, 1):
        if problem := getattr(prediction, "problem", ""):
            place = at("standard input" if file == "-" else file, number)
            typer.echo(f"unrolled: warning: {place}: {problem}; its answer is empty", err=True)
        yield line, prediction


def check_attends(run: Path, writer: Writer[Any, Any]) -> None:
    """Refuse to draw attention where there is none.

    Raises:
        UserError: the model was trained without.
    """
    if not writer.attends:
        raise UserError(f'{run}: was trained with attention = "none": leave --attention out')


def wants_several(writer: Writer[Any, Any], options: dict[str, Any]) -> bool:
    """Whether several texts an input were asked for, by an option or by the recipe."""
    return "nbest" in options or "samples" in options or writer.task.sections.decoding.several


def print_written(number: int, found: Written, *, several: bool) -> None:
    """Print what was written for one input: its text, or several, with the input's number and scores."""
    if not several:
        print_line(found.text)
        return
    for each in cast("list[Written]", found.nbest) or [found]:
        print_line(f"{number}\t{each.score:.4f}\t{each.text}")


def print_json_array(answers: Iterable[tuple[str, Answer]]) -> Iterator[tuple[str, Answer]]:
    """Print answers as one JSON array, an element a line, while they come; it is closed, whatever happens."""
    opening = "["
    try:
        for line, prediction in answers:
            print(opening, to_json({"input": line, **prediction.as_dict()}), sep="", end="", flush=True)
            opening = ",\n"
            yield line, prediction
    finally:
        print("[]" if opening == "[" else "]", flush=True)


def given(**options: Any) -> dict[str, Any]:
    """The options that were given: the others are the recipe's."""
    return {name: value for name, value in options.items() if value is not None}


_DECODING = (
    "beam",
    "length_penalty",
    "weights",
    "nbest",
    "min_length",
    "max_length",
    "replace_unknown",
    "samples",
    "temperature",
    "top_k",
    "top_p",
)


def decoding(ctx: typer.Context) -> dict[str, Any]:
    """The options of ``[decoding]`` that were given to a command that writes, ``--seed`` among them."""
    return given(seed=settings(ctx).seed, **{name: ctx.params.get(name) for name in _DECODING})
