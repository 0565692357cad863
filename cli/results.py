"""`linkbert results check`."""

from __future__ import annotations

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_error, print_json, print_table, print_text, set_up_logging
from .group import Group

app = typer.Typer(cls=Group, help="Verify what is stored.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Verify what is stored."""


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


_STATUSES = ("ok", "unverified", "damaged")
