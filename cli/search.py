"""`linkbert search`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError
from ..experiments.options import RunOptions
from ..training.stopping import obeying_signals
from . import engine_options, options
from .console import print_json, print_remark, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..benchmarks.search import SearchResult, Trial

_SEARCH = "Search"
_Trials = Annotated[int, typer.Option("--trials", metavar="N", help="Trials in all.", rich_help_panel=_SEARCH)]
_Space = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="KEY=V,V,...",
        help="Values to try for a setting, e.g. learning_rate=1e-4,2e-4; repeatable. Replaces the default grid.",
        rich_help_panel=_SEARCH,
    ),
]
_Grid = Annotated[
    str | None,
    typer.Option(
        "--grid",
        metavar="NAME",
        help="A published grid: gu, by which PubMedBERT's numbers were chosen (Gu et al. 2021).",
        rich_help_panel=_SEARCH,
    ),
]
_Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="FILE|URL",
        help="Where the trials are kept: a journal file (in the folder of runs by default), or an Optuna storage URL.",
        rich_help_panel=_SEARCH,
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output", metavar="FILE", help="The recipe file; recipe-TASK-MODEL.toml by default.",
        rich_help_panel=options.OUTPUT,
    ),
]  # fmt: skip


def command(
    context: typer.Context,
    task: options.Task,
    model: options.Model,
    revision: options.Revision = None,
    trials: _Trials = 20,
    space: _Space = None,
    grid: _Grid = None,
    storage: _Storage = None,
    seed: options.Seeds = None,
    recipe: options.RecipeName = None,
    recipe_file: options.RecipeFile = None,
    settings: options.Settings = None,
    max_steps: options.MaxSteps = None,
    train_fraction: options.TrainFraction = RunOptions.train_fraction,
    engine: engine_options.Engine = "local",
    runs_per_device: engine_options.RunsPerDevice = None,
    cpus_per_run: engine_options.CpusPerRun = None,
    gpus_per_run: engine_options.GpusPerRun = None,
    address: engine_options.Address = None,
    partition: engine_options.Partition = None,
    time: engine_options.Time = None,
    account: engine_options.Account = None,
    slurm: engine_options.Slurm = None,
    output: _Output = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    runs_dir: options.RunsDir = RunOptions.runs_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
    precision: options.Precision = RunOptions.precision,
    per_device_batch_size: options.PerDevice = None,
) -> None:
    """Search for settings with the best score on dev, and write them into a recipe file. The test split is not read.

    Example: linkbert search gad --model minilm --trials 12 --space learning_rate=1e-4,2e-4 --space batch_size=8,16

    Example: linkbert finetune gad --model minilm --recipe-file recipe-gad-minilm.toml
    """
    set_up_logging(quiet=quiet)
    from ..benchmarks.search import search

    request = RunOptions.of(task, model=model, seed=seed or None, **options.option_values(context.params))
    if len(request.seeds) > 1:
        raise RequestError("--seed: a search has one; score what it finds with several")
    working = engine_options.chosen(context.params)
    working.require_valid()
    shown = _Shown(quiet=quiet)
    with obeying_signals():
        found = search(
            request,
            trials=trials,
            engine=lambda missing: working.make(missing, request.runs_dir),
            values=_space_of(space or ()),
            grid=grid,
            storage=storage,
            output=output,
            on_begin=shown.begin,
            on_trial=shown.trial,
        )
    _finish(found, json=json)


def _space_of(texts: Sequence[str]) -> dict[str, Sequence[Any]]:
    space: dict[str, Sequence[Any]] = {}
    for key, values in map(_values, texts):
        if key in space:
            raise RequestError(f"--space {key}: given twice; list all values in one, e.g. --space {key}=V1,V2")
        space[key] = values
    return space


def _values(text: str) -> tuple[str, Sequence[Any]]:
    """Read one `KEY=V1,V2,...` of `--space`.

    Raises:
        RequestError: the form is wrong, or a value is not of a type that the setting can have.
    """
    from ..tasks.recipe import parse_setting

    key, equals, listed = text.partition("=")
    if not equals or not listed:
        raise RequestError(f"--space {text}: expected KEY=V1,V2, e.g. --space batch_size=16,32")
    try:
        return key, [parse_setting(f"{key}={value}")[1] for value in listed.split(",")]
    except RequestError as error:
        raise RequestError(str(error).replace("--set", "--space", 1)) from error


class _Shown:
    """Prints a line for each trial that ends."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet, self.done, self.wanted = quiet, 0, 0

    def begin(self, there: int, wanted: int) -> None:
        """Say how many trials there are."""
        self.done, self.wanted = there, wanted
        if not self.quiet:
            print_remark(f"{wanted} trials" + (f", {there} of them are done" if there else ""))

    def trial(self, trial: Trial) -> None:
        """Say how a trial ended."""
        if trial.failed:
            print_remark(f"a trial failed: {_shown(trial)}: {trial.error}" if trial.settings else trial.error or "")
            return
        self.done += 1
        if self.quiet:
            return
        print_remark(f"[{self.done}/{self.wanted}] {_shown(trial)}: {_outcome(trial)}")


def _shown(trial: Trial) -> str:
    return ", ".join(f"{key} {value}" for key, value in trial.settings.items())


def _outcome(trial: Trial) -> str:
    return "failed" if trial.score is None else f"{trial.score:.2f}" + " (ended early)" * (trial.state == "pruned")


def _finish(found: SearchResult, *, json: bool) -> None:
    print_json(found.to_json()) if json else _print(found)
    if any(trial.failed for trial in found.trials):
        raise typer.Exit(1)


def _print(found: SearchResult) -> None:
    ranked = sorted(found.trials, key=lambda trial: (trial.state != "complete", -(trial.score or 0.0)))
    keys = list(found.best.settings)
    rows = [(*(str(trial.settings.get(key)) for key in keys), _outcome(trial)) for trial in ranked]
    print_table((*keys, "dev"), rows, title=f"{found.task} {found.model}")
    print_text(f"recipe {found.recipe_file}")
