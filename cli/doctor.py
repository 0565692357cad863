"""`linkbert doctor`."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_json, print_text

if TYPE_CHECKING:
    from ..experiments.doctor_finding import Finding

_WIDEST, _NARROWEST = 100, 60  # characters of a line
_STATUS, _CHECK = 7, 15  # characters of the two columns before what was found


def command(
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask whether the Hugging Face hub answers.")
    ] = False,
    data_dir: options.DataDir = RunOptions.data_dir,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Check whether this machine is ready, and say how to solve each problem. Exits with 1 if there is one.

    With --quiet, only problems are printed. Nothing that is written stays.
    """
    # What the checked functions would log is a finding.
    logging.getLogger("linkbert").setLevel(logging.ERROR)
    from ..experiments.doctor import examine

    findings = examine(
        data_dir=data_dir,
        runs_dir=runs_dir,
        results_dir=results_dir,
        encoding=getattr(sys.stdout, "encoding", None) or "utf-8",
        offline=offline,
    )
    if json:
        made = list(findings)
        print_json([asdict(finding) for finding in made if finding.status == "problem" or not quiet])
    else:
        made = list(_printed(findings, quiet=quiet))
    if not (json or quiet):
        counts = {status: sum(finding.status == status for finding in made) for status in ("ok", "note", "problem")}
        print_text(f"\n{counts['ok']} ok, {_counted(counts['note'], 'note')}, {_counted(counts['problem'], 'problem')}")
    if any(finding.status == "problem" for finding in made):
        raise typer.Exit(1)


def _printed(findings: Iterator[Finding], *, quiet: bool) -> Iterator[Finding]:
    """Print each finding as soon as it is made, below the name of its section, and yield it."""
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))
    section = None
    for finding in findings:
        if finding.status == "problem" or not quiet:
            if finding.section != section:
                print_text(finding.section)
                section = finding.section
            print_text(_lines(finding, width))
            sys.stdout.flush()
        yield finding


def _lines(finding: Finding, width: int) -> str:
    """Return a finding as a line, and its remedy as the next one; both are wrapped if they are wider than `width`."""
    start = f"  {finding.status:<{_STATUS}}  {finding.check:<{_CHECK}}  "
    indent = " " * len(start)
    lines = _wrapped(finding.found, width, start, indent)
    if finding.remedy is not None:
        lines += _wrapped(finding.remedy, width, f"{indent}-> ", f"{indent}   ")
    return "\n".join(lines)


def _wrapped(text: str, width: int, start: str, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
