"""How a suite proceeds: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..escaping import visible
from .console import is_first_process, print_remark

if TYPE_CHECKING:
    from ..benchmarks.plan import PlannedRun
    from ..experiments.results import Result
    from ..training.reporters import Progress

_LINE_SECONDS = 30.0  # time between two lines about the runs under way if standard error is not a terminal
_LOGGED = 30  # the level of warnings; what a run says beside them is in its log


class SuiteProgress:
    """What is known of a suite while it runs. With nothing to show it on, it only counts."""

    def __init__(self) -> None:
        self.plan: Sequence[PlannedRun] = ()
        self.running: dict[int, Progress | None] = {}  # place in the plan -> its last progress
        self.done = self.failed = self.there = 0
        self.finished_work = 0.0
        self.began = time.monotonic()

    def on_plan(self, plan: Sequence[PlannedRun]) -> None:
        """Remember the plan."""
        self.plan, self.began = plan, time.monotonic()
        self.there = sum(run.done for run in plan)

    def on_start(self, number: int) -> None:
        """Count a run as under way."""
        self.running[number] = None

    def on_progress(self, number: int, progress: Progress) -> None:
        """Remember how far a run is."""
        self.running[number] = progress

    def on_log(self, number: int, level: int, text: str) -> None:
        """Show warnings of a run."""
        if level >= _LOGGED:
            self.say(f"{self.plan[number]}: {text}")

    def on_end(self, number: int, outcome: Result | str) -> None:
        """Count a run as done or failed, and say which."""
        was_running = number in self.running
        self.running.pop(number, None)
        if isinstance(outcome, str):
            self.failed += 1
            self.say(f"{self.plan[number]} failed: {outcome}")
            return
        self.done += 1
        if was_running:
            self.finished_work += self.plan[number].work
            self.say(f"{self.plan[number]}: {outcome.score:.2f}")

    def on_wait(self) -> None:
        """Do nothing; what shows something does it from time to time."""

    def say(self, text: str) -> None:
        """Print a line about one run."""

    def counts(self) -> str:
        """Return the numbers of runs and the time that is left."""
        waiting = len(self.plan) - self.done - self.failed - len(self.running)
        parts = [f"{self.done} of {len(self.plan)} done", f"{len(self.running)} running", f"{waiting} waiting"]
        parts += [f"{self.failed} failed"] * bool(self.failed)
        return ", ".join(parts) + self._left()

    def _left(self) -> str:
        ahead = sum(run.work for run in self.plan if not run.done and run.problem is None)
        worked = self.finished_work + sum(_worked(self.plan[n], progress) for n, progress in self.running.items())
        seconds = time.monotonic() - self.began
        if not worked or not ahead:
            return ""
        return f"; about {timedelta(seconds=round(max(0.0, ahead - worked) * seconds / worked))} left"


def _worked(run: PlannedRun, progress: Progress | None) -> float:
    if progress is None:
        return 0.0
    if progress.stage == "train":
        return run.train_tokens * progress.done / progress.total
    return run.train_tokens


class _Lines(SuiteProgress):
    """Prints a line when a run begins or ends, and now and then how far all are."""

    def __init__(self) -> None:
        super().__init__()
        self.last = time.monotonic()

    def on_start(self, number: int) -> None:
        """Say which run begins."""
        super().on_start(number)
        self.say(f"{self.plan[number]}: begins")

    def on_wait(self) -> None:
        """Print how far the runs are if it is time for it."""
        if time.monotonic() - self.last < _LINE_SECONDS:
            return
        self.last = time.monotonic()
        under_way = "; ".join(f"{self.plan[n]} {_stage(progress)}" for n, progress in sorted(self.running.items()))
        self.say(f"{self.counts()} ({under_way})")

    def say(self, text: str) -> None:
        """Print a line."""
        with suppress(OSError):  # A suite goes on when nobody reads its progress any more.
            print_remark(text)


class _Live(SuiteProgress):
    """Keeps a table of the runs under way at the bottom of the terminal, and prints the ends of runs above it."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live = live

    def on_wait(self) -> None:
        """Draw the table again."""
        self.live.update(self._drawn(), refresh=True)

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self.live.console.print(Text(visible(text)))

    def _drawn(self) -> Group:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for number, progress in sorted(self.running.items()):
            table.add_row(Text(str(self.plan[number])), Text(_stage(progress)))
        return Group(table, Text(self.counts()))


def _stage(progress: Progress | None) -> str:
    if progress is None:
        return "begins"
    loss = "" if progress.loss is None else f" loss {progress.loss:.4f}"
    return f"{progress.stage} {progress.done}/{progress.total}{loss}"


@contextmanager
def suite_progress(*, quiet: bool) -> Iterator[SuiteProgress]:
    """Yield what shows the progress of a suite: a table on a terminal, lines elsewhere, nothing with `quiet`."""
    if quiet or not is_first_process():
        yield SuiteProgress()
    elif sys.stderr.isatty():
        # The plan goes to standard output, which may be a file.
        with Live(console=Console(stderr=True), auto_refresh=False, redirect_stdout=False) as live:
            yield _Live(live)
    else:
        yield _Lines()
