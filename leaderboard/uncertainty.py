"""Intervals and paired tests for measured rows, computed together and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..files import atomic_write_text, cache_dir
from .aggregate import BLURB_TASKS, TYPE_TASKS
from .evidence import Evidence, Problem

if TYPE_CHECKING:
    import numpy as np

    from .resampling import Estimate, Sample

_VERSION = 1  # of the method; a new one computes everything again
_log = logging.getLogger(__name__)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """The 95% confidence intervals of one row, x100; None where something is missing or nothing varies.

    Attributes:
        tasks: task -> interval.
        types: BLURB task type -> interval.
        blurb: interval of the BLURB score.
    """

    tasks: Mapping[str, Interval | None]
    types: Mapping[str, Interval | None]
    blurb: Interval | None


NO_INTERVALS = Intervals({}, dict.fromkeys(TYPE_TASKS), None)


@dataclass(frozen=True)
class Paired:
    """A difference between two measured models on the same examples.

    Attributes:
        difference: first minus second, x100.
        ci: its 95% confidence interval; None if nothing varies.
        p: p-value of the paired test.
        detectable: the smallest true difference that would be found with 80% power.
    """

    difference: float
    ci: Interval | None
    p: float
    detectable: float


@dataclass(frozen=True)
class PairedDifferences:
    """All differences between two measured rows: per task, per BLURB task type, and of the BLURB score."""

    tasks: Mapping[str, Paired]
    types: Mapping[str, Paired]
    blurb: Paired | None


class Uncertainty:
    """Computes intervals and tests for the measured rows of a leaderboard.

    Everything that is asked for at once is resampled at once, which shares most of the work. Random numbers depend on
    tasks and models alone, so that a number does not depend on what else is asked for.

    Args:
        rows: row -> task -> its predictions.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Evidence]]) -> None:
        self.problems: dict[tuple[str, str], Problem] = {}  # (row, task) -> why it has no interval
        self._rows: dict[str, dict[str, Evidence]] = {}
        for name, tasks in rows.items():
            self._rows[name] = {task: found for task, found in tasks.items() if found.problem is None}
            for task, found in tasks.items():
                if found.problem is not None:
                    self.problems[name, task] = found.problem
        self._samples: dict[tuple[str, str], Sample | None] = {}
        self._estimates: dict[str, dict[str, Estimate]] = {}

    def intervals(self) -> dict[str, Intervals]:
        """Return the intervals of every row."""
        keys = {name: ["intervals", *(found.key for found in tasks.values())] for name, tasks in self._rows.items()}
        found = {name: _cached(key) for name, key in keys.items()}
        missing = [name for name, stored in found.items() if stored is None and self._rows[name]]
        if missing:
            _log.info("computing confidence intervals of %d rows from their predictions", len(missing))
            self._require(missing)
        for name in missing:
            intervals = self._intervals_of(name)
            found[name] = asdict(intervals)
            if not any(name == row for row, _ in self.problems):
                _store(keys[name], found[name])
        return {name: _read_intervals(stored) if stored else NO_INTERVALS for name, stored in found.items()}

    def differences(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], PairedDifferences]:
        """Return the differences between pairs of rows, first minus second, for the tasks where both have predictions.

        Args:
            pairs: names of rows.
        """
        keys = {pair: ["differences", *(self._shared(pair))] for pair in pairs}
        found = {pair: _cached(key) for pair, key in keys.items()}
        missing = [pair for pair, stored in found.items() if stored is None]
        if missing:
            self._require(sorted({name for pair in missing for name in pair}))
            exchanged = self._exchanged(missing)
            for pair in missing:
                differences = self._differences_of(pair, exchanged)
                found[pair] = asdict(differences)
                if not any(name in pair for name, _ in self.problems):
                    _store(keys[pair], found[pair])
        return {pair: _read_differences(stored) for pair, stored in found.items() if stored}

    def _shared(self, pair: tuple[str, str]) -> list[list[str]]:
        return [self._rows[name][task].key for task in self.shared_tasks(pair) for name in pair]

    def shared_tasks(self, pair: tuple[str, str]) -> list[str]:
        """Return the tasks where both rows have predictions for the same test data."""
        first, second = (self._rows[name] for name in pair)
        return [task for task in first if task in second and first[task].test_data == second[task].test_data]

    def _require(self, names: Iterable[str]) -> None:
        """Resample the test sets of these rows, all rows of a task at once."""
        from .resampling import estimates

        wanted: dict[str, list[str]] = {}
        for name in names:
            for task in list(self._rows[name]):
                if name not in self._estimates.get(task, {}) and self._sample(name, task) is not None:
                    wanted.setdefault(task, []).append(name)
        for task, members in wanted.items():
            by_documents: dict[int, list[str]] = {}
            for name in members:
                by_documents.setdefault(self._sample_of(name, task).documents, []).append(name)
            for alike in by_documents.values():
                found = estimates([self._sample_of(name, task) for name in alike])
                self._estimates.setdefault(task, {}).update(zip(alike, found, strict=True))

    def _sample(self, name: str, task: str) -> Sample | None:
        """Return the counts of a row; if they cannot be read, note the problem and leave the task out."""
        if (name, task) not in self._samples:
            try:
                self._samples[name, task] = self._rows[name][task].sample()
            except (RequestError, OSError) as error:
                self._samples[name, task] = None
                self.problems[name, task] = Problem(error)
                del self._rows[name][task]
        return self._samples[name, task]

    def _sample_of(self, name: str, task: str) -> Sample:
        sample = self._samples[name, task]
        if sample is None:
            raise KeyError((name, task))
        return sample

    def _intervals_of(self, name: str) -> Intervals:
        from .resampling import clipped

        def interval(estimate: Estimate | None) -> Interval | None:
            return None if estimate is None else clipped(estimate.interval())

        own = {task: self._estimates[task][name] for task in self._rows[name]}
        types = {kind: _mean(own, tasks) for kind, tasks in TYPE_TASKS.items()}
        tasks = {task: interval(estimate) for task, estimate in own.items()}
        return Intervals(tasks, {kind: interval(found) for kind, found in types.items()}, interval(_blurb(types)))

    def _exchanged(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, tuple[str, str]], np.ndarray]:
        """Return, for each task and pair, differences after random exchange."""
        from .significance import exchanged

        found: dict[tuple[str, tuple[str, str]], np.ndarray] = {}
        for task in sorted({task for pair in pairs for task in self.shared_tasks(pair)}):
            members = [pair for pair in pairs if task in self.shared_tasks(pair)]
            samples = [(self._sample_of(first, task), self._sample_of(second, task)) for first, second in members]
            found.update({(task, pair): null for pair, null in zip(members, exchanged(samples), strict=True)})
        return found

    def _differences_of(
        self, pair: tuple[str, str], exchanged: Mapping[tuple[str, tuple[str, str]], np.ndarray]
    ) -> PairedDifferences:
        from .resampling import combine
        from .significance import mcnemar

        tasks = self.shared_tasks(pair)
        first, second = pair
        differences = {
            task: combine([(1, self._estimates[task][first]), (-1, self._estimates[task][second])]) for task in tasks
        }
        null = {task: exchanged[task, pair] for task in tasks}
        exact = {task: mcnemar(self._sample_of(first, task), self._sample_of(second, task)) for task in tasks}
        types = {kind: _mean(differences, members) for kind, members in TYPE_TASKS.items()}
        type_null = {kind: _mean_null(null, members) for kind, members in TYPE_TASKS.items()}
        blurb = _blurb(types)
        return PairedDifferences(
            {task: _paired(differences[task], null[task], exact[task]) for task in tasks},
            {kind: _paired(found, type_null[kind]) for kind, found in types.items() if found is not None},
            None if blurb is None else _paired(blurb, _mean_null(type_null, list(TYPE_TASKS))),
        )


def _mean(estimates: Mapping[str, Estimate], members: Sequence[str]) -> Estimate | None:
    from .resampling import combine

    if not all(name in estimates for name in members):
        return None
    return combine([(1 / len(members), estimates[name]) for name in members])


def _blurb(types: Mapping[str, Estimate | None]) -> Estimate | None:
    known = {kind: found for kind, found in types.items() if found is not None}
    return _mean(known, list(TYPE_TASKS))


def _mean_null(null: Mapping[str, Any], members: Sequence[str]) -> Any:
    """Return the mean of differences after exchange; None if one is missing."""
    if any(null.get(name) is None for name in members):
        return None
    return sum(null[name] for name in members) / len(members)


def _paired(difference: Estimate, null: np.ndarray, exact: float | None = None) -> Paired:
    from .resampling import clipped
    from .significance import detectable, exchange_p

    p = exchange_p(difference, null) if exact is None else exact
    return Paired(difference.value, clipped(difference.interval(), -200, 200), p, detectable(difference))


def _read_intervals(stored: Mapping[str, Any]) -> Intervals:
    def pair(value: Any) -> Interval | None:
        return None if value is None else (value[0], value[1])

    tasks, types = ({name: pair(value) for name, value in stored[part].items()} for part in ("tasks", "types"))
    return Intervals(tasks, types, pair(stored["blurb"]))


def _read_differences(stored: Mapping[str, Any]) -> PairedDifferences:
    def paired(value: Mapping[str, Any]) -> Paired:
        return Paired(**{**value, "ci": None if value["ci"] is None else tuple(value["ci"])})

    tasks, types = ({name: paired(value) for name, value in stored[part].items()} for part in ("tasks", "types"))
    return PairedDifferences(tasks, types, None if stored["blurb"] is None else paired(stored["blurb"]))


@cache
def _method() -> list[Any]:
    """Return what every cached number depends on beside the predictions."""
    from importlib.metadata import version

    return [_VERSION, BLURB_TASKS, version("numpy"), version("scipy")]


def _path(key: Sequence[Any]):
    digest = hashlib.sha256(json.dumps([_method(), key]).encode()).hexdigest()
    return cache_dir() / "uncertainty" / f"{digest[:32]}.json"


def _cached(key: Sequence[Any]) -> Any:
    """Return what is cached under a key; None if it is not there, or cannot be read."""
    with suppress(OSError, ValueError):
        return json.loads(_path(key).read_text(encoding="utf-8"))
    return None


def _store(key: Sequence[Any], document: Any) -> None:
    with suppress(OSError):  # The cache saves time, and is not needed.
        atomic_write_text(_path(key), json.dumps(document))
