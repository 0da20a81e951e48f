"""Hypotheses beside their references, checked once for every metric."""

from __future__ import annotations

from collections.abc import Sequence

from unrolled.errors import UserError

References = Sequence[Sequence[str]]
"""``references[i]`` lists the references of segment ``i``; their number may differ."""


def check(hypotheses: Sequence[str], references: References) -> None:
    """Refuse what no metric can score.

    Raises:
        UserError: no segments, unequal lengths, a segment without a reference, text where a list is due.
    """
    if isinstance(hypotheses, str):
        raise UserError("hypotheses is one string: give a list with one string a segment")
    if len(hypotheses) == 0:
        raise UserError("no segments to score: the hypotheses are empty")
    if len(hypotheses) != len(references):
        raise UserError(
            f"{len(hypotheses)} hypotheses but references for {len(references)} segments: "
            "references[i] lists the references of segment i"
        )
    for number, each in enumerate(references, start=1):
        if isinstance(each, str):
            raise UserError(
                f"references of segment {number} are one string: references[i] is a list, "
                "also when it holds one reference"
            )
        if len(each) == 0:
            raise UserError(f"segment {number} has no reference: each needs at least one")
