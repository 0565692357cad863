"""Which examples make an update, and how an update is cut into micro-batches and processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

# With `group_by_length`, examples are sorted by length within pools of this many batches, as in transformers' sampler.
_POOL = 50


def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of examples in an epoch.

    It depends on seed and epoch alone, so that a resumed run, or a run on another number of processes, sees the same
    order.
    """
    return np.random.default_rng([seed, epoch]).permutation(examples)


def epoch_batches(
    examples: int, batch_size: int, seed: int, epoch: int, lengths: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the examples of each update of an epoch: ceil(examples / batch_size) updates, the last one smaller.

    Args:
        examples: number of training examples.
        batch_size: number of examples per update.
        seed: the run's seed.
        epoch: number of the epoch, from 0.
        lengths: tokens of each example; if given, batches hold examples of similar length, in a random order of
            batches.
    """
    order = epoch_order(examples, seed, epoch)
    if lengths is not None:
        pool = _POOL * batch_size
        order = np.concatenate(
            [part[np.argsort(-lengths[part], kind="stable")] for part in np.split(order, range(pool, examples, pool))]
        )
    batches = np.split(order, range(batch_size, examples, batch_size))
    if lengths is not None:
        # The smaller batch stays last, so that the updates of every epoch have the same sizes.
        shuffled = np.random.default_rng([seed, epoch, 1]).permutation(len(batches) - 1)
        batches = [batches[index] for index in shuffled] + batches[-1:]
    return batches


@dataclass(frozen=True)
class MicroBatchSize:
    """How much of an update is computed at a time.

    Attributes:
        tokens: about the largest number of tokens; an example that is longer is computed alone.
        examples: the exact number of examples if the user asked for one; it replaces the number of tokens.
    """

    tokens: int
    examples: int | None = None

    def halved(self) -> MicroBatchSize | None:
        """Return half of this size, or None if it cannot be smaller."""
        if self.examples is not None:
            return replace(self, examples=self.examples // 2) if self.examples > 1 else None
        return replace(self, tokens=self.tokens // 2) if self.tokens > 1 else None

    def __str__(self) -> str:
        return f"{self.examples} examples" if self.examples is not None else f"{self.tokens} tokens"


def micro_batches(
    batch: np.ndarray, lengths: np.ndarray, process: int, processes: int, size: MicroBatchSize
) -> list[np.ndarray]:
    """Cut one update's examples into the micro-batches of one process.

    Every process gets the same number of micro-batches, because the processes exchange gradients after the last one. A
    process with fewer examples than the others gets empty micro-batches at the end.

    Args:
        batch: the examples of the update, over all processes.
        lengths: tokens of every example of the training split.
        process: number of this process, from 0.
        processes: number of processes.
        size: the size of a micro-batch.
    """
    if size.examples is None:
        shares = _shares(batch, lengths, processes)
    else:
        shares = [batch[index::processes] for index in range(processes)]
    parts = [_cut(share, lengths, size) for share in shares]
    number = max(map(len, parts))
    return parts[process] + [batch[:0]] * (number - len(parts[process]))


def _shares(batch: np.ndarray, lengths: np.ndarray, processes: int) -> list[np.ndarray]:
    """Divide the examples of an update among processes so that they have about equally many tokens.

    Each example, the longest ones first, goes to the process with the fewest tokens so far (Graham 1969), so that no
    process has more than the mean and the longest example. Within a share, the order is that of the batch.
    """
    if processes == 1:
        return [batch]
    filled = [0] * processes
    owners = np.empty(len(batch), dtype=np.int64)
    for place in np.argsort(-lengths[batch], kind="stable"):
        owner = min(range(processes), key=filled.__getitem__)
        owners[place] = owner
        filled[owner] += int(lengths[batch[place]])
    return [batch[owners == process] for process in range(processes)]


def _cut(share: np.ndarray, lengths: np.ndarray, size: MicroBatchSize) -> list[np.ndarray]:
    if size.examples is not None:
        return np.split(share, range(size.examples, len(share), size.examples))
    parts = _fill(share, lengths, size.tokens)
    # The same number of parts, but of about equal size: a small last part would use the processor badly. On 32
    # sequences of 300 tokens this makes parts of 11, 11 and 10 instead of 13, 13 and 6.
    even = math.ceil(int(lengths[share].sum()) / len(parts)) + int(lengths[share].max(initial=0))
    return _fill(share, lengths, min(size.tokens, even))


def _fill(share: np.ndarray, lengths: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Cut examples, in their order, into parts of at most `tokens` tokens; a longer example is a part by itself."""
    bounds, filled = [], 0
    for place, length in enumerate(lengths[share]):
        if place and filled + length > tokens:
            bounds.append(place)
            filled = 0
        filled += length
    return np.split(share, bounds)


def token_batches(lengths: np.ndarray, tokens: int, *, padded: bool) -> list[np.ndarray]:
    """Cut examples into batches for scoring, the longest examples first.

    Args:
        lengths: tokens of each example.
        tokens: the largest number of tokens of a batch; an example that is longer is a batch by itself.
        padded: whether each example counts as many tokens as the longest example of its batch.

    Returns:
        The indices of the examples of each batch.
    """
    batches: list[list[int]] = []
    filled = 0
    for index in np.argsort(-lengths, kind="stable"):
        size = int(lengths[batches[-1][0]] if padded and batches else lengths[index])
        if not batches or filled + size > tokens:
            batches.append([])
            size, filled = int(lengths[index]), 0
        batches[-1].append(int(index))
        filled += size
    return [np.array(batch) for batch in batches]
