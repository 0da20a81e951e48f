"""Strings ↔ ids, by the ``tokenizers`` library; a tokenizer file is that library's own JSON."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import ArrayLike, NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from unrolled.errors import UserError
from unrolled.files import write_whole
from unrolled.text.settings import TokenizerSettings

PAD, UNK, BOS, EOS = range(4)
_SHOWN = ("<pad>", "<unk>", "<s>", "</s>")
# What pad, bos and eos are called in the file. Every tokenizer here splits at spaces or encodes them, so no
# text can spell a token with a space inside: a word "</s>" of the text never becomes the end of a sentence.
_STORED = (" <pad>", " <unk>", " <s>", " </s>")
_DEFAULT_BPE_SIZE = 8000
_COUNTED = 2_000_000
"""Distinct words held while counting; when there are more, the rarest are forgotten (few are ever kept)."""
_TOGETHER = 512
"""Lines counted by one call, within which there is no Python."""

Ids = NDArray[np.int32]

_WORDS = r"\w+(?:['’]\w+)*|[^\w\s\x1c-\x1f]"
_RUNS = pre_tokenizers.Split(tokenizers.Regex(_WORDS), "removed", invert=True)
_ASCII_RUNS = re.compile(_WORDS)


def _runs(line: str) -> list[str]:
    # To Python, unlike the library, a vowel sign or an accent by itself is no part of a word.
    if line.isascii():
        return _ASCII_RUNS.findall(line)
    return [run for run, _ in _RUNS.pre_tokenize_str(line)]


def _symbols(line: str) -> list[str]:
    return [symbol for symbol in line.split(" ") if symbol]


_SPLITS: dict[tuple[str, str], Callable[[str], list[str]]] = {
    ("word", "space"): str.split,
    ("word", "words"): _runs,
    ("symbol", "space"): _symbols,
    ("character", "space"): list,
}


class Tokenizer:
    """Text ↔ ids. Ids 0 to 3 are pad, unknown, begin and end of a sequence; ``encode`` adds none of them.

    Word and symbol tokenizers read ``<unk>`` in a text, as prepared corpora have it, as the unknown word.
    """

    pad, unk, bos, eos = PAD, UNK, BOS, EOS

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        """Wrap a tokenizer of the library.

        Raises:
            ValueError: its ids 0 to 3 are not this package's special tokens.
        """
        self._tokenizer = tokenizer
        names = tuple((tokenizer.id_to_token(i) or "").strip() for i in range(4))
        if names != _SHOWN:
            raise ValueError(f"ids 0 to 3 are {', '.join(map(repr, names))}, not {', '.join(_SHOWN)}")
        split = "space"
        if isinstance(tokenizer.model, models.WordLevel):
            found = tokenizer.pre_tokenizer
            self.kind = "symbol" if isinstance(found, pre_tokenizers.Split) else "word"
            if self.kind == "word" and isinstance(found[0], pre_tokenizers.Split):
                split = "words"
        elif tokenizer.pre_tokenizer is None:
            self.kind = "character"
        else:
            self.kind = "byte" if isinstance(tokenizer.decoder, decoders.ByteLevel) else "bpe"
        self._split = _SPLITS.get((self.kind, split))

    def __reduce__(self) -> tuple[Any, ...]:
        return Tokenizer, (self._tokenizer,)  # what is cached beside it is made again

    # Making and keeping.

    @classmethod
    def train(cls, lines: Iterable[str], settings: TokenizerSettings) -> Tokenizer:
        """Learn a vocabulary from ``lines`` (read once, streamed); frequent tokens get low ids.

        Raises:
            UserError: no line holds a token.
        """
        normalizer = _normalizer(settings)
        if settings.kind == "bpe":
            return cls(_train_bpe(lines, settings, normalizer))
        if settings.kind == "byte":
            return cls(_byte_tokenizer(normalizer))
        counts = _count(lines, _SPLITS[settings.kind, settings.split], normalizer)
        if not counts:
            raise UserError("empty: no text to learn a vocabulary from")
        stored = (*_STORED[:1], _unknown(settings.kind), *_STORED[2:])
        counts.pop(stored[UNK], None)
        kept = [token for token, count in counts.items() if count >= settings.min_count]
        kept.sort(key=lambda token: (-counts[token], token))
        if settings.size is not None:
            kept = kept[: settings.size - len(stored)]
        vocabulary = {token: i for i, token in enumerate([*stored, *kept])}
        if settings.kind == "character":
            # Byte pair encoding without a merge gives every character by itself, at the library's best speed.
            made = tokenizers.Tokenizer(models.BPE(vocabulary, [], unk_token=stored[UNK]))
        else:
            made = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=stored[UNK]))
            made.pre_tokenizer = _pre_tokenizer(settings)
        if normalizer is not None:
            made.normalizer = normalizer
        return cls(made)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        """Read a tokenizer file.

        Raises:
            UserError: it is missing, damaged, or not one of this package's.
        """
        try:
            return cls(tokenizers.Tokenizer.from_str(Path(path).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UserError(f"{path}: no such tokenizer file") from None
        except Exception as error:  # the library raises bare Exception
            raise UserError(f"{path}: not a tokenizer of unrolled, or damaged ({error})") from None

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as the library's JSON, whole or not at all.

        Raises:
            RunError: the disk is full or cannot be written.
        """
        write_whole(Path(path), self._tokenizer.to_str(pretty=True).encode())

    @cached_property
    def digest(self) -> str:
        """A few letters that are others for another tokenizer."""
        return hashlib.blake2b(self._tokenizer.to_str().encode(), digest_size=8).hexdigest()

    # Text → ids.

    def encode(self, line: str) -> Ids:
        """The ids of one text, without bos and eos: shape (tokens,), int32."""
        return self.encode_many([line])[0]

    def encode_many(self, lines: Sequence[str]) -> list[Ids]:
        """:meth:`encode` of each; byte pairs on all of the library's threads.

        What needs no search is looked up here, several times faster than by the library, with the same ids.
        """
        if self.kind == "bpe":
            encodings = self._tokenizer.encode_batch_fast(lines, add_special_tokens=False)
            return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        if self.kind in ("word", "symbol"):
            rows = [self.pieces(line) for line in lines]
            ids = np.fromiter(map(self._words.get, chain.from_iterable(rows), repeat(UNK)), np.int32)
            ends = np.cumsum([0, *map(len, rows)]).tolist()
            return [ids[begin:end] for begin, end in pairwise(ends)]
        if self.kind == "byte":
            return [self._table[np.frombuffer(self.normalize(line).encode(), np.uint8)] for line in lines]
        codes = (np.frombuffer(self.normalize(line).encode("utf-32-le"), "<u4") for line in lines)
        return [self._table[np.minimum(code, len(self._table) - 1)] for code in codes]

    @cached_property
    def _words(self) -> dict[str, int]:
        # On the strings of the vocabulary: the library would make every one anew.
        return {token: i for i, token in enumerate(self.vocabulary) if i == UNK or i > EOS}

    @cached_property
    def _table(self) -> Ids:
        """Byte or code point → id; the last entry stands for every greater one."""
        tokens = self._tokenizer.get_vocab(with_added_tokens=False)
        if self.kind == "byte":
            return np.array([tokens[letter] for letter in _byte_letters()], dtype=np.int32)
        codes = {ord(token): i for token, i in tokens.items() if i > EOS}
        table = np.full(max(codes, default=0) + 2, UNK, dtype=np.int32)
        table[list(codes)] = list(codes.values())
        return table

    def normalize(self, line: str) -> str:
        """The text as it is before it is cut: lower-cased and in its Unicode normal form, if so set."""
        # Byte pair encoding's last step puts a space before the first word.
        return self._normalized(line)[self.kind == "bpe" :]

    @cached_property
    def _normalized(self) -> Callable[[str], str]:
        return _normalization(self._tokenizer.normalizer)

    def pieces(self, line: str) -> list[str]:
        """The (normalised) text of each token of ``line``, in step with :meth:`encode`; unknown ones too."""
        if self._split is None:
            return self.tokens(self.encode(line))
        return self._split(self.normalize(line))

    def words(self, line: str) -> list[str]:
        """The words of ``line`` as they are written there, of a word tokenizer."""
        assert self._split is not None
        return self._split(line)

    # Ids → text.

    def decode(self, ids: ArrayLike) -> str:
        """Text from ids; pad, bos and eos are dropped.

        Words and symbols are joined with spaces (see :func:`unrolled.text.detokenize` for what a reader
        expects); characters, bytes and byte pairs give the exact normalised text back.
        An unknown word reads ``<unk>``, an unknown character ``\\ufffd``.
        """
        known = [i for i in np.asarray(ids, dtype=np.int64).tolist() if i == UNK or i > EOS]
        if self.kind in ("byte", "bpe"):
            return self._tokenizer.decode(known, skip_special_tokens=False)
        if self.kind == "character":
            return "".join("\ufffd" if i == UNK else self.vocabulary[i] for i in known)
        return " ".join(self.vocabulary[i] for i in known)

    def tokens(self, ids: ArrayLike) -> list[str]:
        """Each id as a person reads it; in byte pairs ``▁`` is a space and ``\\xe2`` part of a character."""
        return [self.vocabulary[i] for i in np.asarray(ids, dtype=np.int64).tolist()]

    @property
    def separator(self) -> str:
        """What stands between two :meth:`tokens` of a text: a space between words and symbols."""
        return " " if self.kind in ("word", "symbol") else ""

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every token as :meth:`tokens` shows it, by id."""
        stored = [self._tokenizer.id_to_token(i) or "" for i in range(4, self.size)]
        if self.kind in ("byte", "bpe"):
            values = {letter: value for value, letter in enumerate(_byte_letters())}
            stored = [_readable(bytes(values[letter] for letter in token)) for token in stored]
        return [*_SHOWN, *stored]

    def characters(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """How many characters each token of a stream of texts stands for, eos for the end of its line.

        A character in several tokens counts with its first byte; the space that byte pair encoding puts
        before a text does not count. A word or a symbol counts as one.
        """
        counts = self._characters[ids]
        if self.kind == "bpe":
            counts[(np.append(EOS, ids[:-1]) == EOS) & (ids != EOS)] -= 1
        return counts

    @cached_property
    def _characters(self) -> NDArray[np.int64]:
        stored = [self._tokenizer.id_to_token(i) or "" for i in range(4, self.size)]
        if self.kind not in ("byte", "bpe"):
            return np.array([0, 1, 0, 1, *(1 for _ in stored)])
        values = {letter: value for value, letter in enumerate(_byte_letters())}
        return np.array([0, 0, 0, 1, *(sum(values[x] & 0xC0 != 0x80 for x in token) for token in stored)])

    def id(self, token: str) -> int | None:
        """The id of one token as :attr:`vocabulary` shows it, or ``None``."""
        return self._ids.get(token)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: i for i, token in reversed(list(enumerate(self.vocabulary)))}

    @property
    def size(self) -> int:
        """How many ids there are, the four special ones counted."""
        return self._tokenizer.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self.size


def _unknown(kind: str) -> str:
    # A word tokenizer reads "<unk>" in a text as its unknown word; elsewhere it must be unspellable, too.
    return _SHOWN[UNK] if kind in ("word", "symbol") else _STORED[UNK]


def _normalizer(settings: TokenizerSettings) -> normalizers.Normalizer | None:
    steps: list[normalizers.Normalizer] = [normalizers.Lowercase()] if settings.lowercase else []
    if settings.normalize != "none":
        # After lower-casing, which may decompose a letter.
        steps.append({"NFC": normalizers.NFC, "NFKC": normalizers.NFKC}[settings.normalize]())
    if settings.digits:
        steps.append(normalizers.Replace(tokenizers.Regex("[0-9]"), "0"))
    return normalizers.Sequence(steps) if steps else None


def _normalization(normalizer: normalizers.Normalizer | None) -> Callable[[str], str]:
    """What ``normalizer`` does to a line, past which ASCII goes unless it changes that."""
    if normalizer is None:
        return str
    whole = normalizer.normalize_str
    if whole("A1") != "A1":
        return whole
    # ASCII is in every normal form, and Python knows without looking whether a string is ASCII.
    return lambda line: line if line.isascii() else whole(line)


def _count(
    lines: Iterable[str], split: Callable[[str], list[str]], normalizer: normalizers.Normalizer | None
) -> Counter[str]:
    normalize, lines = _normalization(normalizer), iter(lines)
    counts: Counter[str] = Counter()
    rare = 0
    while some := list(islice(lines, _TOGETHER)):
        counts.update(chain.from_iterable(map(split, map(normalize, some))))
        while len(counts) > _COUNTED:  # as Manku & Motwani 2002, section 4.2, count in bounded memory
            rare += 1
            counts = Counter({word: count for word, count in counts.items() if count > rare})
    return counts


def _pre_tokenizer(settings: TokenizerSettings) -> pre_tokenizers.PreTokenizer:
    if settings.kind == "symbol":
        return pre_tokenizers.Split(" ", "removed")
    if settings.split == "words":
        return pre_tokenizers.Sequence([_RUNS])
    # What str.split splits at: Unicode's white space and four control characters.
    controls = pre_tokenizers.Split(tokenizers.Regex("[\\x1c-\\x1f]"), "removed")
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), controls])


def _byte_level(
    model: models.Model, normalizer: normalizers.Normalizer | None, *, words: bool
) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    steps = [normalizer] if normalizer is not None else []
    if words:
        # A space before the first word makes it the same token as inside a sentence; decoding takes it away.
        made.normalizer = normalizers.Sequence([*steps, normalizers.Prepend(" ")])
        made.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    else:
        if normalizer is not None:
            made.normalizer = normalizer
        made.decoder = decoders.ByteLevel()
    return made


def _byte_tokenizer(normalizer: normalizers.Normalizer | None) -> tokenizers.Tokenizer:
    vocabulary = {token: i for i, token in enumerate([*_STORED, *_byte_letters()])}
    return _byte_level(models.BPE(vocabulary, []), normalizer, words=False)


def _train_bpe(
    lines: Iterable[str], settings: TokenizerSettings, normalizer: normalizers.Normalizer | None
) -> tokenizers.Tokenizer:
    made = _byte_level(models.BPE(), normalizer, words=True)
    trainer = trainers.BpeTrainer(
        vocab_size=settings.size or _DEFAULT_BPE_SIZE,
        min_frequency=settings.min_count,
        special_tokens=list(_STORED),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    seen = 0

    def counted() -> Iterator[str]:
        nonlocal seen
        for line in lines:
            seen += bool(line)
            yield line

    made.train_from_iterator(counted(), trainer)
    if not seen:
        raise UserError("empty: no text to learn a vocabulary from")
    # The trainer also declares the special tokens to be matched in raw text; they must not be.
    written = json.loads(made.to_str())
    written["added_tokens"] = []
    return tokenizers.Tokenizer.from_str(json.dumps(written))


def _byte_letters() -> list[str]:
    """The letter that byte-level tokenizers write for each byte: itself if printable, else from U+0100 on.

    Radford et al. 2019, ``bytes_to_unicode`` of GPT-2.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(value if value in printable else next(others)) for value in range(256)]


def _readable(token: bytes) -> str:
    return token.decode("utf-8", errors="backslashreplace").replace(" ", "▁")
