"""chrF (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation") and chrF++ (2017)."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from unrolled.errors import UserError
from unrolled.metrics import segments
from unrolled.metrics.score import Score, reference_count, signature
from unrolled.metrics.tally import Counts, Tally, ratio

_PUNCTUATION = frozenset(string.punctuation)
Ngrams = list[Counter[str]]


def chrf(
    hypotheses: Sequence[str],
    references: segments.References,
    *,
    character_order: int = 6,
    word_order: int = 0,
    beta: float = 2.0,
    lowercase: bool = False,
) -> Score:
    """The F-score of character n-grams, spaces left out, of a corpus; equal to sacreBLEU's chrF.

    Precision and recall are averaged over the orders that both sides have. Each segment counts against the
    reference that scores best.

    Args:
        hypotheses: one string a segment.
        references: ``references[i]`` lists the references of segment ``i``.
        character_order: the longest character n-gram.
        word_order: the longest word n-gram: 0 for chrF, 2 for chrF++.
        beta: recall counts β times as much as precision.
        lowercase: compare without case.

    Raises:
        UserError: no segments, unequal numbers of them, a segment without reference, no order.
    """
    if min(character_order, word_order) < 0 or character_order + word_order == 0:
        raise UserError(
            f"character_order {character_order} and word_order {word_order}: at least one must be above 0"
        )
    segments.check(hypotheses, references)

    def value(sums: Counts) -> Counts:
        return f_score(sums, beta)

    def ngrams(line: str) -> Ngrams:
        line = line.lower() if lowercase else line
        characters = "".join(line.split())
        words = list(_words(line)) if word_order else []
        return [
            *(_count(characters, n) for n in range(1, character_order + 1)),
            *(
                Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
                for n in range(1, word_order + 1)
            ),
        ]

    rows = []
    for hypothesis, alternatives in zip(hypotheses, references, strict=True):
        ours = ngrams(hypothesis)
        choices = np.array([_compare(ours, ngrams(each)) for each in alternatives], dtype=np.int64)
        rows.append(choices[value(choices).argmax()])
    tally = Tally(np.stack(rows), value)
    plain_beta = int(beta) if beta == int(beta) else beta
    name = f"chrF{plain_beta}{'+' * word_order}"
    return Score(
        name,
        float(value(tally.total())),
        signature=signature(
            name,
            nrefs=reference_count(references),
            case="lc" if lowercase else "mixed",
            eff=True,
            nc=character_order,
            nw=word_order,
            space=False,
        ),
        tally=tally,
    )


def f_score(sums: Counts, beta: float) -> Counts:
    """Scores ``(…)`` of sums ``(…, 3 · orders)``: n-grams of the hypothesis, of the reference, matches."""
    ours, theirs, matches = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    both = (ours > 0) & (theirs > 0)
    orders = both.sum(axis=-1)
    precision = ratio(np.where(both, ratio(matches, ours), 0.0).sum(axis=-1), orders)
    recall = ratio(np.where(both, ratio(matches, theirs), 0.0).sum(axis=-1), orders)
    return 100.0 * ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)


def _count(characters: str, n: int) -> Counter[str]:
    return Counter([characters[i : i + n] for i in range(len(characters) - n + 1)])


def _compare(ours: Ngrams, theirs: Ngrams) -> list[int]:
    row: list[int] = []
    for one, other in zip(ours, theirs, strict=True):
        matches = sum(min(often, other[ngram]) for ngram, often in one.items() if ngram in other)
        # An order that the reference is too short for is not held against the hypothesis.
        row += [one.total() if other else 0, other.total(), matches]
    return row


def _words(line: str) -> Iterator[str]:
    """Words with a punctuation mark split off at the end, or else at the beginning, as chrF++ has it."""
    for word in line.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            yield from (word[:-1], word[-1])
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            yield from (word[0], word[1:])
        else:
            yield word
