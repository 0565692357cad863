"""Printing: tables and documents go to standard output; progress, remarks and errors go to standard error."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from ..errors import readable
from ..escaping import to_json_text, visible
from ..training.reporters import Progress, Reporter

_LINE_SECONDS = 15.0  # time between two progress lines if standard error is not a terminal
_WIDTH = 400  # A table wider than the terminal is wrapped by the terminal, so that no number is cut off.


class _Output(Console):
    """The console of standard output. It leaves a closed pipe to the caller; rich itself would exit with an error."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def out() -> Console:
    """Return the console of standard output."""
    return _Output(highlight=False, emoji=False, markup=False, width=_WIDTH)


def print_json(document: Any) -> None:
    """Print one strict JSON document."""
    sys.stdout.write(to_json_text(document, indent=2) + "\n")


def print_text(text: str) -> None:
    """Print text on standard output."""
    sys.stdout.write(visible(text if text.endswith("\n") else text + "\n"))


def print_remark(text: str) -> None:
    """Print text on standard error."""
    sys.stderr.write(visible(text) + "\n")


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table. Columns of numbers are aligned to the right."""
    rows = [[visible(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        column = [row[index] for row in rows if row[index]]
        numeric = bool(column) and all(_is_number(cell) for cell in column)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    out().print(table)


def _is_number(text: str) -> bool:
    # "84.30", "78.21 ±0.12", "(5 of 13)" and "1-5" all count as numbers.
    text = text.replace(" of ", "", 1)
    return any(character.isdigit() for character in text) and not any(character.isalpha() for character in text)


def print_error(problems: Iterable[str]) -> None:
    """Print each problem as one unwrapped line, `error: ...`, on standard error. Other processes of a run say which."""
    which = "" if is_first_process() else f" (process {os.environ['RANK']})"
    for problem in problems:
        sys.stderr.write(f"error{which}: " + visible(" ".join(problem.split("\n"))) + "\n")


def set_up_logging(*, quiet: bool) -> None:
    """Send the package's log to standard error; with `quiet`, warnings and errors only.

    Of several processes of a run only the first one logs: the others would say the same.
    """
    logger = logging.getLogger("linkbert")
    logger.handlers.clear()
    handler = _ToStandardError()
    handler.setFormatter(_Plain())
    logger.addHandler(handler)
    if is_first_process():
        logger.setLevel(logging.WARNING if quiet else logging.INFO)
    else:
        logger.setLevel(logging.ERROR)
    logger.propagate = False


class _ToStandardError(logging.Handler):
    """Writes to whatever `sys.stderr` is at the time: while bars are shown, that prints above them."""

    def emit(self, record: logging.LogRecord) -> None:
        # A run goes on when nobody reads its log any more, or when the disk of its log is full.
        with suppress(OSError, AttributeError):
            sys.stderr.write(self.format(record) + "\n")


class _Plain(logging.Formatter):
    """Formats warnings as `warning: text`, and remarks as plain text."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return prefix + visible(readable(record.getMessage()))


def is_first_process() -> bool:
    """Return whether this is the only process, or the first of several that a launcher started."""
    return (os.environ.get("RANK") or "0") == "0"


@contextmanager
def progress(*, quiet: bool) -> Iterator[list[Reporter]]:
    """Yield the reporter that shows progress: bars on a terminal, a line now and then elsewhere, none with `quiet`."""
    if quiet or not is_first_process():
        yield []
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield [_BarReporter(bars)]
    else:
        yield [_LineReporter()]


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _BarReporter(Reporter):
    """Shows one bar per stage of a run, which moves with every update."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.shown: dict[str, Any] = {}  # stage -> id of its bar
        self.detail = _Detail()

    def on_start(self, run: Mapping[str, Any]) -> None:
        """Show the bar of the training at once: the first update takes longest."""
        self.detail = _Detail()
        self.bars.console.print(f"{run['task']} {run['model']} seed {run['seed']}", highlight=False)
        self.shown["train"] = self.bars.add_task("train", total=run["steps"], detail="")

    def on_progress(self, progress: Progress) -> None:
        """Update the bar of the stage; a stage that begins again, as for another seed, gets a new bar."""
        shown = self.shown.get(progress.stage)
        if shown is None or progress.done < self.bars.tasks[shown].completed:
            shown = self.bars.add_task(progress.stage, total=progress.total, detail="")
            self.shown[progress.stage] = shown
        self.bars.update(shown, completed=progress.done, detail=self.detail.of(progress))


class _LineReporter(Reporter):
    """Prints a line every `_LINE_SECONDS`, and at the end of each stage."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}  # stage -> time of its last line
        self.began: dict[str, tuple[float, int]] = {}  # stage -> time and number of its first report
        self.detail = _Detail()

    def on_start(self, run: Mapping[str, Any]) -> None:
        """Say which run begins."""
        self.last.clear()
        self.began.clear()
        self.detail = _Detail()
        self._print(f"{run['task']} {run['model']} seed {run['seed']}: {run['steps']} updates")

    def on_progress(self, progress: Progress) -> None:
        """Print a line if it is time for one."""
        now = time.monotonic()
        detail = self.detail.of(progress)
        since, first = self.began.setdefault(progress.stage, (now, progress.done))
        if progress.done < progress.total and now - self.last.get(progress.stage, 0.0) < _LINE_SECONDS:
            return
        self.last[progress.stage] = now
        left = ""
        if first < progress.done < progress.total:
            seconds = (now - since) / (progress.done - first) * (progress.total - progress.done)
            left = f" {timedelta(seconds=round(seconds))} left"
        self._print(f"{progress.stage} {progress.done}/{progress.total} {detail}{left}")

    @staticmethod
    def _print(line: str) -> None:
        # A run goes on when nobody reads its progress any more, or when the disk of its log is full.
        with suppress(OSError):
            sys.stderr.write(f"{line.rstrip()}\n")


class _Detail:
    """What is shown beside a number of updates: the last loss, the learning rate and the speed."""

    def __init__(self) -> None:
        self.known: dict[str, Progress] = {}  # stage -> the last progress with a speed

    def of(self, progress: Progress) -> str:
        """Return the text for a progress."""
        if progress.examples_per_second is not None:
            self.known[progress.stage] = progress
        last = self.known.get(progress.stage)
        parts = []
        if last is not None and last.loss is not None:
            parts.append(f"loss {last.loss:.4f}")
        if progress.learning_rate is not None:
            parts.append(f"rate {progress.learning_rate:.2e}")
        if last is not None and last.examples_per_second is not None:
            parts.append(f"{last.examples_per_second:.1f} examples/s")
        return " ".join(parts)
