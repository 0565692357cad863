"""What a run reports while it works, and who listens: the console, the training log, and trackers are all reporters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        stage: `train`, or a phrase that says what is being scored.
        done: updates (when training) or examples (when scoring) that are done.
        total: updates or examples in all.
        loss: mean training loss since the last report, else None.
        examples_per_second: speed since the last report.
        epoch: epochs done, as a fraction, when training.
        learning_rate: learning rate of the last update, when training.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    examples_per_second: float | None = None
    epoch: float | None = None
    learning_rate: float | None = None


class Reporter(Protocol):
    """Something that is told how a run proceeds. A subclass overrides the methods that it needs."""

    def on_progress(self, progress: Progress) -> None:
        """Take note of progress: every ten updates when training, every 2048 examples when scoring."""

    def on_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Take note of the end of an epoch.

        Args:
            epoch: number of epochs done, from 1.
            scores: scores on dev by name (`dev_score`), empty if dev is not scored after each epoch.
        """

    def on_end(self, result: Mapping[str, Any]) -> None:
        """Take note of the end of a run, with its result as a JSON object."""
