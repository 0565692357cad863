"""Arrays of numbers that grow."""

from __future__ import annotations

import numpy as np


class GrowingArray:
    """An array of numbers that grows, in less memory than a list.

    Args:
        kind: the type of its numbers.
    """

    def __init__(self, kind: type) -> None:
        self._full: list[np.ndarray] = []
        self._last: list[int] = []
        self._kind = kind

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(map(len, self._full)) + len(self._last)

    def append(self, value: int) -> None:
        """Add a number at the end."""
        self._last.append(value)
        if len(self._last) == 2**16:
            self._full.append(np.array(self._last, dtype=self._kind))
            self._last = []

    def array(self) -> np.ndarray:
        """Return all of them, shape (number,)."""
        return np.concatenate([*self._full, np.array(self._last, dtype=self._kind)])
