"""The arithmetic of a run, its signs of life, and what it takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import RequestError, RunError
from ..tasks.task import Recipe
from .state import State

if TYPE_CHECKING:
    from accelerate import Accelerator

    from .feed import Update

_COUNTS = ("done", "rate", "examples", "tokens", "computed")
_LOG_EVERY = 10  # updates between two looks at the loss, each of which waits for the device


@dataclass(frozen=True)
class Progress:
    """A sign of life.

    Attributes:
        stage: `train`, or what is scored.
        done: updates or examples done.
        total: updates or examples in all.
        loss: mean loss since the last sign, when training.
        examples_per_second: since the last sign.
        epoch: completed share of epochs, when training.
        learning_rate: of the last update, when training.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    examples_per_second: float | None = None
    epoch: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class Cost:
    """What training took.

    Attributes:
        seconds: of computing, without scoring between epochs.
        tokens_per_second: real tokens.
        examples_per_second: likewise.
        padding: share of the computed tokens that were padding.
        micro_batch: how much was computed at a time, in words.
        halvings: how often memory ran out and it was halved.
    """

    seconds: float
    tokens_per_second: float
    examples_per_second: float
    padding: float
    micro_batch: str
    halvings: int


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a run.

    Attributes:
        steps_per_epoch: ceil(examples / batch).
        steps: updates in all; the schedule ends there.
        warmup: updates of warm-up among them.
    """

    steps_per_epoch: int
    steps: int
    warmup: int

    @property
    def epochs(self) -> int:
        """Epochs begun; `max_steps` may end the last one early."""
        return math.ceil(self.steps / self.steps_per_epoch)


def plan_run(recipe: Recipe, examples: int, max_steps: int | None) -> Plan:
    """Count the updates of a run.

    Raises:
        RequestError: the warm-up is longer than the run.
    """
    steps_per_epoch = math.ceil(examples / recipe.batch_size)
    steps = steps_per_epoch * recipe.epochs if max_steps is None else max_steps
    warmup = recipe.warmup_steps(steps)
    if warmup > steps:
        raise RequestError(
            f"the warm-up of {warmup} updates is longer than the run of {steps}; "
            "train longer or lower it, e.g. --set warmup=0.1"
        )
    return Plan(steps_per_epoch, steps, warmup)


class Meter:
    """Watches the loss without waiting for the device at every update, and measures speed."""

    def __init__(self, accelerator: Accelerator, plan: Plan, report: Callable[[Progress], None]) -> None:
        self.accelerator, self.plan, self.report = accelerator, plan, report
        self.losses: list[torch.Tensor] = []
        self.done, self.rate = 0, 0.0
        self.examples = self.tokens = self.computed = self.shown = 0
        self.seconds, self.paused = 0.0, False
        self.since = self.last = time.perf_counter()

    def add(self, loss: torch.Tensor, update: Update, done: int, rate: float) -> None:
        """Take in one update; every few, look at the loss and report.

        Raises:
            RunError: the loss is not finite.
        """
        self.losses.append(loss)
        self.done, self.rate = done, rate
        self.examples += len(update.batch)
        self.tokens += update.tokens
        self.computed += update.computed
        if done % _LOG_EVERY and done != self.plan.steps:
            return
        values = self.check()
        self.losses.clear()
        now = time.perf_counter()
        speed = (self.examples - self.shown) / max(now - self.last, 1e-9)
        self.last, self.shown = now, self.examples
        self.report(
            Progress(
                "train",
                done,
                self.plan.steps,
                loss=sum(values) / len(values),
                examples_per_second=speed,
                epoch=done / self.plan.steps_per_epoch,
                learning_rate=rate,
            )
        )

    def check(self) -> list[float]:
        """Look at the losses since the last report.

        Raises:
            RunError: one is not finite.
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
                    f"the loss is not finite ({value}) at update {number} of {self.plan.steps}; "
                    f"lower --learning-rate (now {self.rate:g})"
                    + ("" if self.accelerator.mixed_precision == "no" else " or use --precision fp32")
                )
        return values

    def state(self) -> State:
        """Counts, seconds, and the losses since the last report."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        running = 0.0 if self.paused else time.perf_counter() - self.since
        losses = {"losses": torch.stack(self.losses).cpu()} if self.losses else {}
        return State(losses, counts | {"seconds": self.seconds + running})

    def restore(self, state: State) -> None:
        """Go on counting from there."""
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
        self.shown, self.paused = self.examples, False

    def cost(self, *, micro_batch: str, halvings: int) -> Cost:
        """What training took so far; the clock stops."""
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
