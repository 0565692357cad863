"""Applying a fine-tuned model to raw text or JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ..corpora.json_files import parse_object
from ..errors import RequestError
from ..tasks.registry import get_task
from ..tasks.task import Task, Truncation
from .run_folder import finished_run, scoring_precision

_CHUNK = 256
Item = dict[str, Any]


def predict(
    task: str, *, model: str | Path, lines: Iterable[str], name: str = "input", precision: str = "auto"
) -> Iterator[Item]:
    """Apply a run folder to lines of raw text, or to JSON lines with the fields of the prepared format.

    Token tasks give `{"id", "text", "entities": [{"start", "end", "label", "score", "text"}]}` with offsets in code
    points; the others `{"id", "label", "probabilities"}`. Lines are raw text unless the first one opens a JSON object.

    Args:
        task: the task's name.
        model: a run folder of it.
        lines: the input, line by line; blank lines are passed over.
        name: what messages call the input.
        precision: number format.

    Raises:
        RequestError: no such task or run, an empty input, or a malformed line.
    """
    import pyarrow as pa

    from ..models.loading import load_model, load_tokenizer
    from ..training.trainer import Trainer

    found, folder = get_task(task), Path(model)
    run = finished_run(folder, found)
    tokenizer = load_tokenizer(folder, words=found.head == "token")
    trainer = Trainer(found.head, tokenizer, scoring_precision(run, precision))
    encoder = load_model(folder, found.head, found.labels, fine_tuned=True)
    max_length = run["recipe"]["max_length"]["value"]
    examples = iter(read_inputs(found, lines, name))
    while chunk := list(islice(examples, _CHUNK)):
        rows = list(found.family.encode(found, tokenizer, chunk, max_length, Truncation()))
        table = pa.Table.from_pylist(rows, schema=found.family.encoded(found))
        for example, output in zip(chunk, trainer.predict_rows(encoder, table), strict=True):
            yield _describe(found, example, *found.family.decode(found, output))


def read_inputs(task: Task, lines: Iterable[str], name: str) -> Iterator[Item]:
    """Turn input lines into examples without labels.

    Raises:
        RequestError: nothing there, or a line that the task cannot take, with its number.
    """
    numbered = ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise RequestError(f"{name}: nothing to predict, the input is empty")
    is_json = first[1].lstrip().startswith("{")
    if not is_json and len(task.family.columns) > 1:
        raise RequestError(
            f"{name}:{first[0]}: {task.name} takes several texts an example; give JSON lines with the fields "
            f"{', '.join(task.family.columns)}"
        )
    for number, line in chain([first], numbered):
        where = f"{name}:{number}"
        row = parse_object(line, where) if is_json else {"text": line}
        row.setdefault("id", str(number))
        try:
            yield _example(task, row)
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error


def _example(task: Task, row: Item) -> Item:
    row = {key: value for key, value in row.items() if key not in ("label", "ner_tags")}
    spans = None
    column = task.family.columns[0]
    if "text" in row and column not in row and len(task.family.columns) == 1:
        text = row["text"]
        if not isinstance(text, str) or not text.strip():
            raise ValueError("the field 'text' should be a string that is not blank")
        if task.head != "token":
            row[column] = text
        else:
            spans = split_words(text)
            row["tokens"] = [text[start:end] for start, end in spans]
    example = task.parse(row)
    if task.head == "token":
        text = row["text"] if spans else " ".join(example["tokens"])
        example |= {"text": text, "spans": spans or _joined_spans(example["tokens"])}
    return example


def split_words(text: str) -> list[tuple[int, int]]:
    """Split text at white space and punctuation as BERT's basic tokeniser does; spans in code points."""
    from tokenizers.pre_tokenizers import BertPreTokenizer

    return [span for _, span in BertPreTokenizer().pre_tokenize_str(text)]


def _joined_spans(tokens: list[str]) -> list[tuple[int, int]]:
    spans, start = [], 0
    for token in tokens:
        spans.append((start, start + len(token)))
        start += len(token) + 1
    return spans


def _describe(task: Task, example: Item, prediction: Any, scores: Any) -> Item:
    if task.head == "token":
        join = not any(label.startswith("I-") for label in task.labels)
        entities = list(find_entities(example["text"], example["spans"], prediction, scores, join=join))
        return {"id": example["id"], "text": example["text"], "entities": entities}
    if task.head == "multi-label":
        prediction = [label for label, flag in zip(task.labels, prediction, strict=True) if flag]
    if task.head == "regression":
        scores = None
    return {"id": example["id"], "label": prediction, "probabilities": scores}


def find_entities(
    text: str, spans: list[tuple[int, int]], tags: list[str], scores: list[float], *, join: bool
) -> Iterator[dict[str, Any]]:
    """Join tagged words into entities; the score is the mean of the words' probabilities.

    An `I` begins an entity where none of its type goes on (conlleval's reading). With `join`, neighbouring words of one
    class are one span whatever their prefix: PICO tags every word with `B`.
    """
    groups: list[tuple[str, list[int]]] = []
    previous = "O"
    for index, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        goes_on = previous.partition("-")[2] == kind and (prefix == "I" or join)
        if tag != "O" and goes_on and previous != "O":
            groups[-1][1].append(index)
        elif tag != "O":
            groups.append((kind, [index]))
        previous = tag
    for kind, members in groups:
        start, end = spans[members[0]][0], spans[members[-1]][1]
        score = sum(scores[index] for index in members) / len(members)
        yield {"start": start, "end": end, "label": kind, "score": round(score, 6), "text": text[start:end]}
