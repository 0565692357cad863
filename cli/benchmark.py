"""`linkbert benchmark`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..training.stopping import obeying_signals
from . import options
from .console import print_json, print_remark, print_table, progress, set_up_logging
from .leaderboard import print_leaderboard

if TYPE_CHECKING:
    from ..benchmarks.suites import Item


def command(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="blurb, medqa, mmlu or all.")],
    model: Annotated[list[str], typer.Option("--model", metavar="MODEL", help="Repeat to compare several.")],
    seeds: Annotated[int, typer.Option("--seeds", help="How many seeds: the recipe's and those after it.")] = 1,
    task: Annotated[list[str] | None, typer.Option("--task", help="Only this task of the suite; repeatable.")] = None,
    recipe: options.RecipeName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and run nothing.")] = False,
    checkpoint_every: options.CheckpointEvery = options.CHECKPOINT_EVERY,
    deterministic: options.Deterministic = False,
    data_dir: options.DataDir = options.DATA_DIR,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    results_dir: options.ResultsDir = options.RESULTS_DIR,
    precision: options.Precision = "auto",
    per_device_batch_size: options.PerDevice = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Run what is missing of a suite, one run after the other, and end in the leaderboard."""
    set_up_logging(quiet=quiet)
    from ..benchmarks.suites import benchmark

    with obeying_signals(), progress(quiet=quiet) as report:
        outcome = benchmark(
            suite,
            models=model,
            seeds=seeds,
            tasks=task or (),
            recipe_name=recipe,
            data_dir=data_dir,
            runs_dir=runs_dir,
            results_dir=results_dir,
            precision=precision,
            per_device_batch_size=per_device_batch_size,
            checkpoint_every=checkpoint_every,
            deterministic=deterministic,
            dry_run=dry_run,
            on_plan=lambda plan: _show_plan(plan, json=json, quiet=quiet),
            on_item=None if quiet else _show_item,
            report=report,
        )
    if json:
        print_json(outcome)
    elif not dry_run:
        print_leaderboard(outcome["leaderboard"]["rows"])
    if any("error" in run for run in outcome["runs"]):
        raise typer.Exit(1)


def _show_plan(plan: list[Item], *, json: bool, quiet: bool) -> None:
    rows: list[Any] = [
        (item.task, item.name, str(item.seed), f"{item.action} (a result is there)" if item.done else item.action)
        for item in plan
    ]
    if json or quiet:
        return
    print_table(("task", "model", "seed", "to do"), rows)
    sys.stdout.flush()


def _show_item(item: Item, number: int, total: int) -> None:
    print_remark(f"[{number}/{total}] {item}")
