"""`linkbert benchmark`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_remark, print_table, print_text, progress, set_up_logging
from .leaderboard import print_leaderboard

if TYPE_CHECKING:
    from ..benchmarks.suites import PlannedRun


def command(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="blurb, medqa, mmlu, all, or a task file.")],
    model: Annotated[list[str], typer.Option("--model", metavar="MODEL", help="Repeat to compare several.")],
    revision: options.Revision = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", help="Number of seeds: the recipe's and those after it.", rich_help_panel=options.RECIPE
        ),
    ] = 1,
    recipe: options.RecipeName = None,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task of the suite; repeatable.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and run nothing.", rich_help_panel=options.OUTPUT)
    ] = False,
    checkpoint_every: options.CheckpointEvery = RunOptions.checkpoint_every,
    data_dir: options.DataDir = RunOptions.data_dir,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    results_dir: options.ResultsDir = RunOptions.results_dir,
    track: options.Track = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
    per_device_batch_size: options.PerDevice = None,
    deterministic: options.Deterministic = False,
) -> None:
    """Run what is missing of a suite, one run after the other, and show the leaderboard.

    Example: linkbert benchmark blurb --model pubmedbert-base --model biolinkbert-base --seeds 5
    """
    set_up_logging(quiet=quiet)
    from ..benchmarks.suites import benchmark
    from ..experiments.trackers import make_trackers

    trackers = make_trackers(track or ())

    with obeying_signals(), progress(quiet=quiet) as reporters:
        outcome = benchmark(
            suite,
            models=model,
            seeds=seeds,
            tasks=task or (),
            dry_run=dry_run,
            on_plan=None if json or quiet else _show_plan,
            on_run=None if quiet else _show_run,
            reporters=[*reporters, *trackers],
            **options.option_values(context.params),
        )
    if json:
        print_json(outcome.to_json())
    elif not dry_run:
        print_leaderboard(outcome.leaderboard)
    if outcome.failures:
        raise typer.Exit(1)


def _show_plan(plan: list[PlannedRun]) -> None:
    print_table(("task", "model", "seed", "to do"), [(run.task, run.name, str(run.seed), _to_do(run)) for run in plan])
    missing = dict.fromkeys(run.missing for run in plan if run.missing and not run.done)
    if missing:
        print_text("")
    for message in missing:
        print_text(f"data missing: {message}")
    sys.stdout.flush()


def _to_do(run: PlannedRun) -> str:
    if run.done:
        return f"{run.action} (a result is there)"
    return f"{run.action} (data missing)" if run.missing else run.action


def _show_run(run: PlannedRun, number: int, total: int) -> None:
    print_remark(f"[{number}/{total}] {run}")
