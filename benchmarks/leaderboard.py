"""The leaderboard: a pure function of the result files and the published scores."""

from __future__ import annotations

import logging
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from ..tasks.data import checksums
from ..tasks.registry import TASKS
from ..tasks.task import SUITES
from .aggregate import BLURB_TASKS, blurb_score, over_seeds, type_means
from .results import Result, limits_of, read_results

Row = dict[str, Any]
_log = logging.getLogger(__name__)


@cache
def published_scores() -> dict[str, dict[str, Any]]:
    """The published rows: model -> `cite` and `scores` (task -> score)."""
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))


def leaderboard(results_dir: str | Path = "results", *, suite: str | None = None) -> dict[str, list[Row]]:
    """Rank all results beside the published ones.

    Means over seeds per task; the BLURB score and the task types from those means; what is missing is None. Limited
    runs (`--max-steps`, a part of the data, another split) make a row of their own, which is not ranked. A file that
    cannot be read is named in the log and left out.

    Args:
        results_dir: the folder of results; it may be missing.
        suite: `blurb`, `medqa` or `mmlu`: only its tasks, ranked by its score.

    Returns:
        `{"rows": [...]}`, best first; each row has `model`, `source`, `ranked`, `marks`, `n_tasks`, `blurb`, `types`
        and `tasks` (name -> `mean`, `std`, `n`).
    """
    if suite not in (None, "all", *SUITES):
        raise RequestError(f"unknown suite {suite!r}; {nearest(str(suite), ('all', *SUITES))}")
    results, problems = read_results(Path(results_dir))
    if not results and not problems:
        _log.info("%s: no results there; these are the published scores alone", results_dir)
    known = []
    for result in results:
        problem = _problem(result)
        if problem:
            problems.append(f"{result['task']} {result['model']['name']} seed {result['seed']}: {problem}")
        else:
            known.append(result)
    for problem in problems:
        _log.warning("left out: %s", problem)
    chosen = [name for name, task in TASKS.items() if suite in (None, "all", task.suite)]
    rows = [*_published_rows(chosen), *_measured_rows(known, chosen)]
    return {"rows": sorted(rows, key=lambda row: _rank(row, suite))}


def _problem(result: Result) -> str | None:
    """Say why a readable result cannot stand in the same column as the others, or None."""
    task = TASKS.get(result["task"])
    if task is None:
        return "unknown task"
    if result["task_version"] != task.version:
        return f"version {result['task_version']} of the task, this is version {task.version}"
    if result["split"] != "test":
        return f"a score of the {result['split']} split"
    if result["metric"] != task.metric:
        return f"scored by {result['metric']}, not by {task.metric}"
    return None


def _published_rows(tasks: Sequence[str]) -> Iterable[Row]:
    for model, entry in published_scores().items():
        cells = {
            name: {"mean": entry["scores"][name], "std": None, "n": 1} for name in tasks if name in entry["scores"]
        }
        if cells:
            yield _row(model, "published", True, [entry["cite"]], cells)


def _measured_rows(results: Sequence[Result], tasks: Sequence[str]) -> Iterable[Row]:
    groups: dict[tuple[str, bool], list[Result]] = defaultdict(list)
    for result in results:
        if result["task"] in tasks:
            groups[result["model"]["name"], bool(limits_of(result))].append(result)
    mixed = _mixed_data(results)
    for (model, limited), members in groups.items():
        cells = {}
        for name in tasks:
            scores = [result["score"] for result in members if result["task"] == name]
            if scores:
                mean, deviation = over_seeds(scores)
                cells[name] = {"mean": mean, "std": deviation, "n": len(scores)}
        yield _row(model, "measured", not limited, _marks(members, mixed), cells)


def _row(model: str, source: str, ranked: bool, marks: list[str], cells: dict[str, dict[str, Any]]) -> Row:
    means = {name: cell["mean"] for name, cell in cells.items()}
    return {
        "model": model,
        "source": source,
        "ranked": ranked,
        "marks": marks,
        "n_tasks": len(cells),
        "blurb": blurb_score(means) if ranked else None,
        "types": type_means(means) if ranked else dict.fromkeys(type_means({})),
        "tasks": cells,
    }


def _rank(row: Row, suite: str | None) -> tuple[Any, ...]:
    """Ranked rows before others; by the suite's score, the BLURB score by default; blank ones last, fuller first."""
    score = row["blurb"]
    if suite in ("medqa", "mmlu"):
        score = next((cell["mean"] for cell in row["tasks"].values()), None)
    return not row["ranked"], score is None, -(score or 0), -row["n_tasks"], row["model"]


def _mixed_data(results: Sequence[Result]) -> dict[str, set[str]]:
    """Task -> checksums of test data that are not those of the other rows (or not the canonical ones)."""
    seen: dict[str, set[str]] = defaultdict(set)
    for result in results:
        seen[result["task"]].add(_test_data(result))
    odd = {}
    for task, found in seen.items():
        canonical = checksums().get(task, {}).get("test")
        if len(found) > 1:
            odd[task] = found - {canonical}
    return odd


def _test_data(result: Result) -> str:
    return str((result["data"].get("test") or {}).get("sha256"))


def _marks(results: Sequence[Result], mixed: dict[str, set[str]]) -> list[str]:
    """What a reader must know of a row, each with the tasks that it holds for."""
    tasks: dict[str, dict[str, None]] = defaultdict(dict)
    for result in results:
        for mark in _marks_of(result, mixed):
            tasks[mark][result["task"]] = None
    for task in dict.fromkeys(result["task"] for result in results):
        seeds = [result for result in results if result["task"] == task]
        for what, values in (("recipes", map(_recipe, seeds)), ("precision", (seed["precision"] for seed in seeds))):
            if len(set(values)) > 1:
                tasks[f"seeds with different {what}"][task] = None
    marks = [f"{mark} ({', '.join(where)})" for mark, where in tasks.items()]
    if len({result["model"].get("weights_sha256") for result in results if result["recipe"]}) > 1:
        marks.append("runs of different pretrained weights under one name")
    return marks


def _marks_of(result: Result, mixed: dict[str, set[str]]) -> Iterable[str]:
    yield from (f"limited: {limit}" for limit in limits_of(result))
    yield from result["departures"]
    unofficial = [split for split, item in result["data"].items() if not item.get("official")]
    if unofficial:
        yield f"data not the benchmark's: {', '.join(unofficial)}"
    if _test_data(result) in mixed.get(result["task"], ()):
        yield "test data differ from other rows"
    yield from result["notes"]


def _recipe(result: Result) -> str:
    return str(sorted(((key, item.get("value")) for key, item in result["recipe"].items()), key=str))


def blurb_datasets(row: Row) -> int:
    """How many of BLURB's 13 datasets a row has."""
    return sum(name in row["tasks"] for name in BLURB_TASKS)
