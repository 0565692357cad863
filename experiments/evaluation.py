"""Scoring again: a run folder on any split, or predictions from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RequestError
from ..files import require_writable
from ..models.sources import name_problem, weights_sha256
from ..tasks.data import encode_split, load_split
from ..tasks.registry import get_task
from ..tasks.task import Task, Truncation
from ..training.reporters import Reporter, check_reporters
from .model_card import write_card
from .options import RunOptions, seed_is_valid
from .paths import RunPaths
from .results import UNSTORED, Result, equal_splits, now
from .run_record import RunRecord, finished_run
from .scoring import Predicted, predict_split, read_predictions, scored_fields
from .store import differences_of_results, read_result, sha256_of_lines, store_result

if TYPE_CHECKING:
    from ..training.predictor import Predictor


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
    reporters: Sequence[Reporter] = (),
) -> Result:
    """Score a run folder again, or the predictions in a file.

    On test, the result of a run folder is stored if there is none, and compared (`stored_score`) if there is one.
    Scores of other splits, and of predictions without `name`, are not stored.

    Args:
        task: the task's name.
        model: a run folder; one of `medqa` is valid for `mmlu-professional-medicine`.
        predictions: a predictions file instead of a run folder.
        split: the split to score.
        name: stores the result of a predictions file under this model name.
        seed: the seed with which these predictions were made, if there was one.
        data_dir: the folder of prepared corpora.
        runs_dir: the folder of models and logs.
        results_dir: the folder of results.
        precision: number format of the model's computation; `auto` takes that of the training.
        overwrite: replace a stored result of other predictions.
        reporters: are told how the scoring proceeds.

    Raises:
        RequestError: the request is wrong or cannot be started.
    """
    check_reporters(reporters)
    found = get_task(task)
    if (model is None) == (predictions is None):
        raise RequestError("give either --model RUN_DIR or --predictions FILE")
    options = RunOptions.of(
        task,
        model=str(model or ""),
        data_dir=data_dir,
        runs_dir=runs_dir,
        results_dir=results_dir,
        precision=precision,
        overwrite=overwrite,
    )
    options.require_valid()
    if predictions is not None:
        return _score_predictions(found, Path(predictions), split, name, seed, options)
    if name is not None or seed is not None or overwrite:
        raise RequestError("--name, --seed and --overwrite go with --predictions; a run folder knows its own")
    return score_run(found, Path(options.model), split, options, reporters)


@dataclass(frozen=True)
class _ScoredRun:
    """A run's model applied to a split."""

    record: RunRecord
    folder: Path
    predicted: Predicted
    truncation: Truncation
    cost: dict[str, float]


def score_run(
    task: Task,
    folder: Path,
    split_name: str,
    options: RunOptions,
    reporters: Sequence[Reporter] = (),
    *,
    replace_result: bool = False,
) -> Result:
    """Score a finished run on a split, and store the result if the split is test.

    Args:
        task: the task.
        folder: the run folder.
        split_name: the split to score.
        options: folders, precision, and whether the result of another run may be replaced.
        reporters: are told how the scoring proceeds.
        replace_result: store the result although the run has one; otherwise the two are compared.

    Raises:
        RequestError: the folder does not hold a finished run of the task, or the split is missing.
    """
    from ..models.loading import load_model
    from ..models.tokenizer_loading import load_tokenizer
    from ..training.predictor import Predictor

    record = finished_run(folder, task)
    _require_trained_weights(folder, record)
    split = load_split(task, split_name, options.data_dir)
    tokenizer = load_tokenizer(folder, words=task.head.per_word)
    model = load_model(folder, task.head, task.labels, fine_tuned=True)
    predictor = Predictor(task.head, tokenizer, record.scoring_precision(options.precision), reporters)
    encoded, truncation = encode_split(task, split, tokenizer, record.max_length, record.long_inputs)
    with predictor.working():
        predicted, cost = predict_split(task, predictor, model, split, encoded)
    result: Result | None = None
    if predictor.is_main:
        scored = _ScoredRun(record, folder, predicted, truncation, cost)
        result = _result_of(task, scored, predictor)
        if replace_result:  # The run was stopped before its card was written.
            write_card(folder, result)
        if split_name == "test":
            result = _store(task, scored, result, options, replace_result)
    return predictor.share(result)


def _require_trained_weights(folder: Path, record: RunRecord) -> None:
    if record.trained_weights_sha256 not in (None, weights_sha256(folder)):
        raise RequestError(
            f"{folder}: the saved weights are not those that were trained (SHA-256 differs); run the same "
            "`linkbert finetune` with --restart"
        )


def _store(task: Task, scored: _ScoredRun, result: Result, options: RunOptions, replace_result: bool) -> Result:
    """Store the result of a run's test split, or compare it with the one that is there."""
    record = scored.record
    paths = RunPaths(task.name, str(record.model.get("name")), record.seed, options.runs_dir, options.results_dir)
    if paths.result_file.exists() and not replace_result:
        stored = read_result(paths.result_file)
        if found := differences_of_results(result, stored):
            raise RequestError(
                f"{paths.result_file}: the stored result is of a different run ({', '.join(found)}); "
                "use another --results-dir"
            )
        return replace(result, result_file=str(paths.result_file), stored_score=stored.score)
    require_writable(paths.result_file.parent, "the folder of results")
    return store_result(paths, result, scored.predicted.lines(), overwrite=options.overwrite)


def _result_of(task: Task, scored: _ScoredRun, predictor: Predictor) -> Result:
    """Return the result of a run that was scored again."""
    record, split = scored.record, scored.predicted.split
    own = record.task == task.name  # otherwise the run's model was trained on another task
    conditions = predictor.conditions()
    if own:  # The score depends on the devices of the training, not on those of this scoring.
        conditions |= {key: value for key in ("device", "processes") if (value := getattr(record, key)) is not None}
    conditions["deterministic"] = predictor.conditions()["deterministic"] and record.deterministic is not False
    data = {**(record.data if own else {}), split.name: split.as_json()}
    fields = scored_fields(task, scored.predicted)
    return Result.from_json(
        fields
        | conditions
        | UNSTORED
        | {
            "model": record.model,
            "recipe": record.recipe,
            "seed": record.seed,
            "started": record.started,
            "finished": now(),
            "truncation": {**(record.truncation or {} if own else {}), split.name: asdict(scored.truncation)},
            "dev": record.dev if own else None,
            "departures": [*(record.departures or ()), *_unofficial_training(record, own)],
            "data": data,
            "notes": [*fields["notes"], *equal_splits(data)],
            "cost": {
                "train": (record.cost or {}).get("train"),
                split.name: scored.cost,
                "peak_memory_mb": round(predictor.peak_memory_mb, 1),
            },
            "run_dir": str(scored.folder),
        }
        | ({} if record.shared_with_train is None or not own else {"shared_with_train": record.shared_with_train})
        | ({} if record.trained_weights_sha256 is None else {"trained_weights_sha256": record.trained_weights_sha256})
    )


def _unofficial_training(record: RunRecord, own: bool) -> list[str]:
    """Return a departure if the run was trained on unofficial data of another task, which the result does not list."""
    unofficial = [split for split, item in record.data.items() if not item["official"]]
    if own or not unofficial:
        return []
    return [f"trained on {record.task} data that are not the benchmark's ({', '.join(unofficial)})"]


def _score_predictions(
    task: Task, path: Path, split_name: str, name: str | None, seed: int | None, options: RunOptions
) -> Result:
    if problem := name_problem(name):
        raise RequestError(problem)
    if name is not None and split_name != "test":
        raise RequestError("only results of the test split are stored; leave --name out to print this score")
    if seed is not None and (name is None or not seed_is_valid(seed)):
        raise RequestError("--seed goes with --name, which stores the result, and is from 0 to 4294967295")
    split = load_split(task, split_name, options.data_dir)
    predicted = read_predictions(task, split, path)
    result = _result_of_predictions(task, predicted, path, name, seed)
    if name is None:
        return result
    paths = RunPaths(task.name, name, seed, options.runs_dir, options.results_dir)
    require_writable(paths.result_file.parent, "the folder of results")
    if paths.result_file.exists() and not options.overwrite:
        stored = read_result(paths.result_file)
        digest = sha256_of_lines(predicted.lines())
        if not differences_of_results(replace(result, predictions_sha256=digest), stored):
            return stored
        raise RequestError(
            f"{paths.result_file}: a different result is there (score {stored.score:.2f}, this one "
            f"{result.score:.2f}); use --overwrite to replace it, or another --name or --seed"
        )
    return store_result(paths, result, predicted.lines(), overwrite=options.overwrite)


def _result_of_predictions(task: Task, predicted: Predicted, path: Path, name: str | None, seed: int | None) -> Result:
    """Return the result of predictions that no run of this package made."""
    time = now()
    model = {"name": name, "source": str(path), "revision": None, "weights_sha256": None, "parameters": None}
    return Result.from_json(
        scored_fields(task, predicted)
        | UNSTORED
        | {
            "model": model,
            "truncation": {},
            "dev": None,
            "recipe": {},
            "departures": ["scored from a predictions file"],
            "seed": seed,
            "data": {predicted.split.name: predicted.split.as_json()},
            "device": "none",
            "precision": "none",
            "processes": 1,
            "deterministic": True,
            "cost": {},
            "started": time,
            "finished": time,
            "run_dir": None,
            "predictions_file": str(path),
        }
    )
