"""Applying a fine-tuned model to raw text or JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from ..corpora.json_files import parse_object
from ..corpora.sources import Row
from ..errors import RequestError
from ..tasks.encoding import encoded_schema
from ..tasks.task import Task, Truncation
from .run_record import task_of_run

_CHUNK = 256  # examples that are predicted at a time


class Input(NamedTuple):
    """One line of input: the prepared row, and the example that the task made of it."""

    row: Row
    example: Row


def predict(
    task: str, *, model: str | Path, lines: Iterable[str], name: str = "input", precision: str = "auto"
) -> Iterator[Row]:
    """Apply a run folder to lines of raw text, or to JSON lines with the fields of the prepared format.

    The lines are raw text unless the first one begins with a brace.

    Args:
        task: the task's name.
        model: a run folder of the task.
        lines: the input, line by line; blank lines are ignored.
        name: the name of the input in messages.
        precision: number format of the computation; `auto` takes that of the training.

    Yields:
        For tagged words `{"id", "text", "entities": [{"start", "end", "label", "score", "text"}]}` with offsets in code
        points, otherwise `{"id", "label", "probabilities"}`.

    Raises:
        RequestError: there is no such task or run, the input is empty, or a line is malformed.
    """
    import pyarrow as pa

    from ..models.loading import load_model
    from ..models.tokenizer_loading import load_tokenizer
    from ..training.predictor import Predictor

    folder = Path(model)
    found, record = task_of_run(task, folder)
    tokenizer = load_tokenizer(folder, words=found.head.per_word)
    predictor = Predictor(found.head, tokenizer, record.scoring_precision(precision))
    encoder = load_model(folder, found.head, found.labels, fine_tuned=True)
    inputs = iter(read_inputs(found, lines, name))
    while chunk := list(islice(inputs, _CHUNK)):
        examples = [item.example for item in chunk]
        rows = list(found.family.encode(found, tokenizer, examples, record.max_length, Truncation()))
        table = pa.Table.from_pylist(rows, schema=encoded_schema(found))
        for item, output in zip(chunk, predictor.predict_rows(encoder, table), strict=True):
            yield found.family.describe(found, *item, *found.family.decode(found, output, item.example))


def read_inputs(task: Task, lines: Iterable[str], name: str) -> Iterator[Input]:
    """Turn input lines into examples without labels.

    Raises:
        RequestError: the input is empty, or the task cannot use a line; the message names its number.
    """
    numbered = ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise RequestError(f"{name}: nothing to predict, the input is empty")
    is_json = first[1].lstrip().startswith("{")
    if not is_json and task.family.from_text is None:
        raise RequestError(
            f"{name}:{first[0]}: {task.name} takes several texts an example; give JSON lines with the fields "
            f"{', '.join(task.family.columns)}"
        )
    for number, line in chain([first], numbered):
        where = f"{name}:{number}"
        row = parse_object(line, where) if is_json else {"text": line}
        row.setdefault("id", str(number))
        try:
            yield _read(task, row)
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error


def _read(task: Task, row: Row) -> Input:
    row = {key: value for key, value in row.items() if key != task.family.label_column}
    from_text = task.family.from_text
    if from_text is not None and "text" in row and task.family.columns[0] not in row:
        if not isinstance(row["text"], str) or not row["text"].strip():
            raise ValueError("the field 'text' should be a string that is not blank")
        row = {"id": row["id"], **from_text(task, row["text"])}
    return Input(row, task.parse(row))
