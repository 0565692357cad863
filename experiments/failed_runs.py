"""Runs that failed: what `failed.json` in their folders says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError
from .run_folder import FAILED


@dataclass(frozen=True)
class FailedRun:
    """A run that failed.

    Attributes:
        task: the task's name.
        model: the model's name.
        seed: the name of its folder, e.g. `seed-42`.
        error: the error.
    """

    task: str
    model: str
    seed: str
    error: str

    def to_json(self) -> dict[str, Any]:
        """Return the run as a JSON object."""
        return asdict(self)


def failed_runs(runs_dir: Path, results_dir: Path) -> Iterator[FailedRun]:
    """Yield the runs that failed and have no result since.

    Args:
        runs_dir: the folder of runs.
        results_dir: the folder of results.
    """
    for path in sorted(runs_dir.glob(f"*/*/*/{FAILED}")):
        task, model, seed = path.parts[-4:-1]
        if (results_dir / task / model / f"{seed}.json").exists():
            continue
        try:
            error = str(read_json(path, OWN_LIMIT)["error"])
        except (RequestError, KeyError, TypeError) as problem:
            error = f"its {FAILED} cannot be read ({problem})"
        yield FailedRun(task, model, seed, error.splitlines()[0] if error else "")
