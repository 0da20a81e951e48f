"""The tagger as strings see it: prepared, trained for a moment, asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unrolled.cli.main import main
from unrolled.errors import UserError
from unrolled.metrics import schemes
from unrolled.runs import Recipe, load
from unrolled.tasks.tag import Tag, TagPredictor
from unrolled.training import train

# A person begins with a capital, and goes on over further capitals; IOB1, as CoNLL-2003 has it.
SENTENCES = [
    "Ann I-PER sees O Bob I-PER Lee I-PER",
    "the O cat O of O Ann I-PER Lee I-PER sits O",
    "Bob I-PER Cox I-PER",
    "a O cat O sees O a O dog O",
    "Eve I-PER and O Ann I-PER",
    "Dan I-PER Roe I-PER sees O the O dog O of O Bob I-PER",
]


def columns(sentences: list[str]) -> str:
    blocks = []
    for sentence in sentences:
        parts = sentence.split()
        blocks.append("".join(f"{word} X {tag}\n" for word, tag in zip(parts[::2], parts[1::2], strict=True)))
    return "-DOCSTART- -X- O\n\n" + "\n".join(blocks)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(columns(SENTENCES))
    path = tmp_path / "my.toml"
    path.write_text(
        'task = "tag"\n[data]\ntrain = "train.txt"\ndev = "train.txt"\ntest = "train.txt"\nscheme = "IOB1"\n'
        "[text.words]\nlowercase = true\n"
        "[model]\nembedding_size = 8\nhidden_size = 8\ncharacter_size = 8\nword_dropout = 0.1\n"
        "readout_dropout = 0.1\ncharacter_dropout = 0.1\n"
        "[training]\nupdates = 60\nbatch_tokens = 16\nlearning_rate = 0.02\ntensorboard = false\n"
    )
    return path


def prepare(recipe: Path, folder: Path, *overrides: str) -> tuple[Tag, list[str]]:
    told: list[str] = []
    folder.mkdir(exist_ok=True)
    sections = Recipe.read(recipe, overrides).sections
    return Tag.prepare(sections, folder, lambda what, share: told.append(what)), told


@pytest.mark.parametrize(("output", "characters"), [("crf", "convolution"), ("softmax", "recurrent")])
def test_it_learns_and_answers_in_the_datas_scheme(
    recipe: Path, tmp_path: Path, output: str, characters: str
) -> None:
    overrides = [f"model.output={output}", f"model.characters={characters}"]
    trained = train(recipe, tmp_path / "run", overrides=overrides, threads=1, progress=False)
    assert isinstance(trained, TagPredictor)
    found = list(trained.predict(["the dog of Bob Lee", "", "Ann sees"]))
    assert [each.tags for each in found] == [["O", "O", "O", "I-PER", "I-PER"], [], ["I-PER", "O"]]
    assert found[0].as_dict()["spans"] == [{"type": "PER", "begin": 3, "end": 5, "text": "Bob Lee"}]
    assert found[1].as_dict() == {"words": [], "tags": []}
    scores = trained.task.evaluate(trained.models, "test")
    assert list(scores) == ["span_f1", "token_accuracy"]
    assert scores["span_f1"].value == 100
    assert scores["token_accuracy"].details["confusion"]["labels"] == ["I-PER", "O"]
    long = trained.tag([["the", "dog", "Ann"] * 100])[0]
    assert len(long.tags) == 300, "longer than any sentence of the training data"
    both = load([tmp_path / "run", tmp_path / "run"])
    assert isinstance(both, TagPredictor)
    assert both.tag([["Ann", "sees"]])[0].tags == ["I-PER", "O"]
    assert both.tag([["sees"]])[0].as_dict() == {"words": ["sees"], "tags": ["O"], "spans": []}


def test_a_b_that_iob1_does_not_need_is_no_mistake(recipe: Path, tmp_path: Path) -> None:
    spelled = columns(SENTENCES).replace("Ann X I-PER", "Ann X B-PER")
    (tmp_path / "test.txt").write_text(spelled)
    overrides = ["data.test=test.txt"]
    trained = train(recipe, tmp_path / "run", overrides=overrides, threads=1, progress=False)
    scores = trained.task.evaluate(trained.models, "test")
    assert scores["span_f1"].value == scores["token_accuracy"].value == 100
    assert scores["token_accuracy"].details["confusion"]["labels"] == ["I-PER", "O"]


def test_what_comes_out_never_breaks_the_scheme(recipe: Path, tmp_path: Path) -> None:
    task, _ = prepare(recipe, tmp_path / "run", "data.scheme=IOB1", "model.output=softmax")
    words = ["Ann", "sees", "the", "dog", "of", "Bob", "Lee", "and", "Eve", "Roe"]
    task.scheme = "IOBES"  # as the model has them
    for seed in range(5):
        print(f"seed {seed}")
        torch.manual_seed(seed)
        (found,) = TagPredictor(task, [task.build().eval()]).tag([words])
        schemes.check(found.tags, "IOBES")


def test_it_resumes_exactly(recipe: Path, resumes_exactly: Callable[[Path], None]) -> None:
    resumes_exactly(recipe)


def test_a_plan_holds_every_sentence_once_in_the_scheme_of_the_model(recipe: Path, tmp_path: Path) -> None:
    all_known = ["text.words.min_count=1", "text.characters.min_count=1"]
    task, told = prepare(recipe, tmp_path / "run", *all_known)
    assert told[-1] == "train: 6 sentences, 15 distinct words, 5 tags"
    assert task.tags.names == ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    batches = list(task.plan(1, 0))
    assert sum(batch.count for batch in batches) == sum(len(each.split()) // 2 for each in SENTENCES)
    seen = set()
    for batch in batches:
        sentences = batch.sentences
        for row, length in enumerate(sentences.lengths.tolist()):
            forms = sentences.forms[:length, row]
            spelled = [task.characters.decode(sentences.characters[:, form]) for form in forms]
            tags = task.tags.decode(batch.tags[:length, row])
            schemes.check(tags, "IOBES")
            seen.add((tuple(spelled), tuple(schemes.convert(tags, "IOB1"))))
            assert sentences.words[forms].tolist() == task.words.encode(" ".join(spelled)).tolist()
    assert seen == {(tuple(each.split()[::2]), tuple(each.split()[1::2])) for each in SENTENCES}


def test_columns_come_back_with_their_tags(recipe: Path, tmp_path: Path) -> None:
    task, _ = prepare(recipe, tmp_path / "run")
    torch.manual_seed(1)
    predictor = TagPredictor(task, [task.build().eval()])
    tags = predictor.tag([["Ann", "sees"], ["Bob"]])
    given = ["-DOCSTART- -X-", "", "Ann X", "sees X", "", "Bob\tX"]
    assert list(predictor.tag_columns(given, "f", conllu=False)) == [
        "-DOCSTART- -X-",
        "",
        f"Ann X {tags[0].tags[0]}",
        f"sees X {tags[0].tags[1]}",
        "",
        f"Bob\tX\t{tags[1].tags[0]}",
        "",
    ]
    with pytest.raises(UserError, match="f:2: 10 columns separated by tabs are wanted"):
        list(predictor.tag_columns(["# text", "1\tAnn"], "f", conllu=True))


def test_parts_of_speech_have_no_scheme(recipe: Path, tmp_path: Path) -> None:
    task, _ = prepare(recipe, tmp_path / "run", "data.scheme=none")
    assert task.score_names == ("token_accuracy",)
    assert task.tags.names == ["I-PER", "O"]
    assert list(task.evaluate([task.build().eval()], "dev")) == ["token_accuracy"]


def test_mistakes_name_file_and_line(recipe: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("a X O\n\nb X O\nc X I-PER\n")
    with pytest.raises(UserError, match=r"bad\.txt:3: .*token 2: 'I-PER' cannot stand after 'O' in IOB2"):
        prepare(recipe, tmp_path / "a", "data.train=bad.txt", "data.scheme=BIO")
    bad.write_text("a X O\nb X\n")
    with pytest.raises(UserError, match=r"bad\.txt:2: 3 columns, as in the lines before it"):
        prepare(recipe, tmp_path / "b", "data.dev=bad.txt")
    bad.write_text("a X O\n\nb X S-LOC\n")
    with pytest.raises(UserError, match=r"bad\.txt:3: .*'S-LOC' is no tag of IOB1"):
        prepare(recipe, tmp_path / "c", "data.train=bad.txt")
    bad.write_text("a X O\n\nb X O\n")
    with pytest.raises(UserError, match="all tags of the training data are O"):
        prepare(recipe, tmp_path / "d", "data.train=bad.txt")
    with pytest.raises(UserError, match="no sentence is left to train on"):
        prepare(recipe, tmp_path / "e", "data.max_length=1")
    bad.write_text("a X O\n\nb X I-LOC\n")
    _, told = prepare(recipe, tmp_path / "f", "data.test=bad.txt")
    (line,) = [each for each in told if "not in the training data" in each]
    assert "bad.txt:3: tag 'S-LOC' of test" in line


def test_its_confusions_are_drawn(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra `drawing`")
    train(recipe, tmp_path / "run", overrides=["training.updates=2"], threads=1, progress=False)
    confused = ["evaluate", str(tmp_path / "run"), "--confusion", str(tmp_path / "a.png")]
    assert main(confused) == 0
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert "token accuracy" in capsys.readouterr().out
    monkeypatch.setattr("unrolled.tasks.tag.MOST_CONFUSED", 1)
    assert main(confused) == 2
    assert "tags, and at most 1 are told apart in a table: leave --confusion out" in capsys.readouterr().err
