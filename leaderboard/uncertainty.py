"""Intervals and paired tests for measured rows, computed together and kept in the cache."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..tasks.registry import TASKS
from .aggregate import TYPE_TASKS
from .evidence import Evidence, Problem
from .number_cache import digest_of, from_cache, into_cache
from .numbers import (
    NO_INTERVALS,
    Interval,
    Intervals,
    Paired,
    PairedDifferences,
    differences_in,
    intervals_in,
)
from .seed_noise import REPLICATED_SEEDS

if TYPE_CHECKING:
    import numpy as np

    from .resampling import Estimate, Sample

_CORRELATIONS = ("pearson", "spearman")  # The only scores that may be negative.
_log = logging.getLogger(__name__)


class Uncertainty:
    """Computes intervals and tests for the measured rows of a leaderboard.

    Everything that is asked for at once is resampled at once, which shares most of the work. Random numbers depend on
    tasks and models alone, so that a number does not depend on what else is asked for.

    Args:
        rows: row -> task -> its predictions.
        published: numbers that lie beside the results, by digest. They serve rows whose predictions are not there.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, Evidence]], published: Mapping[str, Any] | None = None) -> None:
        self.problems: dict[tuple[str, str], Problem] = {}  # (row, task) -> why it has no interval
        self.computed: dict[str, Any] = {}  # everything that was computed or cached, by digest
        self._published = published or {}
        self._described = {  # with the predictions that are not there
            name: {task: found for task, found in tasks.items() if not found.problem or found.problem.is_absence}
            for name, tasks in rows.items()
        }
        self._rows: dict[str, dict[str, Evidence]] = {}
        for name, tasks in rows.items():
            self._rows[name] = {task: found for task, found in tasks.items() if found.problem is None}
            self.problems |= {(name, task): found.problem for task, found in tasks.items() if found.problem is not None}
        self._samples: dict[tuple[str, str], Sample | None] = {}
        self._estimates: dict[str, dict[str, Estimate]] = {}

    def intervals(self) -> dict[str, Intervals]:
        """Return the intervals of every row."""
        keys = {name: _key_of_intervals(tasks.values()) for name, tasks in self._rows.items()}
        found = {
            name: intervals_in(self._beside_results(_key_of_intervals(self._described[name].values()), name))
            for name in keys
        }
        for name, known in found.items():
            if known is None and self._rows[name]:
                cached = intervals_in(from_cache(keys[name]))
                found[name] = cached if cached is not None and set(cached.tasks) == set(self._rows[name]) else None
        missing = [name for name, known in found.items() if known is None and self._rows[name]]
        if missing:
            _log.info("computing confidence intervals of %d rows from their predictions", len(missing))
            self._require(missing)
        for name in missing:
            computed = self._intervals_of(name)
            found[name] = computed
            self._cache(keys[name], asdict(computed), [name])
        for name, known in found.items():
            if known is not None:
                self.computed[digest_of(_key_of_intervals(self._described[name].values()))] = asdict(known)
        return {name: known or NO_INTERVALS for name, known in found.items()}

    def differences(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], PairedDifferences]:
        """Return the differences between pairs of rows, first minus second, for the tasks where both have predictions.

        Args:
            pairs: names of rows.
        """
        keys = {pair: _key_of_differences(self._shared(self._rows, pair)) for pair in pairs}
        published = {pair: _key_of_differences(self._shared(self._described, pair)) for pair in pairs}
        found = {pair: differences_in(self._beside_results(key, *pair)) for pair, key in published.items()}
        for pair, known in found.items():
            if known is None:
                cached = differences_in(from_cache(keys[pair]))
                tasks = {first.task for first, _ in self._shared(self._rows, pair)}
                found[pair] = cached if cached is not None and set(cached.tasks) == tasks else None
        missing = [pair for pair, known in found.items() if known is None]
        if missing:
            self._require(sorted({name for pair in missing for name in pair}))
            exchanged = self._exchanged(missing)
            for pair in missing:
                computed = self._differences_of(pair, exchanged)
                found[pair] = computed
                self._cache(keys[pair], asdict(computed), pair)
        for pair, known in found.items():
            if known is not None:
                key = _key_of_differences(self._shared(self._described, pair))
                self.computed[digest_of(key)] = asdict(known)
        return {pair: known for pair, known in found.items() if known is not None}

    def _beside_results(self, key: Sequence[Any], *names: str) -> Any:
        """Return a number that lies beside the results, if the predictions of one of the rows are not there."""
        absent = any(row in names and problem.is_absence for (row, _), problem in self.problems.items())
        return self._published.get(digest_of(key)) if absent else None

    def _cache(self, key: Sequence[Any], document: Any, names: Sequence[str]) -> None:
        """Cache a number, unless a problem was found on the way that may be gone the next time."""
        if not any(row in names and not problem.is_absence for (row, _), problem in self.problems.items()):
            into_cache(key, document)

    def _paired_tasks(self, pair: tuple[str, str]) -> list[str]:
        """Return the tasks where both rows have predictions for the same examples in the same order."""
        tasks = [first.task for first, _ in self._shared(self._rows, pair)]
        samples = {task: [self._sample_of(name, task) for name in pair] for task in tasks}
        return [task for task, (one, other) in samples.items() if one.examples == other.examples]

    @staticmethod
    def _shared(rows: Mapping[str, Mapping[str, Evidence]], pair: tuple[str, str]) -> list[tuple[Evidence, Evidence]]:
        first, second = (rows[name] for name in pair)
        shared = [(found, second[task]) for task, found in first.items() if task in second]
        return [(one, other) for one, other in shared if one.test_data == other.test_data is not None]

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
                self._described[name].pop(task, None)
        return self._samples[name, task]

    def _sample_of(self, name: str, task: str) -> Sample:
        sample = self._samples[name, task]
        if sample is None:
            raise KeyError((name, task))
        return sample

    def _intervals_of(self, name: str) -> Intervals:
        from .resampling import clipped

        def interval(estimate: Estimate | None, low: float) -> Interval | None:
            return None if estimate is None else clipped(estimate.interval(), low)

        own = {task: self._with_stand_in(name, task) for task in self._rows[name]}
        types = {kind: _mean(own, tasks) for kind, tasks in TYPE_TASKS.items()}
        tasks = {
            task: interval(estimate, _lowest(self._rows[name][task].results[0].metric))
            for task, estimate in own.items()
        }
        lowest = {
            kind: sum(_lowest(TASKS[task].metric) for task in members) / len(members)
            for kind, members in TYPE_TASKS.items()
        }
        of_types = {kind: interval(found, lowest[kind]) for kind, found in types.items()}
        return Intervals(tasks, of_types, interval(_blurb(types), sum(lowest.values()) / len(lowest)))

    def _with_stand_in(self, name: str, task: str, other: str | None = None) -> Estimate:
        """Return the estimate of a row; with one run, the noise of its seeds is known from elsewhere or not at all.

        It is that of the runs of another row with which it is compared, or else that of the replication.
        """
        from .resampling import SeedVariance, with_seed_variance, with_seeds_of

        estimate = self._estimates[task][name]
        if self._sample_of(name, task).seeds > 1:
            return estimate
        runs = 1 if other is None else self._sample_of(other, task).seeds
        if other is not None and runs > 1:
            return with_seeds_of(estimate, self._estimates[task][other], runs, f"{task} {name}")
        variance = self._rows[name][task].stand_in
        if variance is None:
            return estimate
        return with_seed_variance(estimate, SeedVariance(variance, variance, REPLICATED_SEEDS - 1), f"{task} {name}")

    def _exchanged(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, tuple[str, str]], np.ndarray]:
        """Return, for each task and pair, differences after random exchange."""
        from .significance import exchanged

        found: dict[tuple[str, tuple[str, str]], np.ndarray] = {}
        for task in sorted({task for pair in pairs for task in self._paired_tasks(pair)}):
            members = [pair for pair in pairs if task in self._paired_tasks(pair)]
            samples = [(self._sample_of(first, task), self._sample_of(second, task)) for first, second in members]
            found.update({(task, pair): null for pair, null in zip(members, exchanged(samples), strict=True)})
        return found

    def _differences_of(
        self, pair: tuple[str, str], exchanged: Mapping[tuple[str, tuple[str, str]], np.ndarray]
    ) -> PairedDifferences:
        from .resampling import combine
        from .significance import mcnemar

        tasks = self._paired_tasks(pair)
        first, second = pair
        differences = {
            task: combine(
                [(1, self._with_stand_in(first, task, second)), (-1, self._with_stand_in(second, task, first))]
            )
            for task in tasks
        }
        null = {task: exchanged[task, pair] for task in tasks}
        exact = {
            task: None if differences[task].seeds else mcnemar(*(self._sample_of(name, task) for name in pair))
            for task in tasks
        }
        types = {kind: _mean(differences, members) for kind, members in TYPE_TASKS.items()}
        type_null = {kind: _mean_null(null, members) for kind, members in TYPE_TASKS.items()}
        blurb = _blurb(types)
        return PairedDifferences(
            {task: _paired(differences[task], null[task], exact[task]) for task in tasks},
            {kind: _paired(found, type_null[kind]) for kind, found in types.items() if found is not None},
            None if blurb is None else _paired(blurb, _mean_null(type_null, list(TYPE_TASKS))),
        )


def _lowest(metric: str) -> float:
    return -100.0 if metric in _CORRELATIONS else 0.0


def _key_of_intervals(evidence: Iterable[Evidence]) -> list[Any]:
    return ["intervals", *(found.key for found in evidence)]


def _key_of_differences(shared: Iterable[tuple[Evidence, Evidence]]) -> list[Any]:
    return ["differences", *((first.key, second.key) for first, second in shared)]


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
    counted = len(difference.seeds) >= 2 * len(difference.documents)  # those of both models, on each task
    return Paired(difference.value, clipped(difference.interval(), -200, 200), p, detectable(difference), counted)
