"""Scoring again: a run folder on any split, or anybody's predictions."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..files import require_writable
from ..models.sources import weights_sha256
from ..tasks.data import encode_split, load_split
from ..tasks.registry import get_task
from ..tasks.task import Task
from .results import Place, Result, commit_result, differences_between, now, read_result
from .run_folder import finished_run, scoring_precision
from .scoring import predict_split, read_predictions, scored_fields
from .settings import Folders, check_name, seed_is_fine

if TYPE_CHECKING:
    from ..tasks.task import Truncation
    from ..training.trainer import Trainer
    from .scoring import Predicted, Report


def evaluate(
    task: str,
    *,
    model: str | Path | None = None,
    predictions: str | Path | None = None,
    split: str = "test",
    name: str | None = None,
    seed: int | None = None,
    data_dir: str | Path = "data",
    runs_dir: str | Path = "runs",
    results_dir: str | Path = "results",
    precision: str = "auto",
    overwrite: bool = False,
    report: Report | None = None,
) -> Result:
    """Score a run folder again, or anybody's predictions.

    On test, a run folder's result is stored if there is none, and compared (`stored_score`) if there is one. Other
    splits, and predictions without `name`, store nothing.

    Args:
        task: the task's name.
        model: a run folder; one of `medqa` is valid for `mmlu-professional-medicine`.
        predictions: a predictions file instead of a run folder.
        split: the split to score.
        name: stores the result of a predictions file under this model name.
        seed: of those predictions, if they have one.
        data_dir: prepared corpora.
        runs_dir: models and logs.
        results_dir: scored runs.
        precision: number format of the model's computation.
        overwrite: replace a stored result of other predictions.
        report: called with signs of life.

    Raises:
        RequestError: see there.
    """
    found = get_task(task)
    if (model is None) == (predictions is None):
        raise RequestError("give either --model RUN_DIR or --predictions FILE")
    folders = Folders(Path(data_dir), Path(runs_dir), Path(results_dir))
    if predictions is not None:
        return _evaluate_predictions(found, Path(predictions), split, name, seed, folders, overwrite)
    if name is not None or seed is not None or overwrite:
        raise RequestError("--name, --seed and --overwrite go with --predictions; a run folder knows its own")
    return evaluate_run(found, Path(model or ""), split, folders, precision, report)


def evaluate_run(
    task: Task,
    folder: Path,
    name: str,
    folders: Folders,
    precision: str,
    report: Report | None,
    *,
    replace: bool = False,
    overwrite: bool = False,
) -> Result:
    """Score a finished run on a split, and store the result of test.

    Args:
        task: the task.
        folder: of the run.
        name: the split's.
        folders: of data, runs and results.
        precision: see `evaluate`.
        report: called with signs of life.
        replace: store it although the run has a result; else that one is compared.
        overwrite: likewise, although another run has one there.

    Raises:
        RequestError: see `evaluate`.
    """
    from ..models.loading import load_model, load_tokenizer
    from ..training.trainer import Trainer

    run = finished_run(folder, task)
    digest = run.get("trained_weights_sha256")
    if digest is not None and weights_sha256(folder) != digest:
        raise RequestError(
            f"{folder}: the saved weights are not those that were trained (SHA-256 differs); run the same "
            "`linkbert finetune` with --restart"
        )
    split = load_split(task, name, folders.data)
    tokenizer = load_tokenizer(folder, words=task.head == "token")
    model = load_model(folder, task.head, task.labels, fine_tuned=True)
    trainer = Trainer(task.head, tokenizer, scoring_precision(run, precision), report)
    encoded, truncation = encode_split(task, split, tokenizer, run["recipe"]["max_length"]["value"])
    with trainer.working():
        predicted, cost = predict_split(task, trainer, model, split, encoded)
    stored: Result | None = None
    if trainer.is_main:
        fresh = _result_of_run(task, run, predicted, truncation, cost, trainer, folder)
        stored = _store(task, run, predicted, fresh, folders, replace, overwrite) if name == "test" else fresh
    return trainer.share(stored)


def _store(
    task: Task,
    run: dict[str, Any],
    predicted: Predicted,
    fresh: Result,
    folders: Folders,
    replace: bool,
    overwrite: bool,
) -> Result:
    """Store the result of a run's test split; if there is one and it is not to be replaced, compare them."""
    place = Place(task.name, run["model"]["name"], run["seed"], folders.runs, folders.results)
    if place.result_file.exists() and not replace:
        stored = read_result(place.result_file)
        if found := differences_between(stored, fresh):
            raise RequestError(
                f"{place.result_file}: the stored result is of a different run ({', '.join(found)}); "
                "use another --results-dir"
            )
        return fresh | {"result_file": str(place.result_file), "stored_score": stored["score"]}
    require_writable(place.result_file.parent, "the folder of results")
    return commit_result(place, fresh, predicted.lines(), overwrite=overwrite)


def _result_of_run(
    task: Task,
    run: dict[str, Any],
    predicted: Predicted,
    truncation: Truncation,
    cost: dict[str, float],
    trainer: Trainer,
    folder: Path,
) -> Result:
    split = predicted.split
    trained_here = run["task"] == task.name
    digest = run.get("trained_weights_sha256")
    conditions = trainer.conditions()
    own = {"truncation": run["truncation"], "data": run["data"], "dev": run["dev"]} if trained_here else {}
    return (
        {key: run[key] for key in ("model", "recipe", "seed", "started")}
        | scored_fields(task, predicted)
        | {
            "truncation": own.get("truncation", {}) | {split.name: asdict(truncation)},
            "dev": own.get("dev"),
            "departures": run["departures"] + _data_departures(run, task),
            "data": own.get("data", {}) | {split.name: split.as_result()},
            **conditions,
            # Of the training, if this run has been trained to be scored here.
            **({key: run[key] for key in ("device", "processes") if key in run} if trained_here else {}),
            "deterministic": conditions["deterministic"] and run.get("deterministic", True) is True,
            "cost": {
                "train": run["cost"]["train"],
                split.name: cost,
                "peak_memory_mb": round(trainer.peak_memory_mb, 1),
            },
            "finished": now(),
            **({} if digest is None else {"trained_weights_sha256": digest}),
            "run_dir": str(folder),
            "result_file": "",
            "predictions_file": None,
            "predictions_sha256": None,
        }
    )


def _data_departures(run: dict[str, Any], task: Task) -> list[str]:
    """MMLU's result keeps no data of MedQA, so an unofficial training corpus is told as a departure."""
    if run["task"] == task.name:
        return []
    unofficial = [split for split, item in run["data"].items() if not item["official"]]
    return (
        [f"trained on {run['task']} data that are not the benchmark's ({', '.join(unofficial)})"] if unofficial else []
    )


def _evaluate_predictions(
    task: Task,
    path: Path,
    split_name: str,
    name: str | None,
    seed: int | None,
    folders: Folders,
    overwrite: bool,
) -> Result:
    check_name(name)
    if name is not None and split_name != "test":
        raise RequestError("only results of the test split are stored; leave --name out to print this score")
    if seed is not None and (name is None or not seed_is_fine(seed)):
        raise RequestError("--seed goes with --name, which stores the result, and is from 0 to 4294967295")
    split = load_split(task, split_name, folders.data)
    predicted = read_predictions(task, split, path)
    place = Place(task.name, name or "", seed, folders.runs, folders.results)
    time_now = now()
    result = scored_fields(task, predicted) | {
        "model": {
            "name": name,
            "source": str(path),
            "revision": None,
            "weights_sha256": None,
            "parameters": None,
        },
        "truncation": {},
        "dev": None,
        "recipe": {},
        "departures": ["scored from a predictions file"],
        "seed": seed,
        "data": {split.name: split.as_result()},
        "device": "none",
        "precision": "none",
        "processes": 1,
        "deterministic": True,
        "cost": {},
        "started": time_now,
        "finished": time_now,
        "run_dir": None,
        "result_file": "",
        "predictions_file": str(path),
        "predictions_sha256": None,
    }
    if name is None:
        return result
    require_writable(place.result_file.parent, "the folder of results")
    if place.result_file.exists() and not overwrite:
        stored = read_result(place.result_file)
        digest = hashlib.sha256(b"".join(predicted.lines())).hexdigest()
        if stored["predictions_sha256"] == digest and stored["data"] == result["data"]:
            return stored
        raise RequestError(
            f"{place.result_file}: a different result is there (score {stored['score']:.2f}, this one "
            f"{result['score']:.2f}); use --overwrite to replace it, or another --name or --seed"
        )
    return commit_result(place, result, predicted.lines(), overwrite=overwrite)
