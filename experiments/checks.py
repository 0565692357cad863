"""Verifying stored results: every checksum, and every score from its predictions file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LinkbertError, RequestError
from ..files import sha256_of
from ..models.sources import weights_sha256
from .results import Result
from .scoring import score_lists
from .store import predictions_path, read_result_in, read_stored_predictions

# The score is computed by the same sums in the same order. An edit of any digit that is shown changes it by far more.
_TOLERANCE = 1e-9


@dataclass
class Checked:
    """A stored result after the check.

    Attributes:
        file: the result file.
        problems: what is damaged or was edited, each message with its file.
        unverified: what could not be checked, and why.
    """

    file: Path
    problems: list[str] = field(default_factory=list)
    unverified: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`ok`, `damaged` or `unverified`."""
        return "damaged" if self.problems else "unverified" if self.unverified else "ok"


def check_results(results_dir: str | Path = "results") -> dict[str, Any]:
    """Verify every result in a folder: the checksums of result, predictions and model, and the score.

    Args:
        results_dir: the folder of results.

    Returns:
        `{"results": [{"file", "status": "ok"|"damaged"|"unverified", "problems": [str], "unverified": [str]}],
        "unnamed": [predictions files that no result names]}`.

    Raises:
        RequestError: there is no such folder.
    """
    folder = Path(results_dir)
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder of results; name one with --results-dir")
    checked, named = [], set()
    for path in sorted(folder.glob("*/*/*.json")):
        item, predictions = _checked(path, folder)
        named.add(predictions)
        checked.append(item)
    unnamed = [str(path) for path in sorted(folder.glob("*/*/*.predictions.jsonl")) if path not in named]
    return {
        "results": [
            {"file": str(c.file), "status": c.status, "problems": c.problems, "unverified": c.unverified}
            for c in checked
        ],
        "unnamed": unnamed,
    }


def _checked(path: Path, folder: Path) -> tuple[Checked, Path | None]:
    """Return a result after the check, and its predictions file."""
    item = Checked(path)
    try:
        result = read_result_in(folder, path)
        _check_result(item, result, folder)
        return item, predictions_path(folder, result)
    except RequestError as error:
        item.problems.append(str(error))
    except (OSError, ValueError, TypeError, ArithmeticError) as error:
        # A name or a number in it cannot be processed. The other results do not depend on it.
        item.problems.append(f"{path}: cannot be checked ({type(error).__name__}: {error})")
    return item, None


def check_result_file(path: Path, folder: Path) -> list[str]:
    """Return what is damaged or was edited in one result of a folder, its predictions and its model.

    Args:
        path: the result file.
        folder: the folder of results in which it lies.
    """
    return _checked(path, folder)[0].problems


def _check_result(item: Checked, result: Result, folder: Path) -> None:
    if result.intact is None:
        item.unverified.append("no checksum: written by an earlier version")
    elif not result.intact:
        item.problems.append(f"{item.file}: edited or damaged: its checksum does not fit")
    _check_predictions(item, result, folder)
    _check_model(item, result)


def _check_predictions(item: Checked, result: Result, folder: Path) -> None:
    path = predictions_path(folder, result)
    if path is None:
        item.unverified.append("it names no predictions file")
        return
    if not path.is_file():
        item.unverified.append(f"{path}: not there, so the score cannot be computed again")
        return
    if sha256_of(path) != result.predictions_sha256:
        item.problems.append(f"{path}: edited or damaged: its SHA-256 is not the one that the result names")
    task = result.known_task
    if task is None or task.version != result.task_version:
        item.unverified.append(f"{result.task} version {result.task_version} is not known here: not scored again")
        return
    try:
        rows = read_stored_predictions(path)
        if len(rows) != result.n_examples:
            item.problems.append(f"{path}: {len(rows)} predictions, the result counts {result.n_examples}")
        scored = score_lists(task, [row["prediction"] for row in rows], [row["gold"] for row in rows])
    except (LinkbertError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        item.problems.append(f"{path}: cannot be scored ({type(error).__name__}: {error})")
        return
    there: dict[str, Any] = {"score": result.score, **result.metrics}
    for name, value in {"score": scored.score, **scored.metrics}.items():
        stored = there.get(name)
        same = isinstance(stored, int | float) and math.isclose(stored, value, rel_tol=0, abs_tol=_TOLERANCE)
        if not same:
            item.problems.append(f"{item.file}: {name} is {stored}, its predictions give {value}")


def _check_model(item: Checked, result: Result) -> None:
    digest = result.trained_weights_sha256
    if digest is None or result.run_dir is None:
        return
    folder = Path(result.run_dir)
    if not (folder / "config.json").is_file():
        return  # Models are often moved away, and the score can be verified from the predictions alone.
    try:
        found = weights_sha256(folder)
    except (RequestError, OSError) as error:
        item.problems.append(f"{folder}: the saved model cannot be read ({error})")
        return
    if found != digest:
        item.problems.append(f"{folder}: the saved weights are not those that were scored")
