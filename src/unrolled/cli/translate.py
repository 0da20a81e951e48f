"""``unrolled translate``: lines in, lines out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import (
    BeamOption,
    FileArgument,
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
    answered,
    check_attends,
    decoding,
    open_run,
    print_json_array,
    print_written,
    wants_several,
)

if TYPE_CHECKING:
    from unrolled.tasks.translate import Translation, Translator

app = typer.Typer(add_completion=False)


@app.command()
def translate(
    ctx: typer.Context,
    run: RunArgument,
    file: FileArgument = "-",
    beam: BeamOption = None,
    length_penalty: LengthPenaltyOption = None,
    weights: WeightsOption = None,
    nbest: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="The N best of each line: line number, score, text, with tabs between."
        ),
    ] = None,
    min_length: MinLengthOption = None,
    max_length: MaxLengthOption = None,
    replace_unknown: Annotated[
        bool | None,
        typer.Option("--replace-unknown", help="Copy the source word most attended to for an unknown one."),
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png",
            help="Draw which source words each word came from (.png, .svg); the second line's is OUT-2.png.",
        ),
    ] = None,
    samples: SamplesOption = None,
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Translate lines: one out for each one in, in order, an empty one for an empty one.

    Settings that are not given are those of the run's recipe.

    [bold]Examples:[/bold]  unrolled translate runs/fr-en input.fr > output.en
    ·  echo "Bonjour !" | unrolled translate runs/fr-en --nbest 3
    """
    if attention is not None:
        from unrolled.drawing import check_target

        check_target(attention)
    translator = cast("Translator", open_run(run, settings(ctx), verb="translate", others=others))
    if attention is not None:
        check_attends(run, translator)
    options = decoding(ctx)
    several = wants_several(translator, options)
    answers = answered(translator, file, options)
    for number, (line, found) in enumerate(print_json_array(answers) if json else answers, 1):
        if not json:
            print_written(number, found, several=several)
        if attention is not None and line.strip():
            _draw(found, attention if number == 1 else attention.with_stem(f"{attention.stem}-{number}"))


def _draw(found: Translation, path: Path) -> None:
    from unrolled.drawing import draw_alignment

    weights = found.attention.float().cpu().numpy()
    target = [*found.tokens, "</s>"][: weights.shape[0]]
    source = [*found.source_tokens, "</s>"][: weights.shape[1]]
    draw_alignment(weights, source, target, path)
    typer.echo(f"wrote {path}", err=True)
