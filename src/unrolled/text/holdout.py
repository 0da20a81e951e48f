"""Holding out parts of a corpus, so that nothing that stands in one part stands in another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from unrolled.errors import UserError


def hold_out(
    keys: Iterable[str], sizes: Mapping[str, float], seed: int, noun: str = "texts"
) -> Callable[[str], str]:
    """Divide distinct keys into held-out parts and ``"train"``: a function from key to part.

    A key's part depends on the key, the seed and the set of all keys, not on their order or repetition; white
    space around a key does not count. Memory: 8 bytes a key.

    Args:
        keys: read once; repeated keys count once.
        noun: what they are called in a message.
        sizes: part → number of keys, or below 1 their share.

    Raises:
        UserError: nothing would be left to train on.
    """

    def number(key: str) -> int:
        salt = seed.to_bytes(8, "little")
        digest = hashlib.blake2b(key.strip().encode("utf-8"), digest_size=8, key=salt).digest()
        return int.from_bytes(digest, "little")

    order = np.unique(np.fromiter((number(key) for key in keys), dtype=np.uint64))
    borders: list[tuple[str, int]] = []
    taken = 0
    for part, size in sizes.items():
        taken += max(1, round(size * len(order))) if 0 < size < 1 else int(size)
        if size and taken >= len(order) > 0:  # where there is nothing at all, whoever reads says so
            raise UserError(
                f"data.{part}_size = {size:g} leaves nothing to train on: there are {len(order)} distinct"
                f" {noun}"
            )
        borders.append((part, int(order[taken]) if taken < len(order) else 0))

    def part_of(key: str) -> str:
        place = number(key)
        return next((part for part, border in borders if place < border), "train")

    return part_of
