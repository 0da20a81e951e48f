"""``unrolled caption``: pictures in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import print_line
from unrolled.cli.running import (
    BeamOption,
    JsonOption,
    LengthPenaltyOption,
    MaxLengthOption,
    MinLengthOption,
    RunArgument,
    SamplesOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    WeightsOption,
    WithOption,
    check_attends,
    decoding,
    open_run,
    print_json_array,
    print_written,
    wants_several,
)
from unrolled.errors import UserError

if TYPE_CHECKING:
    from unrolled.tasks.caption import Caption, Captioner

app = typer.Typer(add_completion=False)


@app.command()
def caption(
    ctx: typer.Context,
    run: RunArgument,
    pictures: Annotated[
        list[Path], typer.Argument(metavar="IMAGE…", help="Picture files.", show_default=False)
    ],
    beam: BeamOption = None,
    length_penalty: LengthPenaltyOption = None,
    weights: WeightsOption = None,
    nbest: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="The N best of each picture: its number, score, text, with tabs between."
        ),
    ] = None,
    min_length: MinLengthOption = None,
    max_length: MaxLengthOption = None,
    attention: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw a sheet a picture into this folder: the picture with each word's attention over it.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Name pictures that cannot be read and go on; their line is empty."),
    ] = False,
    samples: SamplesOption = None,
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Say what is in each picture, one line a picture.

    [bold]Examples:[/bold]  unrolled caption runs/captions photo.jpg  ·  unrolled caption runs/captions *.jpg
    --attention sheets
    """
    if attention is not None:
        from unrolled.drawing import check_target

        attention.mkdir(parents=True, exist_ok=True)
        check_target(attention / "sheet.png")
    captioner = cast("Captioner", open_run(run, settings(ctx), verb="caption", others=others))
    if attention is not None:
        check_attends(run, captioner)
    options = decoding(ctx)
    several = wants_several(captioner, options)
    bad = set(_unreadable(captioner, pictures)) if skip_bad else set()
    good = [picture for picture in pictures if picture not in bad]
    answers = zip(map(str, good), captioner.predict(map(str, good), **options), strict=True)
    shown = print_json_array(answers) if json else answers
    for number, picture in enumerate(pictures, 1):
        if picture in bad:
            if not json:
                print_line("")
            continue
        _, found = next(shown)
        if not json:
            print_written(number, found, several=several)
        if attention is not None:
            _draw(captioner, picture, found, attention / f"{number:02d}-{picture.stem}.png")
    next(shown, None)  # closes the JSON
    if bad:
        typer.echo(f"{len(bad)} of {len(pictures)} pictures skipped", err=True)


def _unreadable(captioner: Captioner, pictures: list[Path]) -> Iterator[Path]:
    """Name each picture that cannot be used."""
    from unrolled.pictures import BadPicture

    for picture in pictures:
        try:
            captioner.task.open_picture(picture)
        except BadPicture as error:
            typer.echo(f"skipped: {error}", err=True)
            yield picture


def _draw(captioner: Captioner, picture: Path, found: Caption, path: Path) -> None:
    from unrolled.drawing import draw_sheet

    pixels = captioner.task.open_picture(picture)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UserError(
            f"{picture}: holds vectors, not a picture to lay attention over: leave --attention out"
        )
    weights = found.maps.float().numpy()
    draw_sheet(pixels, [*found.tokens, "</s>"][: len(weights)], weights, path, title=found.text)
    typer.echo(f"wrote {path}", err=True)
