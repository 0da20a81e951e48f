"""``unrolled bleu``: BLEU of any two files, equal to sacreBLEU's."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import all_lines, check_once
from unrolled.cli.running import JsonOption
from unrolled.errors import UserError, counted
from unrolled.files import to_json

app = typer.Typer(add_completion=False)


@app.command()
def bleu(
    ctx: typer.Context,
    hypotheses: Annotated[
        str,
        typer.Argument(
            metavar="HYPOTHESES", help="Translations, one a line; - is standard input.", show_default=False
        ),
    ],
    references: Annotated[
        list[str],
        typer.Option(
            "--ref", metavar="FILE", help="References, line by line; repeatable.", show_default=False
        ),
    ],
    tokenize: Annotated[
        Literal["13a", "none"],
        typer.Option(metavar="13a|none", help="13a splits punctuation off, as WMT does."),
    ] = "13a",
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Ignore case.")] = False,
    json: JsonOption = False,
) -> None:
    """Score translations against references: corpus BLEU, 0 to 100.

    [bold]Examples:[/bold]  unrolled bleu output.en --ref test.en
    ·  unrolled bleu output.en --ref a.en --ref b.en --tokenize none --json
    """
    from unrolled import metrics

    check_once(hypotheses, *references)
    lines = all_lines(hypotheses)
    if not lines:
        raise UserError(f"{hypotheses}: is empty: there is nothing to score")
    columns = [all_lines(reference) for reference in references]
    for reference, column in zip(references, columns, strict=True):
        if len(column) != len(lines):
            raise UserError(
                f"{hypotheses} has {counted(len(lines), 'line')} but {reference} has {len(column)}: one each"
            )
    score = metrics.bleu(
        lines,
        list(zip(*columns, strict=True)),
        tokenize=tokenize,
        lowercase=lowercase,
        effective_order=False,  # a file is a corpus, of one line too
        threads=settings(ctx).threads,
    )
    if json:
        parts = {
            "score": score.score,
            "precisions": score.precisions,
            "brevity_penalty": score.brevity_penalty,
            "hypothesis_length": score.hypothesis_length,
            "reference_length": score.reference_length,
            "signature": score.signature,
        }
        print(to_json(parts, indent=2))
        return
    precisions = " ".join(f"{precision:.1f}" for precision in score.precisions)
    print(
        f"BLEU = {score.score:.2f}  precisions {precisions}  brevity penalty {score.brevity_penalty:.3f}"
        f"  (hypotheses {score.hypothesis_length} tokens, references {score.reference_length})"
    )
    print(score.signature)
