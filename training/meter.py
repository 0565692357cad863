"""Measuring a training: its loss, its speed, and what it cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import RunError
from .reporters import Progress
from .state import State
from .steps import StepPlan

if TYPE_CHECKING:
    from accelerate import Accelerator

    from .data_loader import Update

SHARED_COUNTS = ("tokens", "computed")  # Each process counts its own share of them.
_COUNTS = ("done", "rate", "examples", *SHARED_COUNTS)
_REPORT_EVERY = 10  # Number of updates between reports: reading the loss waits for the device.


@dataclass(frozen=True)
class Cost:
    """What a training cost.

    Attributes:
        seconds: time of the updates, without the scoring between epochs.
        tokens_per_second: real tokens per second (padding not counted).
        examples_per_second: examples per second.
        padding: share of the computed tokens that were padding.
        micro_batch: how much was computed at a time, in words.
        halvings: how often memory ran out, so that the micro-batch was halved.
    """

    seconds: float
    tokens_per_second: float
    examples_per_second: float
    padding: float
    micro_batch: str
    halvings: int


class Meter:
    """Watches the loss without waiting for the device at every update, and measures speed.

    Args:
        accelerator: the accelerator of the training.
        steps: the number of updates.
        report: called with the progress after every update; every `_REPORT_EVERY` updates it has the loss.
        memory: returns the memory in use, in MB.
    """

    def __init__(
        self, accelerator: Accelerator, steps: StepPlan, report: Callable[[Progress], None], memory: Callable[[], float]
    ) -> None:
        self.accelerator, self.steps, self.report, self.memory = accelerator, steps, report, memory
        self.losses: list[torch.Tensor] = []
        self.done, self.rate = 0, 0.0
        self.examples = self.tokens = self.computed = self.shown = self.shown_tokens = 0
        self.seconds, self.paused = 0.0, False
        self.since = self.last = time.perf_counter()

    def add(self, loss: torch.Tensor, update: Update, done: int, rate: float) -> None:
        """Count one update, and report it.

        Args:
            loss: the update's loss, still on the device.
            update: the update.
            done: number of updates done.
            rate: the learning rate of the update.

        Raises:
            RunError: the loss is not finite.
        """
        self.losses.append(loss)
        self.done, self.rate = done, rate
        self.examples += len(update.batch)
        self.tokens += update.tokens
        self.computed += update.computed
        where = {"epoch": done / self.steps.per_epoch, "learning_rate": rate}
        if done % _REPORT_EVERY and done != self.steps.total:
            self.report(Progress("train", done, self.steps.total, **where))
            return
        values = self.check()
        self.losses.clear()
        now = time.perf_counter()
        seconds = max(now - self.last, 1e-9)
        speed = (self.examples - self.shown) / seconds
        tokens = (self.tokens - self.shown_tokens) * self.accelerator.num_processes / seconds
        self.last, self.shown, self.shown_tokens = now, self.examples, self.tokens
        self.report(
            Progress(
                "train",
                done,
                self.steps.total,
                loss=sum(values) / len(values),
                examples_per_second=speed,
                tokens_per_second=tokens,
                memory_mb=self.memory(),
                **where,
            )
        )

    def check(self) -> list[float]:
        """Read the losses since the last report.

        Returns:
            The losses, summed over processes.

        Raises:
            RunError: a loss is not finite.
        """
        if not self.losses:
            return []
        losses: Any = torch.stack(self.losses)
        if self.accelerator.num_processes > 1:
            losses = self.accelerator.reduce(losses, reduction="sum")
        values = losses.tolist()
        for number, value in enumerate(values, start=self.done - len(values) + 1):
            if not math.isfinite(value):
                raise RunError(
                    f"the loss is not finite ({value}) at update {number} of {self.steps.total}; "
                    f"lower --learning-rate (now {self.rate:g})"
                    + ("" if self.accelerator.mixed_precision == "no" else " or use --precision fp32")
                )
        return values

    def state(self) -> State:
        """Return the counts, the seconds, and the losses since the last report."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        running = 0.0 if self.paused else time.perf_counter() - self.since
        losses = {"losses": torch.stack(self.losses).cpu()} if self.losses else {}
        return State(losses, counts | {"seconds": self.seconds + running})

    def restore(self, state: State) -> None:
        """Continue counting from a state."""
        for name in _COUNTS:
            setattr(self, name, state.values[name])
        self.seconds = state.values["seconds"]
        self.losses = [loss.to(self.accelerator.device) for loss in state.tensors.get("losses", ())]
        self.resume()

    def pause(self) -> None:
        """Stop the clock."""
        self.seconds += time.perf_counter() - self.since
        self.paused = True

    def resume(self) -> None:
        """Start the clock again."""
        self.since = self.last = time.perf_counter()
        self.shown, self.shown_tokens, self.paused = self.examples, self.tokens, False

    def cost(self, *, micro_batch: str, halvings: int) -> Cost:
        """Stop the clock and return what the training cost so far."""
        self.pause()
        tokens = self.tokens * self.accelerator.num_processes
        return Cost(
            self.seconds,
            tokens / self.seconds,
            self.examples / self.seconds,
            padding=1 - self.tokens / max(self.computed, 1),
            micro_batch=micro_batch,
            halvings=halvings,
        )
