"""The engines by name."""

from __future__ import annotations

import os

from ..errors import RequestError, nearest
from .jobs import Engine

ENGINES = ("local",)


def check_engine(name: str, runs_per_device: int | None) -> None:
    """Make sure that an engine is known and that its options are in range.

    Raises:
        RequestError: they are not.
    """
    if name not in ENGINES:
        raise RequestError(f"--engine {name!r}: {nearest(name, ENGINES)}")
    if runs_per_device is not None and runs_per_device < 1:
        raise RequestError(f"--runs-per-device should be at least 1, found {runs_per_device}")


def make_engine(name: str, runs_per_device: int | None, jobs: int) -> Engine:
    """Return an engine.

    Args:
        name: one of `ENGINES`.
        runs_per_device: jobs at a time on each device; chosen by the engine if None.
        jobs: the number of jobs.

    Raises:
        RequestError: there is no such engine, or an option is out of range.
    """
    check_engine(name, runs_per_device)
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        # A launcher has started several processes; each job uses all of them.
        from .inline import InlineEngine

        return InlineEngine()
    from .local import LocalEngine, make_slots

    return LocalEngine(make_slots(runs_per_device, jobs))
