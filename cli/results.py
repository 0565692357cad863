"""`linkbert results check` and `linkbert results add`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_error, print_json, print_remark, print_table, print_text, set_up_logging
from .group import Group

app = typer.Typer(cls=Group, help="Verify what is stored, and add results from elsewhere.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Verify what is stored, and add results from elsewhere."""


@app.command("check")
def check(
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Verify every stored checksum, and score every predictions file again. Exits with 1 if something is damaged."""
    set_up_logging(quiet=quiet)
    from ..experiments.checks import check_results

    report = check_results(results_dir)
    if json:
        print_json(report)
    else:
        print_table(
            ("result", "status", "not verified"),
            [(item["file"], item["status"], "; ".join(item["unverified"])) for item in report["results"]],
        )
        counts = {status: sum(item["status"] == status for item in report["results"]) for status in _STATUSES}
        print_text(", ".join(f"{count} {status}" for status, count in counts.items()))
        for path in report["unnamed"]:
            print_text(f"no result names {path}")
    problems = [problem for item in report["results"] for problem in item["problems"]]
    print_error(problems)
    if problems:
        raise typer.Exit(1)


@app.command("add")
def add(
    source: Annotated[str, typer.Argument(metavar="FOLDER", help="Another folder of results.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied, and stop.")] = False,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Copy results and predictions from another folder after checking them. Nothing is replaced.

    Exits with 1 if a result is damaged, or differs from the one in its place.
    """
    set_up_logging(quiet=quiet)
    from ..experiments.adding import add_results

    found = add_results(source, results_dir, dry_run=dry_run)
    if json:
        print_json(found.to_json())
    else:
        rows = [(path, "would be added" if dry_run else "added") for path in found.added]
        rows += [(path, "already there") for path in found.present]
        print_table(("result", "outcome"), rows)
        if found.without_predictions:
            print_text(f"{len(found.without_predictions)} without predictions, which were not in {source}")
        for file, difference in found.mixed.items():
            print_remark(f"warning: {file} shares a row with other seeds, which differ: {difference}")
    print_error(f"{file}: not added: {reason}" for file, reason in found.refused.items())
    if found.refused:
        raise typer.Exit(1)


_STATUSES = ("ok", "unverified", "damaged")
