"""``unrolled embed``: word vectors, learnt, asked and shown."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.running import JsonOption, open_run
from unrolled.cli.show import show_scores, show_table
from unrolled.errors import UserError, counted
from unrolled.files import check_output, to_json

if TYPE_CHECKING:
    from unrolled.embeddings import Vectors
    from unrolled.metrics import Score

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Learn a vector a word from text, and ask the vectors questions.\n\n"
    "[bold]Example:[/bold]  unrolled embed train reviews.txt --raw"
    "  ·  unrolled embed similar runs/reviews film",
)

VectorsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="VECTORS",
        help="A trained run's folder, or a file of vectors: word2vec (text, binary) or GloVe.",
        show_default=False,
    ),
]
WordsArgument = Annotated[list[str], typer.Argument(metavar="WORD…", show_default=False)]
NumberOption = Annotated[int, typer.Option("--number", "-n", metavar="N", min=1, help="How many answers.")]


@app.command()
def train(
    ctx: typer.Context,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT…",
            help="Text files or folders of them, a line a sentence; or a named source such as python-source.",
            show_default=False,
        ),
    ],
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The run's folder; runs/<TEXT's name> by default.")
    ] = None,
    method: Annotated[
        Literal["skip-gram", "cbow", "glove"], typer.Option(help="How vectors are learnt.")
    ] = "skip-gram",
    dimensions: Annotated[int, typer.Option(metavar="N", help="Numbers in a vector.")] = 100,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="Passes; 5 by default, of glove 15.", show_default=False)
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The text is not tokenized: split marks from words, lower-case.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            help="Any other setting of a recipe; repeatable.",
            show_default=False,
        ),
    ] = None,
    allow_inexact: Annotated[
        bool, typer.Option("--allow-inexact", help="Resume with other threads, kernels or data.")
    ] = False,
) -> None:
    """Learn vectors from text. The same command again resumes where it stopped.

    What unrolled train does, without a recipe; the run keeps the recipe that this amounts to.

    [bold]Examples:[/bold]  unrolled embed train reviews.txt --raw --run runs/reviews
    ·  unrolled embed train wiki.txt --set text.min_count=10 --set "model.piece_lengths=[3, 6]"
    """
    import unrolled
    from unrolled.embeddings import EPOCHS
    from unrolled.runs.recipe import Recipe, override
    from unrolled.text import literal

    chosen = settings(ctx)
    named = [literal(each) for each in texts]  # a shell has replaced the variables it knows
    values: dict[str, Any] = {
        "task": "embed",
        "data": {"train": named[0] if len(named) == 1 else named},
        "text": {"split": "words", "lowercase": True} if raw else {},
        "model": {"method": method, "dimensions": dimensions},
        "training": {"epochs": epochs if epochs is not None else (15 if method == "glove" else EPOCHS)},
    }
    given = [override(values, each) for each in overrides or ()]
    recipe = Recipe.check(values, Path("embed train"), given=given)
    if chosen.seed is not None:
        recipe = recipe.with_seed(chosen.seed)
    trained = unrolled.train(
        recipe,
        run if run is not None else Path("runs") / Path(texts[0]).resolve().stem,
        device=chosen.device,
        threads=chosen.threads,
        allow_inexact=allow_inexact,
    )
    print(f"{trained.task.folder}: trained; use it: unrolled {trained.task.verb} {trained.task.folder}")


@app.command()
def similar(
    ctx: typer.Context,
    vectors: VectorsArgument,
    words: WordsArgument,
    number: NumberOption = 10,
    json: JsonOption = False,
) -> None:
    """The nearest words to each word, with their cosines.

    [bold]Example:[/bold]  unrolled embed similar runs/wiki river bank
    """
    asked = _open(ctx, vectors)
    answers = {word: asked.most_similar(word, topn=number) for word in words}
    if json:
        print(to_json(answers, indent=2))
        return
    for word, found in answers.items():
        _show(found, title=word if len(words) > 1 else "")


@app.command()
def analogy(
    ctx: typer.Context,
    vectors: VectorsArgument,
    words: WordsArgument,
    number: NumberOption = 5,
    json: JsonOption = False,
) -> None:
    """A is to B as C is to what? Colons and a question mark may be written, or left out.

    [bold]Example:[/bold]  unrolled embed analogy runs/wiki man : king :: woman : ?
    """
    three = [word for word in words if word not in (":", "::", "?")]
    if len(three) != 3:
        # A shell may have put the names of files in the place of the question mark.
        raise UserError(
            f"{counted(len(three), 'word')} ({' '.join(three)}): three are wanted, as in"
            "  man : king :: woman : '?'"
        )
    found = _open(ctx, vectors).most_similar([three[1], three[2]], [three[0]], topn=number)
    if json:
        print(to_json(found, indent=2))
    else:
        _show(found)


@app.command("odd-one-out")
def odd_one_out(
    ctx: typer.Context, vectors: VectorsArgument, words: WordsArgument, json: JsonOption = False
) -> None:
    """Which of these words does not belong with the others?

    [bold]Example:[/bold]  unrolled embed odd-one-out runs/wiki breakfast lunch dinner car
    """
    odd = _open(ctx, vectors).doesnt_match(words)
    print(to_json({"odd": odd}) if json else odd)


@app.command()
def evaluate(
    ctx: typer.Context,
    vectors: VectorsArgument,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Word pairs as people judged them: two words, a number.",
            show_default=False,
        ),
    ] = None,
    analogies: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Questions of four words a line, as questions-words.txt.", show_default=False
        ),
    ] = None,
    restrict: Annotated[
        int, typer.Option(metavar="N", min=1, help="Answers are sought among the N most frequent words.")
    ] = 300_000,
    json: JsonOption = False,
) -> None:
    """How well the vectors agree with people: analogies by section, word pairs by rank correlation.

    [bold]Example:[/bold]  unrolled embed evaluate glove.txt --pairs wordsim353.tsv
    """
    if pairs is None and analogies is None:
        raise UserError("nothing to score with: give --pairs or --analogies")
    asked = _open(ctx, vectors)
    scores: dict[str, Score] = {}
    if pairs is not None:
        scores["pairs"] = asked.evaluate_word_pairs(pairs)
    if analogies is not None:
        scores["analogies"] = asked.evaluate_word_analogies(analogies, restrict=restrict)
    if json:
        plain = {name: score.as_dict() for name, score in scores.items()}
        print(to_json({"vectors": str(vectors), "scores": plain}, indent=2))
        return
    show_scores(scores, title=str(vectors))
    if analogies is not None:
        sections = scores["analogies"].details["sections"]
        rows = [
            [
                name,
                f"{100 * each['right'] / max(1, each['known']):.1f}",
                str(each["known"]),
                str(each["asked"]),
            ]
            for name, each in sections.items()
        ]
        show_table(["section", "right %", "known", "asked"], rows)


@app.command()
def plot(
    ctx: typer.Context,
    vectors: VectorsArgument,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A picture (.png, .svg), or a page to look about in (.html).",
            show_default=False,
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD…]", help="Which; by default the most frequent.", show_default=False),
    ] = None,
    number: NumberOption = 200,
    method: Annotated[
        Literal["pca", "t-sne"],
        typer.Option(help="pca: the two directions of largest variance; t-sne: who is near whom."),
    ] = "pca",
) -> None:
    """Show words as points in the plane. A slash ends a group: its words share a colour.

    [bold]Examples:[/bold]  unrolled embed plot runs/wiki words.html -n 1000
    ·  unrolled embed plot runs/wiki kin.png king queen / man woman
    """
    from unrolled import drawing
    from unrolled.embeddings import pca, t_sne

    ending = output.suffix.lower()
    page = ending in (".html", ".htm")
    check_output(output, (".png", ".svg", ".html", ".htm"))
    if not page:
        drawing.check_target(output)
    asked = _open(ctx, vectors)
    # A slash may be a word of the text; it ends a group where it was typed.
    names, groups = _grouped(words) if words else (asked.words[:number], None)
    matrix = asked.units(names)
    x, y = "", ""
    if method == "pca":
        places, (first, second) = pca(matrix)
        x, y = (f"principal component {i} ({share:.0%})" for i, share in ((1, first), (2, second)))
    else:
        seed = settings(ctx).seed
        places = t_sne(matrix, seed=1 if seed is None else seed)
    if page:
        made = drawing.Page(f"{len(names):,} words of {vectors}", lead=f"By {method}; {x} {y}".rstrip("; "))
        made.section("The plane", drawing.scatter_markup(places, names, groups=groups))
        rows = [[name, *place] for name, place in zip(names, places.tolist(), strict=True)]
        made.section("The numbers", drawing.details("All points", drawing.table(["word", "x", "y"], rows)))
        made.write(output)
        hidden = 0
    else:
        hidden = drawing.draw_points(places, names, output, groups=groups, x_label=x, y_label=y)
    typer.echo(f"wrote {output}", err=True)
    if hidden:
        typer.echo(f"{hidden} of {len(names)} names had no room: fewer words, or an .html page", err=True)


@app.command()
def export(
    ctx: typer.Context,
    vectors: VectorsArgument,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file; for projector, a folder.", show_default=False)
    ],
    form: Annotated[
        Literal["word2vec", "glove", "binary", "projector"],
        typer.Option(help="binary: word2vec's; projector: for TensorBoard's."),
    ] = "word2vec",
) -> None:
    """Write the vectors for other programs.

    [bold]Example:[/bold]  unrolled embed export runs/wiki wiki.bin --form binary
    """
    asked = _open(ctx, vectors)
    if form == "projector":
        from unrolled.text.projector import write_projector

        write_projector(output, asked.words, asked.matrix)
    else:
        asked.save(output, form)
    typer.echo(f"wrote {output}: {len(asked):,} vectors of {asked.size} numbers", err=True)


def _open(ctx: typer.Context, path: Path) -> Vectors:
    """The vectors of a run or of a file."""
    if path.is_dir():
        predictor: Any = open_run(path, settings(ctx), verb="embed similar")
        found: Vectors = predictor.vectors
        return found
    from unrolled.embeddings import Vectors

    return Vectors.load(path)


def _show(found: list[tuple[str, float]], title: str = "") -> None:
    show_table(["word", "cosine"], [[word, f"{cosine:.3f}"] for word, cosine in found], title=title)


def _grouped(words: list[str]) -> tuple[list[str], list[str] | None]:
    """The words, and where slashes divide them each one's group, called by its first words."""
    groups = [list(group) for slash, group in groupby(words, key="/".__eq__) if not slash]
    names = [word for group in groups for word in group]
    if len(groups) < 2:
        return names, None
    return names, [" ".join(group[:3]) for group in groups for _ in group]
