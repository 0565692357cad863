"""Dividing examples among splits, so that no document is in two of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from ...errors import RequestError


def assign(groups: Iterable[str], shares: Mapping[str, float], seed: int, where: str) -> dict[str, str]:
    """Return the split of each group (a document, or a text).

    Groups are taken in the order of a hash of seed and name, so that the assignment does not depend on the order of the
    file, and few groups change their split when others are added. A split takes each group that fits into its share of
    the examples, and the smallest one if none fits; the rest is train.

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
    for number, (split, share) in enumerate(shares.items()):
        left = [group for group in order if group not in assigned]
        # One group is left for each split after this one, and one for train.
        most = len(left) - (len(shares) - number)
        taken = count = 0
        for group in left:
            if count < most and taken + sizes[group] / 2 <= share * total:
                assigned[group] = split
                taken, count = taken + sizes[group], count + 1
        if not count:
            assigned[min(left, key=lambda group: sizes[group])] = split
    return {group: assigned.get(group, "train") for group in order}
