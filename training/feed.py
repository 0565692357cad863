"""Updates, prepared one ahead of the one that is computed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..models.heads import Head
from .batches import Batch, Collator, MicroBatchSize, micro_batches

if TYPE_CHECKING:
    from datasets import Dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """One update's examples, this process's share of them on its device.

    Attributes:
        batch: numbers of the examples, of all processes.
        parts: micro-batches with their weight: 0 for an example that stands in for an empty share.
        count: labelled words or examples of this process's share, which its loss is summed over.
        size: of the micro-batches.
    """

    batch: np.ndarray
    parts: list[tuple[Batch, float]]
    count: int
    size: MicroBatchSize

    @property
    def tokens(self) -> int:
        """Real tokens of this process's share."""
        return sum(part.tokens for part, weight in self.parts if weight)

    @property
    def computed(self) -> int:
        """Tokens of this process's share with padding."""
        return sum(part.computed for part, _ in self.parts)


class Feed:
    """Reads, cuts and collates updates.

    Args:
        dataset: encoded rows.
        lengths: their tokens.
        collate: makes batches.
        head: the head kind.
        size: of micro-batches.
        device: where batches go.
        process: number of this process.
        processes: how many there are.
    """

    def __init__(
        self,
        dataset: Dataset,
        lengths: np.ndarray,
        collate: Collator,
        head: Head,
        size: MicroBatchSize,
        device: torch.device,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.rows = dataset.with_format("arrow")
        self.lengths, self.collate, self.head, self.size = lengths, collate, head, size
        self.device, self.process, self.processes = device, process, processes
        self.halvings = 0

    def updates(self, batches: list[np.ndarray]) -> Iterator[Update]:
        """Yield the updates in order; while one is computed, the next is prepared."""
        if not batches:
            return
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="feed") as thread:
            following = thread.submit(self.update, batches[0])
            for number in range(1, len(batches) + 1):
                current = following.result()
                if number < len(batches):
                    following = thread.submit(self.update, batches[number])
                yield current

    def update(self, batch: np.ndarray) -> Update:
        """Prepare one update at the present size of micro-batches."""
        size = self.size
        parts, count = [], 0
        for part in micro_batches(batch, self.lengths, self.process, self.processes, size):
            # An empty share still takes part in the gradient exchange, with an example that weighs nothing.
            collated = self.collate(self.rows[part if len(part) else batch[:1]])
            if collated.labels is None:
                raise ValueError("training needs labels")
            if len(part):
                count += int(self.head.count(collated.labels))
            parts.append((collated.to(self.device), float(len(part) > 0)))
        return Update(batch, parts, count, size)

    def shrink(self, update: Update) -> Update | None:
        """Prepare an update again that did not fit into memory, in smaller parts; None if they cannot be smaller."""
        if update.size == self.size:
            smaller = self.size.halved()
            if smaller is None:
                return None
            _log.warning("out of memory with micro-batches of %s: going on with %s", self.size, smaller)
            self.size = smaller
            self.halvings += 1
        return self.update(update.batch)
