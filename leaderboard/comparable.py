"""Which results and tasks stand on a leaderboard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ..errors import RequestError
from ..experiments.results import Result
from ..experiments.store import read_results
from ..tasks.registry import TASKS, get_task
from .rows import problem_of

_log = logging.getLogger(__name__)


def covered_tasks(tasks: Sequence[str], suite: str | None, results: Sequence[Result]) -> tuple[str, ...]:
    """Return the names of the tasks of a board.

    Args:
        tasks: the tasks that were chosen, by name or task file; empty for all.
        suite: the suite that was chosen; None or `all` for all.
        results: the results, which may be of users' own tasks.

    Raises:
        RequestError: there is no such task, or tasks and a suite are chosen.
    """
    if tasks:
        if suite is not None:
            raise RequestError("name either tasks or a suite, not both")
        return tuple(dict.fromkeys(get_task(name).name for name in tasks))
    own = sorted({result.task for result in results} - set(TASKS)) if suite in (None, "all") else []
    return (*(name for name, task in TASKS.items() if suite in (None, "all", task.suite)), *own)


def comparable_results(folder: Path) -> list[Result]:
    """Read the results that can stand on the board; name the others in the log."""
    results, problems = read_results(folder)
    if not results and not problems:
        _log.info("%s: no results there; these are the published scores alone", folder)
    known: list[Result] = []
    metrics: dict[str, str] = {}
    for result in results:
        problem = problem_of(result)
        metric = metrics.setdefault(result.task, result.metric) if problem is None else result.metric
        if problem is None and metric != result.metric:
            problem = f"scored by {result.metric}, other results of this task by {metric}"
        if problem:
            problems.append(f"{result.task} {result.name} seed {result.seed}: {problem}")
        else:
            known.append(result)
    for problem in problems:
        _log.warning("left out: %s", problem)
    return known
