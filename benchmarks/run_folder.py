"""What lies in a run's place: its identity, its log, its failure, and whether another run is there."""

from __future__ import annotations

import json
import logging
import shutil
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpora.json_files import read_json
from ..errors import LinkbertError, RequestError
from ..files import atomic_write_text, require_writable
from ..tasks.data import Split
from ..tasks.task import Task
from .results import Place, Result, now, read_result, to_json
from .settings import Settings

if TYPE_CHECKING:
    from ..training.progress import Progress
    from ..training.trainer import Trainer

_RUN_FILE = "run.json"
_FAILED = "failed.json"
_LOG = "training-log.jsonl"
_LOGGED = ("epoch", "loss", "learning_rate", "examples_per_second")
_log = logging.getLogger(__name__)


def identity_of(settings: Settings, seed: int, splits: dict[str, Split]) -> dict[str, Any]:
    """What makes two runs the same run."""
    place = settings.place(seed)
    return {
        "task": settings.task.name,
        "task_version": settings.task.version,
        "model": settings.model.as_result(),
        "recipe": settings.recipe_as_used(),
        "seed": seed,
        "data": {name: split.as_result() for name, split in splits.items()},
        "run_dir": str(place.run_dir),
    }


def differences(identity: dict[str, Any], other: dict[str, Any], precision: str = "auto") -> list[str]:
    """Say where another run differs from the one asked for: task version, model, recipe, data, precision."""
    found = []

    def compare(what: str, asked: Any, there: Any) -> None:
        if asked != there:
            found.append(f"{what} is {there} there, {asked} asked for")

    compare("task version", identity["task_version"], other.get("task_version"))
    model = other.get("model") or {}
    compare("weights", identity["model"]["weights_sha256"][:12], str(model.get("weights_sha256"))[:12])
    recipe = other.get("recipe") or {}
    for key, item in identity["recipe"].items():
        compare(key, item["value"], (recipe.get(key) or {}).get("value"))
    data = other.get("data") or {}
    for split, item in identity["data"].items():
        compare(f"{split} data", item["sha256"][:12], str((data.get(split) or {}).get("sha256"))[:12])
    if precision != "auto" and "precision" in other:
        compare("precision", precision, other["precision"])
    return found


@dataclass(frozen=True)
class Found:
    """What is there of the run asked for.

    Attributes:
        result: its stored result.
        finished: whether its folder holds the trained model.
    """

    result: Result | None = None
    finished: bool = False


def look_up(settings: Settings, place: Place, identity: dict[str, Any]) -> Found:
    """Look for the same run's result and folder; with `overwrite` a different run counts as nothing.

    Raises:
        RequestError: a different run's result or folder is there, and `overwrite` is off.
    """
    there: dict[Path, dict[str, Any]] = {}
    if place.result_file.exists():
        there[place.result_file] = read_result(place.result_file)
    if (place.run_dir / _RUN_FILE).exists():
        there[place.run_dir] = read_run(place.run_dir)
    for path, other in there.items():
        found = differences(identity, other, settings.precision)
        if found and settings.overwrite:
            return Found()
        if found:
            raise RequestError(
                f"{path}: a different run is there: {'; '.join(found)}. Use --overwrite to replace it, or --name to "
                "keep both"
            )
    run = there.get(place.run_dir, {})
    return Found(there.get(place.result_file), run.get("status") == "finished")


def begin_run(place: Place, identity: dict[str, Any]) -> None:
    """Make the run folder ready; what an unfinished run left there goes.

    Raises:
        RequestError: the folder holds something that is no run, or an output folder cannot be written.
    """
    folder = place.run_dir
    require_writable(folder, "the run folder")
    if any(folder.iterdir()):
        if not any((folder / name).exists() for name in (_RUN_FILE, _FAILED)):
            raise RequestError(
                f"{folder}: the run folder holds something that is not a run; choose another --runs-dir or --name"
            )
        finished = (folder / _RUN_FILE).exists() and read_run(folder).get("status") == "finished"
        _log.info("%s: %s", folder, "replaced" if finished else "an earlier run did not finish; it begins anew")
        shutil.rmtree(folder)
        require_writable(folder, "the run folder")
    require_writable(place.result_file.parent, "the folder of results")
    atomic_write_text(folder / _RUN_FILE, to_json(identity | {"status": "running", "started": now()}))


def finish_run(folder: Path, run: dict[str, Any]) -> None:
    """Mark a run as finished: its model is saved whole."""
    atomic_write_text(folder / _RUN_FILE, to_json(run | {"status": "finished"}))


def note_failure(folder: Path, error: Exception) -> None:
    """Leave `failed.json` in the run folder."""
    record = {
        "error": str(error),
        "type": type(error).__name__,
        "time": now(),
        # A plain error says all there is to say; anything else is a defect, and needs the way there.
        "traceback": None if isinstance(error, LinkbertError) else traceback.format_exc(),
    }
    with suppress(OSError):  # the first error matters, not that it could not be noted
        atomic_write_text(folder / _FAILED, to_json(record))


def read_run(folder: Path) -> dict[str, Any]:
    """Read what a run folder says of itself.

    Raises:
        RequestError: it is no run folder.
    """
    path = folder / _RUN_FILE
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such run folder; `linkbert finetune` makes RUNS/TASK/MODEL/seed-N")
    if not path.is_file():
        raise RequestError(f"{folder}: not a run folder, it has no {_RUN_FILE}; name one that `linkbert finetune` made")
    run = read_json(path)
    if not isinstance(run, dict) or not isinstance(run.get("task"), str) or not isinstance(run.get("model"), dict):
        raise RequestError(f"{path}: not what `linkbert finetune` wrote; run it again")
    return run


def finished_run(folder: Path, task: Task) -> dict[str, Any]:
    """Read a finished run that is valid for a task.

    Raises:
        RequestError: no run folder, another task's, or a run that did not finish.
    """
    run = read_run(folder)
    if run["task"] not in (task.name, task.trained_on):
        wanted = task.trained_on or task.name
        raise RequestError(f"{folder}: a run of {run['task']}, not of {wanted}; name a run folder of {wanted}")
    if run.get("status") != "finished":
        raise RequestError(f"{folder}: the run did not finish; run the same `linkbert finetune` again")
    return run


def scoring_precision(run: dict[str, Any], requested: str) -> str:
    """The number format in which a run is scored: its own by default, but fp16 only where the device chooses it."""
    own = run.get("precision", "auto")
    return own if requested == "auto" and own != "fp16" else requested


class TrainingLog:
    """Writes `training-log.jsonl` while passing signs of life on."""

    def __init__(self, folder: Path, trainer: Trainer) -> None:
        self.path, self.trainer, self.passed_on = folder / _LOG, trainer, trainer.report

    def __enter__(self) -> TrainingLog:
        self.handle = self.path.open("w", encoding="utf-8") if self.trainer.is_main else None
        self.trainer.report = self.progress
        return self

    def __exit__(self, *exception: object) -> None:
        self.trainer.report = self.passed_on
        if self.handle:
            self.handle.close()

    def progress(self, progress: Progress) -> None:
        """Log a look at the loss."""
        if progress.stage == "train":
            self._write({"step": progress.done, **{key: getattr(progress, key) for key in _LOGGED}})
        self.passed_on(progress)

    def epoch(self, epoch: int, dev_score: float | None) -> None:
        """Log the end of an epoch."""
        self._write({"epochs_done": epoch} | ({} if dev_score is None else {"dev_score": dev_score}))

    def _write(self, record: dict[str, Any]) -> None:
        if self.handle:
            self.handle.write(json.dumps({"time": now(), **record}) + "\n")
            self.handle.flush()
