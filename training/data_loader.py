"""Reads and collates updates, each one while the update before it is computed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ..models.heads import Head
from .collation import Batch
from .examples import Examples
from .sampling import MicroBatchSize, micro_batches

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """The examples of one update, with this process's share of them on its device.

    Attributes:
        batch: indices of the update's examples, over all processes.
        parts: this process's micro-batches, each with a weight: 1, or 0 for an example in place of an
            empty share.
        count: labelled words or examples of this process's share; its loss is summed over them.
        size: the size of the micro-batches.
    """

    batch: np.ndarray
    parts: list[tuple[Batch, float]]
    count: int
    size: MicroBatchSize

    @property
    def tokens(self) -> int:
        """Number of real tokens of this process's share."""
        return sum(part.tokens for part, weight in self.parts if weight)

    @property
    def computed(self) -> int:
        """Number of tokens of this process's share including padding."""
        return sum(part.computed for part, _ in self.parts)


class UpdateLoader:
    """Reads updates, and cuts them into micro-batches.

    Args:
        examples: what is read.
        head: the kind of head.
        size: the size of micro-batches.
        device: where the batches are needed.
        process: number of this process, from 0.
        processes: number of processes.
    """

    def __init__(
        self,
        examples: Examples,
        head: Head,
        size: MicroBatchSize,
        device: torch.device,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self.examples, self.head, self.size = examples, head, size
        self.device, self.process, self.processes = device, process, processes
        self.halvings = 0
        self.lengths = np.zeros(0, dtype=np.int64)

    def begin(self, epoch: int) -> np.ndarray:
        """Begin an epoch, counted from 0, and return the number of tokens of each example."""
        self.lengths = self.examples.begin(epoch)
        return self.lengths

    def updates(self, batches: list[np.ndarray]) -> Iterator[Update]:
        """Yield the updates in order. While the caller computes one, a thread prepares the next."""
        if not batches:
            return
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="data-loader") as thread:
            following = thread.submit(self.update, batches[0])
            for number in range(1, len(batches) + 1):
                current = following.result()
                if number < len(batches):
                    following = thread.submit(self.update, batches[number])
                yield current

    def update(self, batch: np.ndarray) -> Update:
        """Prepare one update with the present size of micro-batches."""
        size = self.size
        parts, count = [], 0
        for part in micro_batches(batch, self.lengths, self.process, self.processes, size):
            # A process whose share is empty still takes part in the gradient exchange, with an example of weight 0.
            collated = self.examples.batch(part if len(part) else batch[:1])
            if collated.labels is None:
                raise ValueError("training needs labels")
            if len(part):
                count += int(self.head.count(collated.labels))
            parts.append((collated.to(self.device), float(len(part) > 0)))
        return Update(batch, parts, count, size)

    def shrink(self, update: Update) -> Update | None:
        """Prepare an update that did not fit into memory again, in smaller parts. None if they cannot be smaller."""
        if update.size == self.size:
            smaller = self.size.halved()
            if smaller is None:
                return None
            _log.warning("out of memory with micro-batches of %s: continuing with %s", self.size, smaller)
            self.size = smaller
            self.halvings += 1
        return self.update(update.batch)
