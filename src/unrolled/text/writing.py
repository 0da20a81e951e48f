"""Ids → text while they are drawn: what can no longer change is given out at once."""

from __future__ import annotations

from collections.abc import Sequence

from unrolled.text.detokenize import detokenize
from unrolled.text.tokenizer import Tokenizer

_INCOMPLETE = "\ufffd"


class Writer:
    """Turns the ids of one text into pieces that together are the text.

    Args:
        begin: the text before the first id, a prompt; it is given out too.
        ids: those of ``begin``.
        line_ends: eos is a line's end and the text goes on after it.
    """

    def __init__(
        self, tokenizer: Tokenizer, begin: str = "", ids: Sequence[int] = (), *, line_ends: bool = False
    ) -> None:
        self._tokenizer = tokenizer
        self._line_ends = line_ends
        self._words = tokenizer.kind in ("word", "symbol")
        self._ids: list[int] = []
        if tokenizer.kind == "bpe" and len(ids) and ids[-1] != tokenizer.eos:
            self._ids = [int(ids[-1])]
        # Of words: the line so far, and how much of it as a reader sees it was given out.
        before, ended, self._line = begin.rpartition("\n") if self._words else ("", "", "")
        self._given = len(tokenizer.decode(self._ids))
        self._waiting = before + ended if self._words else begin

    def add(self, token: int) -> str:
        """Take in an id; the text that it settles, which may be empty."""
        if token == self._tokenizer.eos:
            return self.close() + self._new_line() if self._line_ends else ""
        self._ids.append(token)
        if self._words:
            return self._take(self._settled(self._text()))
        text = self._tokenizer.decode(self._ids)
        if text.endswith(_INCOMPLETE) and self._tokenizer.kind != "character":
            return ""
        return self._take_all(text)

    def close(self) -> str:
        """The rest of the text."""
        if self._words:
            return self._take(self._text())
        return self._take_all(self._tokenizer.decode(self._ids))

    def _take_all(self, text: str) -> str:
        """All that is decoded; byte pairs keep the last id, because a first one loses its space."""
        piece, self._waiting = self._waiting + text[self._given :], ""
        self._ids = self._ids[-1:] if self._tokenizer.kind == "bpe" else []
        self._given = len(self._tokenizer.decode(self._ids)) if self._ids else 0
        return piece

    def _text(self) -> str:
        words = " ".join(filter(None, (self._line, self._tokenizer.decode(self._ids))))
        return detokenize(words) if self._tokenizer.kind == "word" else words

    def _take(self, text: str) -> str:
        piece, self._waiting = self._waiting + text[self._given :], ""
        self._given = max(self._given, len(text))
        return piece

    def _new_line(self) -> str:
        self._ids, self._line, self._given = [], "", 0
        return "\n"

    @staticmethod
    def _settled(text: str) -> str:
        """What later words cannot change: not the last two, nor anything from an open quotation mark on."""
        end = len(text)
        if text.count('"') % 2:
            end = text.rindex('"')
        for _ in range(2):
            end = text.rfind(" ", 0, end)
            if end < 0:
                return ""
        return text[:end]
