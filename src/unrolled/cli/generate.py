"""``unrolled generate``: a language model writes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import (
    JsonOption,
    RunArgument,
    TemperatureOption,
    TopKOption,
    TopPOption,
    WeightsOption,
    WithOption,
    given,
    open_run,
)
from unrolled.files import to_json

app = typer.Typer(add_completion=False)


@app.command()
def generate(
    ctx: typer.Context,
    run: RunArgument,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What the text begins with.")] = "",
    length: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Tokens to write at most.", show_default=False)
    ] = None,
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    weights: WeightsOption = None,
    samples: Annotated[int, typer.Option(metavar="N", min=1, help="How many texts.")] = 1,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Write text with a language model, one token drawn at a time; it is shown as it is drawn.

    Settings that are not given are those of the run's recipe. A text ends where a line or document ends,
    whichever the model was trained on, or after --length tokens; one long text goes on to --length.

    [bold]Example:[/bold]  unrolled generate runs/shakespeare --prompt "ROMEO:" --length 400 --seed 7
    """
    chosen = settings(ctx)
    writer: Any = open_run(run, chosen, verb="generate", others=others)
    options = given(
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        weights=weights,
        seed=chosen.seed,
    )
    show = None if json else lambda piece: print(piece, end="", flush=True)
    texts = writer.generate(prompt, samples=samples, show=show, **options)
    if json:
        print(to_json([text.as_dict() for text in texts], indent=2))
        return
    print()
    border = "-" * 20 + "\n" if any("\n" in text.text for text in texts) else ""
    for text in texts[1:]:
        print(border + text.text)
