"""The folder of results: storing one result by one rename, and reading all of them."""

from __future__ import annotations

import hashlib
import json
import marshal
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json, read_json_lines
from ..errors import RequestError
from ..files import atomic_write, atomic_write_text, sweep
from ..locks import commit_lock
from .identity import RunIdentity
from .paths import RunPaths
from .results import Result, to_text

_LOCK = ".lock"  # in the folder of results; held while a result is stored
# The parts of results that are the same in many of them.
_PARTS = (
    "task", "suite", "model", "metric", "notes", "truncation", "recipe", "departures", "data", "versions", "device",
    "baseline", "definition", "extra",
)  # fmt: skip


def predictions_lines(
    ids: Iterable[str], gold: Iterable[Any], predictions: Iterable[Any], scores: Iterable[Any]
) -> Iterator[bytes]:
    """Yield the lines of a predictions file: one JSON object per example, in the order of the corpus."""
    for identifier, expected, predicted, score in zip(ids, gold, predictions, scores, strict=True):
        row = {"id": identifier, "gold": expected, "prediction": predicted, "scores": score}
        yield json.dumps(row, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def write_predictions(path: Path, lines: Iterable[bytes]) -> None:
    """Write a predictions file in one step."""
    with atomic_write(path) as handle:
        handle.writelines(lines)


def sha256_of_lines(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 that a predictions file with these lines has."""
    return hashlib.sha256(b"".join(lines)).hexdigest()


def store_result(paths: RunPaths, result: Result, lines: Iterable[bytes], *, overwrite: bool = False) -> Result:
    """Store a result. The predictions come first; the rename of the result file completes the run.

    The name of the predictions file carries its hash, so that a reader never finds a result beside the predictions of
    another one. Predictions that no result names, and what killed processes left half written, are removed afterwards.

    Args:
        paths: where the run lies.
        result: the result, whose file names and checksum are not known yet.
        lines: the lines of its predictions file.
        overwrite: whether it may replace the result of another run.

    Returns:
        The result as it was stored.

    Raises:
        RequestError: the result of another run is there; it may have come since this run began.
        ValueError: the result is malformed.
    """
    file, lines = paths.result_file, list(lines)
    digest = sha256_of_lines(lines)
    predictions = file.with_name(f"{paths.stem}.{digest[:12]}.predictions.jsonl")
    result = replace(
        result, result_file=str(file), predictions_file=str(predictions), predictions_sha256=digest, checksum=None
    )
    result = Result.from_json(replace(result, checksum=result.compute_checksum()).to_json())
    # The lock keeps another writer of the same result from removing the predictions of this one.
    with commit_lock(paths.results_dir / _LOCK):
        if not overwrite and file.exists() and (found := differences_of_results(result, read_result(file))):
            raise RequestError(
                f"{file}: a different result is there by now ({', '.join(found)}); the same command with --overwrite, "
                "or with another --results-dir, stores this one without training again"
            )
        write_predictions(predictions, lines)
        atomic_write_text(file, to_text(result.to_json()))
        for older in file.parent.glob(f"{paths.stem}.*.predictions.jsonl"):
            if older != predictions:
                older.unlink()
        sweep(file.parent, f"{paths.stem}.*")
    return result


def store_copy(result: Result, file: Path, predictions: Path | None, folder: Path) -> None:
    """Copy a result, unchanged, into another folder of results. The predictions come first.

    Args:
        result: the result, for its place.
        file: its file.
        predictions: its predictions file, or None.
        folder: the folder of results to which it is copied.

    Raises:
        RequestError: a result is in its place by now.
    """
    place = RunPaths(result.task, result.name, result.seed, folder, folder).result_file
    place.parent.mkdir(parents=True, exist_ok=True)
    with commit_lock(folder / _LOCK):
        if place.exists():
            raise RequestError(f"{place}: a result is there by now; add again to compare the two")
        for source, target in ((predictions, predictions and place.with_name(predictions.name)), (file, place)):
            if source is not None and target is not None:
                with source.open("rb") as content, atomic_write(target) as handle:
                    shutil.copyfileobj(content, handle)


def predictions_path(folder: Path, result: Result) -> Path | None:
    """Return where the predictions of a stored result lie; None if it names none.

    The folder of results may have been moved since: the predictions lie beside the result, wherever that is.
    """
    name = Path(result.predictions_file or "").name
    if not name:
        return None
    file = RunPaths(result.task, result.name, result.seed, folder, folder).result_file
    return file.with_name(name)


def read_stored_predictions(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a predictions file: objects with `id`, `gold`, `prediction` and `scores`.

    Raises:
        RequestError: the file cannot be read, or a line is not a JSON object.
    """
    return [row for _, row in read_json_lines(path)]


def differences_of_results(result: Result, stored: Result) -> list[str]:
    """Return how a stored result differs from a new one, ignoring the number format of the scoring."""
    return replace(RunIdentity.of(result), precision=None).differences(RunIdentity.of(stored))


def read_result(path: Path) -> Result:
    """Read a result file.

    Raises:
        RequestError: the file is not a result of this schema.
    """
    document = read_json(path, OWN_LIMIT)
    try:
        result = Result.from_json(document)
        if not result.name or not isinstance(result.name, str):
            raise ValueError("model.name is missing")
    except ValueError as error:
        raise RequestError(f"{path}: not a result file: {error}") from error
    return result


def read_result_in(folder: Path, path: Path) -> Result:
    """Read a result file of a folder of results.

    Raises:
        RequestError: the file is not a result, or its content belongs elsewhere in the folder.
    """
    result = read_result(path)
    expected = RunPaths(result.task, result.name, result.seed, folder, folder).result_file
    if expected != path:
        raise RequestError(f"{path}: holds a result that belongs to {expected}")
    return result


def read_results(folder: Path) -> tuple[list[Result], list[str]]:
    """Read all results of a folder.

    Results of one study have most of their content in common. Equal parts are kept once, so that very many results fit
    into memory; nothing may change them.

    Returns:
        The results, and one message for each file that cannot be read.
    """
    results, problems = [], []
    kept: dict[bytes, Any] = {}
    for path in sorted(folder.glob("*/*/*.json")):
        try:
            result = read_result_in(folder, path)
            # The second version of marshal gives equal bytes for equal content, however it came about.
            parts = ((name, getattr(result, name)) for name in _PARTS)
            shared = {name: kept.setdefault(marshal.dumps(part, 2), part) for name, part in parts}
            results.append(replace(result, **shared))
        except RequestError as error:
            problems.append(str(error))
    return results, problems
