"""The engines by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from .inline import InlineEngine, is_launched
from .jobs import Engine

ENGINES = ("local", "ray", "slurm")
# The options of each engine that are not for every engine.
_OPTIONS = {
    "local": ("runs_per_device",),
    "ray": ("address", "cpus_per_run", "gpus_per_run"),
    "slurm": ("partition", "time", "account", "slurm", "cpus_per_run", "gpus_per_run"),
}


@dataclass(frozen=True)
class EngineOptions:
    """Which engine works on the runs, and its options; None for an option that is not given.

    Attributes:
        engine: a name of `ENGINES`.
        runs_per_device: runs at a time on each device of this machine.
        cpus_per_run: cores of each run on a cluster.
        gpus_per_run: GPUs of each run on a cluster; a fraction with Ray.
        address: of the Ray cluster.
        partition: of Slurm.
        time: limit of each run's job with Slurm, as `sbatch --time` takes it. A run that needs longer is continued.
        account: of Slurm.
        slurm: further options of `sbatch`, each `KEY=VALUE`.
    """

    engine: str = "local"
    runs_per_device: int | None = None
    cpus_per_run: int | None = None
    gpus_per_run: float | None = None
    address: str | None = None
    partition: str | None = None
    time: str | None = None
    account: str | None = None
    slurm: tuple[str, ...] = ()

    def require_valid(self) -> None:
        """Make sure that the engine is known, and that its options are its own and in range.

        Raises:
            RequestError: they are not.
        """
        if self.engine not in ENGINES:
            raise RequestError(f"--engine {self.engine!r}: {nearest(self.engine, ENGINES)}")
        problems = []
        for name in dict.fromkeys(option for options in _OPTIONS.values() for option in options):
            if getattr(self, name) not in (None, ()) and name not in _OPTIONS[self.engine]:
                owners = " or ".join(engine for engine, options in _OPTIONS.items() if name in options)
                problems.append(f"{_flag(name)} goes with --engine {owners}")
        for name in ("runs_per_device", "cpus_per_run"):
            if (value := getattr(self, name)) is not None and value < 1:
                problems.append(f"{_flag(name)} should be at least 1, found {value}")
        if self.gpus_per_run is not None:
            whole = self.gpus_per_run == int(self.gpus_per_run)
            if self.gpus_per_run < 0 or (not whole and (self.engine == "slurm" or self.gpus_per_run > 1)):
                allowed = "a whole number" if self.engine == "slurm" else "a whole number, or a part of one"
                problems.append(f"--gpus-per-run should be {allowed}, found {self.gpus_per_run:g}")
        if problems:
            raise RequestError(*problems)

    def make(self, jobs: int, runs_dir: Path) -> Engine:
        """Return the engine.

        Args:
            jobs: the number of jobs.
            runs_dir: the folder of runs.

        Raises:
            RequestError: an option is wrong, or the engine cannot be used here.
        """
        self.require_valid()
        if is_launched():
            if self.engine != "local":
                raise RequestError(f"--engine {self.engine}: start the command itself without a launcher of processes")
            # A launcher has started several processes; each job uses all of them.
            return InlineEngine()
        return _MAKERS[self.engine](self, jobs, runs_dir)


LOCAL = EngineOptions()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _local(options: EngineOptions, jobs: int, runs_dir: Path) -> Engine:
    from .local import LocalEngine, make_slots

    return LocalEngine(make_slots(options.runs_per_device, jobs))


def _ray(options: EngineOptions, jobs: int, runs_dir: Path) -> Engine:
    from .ray_engine import RayEngine

    return RayEngine(options.address or "auto", options.cpus_per_run, options.gpus_per_run, runs_dir)


def _slurm(options: EngineOptions, jobs: int, runs_dir: Path) -> Engine:
    from .slurm_engine import SlurmEngine

    asked: dict[str, Any] = {name: getattr(options, name) for name in ("partition", "time", "account")}
    return SlurmEngine(runs_dir, asked, options.cpus_per_run, options.gpus_per_run, options.slurm)


_MAKERS = {"local": _local, "ray": _ray, "slurm": _slurm}
