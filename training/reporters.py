"""What a run reports while it works, and who listens: the console, the training log, and trackers are all reporters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import RequestError

_METHODS = ("on_start", "on_progress", "on_epoch", "on_end", "on_failure")


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        stage: `train`, or a phrase that says what is being scored.
        done: updates (when training) or examples (when scoring) that are done.
        total: updates or examples in all.
        loss: mean training loss over the last ten updates, at every tenth update; else None.
        examples_per_second: speed since the last report.
        epoch: epochs done, as a fraction, when training.
        learning_rate: learning rate of the last update, when training.
        tokens_per_second: real tokens a second since the last loss (padding not counted), with each loss.
        memory_mb: memory in use, with each loss: that of the process, or on a GPU that of its tensors.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    examples_per_second: float | None = None
    epoch: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    memory_mb: float | None = None


class Reporter(Protocol):
    """Something that is told how a run proceeds. A subclass overrides the methods that it needs.

    One reporter is told about all seeds of a command, one after the other. If a run resumes from a checkpoint, the
    progress since that checkpoint is reported again.
    """

    def on_start(self, run: Mapping[str, Any]) -> None:
        """Receive the run that begins: `task`, `model`, `seed`, `run_dir`, `steps`, and `recipe`, setting -> value.

        This is not called for a run that is finished already.
        """

    def on_progress(self, progress: Progress) -> None:
        """Receive progress: after every update when training, every 2048 examples when scoring."""

    def on_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Receive the scores at the end of an epoch.

        Args:
            epoch: number of epochs done, from 1.
            scores: scores on dev by name (`dev_score`), empty if dev is not scored after each epoch.
        """

    def on_end(self, result: Mapping[str, Any]) -> None:
        """Receive the result of a run as a JSON object. This is not called if the result was stored earlier."""

    def on_failure(self, error: BaseException) -> None:
        """Receive the error, or the signal, that ended a run."""


def check_reporters(reporters: Iterable[Any]) -> None:
    """Make sure that each reporter has all methods, so that a run does not fail at the end of an epoch.

    Raises:
        RequestError: a method is missing.
    """
    for reporter in reporters:
        if missing := [name for name in _METHODS if not callable(getattr(reporter, name, None))]:
            raise RequestError(
                f"the reporter {type(reporter).__name__} lacks {', '.join(missing)}; make its class a subclass of "
                "linkbert.Reporter"
            )
