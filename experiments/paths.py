"""Where a run and its result lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """The paths of one run: `RUNS/TASK/MODEL/seed-N/` and `RESULTS/TASK/MODEL/seed-N.json`.

    Attributes:
        task: the task's name.
        model: the model's name in paths.
        seed: the run's seed; None for predictions from elsewhere.
        runs_dir: the folder of runs.
        results_dir: the folder of results.
    """

    task: str
    model: str
    seed: int | None
    runs_dir: Path
    results_dir: Path

    @property
    def stem(self) -> str:
        """`seed-42`, or `no-seed`."""
        return "no-seed" if self.seed is None else f"seed-{self.seed}"

    @property
    def run_dir(self) -> Path:
        """The run folder, with the trained model."""
        return self.runs_dir / self.task / self.model / self.stem

    @property
    def result_file(self) -> Path:
        """The result file."""
        return self.results_dir / self.task / self.model / f"{self.stem}.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints while the run is under way."""
        return self.run_dir / "checkpoints"

    @property
    def lock(self) -> Path:
        """The file that is locked while a process works on the run."""
        return self.run_dir.with_name(f".{self.stem}.lock")

    @property
    def replaced(self) -> Path:
        """Where a finished run is kept until the run that replaces it has a result."""
        return self.run_dir.with_name(f".{self.stem}.replaced")
