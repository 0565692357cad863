"""The log of a training: one JSON object per line, which a checkpoint can cut back to an earlier length."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ..files import sync_file
from ..training.reporters import Progress, Reporter
from ..training.state import State
from .results import now

LOG_FILE = "training-log.jsonl"  # in a run folder
_LARGEST = 1e30  # no loss or number of updates is larger
_LOGGED = ("epoch", "loss", "learning_rate", "examples_per_second", "tokens_per_second", "memory_mb")


def _refuse_link(path: str, flags: int) -> int:
    """Open a file that is not a link: the log is truncated on resumption, and must not truncate another file."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def read_training_log(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the log in a run folder: losses with `step`, and ends of epochs with `epochs_done`.

    Returns:
        The records in order; an empty list if there is no log. A line that was cut off by a crash ends the log.
    """
    records: list[dict[str, Any]] = []
    with suppress(OSError, ValueError, RecursionError):
        for line in (folder / LOG_FILE).read_bytes().splitlines():
            record = json.loads(line)
            if isinstance(record, dict) and all(map(_is_plain, record.values())):
                records.append(record)
    return records


def _is_plain(value: Any) -> bool:
    """Return whether a value can be one that this package logged: a number of ordinary size, a text, or nothing."""
    if isinstance(value, int | float):
        return abs(value) < _LARGEST  # false for NaN as well
    return value is None or isinstance(value, str)


class TrainingLog(Reporter):
    """Writes `training-log.jsonl` in a run folder. It is a reporter, and a part of the run's state.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG_FILE
        self._handle: IO[bytes] | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Write to the file while the block runs; outside of it, and in other processes, reports are ignored."""
        with open(self.path, "ab", opener=_refuse_link) as self._handle:
            try:
                yield
            finally:
                self._handle = None

    def on_progress(self, progress: Progress) -> None:
        """Log the loss."""
        if progress.stage == "train" and progress.loss is not None:
            self._write({"step": progress.done, **{key: getattr(progress, key) for key in _LOGGED}})

    def on_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Log the end of an epoch."""
        self._write({"epochs_done": epoch, **scores})

    def state(self) -> State:
        """Return the length of the log."""
        sync_file(self.path)
        return State(values={"bytes": self.path.stat().st_size})

    def restore(self, state: State) -> None:
        """Remove what was logged after a checkpoint; everything if the run starts anew."""
        if self._handle:
            self._handle.truncate(min(state.values.get("bytes", 0), self.path.stat().st_size))

    def _write(self, record: dict[str, Any]) -> None:
        if self._handle:
            self._handle.write(json.dumps({"time": now(), **record}).encode() + b"\n")
            self._handle.flush()
