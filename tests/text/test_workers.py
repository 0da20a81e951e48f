from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from unrolled.errors import RunError
from unrolled.text import prepare
from unrolled.text.corpus import Record
from unrolled.text.settings import TokenizerSettings
from unrolled.text.store import IdStore
from unrolled.text.tokenizer import Tokenizer
from unrolled.text.workers import Workers

LINES = [f"the cat {number} sat\ton  the mat" for number in range(40)] + [""]


@pytest.fixture(params=["word", "symbol", "character", "byte", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    size = 300 if request.param == "bpe" else None
    return Tokenizer.train(LINES, TokenizerSettings(kind=request.param, size=size, lowercase=True))


def test_other_processes_give_the_same_ids_in_order(tokenizer: Tokenizer) -> None:
    chunks = [(number, [LINES[number : number + 3], ["b a"]]) for number in range(0, len(LINES), 3)]
    with Workers([tokenizer, tokenizer], 2) as workers:
        found = list(workers.encode(chunks))
    assert [number for number, _ in found] == [number for number, _ in chunks]
    for (_, sides), (_, fields) in zip(found, chunks, strict=True):
        for side, lines in zip(sides, fields, strict=True):
            expected = tokenizer.encode_many(lines)
            assert len(side) == len(expected)
            assert all(np.array_equal(one, two) for one, two in zip(side, expected, strict=True))
    assert all(process.returncode == 0 for process in workers._processes)


def test_a_large_corpus_is_prepared_by_them(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(prepare, "_CHUNK", 4)
    monkeypatch.setattr(prepare, "threads", lambda: 3)
    words = Tokenizer.train(LINES, TokenizerSettings(kind="word"))
    records = [Record((line,), "text.txt", number) for number, line in enumerate(LINES, 1)]
    made: list[Workers] = []
    monkeypatch.setattr(prepare, "Workers", lambda *given: made.append(Workers(*given)) or made[-1])
    stores = []
    for few in (2, 1000):
        monkeypatch.setattr(prepare, "_FEW", few)
        prepare.encode_records(records, [words], [tmp_path / str(few)], end=words.eos)
        stores.append(IdStore.open(tmp_path / str(few)))
    assert np.array_equal(stores[0].ids, stores[1].ids)
    assert np.array_equal(stores[0].offsets, stores[1].offsets)
    assert [len(each._processes) for each in made] == [3, 0]


def test_a_process_that_is_gone_is_told() -> None:
    words = Tokenizer.train(LINES, TokenizerSettings(kind="word"))
    with Workers([words], 1) as workers:
        answers = workers.encode(("", [LINES]) for _ in range(5))
        next(answers)
        os.kill(workers._processes[0].pid, signal.SIGKILL)
        with pytest.raises(RunError, match="turned text into ids ended"):
            list(answers)


def test_what_is_printed_in_them_is_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')")
    monkeypatch.syspath_prepend(tmp_path)
    words = Tokenizer.train(LINES, TokenizerSettings(kind="word"))
    with Workers([words], 1) as workers, pytest.raises(RunError, match="ended with code"):
        list(workers.encode([("", [LINES])]))
