"""Edit distance (Levenshtein 1966) and the error rates built on it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from unrolled.metrics import segments
from unrolled.metrics.score import Score, reference_count, signature
from unrolled.metrics.tally import Tally, share


def edit_distance(hypothesis: Sequence[Hashable], reference: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that turn one sequence into the other."""
    # Equal ends never need an edit; in practice they are most of both sequences.
    first, last, last_of_reference = 0, len(hypothesis), len(reference)
    while first < last and first < last_of_reference and hypothesis[first] == reference[first]:
        first += 1
    while (
        first < last
        and first < last_of_reference
        and hypothesis[last - 1] == reference[last_of_reference - 1]
    ):
        last, last_of_reference = last - 1, last_of_reference - 1
    hypothesis, reference = hypothesis[first:last], reference[first:last_of_reference]
    if not hypothesis or not reference:
        return max(len(hypothesis), len(reference))
    above = list(range(len(reference) + 1))
    for row, item in enumerate(hypothesis, start=1):
        left = row
        current = [row]
        for column, other in enumerate(reference):
            diagonal = above[column] if item == other else above[column] + 1
            left = min(diagonal, above[column + 1] + 1, left + 1)
            current.append(left)
        above = current
    return above[-1]


def token_error_rate(
    hypotheses: Sequence[str],
    references: segments.References,
    *,
    lowercase: bool = False,
    name: str = "token error rate",
) -> Score:
    """Edits per reference token, in percent; tokens stand between spaces.

    Each segment counts against its closest reference: fewest edits, a tie going to the longer.
    Every segment's edits and reference tokens are summed before dividing. Above 100 when hypotheses run on.

    Args:
        lowercase: compare without case.

    Raises:
        UserError: no segments, unequal numbers of them, a segment without reference.
    """
    segments.check(hypotheses, references)
    cased, form = _cases(lowercase)
    rows = []
    for hypothesis, alternatives in zip(hypotheses, references, strict=True):
        tokens = cased(hypothesis).split()
        others = (cased(other).split() for other in alternatives)
        pairs = ((edit_distance(tokens, other), len(other)) for other in others)
        rows.append(min(pairs, key=lambda pair: (pair[0], -pair[1])))
    tally = Tally(np.array(rows, dtype=np.int64), share)
    edits, length = (int(each) for each in tally.total())
    return Score(
        name,
        float(share(tally.total())),
        signature=signature(name, nrefs=reference_count(references), **form, tok="none", reference="closest"),
        higher_is_better=False,
        details={"edits": edits, "reference_length": length},
        tally=tally,
    )


def phoneme_error_rate(
    hypotheses: Sequence[str], references: segments.References, *, lowercase: bool = False
) -> Score:
    """:func:`token_error_rate` of pronunciations, one a segment, phonemes between spaces."""
    return token_error_rate(hypotheses, references, lowercase=lowercase, name="phoneme error rate")


def word_error_rate(
    hypotheses: Sequence[str], references: segments.References, *, lowercase: bool = False
) -> Score:
    """The share of words given none of their pronunciations, in percent: one word a segment.

    This is the word error rate of pronunciation, where a segment is one word and any reference counts; for
    errors within running text see :func:`token_error_rate`.

    Args:
        lowercase: compare without case.

    Raises:
        UserError: no segments, unequal numbers of them, a segment without reference.
    """
    segments.check(hypotheses, references)
    cased, form = _cases(lowercase)
    wrong = [
        cased(hypothesis).split() not in [cased(other).split() for other in alternatives]
        for hypothesis, alternatives in zip(hypotheses, references, strict=True)
    ]
    tally = Tally(np.stack([np.array(wrong), np.ones(len(wrong), dtype=bool)], axis=1), share)
    return Score(
        "word error rate",
        float(share(tally.total())),
        signature=signature("word error rate", nrefs=reference_count(references), **form, reference="any"),
        higher_is_better=False,
        details={"wrong": int(sum(wrong)), "words": len(wrong)},
        tally=tally,
    )


def _cases(lowercase: bool) -> tuple[Callable[[str], str], dict[str, str]]:
    """What becomes of a line, and what the signature says of it."""
    return (str.lower, {"case": "lc"}) if lowercase else (str, {})
