"""What lies in a run's place: its identity, its log, its failure, and whether another run is there."""

from __future__ import annotations

import json
import logging
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import LinkbertError, RequestError
from ..files import atomic_write_text, discard, require_writable, sweep, sync_file
from ..locks import run_lock
from ..models.sources import safe_name
from ..tasks.data import Split
from ..tasks.recipe import problem_with
from ..tasks.task import Task
from ..training.state import State
from .results import Place, Result, now, read_result, to_json
from .settings import Settings, seed_is_fine

if TYPE_CHECKING:
    from ..training.progress import Progress
    from ..training.trainer import Trainer

_RUN_FILE = "run.json"
_FAILED = "failed.json"
_LOG = "training-log.jsonl"
# What scoring a finished run again reads.
_FINISHED = {"started": str, "departures": list, "truncation": dict, "data": dict, "cost": dict, "precision": str}
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
    if "settings_sha256" in model:  # runs of before have none
        compare(
            "configuration or tokenizer", identity["model"]["settings_sha256"][:12], str(model["settings_sha256"])[:12]
        )
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
        result: its stored result, which nothing that lies in the run folder supersedes.
        finished: whether its folder holds a trained model of which no result is stored.
    """

    result: Result | None = None
    finished: bool = False


def look_up(settings: Settings, place: Place, identity: dict[str, Any]) -> Found:
    """Look for the same run's result and folder; with `overwrite` another run counts as nothing, with `restart` any.

    Raises:
        RequestError: a different run's result or folder is there, or one that cannot be read, and nothing allows to
            replace it.
    """
    result = _same(identity, settings, place.result_file, partial(read_result, place.result_file))
    run = {}
    if (place.run_dir / _RUN_FILE).exists():
        run = _same(identity, settings, place.run_dir, partial(read_run, place.run_dir)) or {}
    if settings.restart:
        return Found()
    finished = run.get("status") == "finished"
    # The folder is ahead of the result after a `--restart` that was stopped, or killed before its result was stored.
    if result is not None and run and result["run_dir"] == str(place.run_dir):
        ahead = not (finished and _is_result_of(result, run))
        return Found(finished=finished) if ahead else Found(result)
    return Found(result) if result is not None else Found(finished=finished)


def _same(
    identity: dict[str, Any], settings: Settings, path: Path, read: Callable[[], dict[str, Any]]
) -> dict[str, Any] | None:
    """Read a result or a run if it is of the run asked for; None where there is nothing, or what may be replaced."""
    if not path.exists():
        return None
    try:
        there = read()
    except RequestError as error:
        if settings.overwrite:
            return None
        raise RequestError(f"{error}; --overwrite replaces it") from error
    found = differences(identity, there, settings.precision)
    if found and not settings.overwrite:
        raise RequestError(
            f"{path}: a different run is there: {'; '.join(found)}. Use --overwrite to replace it, or --name to keep "
            "both"
        )
    return None if found else there


def _is_result_of(result: Result, run: dict[str, Any]) -> bool:
    return result.get("trained_weights_sha256") == run.get("trained_weights_sha256")


@contextmanager
def holding_run(place: Place) -> Iterator[None]:
    """Keep other processes from running the same run while the block does.

    Raises:
        RequestError: another process holds it, or the folder of runs cannot be written.
    """
    require_writable(place.run_dir.parent, "the run folder")
    with run_lock(place.run_dir.with_name(f".{place.stem}.lock"), str(place.run_dir)):
        yield


def begin_run(place: Place, identity: dict[str, Any], *, restart: bool = False) -> str:
    """Make the run folder ready: for a new run, or to go on with the same one that did not finish.

    A finished run that is replaced stays beside it until the new one is done (`clean_up`).

    Args:
        place: the run's.
        identity: see `identity_of`.
        restart: do not go on with what is there.

    Returns:
        When the run began.

    Raises:
        RequestError: the folder holds something that is no run, or an output folder cannot be written.
    """
    folder = place.run_dir
    require_writable(folder, "the run folder")
    require_writable(place.result_file.parent, "the folder of results")
    sweep(folder.parent, place.stem)
    there = _unfinished_or_finished(folder)
    if there.get("status") == "running" and not restart and not differences(identity, there):
        (folder / _FAILED).unlink(missing_ok=True)
        sweep(folder, "*")
        return str(there.get("started") or now())
    if there.get("status") == "finished":
        _put_aside(place, there)
    elif there:
        _log.info("%s: an earlier run did not finish; it begins anew", folder)
        discard(folder)
    require_writable(folder, "the run folder")
    started = now()
    atomic_write_text(folder / _RUN_FILE, to_json(identity | {"status": "running", "started": started}))
    return started


def _put_aside(place: Place, run: dict[str, Any]) -> None:
    """Keep the finished run that the stored result is of until the one that replaces it is done."""
    replaced = _replaced(place)
    try:
        stored = read_result(place.result_file) if place.result_file.exists() else None
    except RequestError:
        stored = None
    if replaced.exists() and not (stored and _is_result_of(stored, run)):
        _log.info("%s: its result was never stored; it begins anew", place.run_dir)
        discard(place.run_dir)
        return
    _log.info("%s: kept as %s until the new run is done", place.run_dir, replaced.name)
    shutil.rmtree(replaced, ignore_errors=True)
    place.run_dir.replace(replaced)


def _unfinished_or_finished(folder: Path) -> dict[str, Any]:
    """What lies in a run folder: nothing, or a run with its status.

    Raises:
        RequestError: something else.
    """
    if not any(folder.iterdir()):
        return {}
    if (folder / _RUN_FILE).exists():
        try:
            return {"status": "running"} | read_run(folder)
        except RequestError:  # whoever came so far may replace it
            return {"status": "begun"}
    # Only a run that was stopped while it began has names of ours and no `run.json`.
    if all(path.name == _FAILED or path.name.startswith(f".{_RUN_FILE}") for path in folder.iterdir()):
        return {"status": "begun"}
    raise RequestError(
        f"{folder}: the run folder holds something that is not a run; choose another --runs-dir or --name"
    )


def checkpoints_folder(place: Place) -> Path:
    """Where a run keeps its checkpoints while it runs."""
    return place.run_dir / "checkpoints"


def clean_up(place: Place) -> None:
    """Remove what only a run that is not done needs; the run is held."""
    shutil.rmtree(checkpoints_folder(place), ignore_errors=True)
    shutil.rmtree(_replaced(place), ignore_errors=True)
    (place.run_dir / _FAILED).unlink(missing_ok=True)
    sweep(place.run_dir, "*")
    sweep(place.run_dir.parent, place.stem)


def clean_up_after_stop(place: Place) -> None:
    """Do what a run did not come to that was stopped between its result and `clean_up`."""
    left = (checkpoints_folder(place), _replaced(place), place.run_dir / _FAILED)
    with suppress(RequestError):  # whoever holds the run cleans up; a folder that is no run is not touched
        if any(path.exists() for path in left) and read_run(place.run_dir).get("status") == "finished":
            with holding_run(place):
                clean_up(place)


def _replaced(place: Place) -> Path:
    return place.run_dir.with_name(f".{place.stem}.replaced")


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
    run = read_json(path, OWN_LIMIT)
    if problem := _problem_with_run(run):
        raise RequestError(f"{path}: not what `linkbert finetune` wrote ({problem}); run it again")
    return run


def _problem_with_run(run: Any) -> str | None:
    """What is wrong with the content of a `run.json`; its names become paths, so they are looked at."""
    if not isinstance(run, dict):
        return "no object"
    if not isinstance(run.get("task"), str) or not isinstance(run.get("model"), dict):
        return "no task or model"
    name, seed, recipe = run["model"].get("name"), run.get("seed"), run.get("recipe")
    if not isinstance(name, str) or not safe_name(name):
        return f"{name!r} cannot name a model"
    if type(seed) is not int or not seed_is_fine(seed):
        return f"{seed!r} is no seed"
    if not isinstance(recipe, dict) or not all(isinstance(item, dict) and "value" in item for item in recipe.values()):
        return "no recipe"
    if run.get("status") == "finished":
        length = recipe.get("max_length", {}).get("value")
        if type(length) is not int or problem_with("max_length", length):
            return f"{length!r} is no maximum length"
        for key, kind in _FINISHED.items():
            if not isinstance(run.get(key), kind):
                return f"no {key}"
        if not isinstance(run.get("dev"), dict | None) or not isinstance(run["cost"].get("train"), dict):
            return "no dev or no cost of training"
        items = [*run["data"].values(), *run["truncation"].values()]
        if not all(isinstance(item, dict) for item in items) or not all("official" in i for i in run["data"].values()):
            return "data or truncation without their figures"
        if not all(isinstance(item, str) for item in run["departures"]):
            return "departures that are no texts"
    return None


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


def _no_link(path: str, flags: int) -> int:
    """Open a file that must not lead elsewhere: what is there may be cut."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


class TrainingLog:
    """Writes `training-log.jsonl` while passing signs of life on; a checkpoint knows how long it was."""

    def __init__(self, folder: Path, trainer: Trainer) -> None:
        self.path, self.trainer, self.passed_on = folder / _LOG, trainer, trainer.report
        self.handle: IO[bytes] | None = None

    def __enter__(self) -> TrainingLog:
        self.handle = open(self.path, "ab", opener=_no_link) if self.trainer.is_main else None
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

    def state(self) -> State:
        """How long the log is."""
        sync_file(self.path)
        return State(values={"bytes": self.path.stat().st_size})

    def restore(self, state: State) -> None:
        """Forget what was logged later; everything if the run begins anew."""
        if self.handle:
            self.handle.truncate(min(state.values.get("bytes", 0), self.path.stat().st_size))

    def _write(self, record: dict[str, Any]) -> None:
        if self.handle:
            self.handle.write(json.dumps({"time": now(), **record}).encode() + b"\n")
            self.handle.flush()
