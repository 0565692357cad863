"""Dividing examples among splits, so that no document is in two of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from ...errors import RequestError


def assign(groups: Iterable[str], shares: Mapping[str, float], seed: int, where: str) -> dict[str, str]:
    """Return the split of each group (a document, or a text).

    Groups are taken in the order of a hash of seed and name, so that the assignment does not depend on the order of the
    file, and few groups change their split when others are added. A split is filled until it has its share of the
    examples; the rest is train.

    Args:
        groups: the group of each example.
        shares: split -> its share of the examples, above 0. Train is not among them.
        seed: the seed.
        where: the file, for the error message.

    Raises:
        RequestError: there are fewer groups than splits.
    """
    sizes = Counter(groups)
    if len(sizes) < len(shares) + 1:
        raise RequestError(
            f"{where}: {len(sizes)} documents or different texts cannot be divided among {len(shares) + 1} splits "
            f"(train, {', '.join(shares)}); add data, or name files for the splits"
        )
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    total, assigned = sizes.total(), {}
    position = 0
    for number, (split, share) in enumerate(shares.items()):
        taken = 0
        # One group at least, and one for each split after this one and for train.
        last = len(order) - (len(shares) - number)
        while position < last and (taken == 0 or taken + sizes[order[position]] / 2 <= share * total):
            assigned[order[position]] = split
            taken += sizes[order[position]]
            position += 1
    return assigned | dict.fromkeys(order[position:], "train")
