"""From predictions files to what resampling needs, after checking that they are the ones that were scored."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from ..errors import RequestError
from ..experiments.results import Result
from ..experiments.store import predictions_path, read_stored_predictions
from ..files import atomic_write, cache_dir, sha256_of
from ..tasks.corpus_facts import document_numbers
from .seed_noise import replicated_variance

if TYPE_CHECKING:
    import numpy as np

    from .resampling import Sample

_VERSION = 2  # of the counts in the cache
_TOLERANCE = 1e-6  # The counts give the same score up to rounding; an edited score differs by far more.


class Problem(str):
    """Why intervals and tests cannot be computed.

    Attributes:
        is_absence: whether the predictions are merely not there, as in a folder of results that was published.
    """

    is_absence = False


class Absence(Problem):
    """The predictions are not there."""

    is_absence = True


@dataclass(frozen=True)
class Evidence:
    """The predictions of one model on one task.

    Attributes:
        task: the task's name.
        row: the name of the row on the leaderboard.
        results: the results of its runs, in the order of their seeds.
        files: their predictions files.
        problem: why intervals and tests cannot be computed; None if they can.
    """

    task: str
    row: str
    results: tuple[Result, ...]
    files: tuple[Path, ...]
    problem: Problem | None

    @property
    def key(self) -> list[str]:
        """What the numbers that are computed from it depend on."""
        runs = [f"{result.predictions_sha256} {result.score}" for result in self.results]
        noise = [f"seeds {self.stand_in}"] if len(self.results) == 1 else []
        return [self.task, self.row, str(self.test_data), *runs, *noise]

    @property
    def stand_in(self) -> float | None:
        """The variance between seeds that stands in if there is one run; None if none is known."""
        return replicated_variance(self.task, self.results[0].name)

    @property
    def test_data(self) -> str | None:
        """SHA-256 of the test data."""
        return test_data(self.results[0])

    def sample(self) -> Sample:
        """Return the counts of all runs.

        Raises:
            RequestError: a predictions file cannot be read, or does not give the score of its result.
        """
        import numpy as np

        from .resampling import Sample

        runs = [_counts(result, path) for result, path in zip(self.results, self.files, strict=True)]
        for run, path in zip(runs, self.files, strict=True):
            if run.examples != runs[0].examples or run.counts.shape != runs[0].counts.shape:
                raise RequestError(
                    f"{path}: its examples, their order or their gold labels are not those of {self.files[0]}; score "
                    "the predictions again"
                )
        counts = np.stack([run.counts for run in runs])
        sample = Sample(self.task, self.row, self.results[0].metric, counts, runs[0].examples)
        for result, path, score in zip(self.results, self.files, sample.scores(), strict=True):
            if not math.isclose(result.score, float(score), abs_tol=_TOLERANCE):
                raise RequestError(
                    f"{path}: the predictions give the score {score:.4f}, the result says {result.score:.4f}; "
                    "one of the two was edited"
                )
        return sample


def test_data(result: Result) -> str | None:
    """Return the SHA-256 of the test data of a result."""
    return (result.data.get("test") or {}).get("sha256")


def find_evidence(results: Sequence[Result], folder: Path, row: str) -> Evidence:
    """Look for the predictions of one model on one task, and compare their checksums with those of the results.

    Args:
        results: the results of the model's runs on the task.
        folder: the folder of results.
        row: the name of the row on the leaderboard.
    """
    results = sorted(results, key=lambda result: (result.seed is None, result.seed or 0))
    files = [predictions_path(folder, result) for result in results]
    problems = [_problem_with(result, path) for result, path in zip(results, files, strict=True)]
    problem = next(filter(None, problems), None)
    found = tuple(path for path in files if path is not None)
    return Evidence(results[0].task, row, tuple(results), found, problem)


def _problem_with(result: Result, path: Path | None) -> Problem | None:
    """Return why the predictions of a result cannot be used; None if they can."""
    if path is None:
        return Absence(f"{result.task} {result.name} seed {result.seed}: the result names no predictions file")
    try:
        if not path.is_file():
            return Absence(f"{path}: the predictions are not there")
        if sha256_of(path) != result.predictions_sha256:
            return Problem(f"{path}: the predictions were edited or damaged; their SHA-256 is not the result's")
    except (OSError, ValueError) as error:  # The name in the result may be one that no file can have.
        return Problem(f"{path}: the predictions cannot be read ({error})")
    return None


@dataclass(frozen=True)
class _Counts:
    """The predictions of one run as counts.

    Attributes:
        counts: summands of each document, shape (documents, sums).
        examples: checksum of the ids and gold labels, in order: runs are paired only if it is the same.
    """

    counts: np.ndarray
    examples: str


def _counts(result: Result, path: Path) -> _Counts:
    """Return the counts of one run, from the cache or from its predictions."""
    import numpy as np

    key = [_VERSION, result.task, result.task_version, result.metric, result.predictions_sha256, test_data(result)]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    cached = cache_dir() / "counts" / f"{result.task}-{digest[:24]}.npz"
    # A file that is not there, or was damaged, is made again.
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(cached, allow_pickle=False) as stored:
        found = _Counts(stored["counts"].astype(np.float64), str(stored["examples"]))
        if found.counts.ndim == 2 and np.isfinite(found.counts).all():
            return found
    found = _count(result, path)
    with suppress(OSError), atomic_write(cached) as handle:  # The cache saves time, and is not needed.
        np.savez(handle, counts=found.counts, examples=np.array(found.examples))
    return found


def _count(result: Result, path: Path) -> _Counts:
    import numpy as np

    from ..metrics.counts import counts

    task = result.of_task
    try:
        rows = read_stored_predictions(path)
        if len(rows) != result.n_examples:
            raise ValueError(f"{len(rows)} lines, the result counts {result.n_examples}")
        predictions, gold = [row["prediction"] for row in rows], [row["gold"] for row in rows]
        each = counts(task.metric, predictions, gold, task.labels, task.negative)
        ids = [str(row["id"]) for row in rows]
        numbers = document_numbers(task, ids, test_data(result))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RequestError(
            f"{path}: the predictions cannot be counted ({type(error).__name__}: {error}); score them again"
        ) from error
    summed = np.zeros((int(numbers.max(initial=-1)) + 1, each.shape[1]))
    np.add.at(summed, numbers, each)
    return _Counts(summed, hashlib.sha256(json.dumps([ids, gold]).encode()).hexdigest())
