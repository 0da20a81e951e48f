"""``unrolled tag``: tag each word of each sentence."""

from __future__ import annotations

from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated, cast

import typer

from unrolled.cli.everywhere import settings
from unrolled.cli.lines import chunks, print_line
from unrolled.cli.running import FilesArgument, JsonOption, RunArgument, WithOption, answer, open_run
from unrolled.errors import UserError

if TYPE_CHECKING:
    from unrolled.tasks.tag import TagPredictor

app = typer.Typer(add_completion=False)


class Form(StrEnum):
    """What the input is."""

    auto = "auto"
    text = "text"
    columns = "columns"
    conllu = "conllu"


@app.command()
def tag(
    ctx: typer.Context,
    run: RunArgument,
    files: FilesArgument = None,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="text: a sentence a line, words separated by spaces; columns: a word a line, a blank line"
            " between sentences; auto: CoNLL-U by the ending .conllu, else text.",
        ),
    ] = Form.auto,
    others: WithOption = None,
    json: JsonOption = False,
) -> None:
    """Tag each word of each sentence; what comes out is columns, a word and its tag a line.

    Of columns every word's line comes back with the tag as one more column (of CoNLL-U: in the tag's own),
    and one blank line after each sentence.

    [bold]Examples:[/bold]  unrolled tag runs/names sentences.txt
    ·  unrolled tag runs/upos new.conllu > tagged.conllu
    """
    forms = {file: _form(form, file) for file in files or ["-"]}
    if json and set(forms.values()) != {Form.text}:
        raise UserError("--json needs text, a sentence a line: columns come back as columns")
    predictor = cast("TagPredictor", open_run(run, settings(ctx), verb="tag", others=others))
    if json:
        for _ in answer(predictor, files, {}, as_json=True):
            pass
        return
    for file in files or ["-"]:
        _tag(predictor, file, forms[file])


def _form(form: Form, file: str) -> Form:
    if form is not Form.auto:
        return form
    return Form.conllu if file.lower().endswith(".conllu") else Form.text


def _tag(predictor: TagPredictor, file: str, form: Form) -> None:
    if form is not Form.text:
        lines = chain.from_iterable(chunks(file))
        for line in predictor.tag_columns(lines, file, conllu=form is Form.conllu):
            print_line(line)
        return
    for sentences in chunks(file):
        for found in predictor.predict(sentences):
            for word, name in zip(found.words, found.tags, strict=True):
                print_line(f"{word}\t{name}")
            print_line("")
