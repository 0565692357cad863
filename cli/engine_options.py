"""The options of what works on the runs of a suite or search: this machine, or a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..benchmarks.engines import EngineOptions

_GROUP = "Where it runs"

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help="What works on the runs: local (this machine), ray (a Ray cluster) or slurm.",
        rich_help_panel=_GROUP,
    ),
]
RunsPerDevice = Annotated[
    int | None,
    typer.Option(
        "--runs-per-device",
        metavar="N",
        help="local: runs at a time on each GPU (1 by default) or, without one, on the CPU (one for each core).",
        rich_help_panel=_GROUP,
    ),
]
CpusPerRun = Annotated[
    int | None,
    typer.Option("--cpus-per-run", metavar="N", help="ray, slurm: cores of each run.", rich_help_panel=_GROUP),
]
GpusPerRun = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-run",
        metavar="N",
        help="ray, slurm: GPUs of each run, 1 by default where there are any; with ray also a part of one, e.g. 0.25.",
        rich_help_panel=_GROUP,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="ray: the cluster, HOST:PORT; auto (the one that this machine belongs to) by default.",
        rich_help_panel=_GROUP,
    ),
]
Partition = Annotated[
    str | None,
    typer.Option("--partition", metavar="NAME", help="slurm: the partition.", rich_help_panel=_GROUP),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="LIMIT",
        help="slurm: limit of each job, e.g. 4:00:00 (the default). A run that needs longer is continued.",
        rich_help_panel=_GROUP,
    ),
]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="NAME", help="slurm: the account.", rich_help_panel=_GROUP),
]
Slurm = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="slurm: any other option of sbatch, e.g. qos=long; repeatable.",
        rich_help_panel=_GROUP,
    ),
]


def chosen(parameters: Mapping[str, Any]) -> EngineOptions:
    """Return the options of the engine among the parameters of a command."""
    from ..benchmarks.engines import EngineOptions

    values: dict[str, Any] = {item.name: parameters[item.name] for item in fields(EngineOptions)}
    values["slurm"] = tuple(values["slurm"] or ())
    return EngineOptions(**values)
