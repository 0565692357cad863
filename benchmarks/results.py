"""The result file: one JSON object per run, written whole, never edited; and the folder that holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError
from ..files import atomic_write, atomic_write_text, sweep
from ..locks import commit_lock

SCHEMA_VERSION = 1
Result = dict[str, Any]

_LOCK = ".lock"  # of commits, in the folder of results

_PACKAGES = (
    "linkbert",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "evaluate",
    "scikit-learn",
    "seqeval",
    "tokenizers",
    "numpy",
)
_NUMBER = (int, float)
_NONE = type(None)
# Field -> types it may have; what the leaderboard and `eval` read.
_SCHEMA: dict[str, tuple[type, ...]] = {
    "schema_version": (int,),
    "task": (str,),
    "task_version": (int,),
    "split": (str,),
    "suite": (str,),
    "model": (dict,),
    "score": _NUMBER,
    "metric": (str,),
    "metrics": (dict,),
    "notes": (list,),
    "n_examples": (int,),
    "truncation": (dict,),
    "dev": (dict, _NONE),
    "recipe": (dict,),
    "departures": (list,),
    "seed": (int, _NONE),
    "data": (dict,),
    "versions": (dict,),
    "device": (str,),
    "precision": (str,),
    "processes": (int,),
    "deterministic": (bool,),
    "cost": (dict,),
    "started": (str,),
    "finished": (str,),
    "run_dir": (str, _NONE),
    "result_file": (str,),
    "predictions_file": (str, _NONE),
    "predictions_sha256": (str, _NONE),
}
# What of a recipe limits a run, and its types.
_LIMITS = {"max_steps": (int, _NONE), "train_fraction": (*_NUMBER, _NONE), "train_split": (str, _NONE)}


@dataclass(frozen=True)
class Place:
    """Where a run and its result lie.

    Attributes:
        task: the task's name.
        model: the model's name in paths.
        seed: the run's seed.
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
        """`seed-42`, or `no-seed` for predictions from elsewhere."""
        return "no-seed" if self.seed is None else f"seed-{self.seed}"

    @property
    def run_dir(self) -> Path:
        """`RUNS/TASK/MODEL/seed-N`."""
        return self.runs_dir / self.task / self.model / self.stem

    @property
    def result_file(self) -> Path:
        """`RESULTS/TASK/MODEL/seed-N.json`."""
        return self.results_dir / self.task / self.model / f"{self.stem}.json"


def versions() -> dict[str, str]:
    """Versions of what a score depends on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def to_json(document: Any) -> str:
    """Serialise a document as strict, indented JSON.

    Raises:
        ValueError: a NaN or an infinity in it.
    """
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def predictions_lines(
    ids: Iterable[str], gold: Iterable[Any], predictions: Iterable[Any], scores: Iterable[Any]
) -> Iterator[bytes]:
    """Serialise a predictions file: one object per example, in the order of the corpus."""
    for identifier, expected, predicted, score in zip(ids, gold, predictions, scores, strict=True):
        row = {"id": identifier, "gold": expected, "prediction": predicted, "scores": score}
        yield json.dumps(row, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def write_predictions(path: Path, lines: Iterable[bytes]) -> None:
    """Write a predictions file in one step."""
    with atomic_write(path) as handle:
        handle.writelines(lines)


def commit_result(place: Place, result: Result, lines: Iterable[bytes], *, overwrite: bool = False) -> Result:
    """Store a result: predictions first, under a name that carries their hash; the result's rename commits the run.

    Then goes what the result does not name: older predictions, and what killed processes left half written.

    Args:
        place: where.
        result: its fields but those that are known only now.
        lines: of its predictions file.
        overwrite: whether it may replace a result of another run.

    Returns:
        The result as stored, with its file names and its checksum.

    Raises:
        RequestError: a result of another run is there: it may have come since this run began.
    """
    file, lines = place.result_file, list(lines)
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    predictions = file.with_name(f"{place.stem}.{digest[:12]}.predictions.jsonl")
    result = result | {
        "result_file": str(file),
        "predictions_file": str(predictions),
        "predictions_sha256": digest,
    }
    problem = problem_with_result(result)
    if problem:
        raise ValueError(f"the result is malformed: {problem}")
    result["checksum"] = checksum_of(result)
    # Another writer of the same result must not sweep up the predictions of this one.
    with commit_lock(place.results_dir / _LOCK):
        if not overwrite and file.exists() and (found := differences_between(read_result(file), result)):
            raise RequestError(
                f"{file}: a different result is there by now ({', '.join(found)}); the same command with --overwrite, "
                "or with another --results-dir, stores this one without training again"
            )
        write_predictions(predictions, lines)
        atomic_write_text(file, to_json(result))
        for older in file.parent.glob(f"{place.stem}.*.predictions.jsonl"):
            if older != predictions:
                older.unlink()
        sweep(file.parent, f"{place.stem}.*")
    return result


def differences_between(stored: Result, result: Result) -> list[str]:
    """Say in what the runs of two results differ; results of predictions from elsewhere, in those."""
    found = []
    if stored["model"].get("weights_sha256") != result["model"].get("weights_sha256"):
        found.append("another pretrained model")
    values, other = ({key: item.get("value") for key, item in one["recipe"].items()} for one in (stored, result))
    if values != other:
        found.append("another recipe")
    if stored["task_version"] != result["task_version"]:
        found.append("another version of the task")
    if (stored["data"].get("test") or {}).get("sha256") != (result["data"].get("test") or {}).get("sha256"):
        found.append("other test data")
    if not values and stored["predictions_sha256"] != result["predictions_sha256"]:
        found.append("other predictions")
    return found


def checksum_of(result: Result) -> str:
    """SHA-256 of a result without its `checksum`: keys sorted, no white space, UTF-8."""
    content = {key: value for key, value in result.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_result(path: Path) -> Result:
    """Read a result file.

    Raises:
        RequestError: not a result of this schema.
    """
    result = read_json(path, OWN_LIMIT)
    problem = problem_with_result(result)
    if problem:
        raise RequestError(f"{path}: not a result file: {problem}")
    return result


def problem_with_result(result: Any) -> str | None:
    """Say what is wrong with a result, or None."""
    if not isinstance(result, dict):
        return f"expected a JSON object, found {type(result).__name__}"
    if result.get("schema_version") != SCHEMA_VERSION:
        return f"schema_version {result.get('schema_version')!r}, this version reads {SCHEMA_VERSION}"
    for key, kinds in _SCHEMA.items():
        if key not in result:
            return f"the field {key!r} is missing"
        value = result[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return f"the field {key!r} should be {' or '.join(kind.__name__ for kind in kinds)}"
    if not -100 <= result["score"] <= 100:
        return f"the score {result['score']} is not between -100 and 100"
    if not isinstance(result["model"].get("name"), str) or not result["model"]["name"]:
        return "model.name is missing"
    if not isinstance(result["model"].get("weights_sha256"), str | None):
        return "model.weights_sha256 should be str"
    for key in ("departures", "notes"):
        if not all(isinstance(item, str) for item in result[key]):
            return f"{key} should be strings"
    for key in ("data", "recipe"):
        if not all(isinstance(item, dict) for item in result[key].values()):
            return f"{key} should hold objects"
    for key, kinds in _LIMITS.items():
        if not isinstance(value := result["recipe"].get(key, {}).get("value"), kinds):
            return f"recipe.{key} is {value!r}"
    return None


def read_results(folder: Path) -> tuple[list[Result], list[str]]:
    """Read all results of a folder.

    Returns:
        The results, and for each file that cannot be read what is wrong with it.
    """
    results, problems = [], []
    for path in sorted(folder.glob("*/*/*.json")):
        try:
            results.append(read_result_in(folder, path))
        except RequestError as error:
            problems.append(str(error))
    return results, problems


def read_result_in(folder: Path, path: Path) -> Result:
    """Read a result file of a folder of results.

    Raises:
        RequestError: not a result of this schema, or of another place in the folder.
    """
    result = read_result(path)
    place = Place(result["task"], result["model"]["name"], result["seed"], folder, folder)
    if place.result_file != path:
        raise RequestError(f"{path}: holds a result that belongs to {place.result_file}")
    return result


def limits_of(result: Result) -> list[str]:
    """Say by what a run was limited (`--max-steps`, a part of the data, another split); such runs are not ranked."""
    recipe = {key: item.get("value") for key, item in result["recipe"].items()}
    found = []
    if recipe.get("max_steps") is not None:
        found.append(f"--max-steps {recipe['max_steps']}")
    if (fraction := recipe.get("train_fraction")) is not None and fraction != 1:
        found.append(f"--train-fraction {fraction:g}")
    if (split := recipe.get("train_split")) not in (None, "train"):
        found.append(f"--train-split {split}")
    return found
