"""Copying results from another folder or machine into this one, after checking them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import require_writable
from .checks import check_result_file
from .identity import RunIdentity
from .kept_numbers import read_kept, write_kept
from .paths import RunPaths
from .results import Result
from .store import differences_of_results, predictions_path, read_result, read_result_in, store_copy


@dataclass
class Added:
    """What happened to the results of another folder.

    Attributes:
        added: results that were copied.
        present: results that were here already.
        mixed: result file -> how it differs from other seeds of the same model and task, with which it shares a row.
        refused: result file -> why it was not copied.
        without_predictions: results that were copied without their predictions, which were not there.
    """

    added: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    mixed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    without_predictions: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        return asdict(self)


def add_results(source: str | Path, results_dir: str | Path = "results", *, dry_run: bool = False) -> Added:
    """Copy the results of another folder, with their predictions, into a folder of results.

    Each is checked first: its checksums, and its score from its predictions. A result that is there already is left as
    it is; one that differs from the result in its place is refused, never replaced. Intervals that lie beside the
    results are taken along.

    Args:
        source: a folder of results.
        results_dir: the folder of results to fill.
        dry_run: only tell what would be copied.

    Raises:
        RequestError: there is no such folder, it is the same one, or the results cannot be written.
    """
    source, target = Path(source), Path(results_dir)
    if not source.is_dir():
        raise RequestError(f"{source}: no such folder of results")
    if target.exists() and source.resolve() == target.resolve():
        raise RequestError(f"{source}: is the folder of results itself; name another one")
    files = sorted(source.glob("*/*/*.json"))
    if not files:
        raise RequestError(f"{source}: no results there; name a folder with TASK/MODEL/seed-N.json")
    if not dry_run:
        require_writable(target, "the folder of results")
    outcome = Added()
    for file in files:
        try:
            _add(file, source, target, outcome, dry_run)
        except RequestError as error:
            outcome.refused[str(file)] = "; ".join(error.problems)
    numbers = {**read_kept(source), **read_kept(target)}
    if numbers and not dry_run:
        # Their names depend on the predictions behind them, so that those of two folders do not collide.
        write_kept(target, numbers)
    return outcome


def _add(file: Path, source: Path, target: Path, outcome: Added, dry_run: bool) -> None:
    result = read_result_in(source, file)
    problems = check_result_file(file, source)
    if problems:
        raise RequestError(*problems)
    place = RunPaths(result.task, result.name, result.seed, target, target).result_file
    if place.exists():
        if found := differences_of_results(result, read_result(place)) or _other_score(result, read_result(place)):
            raise RequestError(f"a different result is in its place, {place}: {', '.join(found)}")
        outcome.present.append(str(place))
        return
    if found := _differences_of_seeds(result, place.parent):
        outcome.mixed[str(place)] = ", ".join(found)
    predictions = predictions_path(source, result)
    there = predictions is not None and predictions.is_file()
    if not dry_run:
        store_copy(result, file, predictions if there else None, target)
    outcome.added.append(str(place))
    if not there:
        outcome.without_predictions.append(str(place))


def _differences_of_seeds(result: Result, folder: Path) -> list[str]:
    """Return how a result differs from the results of other seeds in a folder, apart from the seed and predictions."""
    found: dict[str, None] = {}
    mine = replace(RunIdentity.of(result), seed=None, predictions_sha256=None)
    for path in sorted(folder.glob("*.json")):
        other = replace(RunIdentity.of(read_result(path)), seed=None, predictions_sha256=None)
        found |= dict.fromkeys(mine.differences(other))
    return list(found)


def _other_score(result: Result, stored: Result) -> list[str]:
    if result.score != stored.score:
        return [f"score {stored.score:.4f} there, {result.score:.4f} in the source"]
    return [] if result.predictions_sha256 == stored.predictions_sha256 else ["other predictions"]
