"""`linkbert benchmark`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import engine_options, options
from .console import print_error, print_json, print_table, print_text, set_up_logging
from .leaderboard import print_leaderboard
from .suite_progress import suite_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..benchmarks.estimate import Estimate
    from ..benchmarks.plan import PlannedRun
    from ..benchmarks.suites import Outcome


_Models = Annotated[list[str], typer.Option("--model", metavar="MODEL", help="Repeat to compare several.")]
_Seeds = Annotated[
    int,
    typer.Option("--seeds", help="Number of seeds: the recipe's and those after it.", rich_help_panel=options.RECIPE),
]
_Tasks = Annotated[list[str] | None, typer.Option("--task", help="Only this task of the suite; repeatable.")]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and run nothing.", rich_help_panel=options.OUTPUT)
]


def command(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="blurb, medqa, mmlu, all, or a task file.")],
    model: _Models,
    revision: options.Revision = None,
    seeds: _Seeds = 1,
    recipe: options.RecipeName = None,
    recipe_file: options.RecipeFile = None,
    settings: options.Settings = None,
    task: _Tasks = None,
    max_steps: options.MaxSteps = None,
    dry_run: _DryRun = False,
    engine: engine_options.Engine = "local",
    runs_per_device: engine_options.RunsPerDevice = None,
    cpus_per_run: engine_options.CpusPerRun = None,
    gpus_per_run: engine_options.GpusPerRun = None,
    address: engine_options.Address = None,
    partition: engine_options.Partition = None,
    time: engine_options.Time = None,
    account: engine_options.Account = None,
    slurm: engine_options.Slurm = None,
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
    """Run what is missing of a suite, several runs at a time, and show the leaderboard.

    Example: linkbert benchmark blurb --model pubmedbert-base --model biolinkbert-base --seeds 5

    Example: linkbert benchmark all --model pubmedbert-base --seeds 10 --engine slurm --partition gpu --time 4:00:00
    """
    set_up_logging(quiet=quiet)
    from ..benchmarks.suites import benchmark

    with obeying_signals(), suite_progress(quiet=quiet) as shown:
        outcome = benchmark(
            suite,
            models=model,
            seeds=seeds,
            tasks=task or (),
            dry_run=dry_run,
            engine=engine_options.chosen(context.params),
            on_plan=None if json or quiet else _show_plan,
            watcher=shown,
            track=track or (),
            **options.option_values(context.params),
        )
    _print_outcome(outcome, dry_run=dry_run, json=json)
    for failure in outcome.failures if quiet else ():
        print_error([f"{failure.run} failed: {failure.error}"])
    if not outcome.is_whole:
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome, *, dry_run: bool, json: bool) -> None:
    if json:
        print_json(outcome.to_json())
    elif not dry_run:
        print_leaderboard(outcome.leaderboard)
    elif outcome.estimate is not None:
        print_text("")
        print_text(_time_of(outcome.estimate))


def _time_of(estimate: Estimate) -> str:
    minutes = max(1, round(estimate.seconds / 60))
    time = f"{minutes} min" if minutes < 100 else f"{estimate.seconds / 3600:.1f} h"
    where = "this machine" if estimate.devices == 1 else f"the {estimate.devices} GPUs of this machine"
    speeds = ", ".join(f"{name} {speed:,.0f}" for name, speed in estimate.tokens_per_second.items())
    return f"about {time} on {where} (trained on, in tokens a second: {speeds})"


def _show_plan(plan: Sequence[PlannedRun]) -> None:
    rows = [
        (run.task, run.name, str(run.seed), _count(run.updates), _count(run.train_tokens), _to_do(run)) for run in plan
    ]
    print_table(("task", "model", "seed", "updates", "tokens", "to do"), rows)
    problems = dict.fromkeys(run.problem for run in plan if run.problem)
    if problems:
        print_text("")
    for problem in problems:
        print_text(f"cannot run: {problem}")
    sys.stdout.flush()


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _to_do(run: PlannedRun) -> str:
    if run.problem is not None:
        return f"{run.action} (cannot run)"
    if run.done:
        return "nothing (done)"
    return f"{run.action} (continues)" if run.begun else run.action
