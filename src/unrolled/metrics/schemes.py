"""How tags spell spans: IOB1, IOB2 (BIO) and IOBES.

A tag is ``O``, or a prefix, a hyphen and a type (``B-PER``; types may hold hyphens). IOB1 (Ramshaw and
Marcus 1995) says B only where a span follows another of its type; IOB2 says it at every beginning; IOBES also
marks the end (E) and spans of one token (S).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from unrolled.errors import UserError, nearest

Scheme = Literal["IOB1", "IOB2", "IOBES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
_OUTSIDE = "O"
_BREAKS, _CLOSES = frozenset("OBS"), frozenset("ES")
_PREFIXES = {"IOB1": ("I", "B"), "IOB2": ("B", "I"), "IOBES": ("B", "I", "E", "S")}


class Span(NamedTuple):
    """Tokens ``begin`` to ``end`` (not included), of a type."""

    type: str
    begin: int
    end: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans that tags spell, in any scheme and however broken; IOB1 and IOB2 as ``conlleval`` reads them.

    A span begins at B or S, after O, after a span's end (E or S), and where the type changes.
    """
    found: list[Span] = []
    begin, open_type, closed = 0, None, False
    for index, tag in enumerate([*tags, _OUTSIDE]):
        prefix, kind = _parts(tag)
        if open_type is not None and (closed or prefix in _BREAKS or kind != open_type):
            found.append(Span(open_type, begin, index))
            open_type = None
        if prefix != _OUTSIDE:
            if open_type is None:
                begin, open_type = index, kind
            closed = prefix in _CLOSES
    return found


def tags(found: Sequence[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of ``length`` tokens that spell these spans, which do not overlap.

    Raises:
        UserError: an unknown scheme.
    """
    _check_scheme(scheme)
    row = [_OUTSIDE] * length
    before: Span | None = None
    for span in sorted(found, key=lambda each: each.begin):
        touching = before is not None and before.end == span.begin and before.type == span.type
        row[span.begin : span.end] = [f"I-{span.type}"] * (span.end - span.begin)
        if scheme != "IOB1" or touching:
            row[span.begin] = f"B-{span.type}"
        if scheme == "IOBES":
            row[span.end - 1] = f"{'S' if span.end - span.begin == 1 else 'E'}-{span.type}"
        before = span
    return row


def convert(row: Sequence[str], target: Scheme) -> list[str]:
    """The same spans in another scheme.

    Raises:
        UserError: an unknown scheme.
    """
    return tags(spans(row), len(row), target)


def check(row: Sequence[str], scheme: Scheme) -> None:
    """Refuse tags that break a scheme.

    Raises:
        UserError: the first token whose tag may not stand there, and why.
    """
    _check_scheme(scheme)
    before: str | None = None
    for position, tag in enumerate(row, start=1):
        prefix, kind = _parts(tag)
        if tag != _OUTSIDE and (prefix not in _PREFIXES[scheme] or not kind):
            known = ", ".join(f"{each}-TYPE" for each in _PREFIXES[scheme])
            raise UserError(f"token {position}: {tag!r} is no tag of {scheme}: O, {known}")
        if not allowed(before, tag, scheme):
            place = "at the beginning" if before is None else f"after {before!r}"
            raise UserError(f"token {position}: {tag!r} cannot stand {place} in {scheme}")
        before = tag
    if not allowed(before, None, scheme):
        raise UserError(f"token {len(row)}: {before!r} cannot stand at the end in {scheme}")


def allowed(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Whether a tag may follow another; ``None`` before is the sentence's beginning, ``None`` after its end.

    Raises:
        UserError: an unknown scheme.
    """
    _check_scheme(scheme)
    first, first_type = _parts(before or _OUTSIDE)
    second, second_type = _parts(after or _OUTSIDE)
    same = first_type == second_type
    if scheme == "IOB1":
        return True  # a B that is not needed stands in CoNLL-2003's own files, and says what it says
    if scheme == "IOB2":
        return second != "I" or (first in "IB" and same)
    inside = first in "BI"
    return (second in "IE" and same) if inside else second in "OBS"


def _parts(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def _check_scheme(scheme: str) -> None:
    if scheme not in SCHEMES:
        raise UserError(f"scheme {scheme!r} is not known: {nearest(scheme, SCHEMES)}")
