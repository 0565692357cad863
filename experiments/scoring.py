"""From outputs of a model, or from a predictions file, to a score."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpora.json_files import read_json_lines
from ..errors import RequestError
from ..tasks.data import Split
from ..tasks.task import Task
from .results import SCHEMA_VERSION, versions
from .store import predictions_lines

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from transformers import PreTrainedModel

    from ..metrics.scores import Scored
    from ..training.predictor import Predictor

_SHOWN = 3  # ids that a message names


@dataclass(frozen=True)
class Predicted:
    """The predictions for a split, in the order of the corpus.

    Attributes:
        split: the split.
        predictions: one prediction per example, in the form of the prepared label.
        scores: what each prediction is based on (probabilities), or None.
    """

    split: Split
    predictions: list[Any]
    scores: list[Any]

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the predictions file."""
        examples = self.split.examples
        return predictions_lines(examples["id"], examples["label"], self.predictions, self.scores)


def decode_split(task: Task, split: Split, outputs: Iterable[np.ndarray]) -> Predicted:
    """Decode the outputs of a model for a split."""
    examples: Any = split.examples  # pyright does not know what iterating a dataset yields
    decoded = [task.family.decode(task, output, example) for output, example in zip(outputs, examples, strict=True)]
    return Predicted(split, [prediction for prediction, _ in decoded], [scores for _, scores in decoded])


def score_split(task: Task, predicted: Predicted) -> Scored:
    """Score predictions against the corpus. Every gold label counts, also one that the model never saw."""
    return score_lists(task, predicted.predictions, list(predicted.split.examples["label"]))


def score_lists(task: Task, predictions: list[Any], gold: list[Any]) -> Scored:
    """Score predictions against gold labels, both in the form of the prepared label."""
    from ..metrics.scores import score

    return score(task.metric, predictions, gold, task.labels, task.negative)


def predict_split(
    task: Task, predictor: Predictor, model: PreTrainedModel, split: Split, encoded: Dataset
) -> tuple[Predicted, dict[str, float]]:
    """Predict and decode an encoded split.

    Returns:
        The predictions, and what they cost: seconds, and tokens and examples per second.
    """
    from ..training.encoded_rows import lengths_of

    since = time.perf_counter()
    predicted = decode_split(task, split, predictor.predict(model, encoded, stage=f"score {split.name}"))
    seconds = time.perf_counter() - since
    tokens = int(lengths_of(encoded).sum())
    cost = {
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "examples_per_second": len(encoded) / seconds,
    }
    return predicted, cost


def scored_fields(task: Task, predicted: Predicted) -> dict[str, Any]:
    """Score predictions, and return the fields of a result that follow from them."""
    from ..metrics.baselines import baseline

    scored = score_split(task, predicted)
    trivial = baseline(task.metric, list(predicted.split.examples["label"]), task.labels, task.negative)
    return {
        "schema_version": SCHEMA_VERSION,
        "task": task.name,
        "task_version": task.version,
        "split": predicted.split.name,
        "suite": task.suite,
        "definition": None if task.definition is None else dict(task.definition),
        "score": scored.score,
        "metric": task.metric,
        "metrics": scored.metrics,
        "notes": list(scored.notes),
        "n_examples": len(predicted.predictions),
        "baseline": asdict(trivial),
        "versions": versions(),
    }


def _own_ids(task: Task, identifiers: Iterable[str]) -> dict[str, str | None]:
    """Return id without its document -> id, or None where several examples have it."""
    found: dict[str, str | None] = {}
    if task.document_of is not None:
        for identifier in identifiers:
            own = identifier.removeprefix(task.document_of(identifier)).removeprefix("#")
            found[own] = identifier if own not in found else None
    return found


def read_predictions(task: Task, split: Split, path: Path) -> Predicted:
    """Read a predictions file: JSON lines with `id` and `prediction`, in any order.

    The id of an example in a document may be given without the document, if no other example has it.

    Raises:
        RequestError: a line or a prediction is malformed, or ids are missing, unknown or repeated.
    """
    order = {identifier: index for index, identifier in enumerate(split.examples["id"])}
    own = _own_ids(task, order)
    lines: dict[str, int] = {}
    predictions: list[Any] = [None] * len(order)
    scores: list[Any] = [None] * len(order)
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        if "id" not in row or "prediction" not in row:
            raise RequestError(f"{where}: expected the fields 'id' and 'prediction', found {', '.join(row) or 'none'}")
        identifier = str(row["id"])
        identifier = identifier if identifier in order else own.get(identifier) or identifier
        if identifier not in order:
            raise RequestError(
                f"{where}: the id {identifier!r} is not in the {split.name} split of {task.name}, whose first one is "
                f"{next(iter(order))!r}"
            )
        if identifier in lines:
            raise RequestError(f"{where}: the id {identifier!r} stands on line {lines[identifier]} already")
        lines[identifier], index = number, order[identifier]
        try:
            predictions[index] = task.family.read_label(task, row["prediction"], split.examples[index])
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error
        scores[index] = row.get("scores")
    missing = [identifier for identifier in order if identifier not in lines]
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        raise RequestError(
            f"{path}: {len(missing)} of {len(order)} examples of {task.name} {split.name} have no prediction "
            f"(ids {shown}); every example needs one"
        )
    return Predicted(split, predictions, scores)
