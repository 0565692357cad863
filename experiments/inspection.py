"""Looking into one run: its settings, losses, predictions and mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import sha256_of
from ..tasks.data import load_split
from ..tasks.mistakes import Mistake
from ..tasks.registry import get_task
from ..tasks.task import Task
from .paths import RunPaths
from .results import Result
from .run_folder import refuse_failed
from .run_record import read_run
from .store import predictions_path, read_result, read_stored_predictions
from .training_log import read_training_log

_TEST = "test"


@dataclass(frozen=True)
class InspectedRun:
    """A finished run with what is there of it.

    Attributes:
        result: its result.
        folder: its run folder; None if it is not there.
        log: the records of its training log; empty without one.
        rows: the lines of its predictions file; empty without one.
        missing: what is not there, and what cannot be shown because of that.
        with_data: the task with its data, for a task of a user's own whose task file was named.
    """

    result: Result
    folder: Path | None
    log: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    missing: tuple[str, ...]
    with_data: Task | None = None

    @property
    def task(self) -> Task:
        """The task of the run."""
        return self.with_data or self.result.of_task

    @property
    def name(self) -> str:
        """The run in a few words."""
        return f"{self.result.task} {self.result.name} seed {self.result.seed}"

    def to_json(self) -> dict[str, Any]:
        """Return the run as a JSON object."""
        return {"result": self.result.to_json(), "log": self.log, "confusion": self.confusion()}

    def confusion(self) -> dict[str, dict[str, int]] | None:
        """Return gold label -> predicted label -> count; None for tasks whose labels are no classes."""
        pairs = Counter(pair for row in self.rows for pair in _labels(row["gold"], row["prediction"]))
        labels = [label for label in self.task.labels if any(label in pair for pair in pairs)]
        if not labels or not self.rows or not all(isinstance(label, str) for pair in pairs for label in pair):
            return None
        return {gold: {given: pairs[gold, given] for given in labels} for gold in labels}

    def texts(self, data_dir: Path) -> dict[str, str]:
        """Return id -> text of the test examples.

        Args:
            data_dir: the folder of prepared corpora.

        Raises:
            RequestError: the corpus is not there, or is not the one that was scored.
        """
        return {str(example["id"]): _short_text(example) for example in _examples(self, data_dir)}

    def mistakes(self, data_dir: Path, count: int) -> list[tuple[str, Mistake]]:
        """Return (id of the example, mistake), the worst ones first.

        Args:
            data_dir: the folder of prepared corpora, for the texts.
            count: the largest number of mistakes.

        Raises:
            RequestError: the corpus is not there, or is not the one that was scored.
        """
        examples = _examples(self, data_dir)
        found = [
            (str(row["id"]), mistake)
            for row, example in zip(self.rows, examples, strict=True)
            for mistake in self.task.family.mistakes(
                self.task, example, row["gold"], row["prediction"], row.get("scores")
            )
        ]
        return sorted(found, key=lambda item: -item[1].severity)[:count]


def _short_text(example: Any) -> str:
    if "tokens" in example:
        return " ".join(example["tokens"])
    return " ".join(str(example.get(key) or "") for key in ("text", "text_pair", "question")).strip()


def _labels(gold: Any, prediction: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (gold, predicted) label of an example, or of each of its words."""
    if isinstance(gold, list):
        yield from zip(gold, prediction, strict=False)
    else:
        yield gold, prediction


def _examples(run: InspectedRun, data_dir: Path) -> Any:
    split = load_split(run.task, _TEST, data_dir)
    if split.sha256 != (run.result.data.get(_TEST) or {}).get("sha256"):
        raise RequestError(
            f"{data_dir}: the test data of {run.task.name} are not those that were scored; name others with --data-dir"
        )
    if len(split.examples) != len(run.rows):
        raise RequestError(f"{data_dir}: {len(split.examples)} test examples for {len(run.rows)} predictions")
    return split.examples


def inspect_run(path: str | Path, results_dir: str | Path = "results", task_file: str | None = None) -> InspectedRun:
    """Read a run from its folder or from its result file.

    Args:
        path: a run folder, or a result file.
        results_dir: the folder of results to which a run folder belongs.
        task_file: the task file of a task of a user's own, whose data show the texts.

    Raises:
        RequestError: there is no such run, or it failed or did not finish.
    """
    path, folder = Path(path), Path(results_dir)
    if path.is_dir():
        file, run_dir = _result_file(path, folder), path
        folder = file.parents[2]
    elif path.is_file():
        if len(path.absolute().parents) < 3:
            raise RequestError(f"{path}: no result file in a folder of results (RESULTS/TASK/MODEL/seed-N.json)")
        file, folder, run_dir = path, path.absolute().parents[2], None
    else:
        raise RequestError(f"{path}: no such run; name a run folder (RUNS/TASK/MODEL/seed-N) or a result file")
    result = read_result(file)
    if result.known_task is None:
        raise RequestError(f"{file}: a result of the unknown task {result.task!r}")
    if run_dir is None and result.run_dir and Path(result.run_dir).is_dir():
        run_dir = Path(result.run_dir)
    missing = []
    rows: list[dict[str, Any]] = []
    predictions = predictions_path(folder, result)
    if predictions is None or not predictions.is_file():
        missing.append("its predictions are not there, so that mistakes and confusions cannot be shown")
    elif sha256_of(predictions) != result.predictions_sha256:
        missing.append(f"{predictions}: edited or damaged, so that mistakes and confusions cannot be shown")
    else:
        rows = read_stored_predictions(predictions)
        if problem := _malformed(result, rows):
            missing.append(f"{predictions}: {problem}, so that mistakes and confusions cannot be shown")
            rows = []
    log = read_training_log(run_dir) if run_dir is not None else []
    if not log:
        missing.append("its training log is not there, so that losses cannot be shown")
    return InspectedRun(result, run_dir, log, rows, tuple(missing), _task_with_data(result, task_file, run_dir))


def _task_with_data(result: Result, task_file: str | None, run_dir: Path | None) -> Task | None:
    """Return a task of a user's own with its data: from the task file that is named, or that the run remembers."""
    if task_file is None:
        if run_dir is None or (remembered := read_run(run_dir).task_file) is None:
            return None
        try:
            task = get_task(remembered)
        except RequestError:  # It was moved or edited since, and nobody has asked for it.
            return None
        return task if task.name == result.task else None
    task = get_task(task_file)
    if task.name != result.task:
        raise RequestError(f"--task {task_file}: it is {task.name}, the run is of {result.task}; name its task file")
    return task


def _malformed(result: Result, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with the lines of a predictions file; None if they can be shown."""
    from ..metrics.counts import counts

    task = result.of_task
    try:
        counts(task.metric, [row["prediction"] for row in rows], [row["gold"] for row in rows], task.labels)
        hash(tuple(label for row in rows for pair in _labels(row["gold"], row["prediction"]) for label in pair))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        return f"malformed ({type(error).__name__}: {error})"
    return None if all("id" in row for row in rows) else "malformed (a line without `id`)"


def _result_file(folder: Path, results_dir: Path) -> Path:
    """Return the result file of a run folder."""
    refuse_failed(folder)
    record = read_run(folder)
    if not record.is_finished:
        raise RequestError(f"{folder}: the run did not finish; run the same `linkbert finetune` again")
    # Where the folder of runs lies beside a folder `results`, that one is tried as well.
    beside = folder.absolute().parents[2].with_name("results")
    for results in (results_dir, beside):
        file = RunPaths(record.task, str(record.model.get("name")), record.seed, folder, results).result_file
        if file.is_file():
            return file
    raise RequestError(f"{folder}: its result is not in {results_dir}; name its folder of results with --results-dir")
