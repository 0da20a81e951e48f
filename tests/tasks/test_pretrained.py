"""``[model] embeddings`` in a recipe: vectors go in once, and are tuned or stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.errors import UserError
from unrolled.runs import load
from unrolled.text import vectors
from unrolled.training import train

WORDS = ["one", "two", "three", "four"]
MATRIX = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)

RECIPE = """\
task = "translate"
[data]
train = "pairs.tsv"
dev_size = 2
[model]
embedding_size = 6
hidden_size = 4
embeddings = "words.txt"
[training]
updates = 3
"""


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., Path]:
    pairs = [f"{WORDS[i % 4]} {WORDS[i % 3]} zero {i}\tUN {WORDS[i % 4].upper()}" for i in range(12)]
    (tmp_path / "pairs.tsv").write_text("\n".join(pairs) + "\n")
    vectors.write(tmp_path / "words.txt", WORDS, MATRIX)
    (tmp_path / "recipe.toml").write_text(RECIPE)

    def run(*overrides: str) -> Path:
        train(tmp_path / "recipe.toml", tmp_path / "run", overrides=overrides, threads=1, progress=False)
        return tmp_path / "run"

    return run


def table(run: Path, side: str = "source") -> tuple[torch.Tensor, list[int]]:
    translator = load(run)
    model = translator.models[0]
    room = model.encoder if side == "source" else model.decoder
    tokenizer = getattr(translator.task, side)
    names = WORDS if side == "source" else [word.upper() for word in WORDS]
    return room.embedding.weight, [tokenizer.id(name) for name in names]


def test_frozen_vectors_stay_and_the_share_found_is_told(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit("model.frozen_embeddings=true")
    weight, ids = table(run)
    np.testing.assert_array_equal(weight[ids].detach().numpy(), MATRIX)
    told = capsys.readouterr().err
    assert "words.txt: has 4 of" in told
    assert "frozen" in told


def test_tuned_vectors_move_from_where_they_started(fit: Callable[..., Path]) -> None:
    weight, ids = table(fit())
    moved = (weight[ids].detach() - torch.from_numpy(MATRIX)).abs()
    assert 0 < moved.max() < 0.01  # three updates of adam at 0.001


def test_a_resumed_or_loaded_run_needs_the_file_no_more(fit: Callable[..., Path], tmp_path: Path) -> None:
    before, _ = table(fit("model.frozen_embeddings=true"))
    (tmp_path / "words.txt").unlink()
    after, ids = table(fit("model.frozen_embeddings=true", "training.updates=5"))
    assert torch.equal(before, after)
    assert not torch.equal(before[ids], before[[4]])


def test_the_target_side_takes_lower_case_vectors(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = fit('model.target_embeddings="words.txt"', "model.frozen_embeddings=true")
    weight, ids = table(run, "target")
    np.testing.assert_array_equal(weight[ids].detach().numpy(), MATRIX)
    assert "(4 in lower case alone)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ('model.embeddings="none.txt"', "none.txt: no such file"),
        ('model.embeddings="."', "is a folder, and model.embeddings takes a file of vectors"),
        ("model.embedding_size=7", "vectors of 6 numbers, but model.embedding_size is 7: set it to 6"),
        ('model.embeddings="others.txt"', "has none of the"),
        ('model.embeddings="short.txt"', "short.txt:3: a short row"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    fit: Callable[..., Path], tmp_path: Path, override: str, complaint: str
) -> None:
    vectors.write(tmp_path / "others.txt", ["anders"], MATRIX[:1])
    (tmp_path / "short.txt").write_text("2 6\none 1 2 3 4 5 6\ntwo 1 2\n")
    with pytest.raises(UserError, match=complaint):
        fit(override)


def test_frozen_words_cannot_be_tied_to_their_projection(fit: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="frozen_embeddings: words tied to their projection"):
        fit('model.target_embeddings="words.txt"', "model.frozen_embeddings=true", 'model.tie="target"')


def test_vectors_are_learnt_from_the_training_texts(
    fit: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [
        'model.embeddings="skip-gram"',
        'model.target_embeddings="skip-gram"',
        "model.frozen_embeddings=true",
    ]
    tables = []
    for threads in (1, 2):
        run = tmp_path / f"own-{threads}"
        train(tmp_path / "recipe.toml", run, overrides=own, threads=threads, progress=False)
        tables += [table(run)[0], table(run, "target")[0]]
        assert not (run / "cache" / "embeddings").exists(), "what it needed meanwhile is gone"
    assert torch.equal(tables[0], tables[2])
    assert torch.equal(tables[1], tables[3])
    assert "model.embeddings: learning the words' vectors" in capsys.readouterr().err
    fresh, _ = table(fit())
    words = slice(4, None)
    assert not torch.equal(tables[0][words], fresh[words])
    assert tables[0][words].std() < 0.2, "as skip-gram begins, not as a table does"


@pytest.mark.parametrize("characters", ["none", "convolution"])
def test_a_classifiers_too(tmp_path: Path, characters: str) -> None:
    lines = [f"{'ab'[i % 2]} {WORDS[i % 4]} {WORDS[i % 3]} {WORDS[i % 2]}" for i in range(12)]
    (tmp_path / "texts").write_text("\n".join(lines) + "\n")
    (tmp_path / "recipe.toml").write_text(
        'task = "classify"\n[data]\ntrain = "texts"\n[text]\nmin_count = 2\n[model]\nembedding_size = 6\n'
        f'hidden_size = 4\nembeddings = "skip-gram"\ncharacters = "{characters}"\nfrozen_embeddings = true\n'
        "[training]\nupdates = 2\nvalidate_every = 0\ntensorboard = false\n"
    )
    trained = train(tmp_path / "recipe.toml", tmp_path / "run", threads=1, progress=False)
    weight = trained.models[0].reader.embedding.weight  # type: ignore[union-attr]
    assert weight.shape == (8, 6)
    assert weight[4:].abs().max() < 0.2
    assert weight[1].abs().max() > 0.2, "the unknown word's is as fresh as ever"
