"""The options that several commands share. Each is declared once, and belongs to a group of the help text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError
from ..experiments.options import RECIPE_FLAGS, RunOptions

# The groups of options in the help text, in this order.
RECIPE, LIMITS, OUTPUT, DEVICE = "Recipe", "Limits (such runs are not ranked)", "Data and output", "Device"

Task = Annotated[
    str,
    typer.Argument(metavar="TASK", help="A dataset (`linkbert tasks` lists them), or a task file of your own data."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TASK]...", help="Datasets or task files; all datasets by default."),
]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="A preset, a folder, or a hub id.")]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REVISION",
        help="A branch, tag or commit of a model from the hub; --model MODEL@REVISION does the same.",
    ),
]
DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir", envvar="LINKBERT_DATA_DIR", help="The folder of prepared corpora.", rich_help_panel=OUTPUT
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", help="The folder of models and logs.", rich_help_panel=OUTPUT)]
ResultsDir = Annotated[Path, typer.Option("--results-dir", help="The folder of results.", rich_help_panel=OUTPUT)]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="FORMAT",
        help="Number format: auto, fp32, bf16 or fp16. auto takes bf16 where the device is fast at it.",
        rich_help_panel=DEVICE,
    ),
]
PerDevice = Annotated[
    int | None,
    typer.Option(
        "--per-device-batch-size",
        metavar="N",
        help="Examples computed at a time; the batch stays the recipe's. Chosen by memory by default.",
        rich_help_panel=DEVICE,
    ),
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe-file",
        metavar="FILE",
        help="Settings for the task from a TOML file, such as `linkbert search` writes.",
        rich_help_panel=RECIPE,
    ),
]
Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", help="Repeat for several runs; the recipe's seed by default.", rich_help_panel=RECIPE),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Passes over the training split.", rich_help_panel=RECIPE)]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Examples per update.", rich_help_panel=RECIPE)]
LearningRate = Annotated[
    float | None, typer.Option("--learning-rate", help="The highest rate of the schedule.", rich_help_panel=RECIPE)
]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", help="Word pieces per sequence.", rich_help_panel=RECIPE)
]
LayerDecay = Annotated[
    float | None,
    typer.Option(
        "--layer-decay",
        metavar="FACTOR",
        help="Factor of the learning rate from each layer to the one below it (Zhang et al. 2021, Tinn et al. 2023).",
        rich_help_panel=RECIPE,
    ),
]
FrozenLayers = Annotated[
    int | None,
    typer.Option(
        "--frozen-layers",
        metavar="N",
        help="Do not train the embeddings and the N lowest layers (Tinn et al. 2023).",
        rich_help_panel=RECIPE,
    ),
]
ReinitLayers = Annotated[
    int | None,
    typer.Option(
        "--reinit-layers",
        metavar="N",
        help="Let the N highest layers and the pooler begin at random (Zhang et al. 2021, Tinn et al. 2023).",
        rich_help_panel=RECIPE,
    ),
]
LongInputs = Annotated[
    str | None,
    typer.Option(
        "--long-inputs",
        metavar="WAY",
        help="Of inputs that are too long: cut their ends (the protocol), score windows and take the mean of their "
        "outputs (Pappagari et al. 2019), or keep-mentions of a relation.",
        rich_help_panel=RECIPE,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting of the recipe, e.g. schedule=cosine; repeatable. --dry-run shows all of them.",
        rich_help_panel=RECIPE,
    ),
]
Select = Annotated[
    str,
    typer.Option(
        "--select",
        metavar="EPOCH",
        help="The epoch whose model is scored: last (the protocol), or best-dev.",
        rich_help_panel=RECIPE,
    ),
]
MaxSteps = Annotated[
    int | None, typer.Option("--max-steps", help="End the run and its schedule early.", rich_help_panel=LIMITS)
]
TrainFraction = Annotated[
    float, typer.Option("--train-fraction", help="Train on this share of the examples.", rich_help_panel=LIMITS)
]
TrainSplit = Annotated[
    str,
    typer.Option("--train-split", metavar="SPLIT", help="Train on train, or on dev.", rich_help_panel=LIMITS),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Show the settings, the number of updates and what would be cut, and stop.",
        rich_help_panel=OUTPUT,
    ),
]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Start anew instead of continuing or reusing the same run.", rich_help_panel=OUTPUT),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="Settings to begin with: base or large (published; by default chosen by the model's size), or small "
        "(ours, for small encoders).",
        rich_help_panel=RECIPE,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="The model's name in paths and on the leaderboard.", rich_help_panel=OUTPUT
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a different run that is stored in the same place.", rich_help_panel=OUTPUT
    ),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        "--checkpoint-every",
        metavar="MINUTES",
        help="Time between checkpoints; 0 to write them at the ends of epochs only.",
        rich_help_panel=OUTPUT,
    ),
]
Deterministic = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        help="Use only algorithms that give the same bits each time, on GPUs too.",
        rich_help_panel=DEVICE,
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="TRACKER",
        help="Also send curves to tensorboard, wandb, mlflow or trackio; repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Show no progress and no remarks; errors still show.", rich_help_panel=OUTPUT),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on standard output and nothing else.", rich_help_panel=OUTPUT),
]


def option_values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those parameters of a command that are fields of `RunOptions`.

    A new option of a run is therefore one field of `RunOptions` and one parameter of the command.

    Args:
        parameters: all parameters of the command by name (`typer.Context.params`).

    Raises:
        RequestError: a setting of `--set` is unknown, malformed or given twice.
    """
    known = {item.name for item in fields(RunOptions)} - {"task", "model", "seeds", "settings"}
    values = {name: value for name, value in parameters.items() if name in known}
    return values | {"settings": _settings_of(parameters)} if "settings" in parameters else values


def _settings_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the recipe that flags replace.

    Raises:
        RequestError: a setting of `--set` is unknown, malformed or given twice.
    """
    from ..tasks.recipe import KEYS, parse_setting, problem_with

    chosen = {key: parameters[key] for key in RECIPE_FLAGS if parameters.get(key) is not None}
    problems = []
    for item in parameters["settings"] or ():
        key, value = parse_setting(item)
        if key not in KEYS:
            problems.append(f"--set {item}: {problem_with(key, value)}")
        elif key in chosen:
            problems.append(f"--set {item}: {key} is given twice")
        chosen[key] = value
    if problems:
        raise RequestError(*problems)
    return chosen
