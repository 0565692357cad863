"""Printing: tables and documents on standard output; progress, remarks and errors on standard error."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ..errors import readable
from ..escaping import to_json_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..training.progress import Progress as Sign

_LINE_SECONDS = 15.0  # between two progress lines where standard error is no terminal


def out() -> Console:
    """The console of standard output. Wide: a table that does not fit goes on at the edge, its numbers are not cut."""
    return Console(highlight=False, emoji=False, markup=False, width=400)


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
    """Print a table; columns of numbers go to the right."""
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
    # "84.30", "78.21 ±0.12", "(5 of 13)" and "1-5" belong into a column of numbers.
    text = text.replace(" of ", "", 1)
    return any(character.isdigit() for character in text) and not any(character.isalpha() for character in text)


def print_error(problems: Iterable[str]) -> None:
    """Print each problem as one unwrapped line, `error: ...`, on standard error."""
    for problem in problems:
        sys.stderr.write("error: " + visible(" ".join(problem.split("\n"))) + "\n")


def set_up_logging(*, quiet: bool) -> None:
    """Send the package's remarks to standard error; with `quiet` only warnings and errors."""
    logger = logging.getLogger("linkbert")
    logger.handlers.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


class _Plain(logging.Formatter):
    """`warning: text`, and plain text for remarks."""

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return prefix + visible(readable(record.getMessage()))


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[Sign], None] | None]:
    """Show signs of life: bars on a terminal, a line now and then elsewhere, nothing with `quiet`."""
    if quiet or os.environ.get("RANK", "0") != "0":
        yield None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _on_bars(bars)
    else:
        yield _on_lines()


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _on_bars(bars: Progress) -> Callable[[Sign], None]:
    shown: dict[str, Any] = {}

    def report(sign: Sign) -> None:
        if sign.stage not in shown or sign.done <= bars.tasks[shown[sign.stage]].completed:
            shown[sign.stage] = bars.add_task(sign.stage, total=sign.total, detail="")
        bars.update(shown[sign.stage], completed=sign.done, detail=_detail(sign))

    return report


def _on_lines() -> Callable[[Sign], None]:
    last: dict[str, float] = {}

    def report(sign: Sign) -> None:
        now = time.monotonic()
        if sign.done < sign.total and now - last.get(sign.stage, 0.0) < _LINE_SECONDS:
            return
        last[sign.stage] = now
        sys.stderr.write(f"{sign.stage} {sign.done}/{sign.total} {_detail(sign)}\n")

    return report


def _detail(sign: Sign) -> str:
    loss = "" if sign.loss is None else f"loss {sign.loss:.4f} "
    return loss + ("" if sign.examples_per_second is None else f"{sign.examples_per_second:.1f} examples/s")
