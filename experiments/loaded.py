"""A fine-tuned model in memory, which predicts as often as it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from ..corpora.sources import Row
from ..errors import RequestError
from ..tasks.custom.inputs import as_prepared
from ..tasks.encoding import encoded_schema
from ..tasks.fitting import shows_mentions
from ..tasks.task import Task, Truncation
from .run_record import read_run, task_of_run

# Examples, and characters of text, that are predicted at a time: enough that batches hold texts of similar length, and
# few enough that memory stays small however long the input is.
_CHUNK, _CHARACTERS = 512, 1_000_000


class Input(NamedTuple):
    """One input: the prepared row, and the example that the task made of it."""

    row: Row
    example: Row


def load(run: str | Path, *, task: str | None = None, precision: str = "auto") -> LoadedModel:
    """Load a fine-tuned model once, to predict with it many times.

    Args:
        run: a run folder, as `finetune` makes it.
        task: the task to predict for, if it is not the one of the run (`mmlu-professional-medicine` for a run of
            `medqa`).
        precision: number format of the computation; `auto` takes that of the training.

    Raises:
        RequestError: the folder is not that of a finished run, or of another task.
    """
    return LoadedModel(task or read_run(Path(run)).task, Path(run), precision)


class LoadedModel:
    """A fine-tuned model with its task and tokenizer. `load` makes one.

    Call it with a text or a list of texts, or with objects that have the fields of the prepared format:
    `load("runs/ncbi-disease/minilm/seed-42")("BRCA1 causes breast cancer.")`.

    Args:
        task: the task's name, or a task file.
        folder: a run folder of the task.
        precision: number format of the computation; `auto` takes that of the training.

    Attributes:
        task: the task.
        record: what the run folder says about the run.
        cut: what encoding has lost so far, over all inputs.
        unmarked: inputs so far that mark no mentions, though the task is about the relation of two.

    Raises:
        RequestError: the folder is not that of a finished run of the task.
    """

    def __init__(self, task: str, folder: Path, precision: str = "auto") -> None:
        from ..models.loading import load_model
        from ..models.tokenizer_loading import load_tokenizer
        from ..training.predictor import Predictor

        self.task, self.record = task_of_run(task, folder)
        self.tokenizer = load_tokenizer(folder, words=self.task.head.per_word)
        self.predictor = Predictor(self.task.head, self.tokenizer, self.record.scoring_precision(precision))
        self.model = load_model(folder, self.task.head, self.task.labels, fine_tuned=True)
        self.cut = Truncation()
        self.unmarked = 0

    def __repr__(self) -> str:
        return f"<{self.task.name}: {self.record.model.get('name')}, seed {self.record.seed}>"

    def __call__(self, inputs: Any) -> Any:
        """Return the prediction for one input, or a list of predictions for several (see `predict`)."""
        if isinstance(inputs, str):
            return next(self.predict([inputs]))
        if isinstance(inputs, Mapping):
            return next(self.predict([inputs]))
        if not isinstance(inputs, Iterable):
            raise RequestError(f"expected a text, an object or several of them, found {type(inputs).__name__}")
        return list(self.predict(inputs))

    def predict(self, inputs: Iterable[str | Mapping[str, Any]]) -> Iterator[Row]:
        """Yield what `linkbert predict` prints for each input, in order and at constant memory.

        Args:
            inputs: texts, or objects with the fields of the prepared format, or a data frame with these columns.

        Raises:
            RequestError: the task cannot use an input; the message names its number.
        """
        if isinstance(inputs, str):
            raise RequestError("inputs should be several texts, found one; write [text], or call the model with it")
        return self.predict_inputs(self._read(inputs))

    def _read(self, inputs: Iterable[str | Mapping[str, Any]]) -> Iterator[Input]:
        frame: Any = inputs
        if hasattr(frame, "columns") and hasattr(frame, "to_dict"):
            inputs = frame.to_dict("records")  # Iterating a data frame of pandas gives the names of its columns.
        for number, item in enumerate(inputs, start=1):
            if not isinstance(item, str | Mapping):
                raise RequestError(f"input {number}: expected a text or an object, found {type(item).__name__}")
            row = {"text": item} if isinstance(item, str) else dict(item)
            if isinstance(item, str) and self.task.family.from_text is None:
                raise RequestError(f"input {number}: {several_texts(self.task)}")
            row.setdefault("id", str(number))
            try:
                yield read_input(self.task, row)
            except ValueError as error:
                raise RequestError(f"input {number}: {error}") from error

    def predict_inputs(self, inputs: Iterable[Input]) -> Iterator[Row]:
        """Yield what `linkbert predict` prints for each checked input."""
        return (row for _, row in self.described(inputs))

    def described(self, inputs: Iterable[Input]) -> Iterator[tuple[Input, Row]]:
        """Yield each checked input with what `linkbert predict` prints for it."""
        describe = self.task.family.describe
        for item, prediction, scores in self.decoded(inputs):
            yield item, describe(self.task, *item, prediction, scores)

    def decoded(self, inputs: Iterable[Input]) -> Iterator[tuple[Input, Any, Any]]:
        """Yield (input, prediction in the form of the prepared label, scores) for each checked input."""
        import pyarrow as pa

        schema = encoded_schema(self.task)
        for chunk in _chunks(inputs):
            examples = [item.example for item in chunk]
            if self.task.marked:
                self.unmarked += sum(not shows_mentions(example["text"]) for example in examples)
            encoded = self.task.encode(
                self.tokenizer, examples, self.record.max_length, self.cut, self.record.long_inputs
            )
            table = pa.Table.from_pylist(list(encoded), schema=schema)
            outputs = self.predictor.predict_rows(self.model, table)
            for item, output in zip(chunk, outputs, strict=True):
                yield item, *self.task.family.decode(self.task, output, item.example)

    def losses(self) -> dict[str, int]:
        """Return what encoding has lost so far, and the inputs without marked mentions, without what is 0."""
        counts = asdict(self.cut) | {"unmarked": self.unmarked}
        return {name: count for name, count in counts.items() if count and name != "windowed"}


class BlankTextError(ValueError):
    """The text of an input is blank, so that there is nothing to predict."""


def several_texts(task: Task) -> str:
    """Return why a plain text is no input of a task."""
    return (
        f"{task.name} takes several texts an example; give JSON lines with the fields {', '.join(task.family.columns)}"
    )


def read_input(task: Task, row: Row) -> Input:
    """Turn a row, or an object with `text`, into an example without a label.

    Raises:
        BlankTextError: its text is blank.
        ValueError: the task cannot use it.
    """
    row = {key: value for key, value in row.items() if key != task.family.label_column}
    if task.definition is not None:
        row = as_prepared(task.definition, row)
    from_text = task.family.from_text
    column = task.family.columns[0]
    if from_text is not None and "text" in row and (column == "text" or column not in row):
        if not isinstance(row["text"], str):
            raise ValueError("the field 'text' should be a string that is not blank")
        if not row["text"].strip():
            raise BlankTextError("the field 'text' should be a string that is not blank")
        row = {"id": row["id"], **from_text(task, row["text"])}
    return Input(row, task.parse(row))


def _chunks(inputs: Iterable[Input]) -> Iterator[list[Input]]:
    chunk: list[Input] = []
    characters = 0
    for item in inputs:
        chunk.append(item)
        characters += sum(len(value) for value in item.row.values() if isinstance(value, str))
        if len(chunk) == _CHUNK or characters > _CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
