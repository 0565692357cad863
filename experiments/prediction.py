"""Applying a fine-tuned model to lines of raw text, or of JSON."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ..corpora.conll import Sentence, read_conll, word_column
from ..corpora.json_files import parse_object
from ..corpora.lines import open_binary
from ..corpora.sources import Row
from ..corpora.squad_json import read_squad
from ..errors import RequestError
from ..tasks.custom.data_formats import SUFFIXES
from ..tasks.task import Task
from .loaded import BlankTextError, Input, LoadedModel, read_input, several_texts

LINES = "lines"
DOCUMENTS = ("brat", "bioc", "pubtator")
_JSON = (".json", ".jsonl", ".ndjson")
_HEAD = 4096  # bytes by which a format is recognised


def predict(
    task: str, *, model: str | Path, lines: Iterable[str], name: str = "input", precision: str = "auto"
) -> Iterator[Row]:
    """Apply a run folder to lines of raw text, or to JSON lines with the fields of the prepared format.

    The lines are raw text unless the first one begins with a brace. Memory does not grow with their number.

    Args:
        task: the task's name, or a task file.
        model: a run folder of the task.
        lines: the input, line by line; blank lines are ignored.
        name: the name of the input in messages.
        precision: number format of the computation; `auto` takes that of the training.

    Yields:
        For tagged words `{"id", "text", "entities": [{"start", "end", "label", "score", "text"}]}` with offsets in code
        points; for questions with a context `{"id", "answer", "start", "end", "score"}`; otherwise
        `{"id", "label", "probabilities"}`.

    Raises:
        RequestError: there is no such task or run, the input is empty, or a line is malformed.
    """
    if isinstance(lines, str):
        raise RequestError("lines should be texts, one for each prediction, found one text; write [text]")
    loaded = LoadedModel(task, Path(model), precision)
    yield from loaded.predict_inputs(read_inputs(loaded.task, lines, name))


def check_inputs(task: Task, lines: Iterable[str], name: str) -> None:
    """Make sure that the task can use every line. Raw text needs no other check than that of its encoding.

    Raises:
        RequestError: see `read_inputs`.
    """
    numbered = _numbered(lines)
    first = next(numbered, None)
    if first is not None and not _is_json(first[1]):
        next(_inputs(task, iter([first]), name), None)
        for _ in numbered:
            pass
        return
    for _ in _inputs(task, numbered if first is None else chain([first], numbered), name):
        pass


def read_inputs(task: Task, lines: Iterable[str], name: str, left_out: Counter[str] | None = None) -> Iterator[Input]:
    """Turn input lines into examples without labels. Blank lines are left out, and objects whose text is blank.

    Args:
        task: the task.
        lines: the lines.
        name: their name in messages.
        left_out: counts objects whose text is blank, under `blank`.

    Raises:
        RequestError: the input is empty, or the task cannot use a line; the message names its number.
    """
    return _inputs(task, _numbered(lines), name, left_out)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    return ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, start=1) if line.strip())


def _is_json(line: str) -> bool:
    return line.lstrip().startswith("{")


def _inputs(
    task: Task, numbered: Iterator[tuple[int, str]], name: str, left_out: Counter[str] | None = None
) -> Iterator[Input]:
    first = next(numbered, None)
    if first is None:
        raise RequestError(f"{name}: nothing to predict, the input is empty")
    is_json = _is_json(first[1])
    if not is_json and task.family.from_text is None:
        raise RequestError(f"{name}:{first[0]}: {several_texts(task)}")
    for number, line in chain([first], numbered):
        where = f"{name}:{number}"
        row = parse_object(line, where) if is_json else {"text": line}
        row.setdefault("id", str(number))
        try:
            yield read_input(task, row)
        except BlankTextError:
            if left_out is not None:
                left_out["blank"] += 1
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error


def input_format(path: Path) -> str:
    """Return the format of an input: `LINES`, one of `DOCUMENTS`, `conll` or `squad`.

    Raises:
        RequestError: the file cannot be read, or is a table.
    """
    if path.is_dir():
        return "brat"
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix == ".ann":
        raise RequestError(f"{path}: annotations without their text; name the folder, or the .txt file")
    known = SUFFIXES.get(suffix)
    if known in ("csv", "parquet"):
        raise RequestError(
            f"{path}: a table, whose lines are no texts; write its column of texts into a .txt file, one a line, or "
            'into JSON lines such as {"id": "1", "text": "..."}'
        )
    if known == "conll":
        return "conll"
    if not path.is_file():
        return LINES  # A pipe can be read only once.
    try:
        with open_binary(path) as handle:
            head = handle.read(_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"{path}: the file cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if re.match(rb"\s*[^\s|]+\|t\|", head):
        return "pubtator"
    if suffix == ".xml" or (suffix in _JSON and re.search(rb'"(passages|documents)"\s*:\s*\[', head)):
        return "bioc"
    if suffix == ".json" and head.lstrip().startswith(b"["):
        raise RequestError(f"{path}: a list in JSON; write each of its objects into a line of a .jsonl file")
    return "squad" if suffix == ".json" and re.search(rb'"paragraphs"\s*:', head) else LINES


def file_inputs(task: Task, form: str, path: Path) -> Iterator[Input]:
    """Yield the examples of a CoNLL file (its words) or a SQuAD file (its questions), without their labels.

    Raises:
        RequestError: the file is malformed, or the task takes other inputs.
    """
    for number, (where, row) in enumerate(_rows_of_file(task, form, path), start=1):
        try:
            yield read_input(task, {"id": str(number), **row})
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from error


def _rows_of_file(task: Task, form: str, path: Path) -> Iterator[tuple[str, Row]]:
    if form == "squad":
        for where, row in read_squad(path, labelled=False):
            yield where, {key: row[key] for key in ("id", "question", "context")}
        return
    column: int | None = None
    for sentence in read_conll(path, least=1):
        if column is None:
            column = _word_column(task, sentence)
        yield f"{path}:{sentence.lines[0]}", {"tokens": [columns[column] for columns in sentence.rows]}


def _word_column(task: Task, sentence: Sentence) -> int:
    """Return which column holds the words, in a file that may have fewer columns than those of the training."""
    columns = len(sentence.rows[0])
    named = (task.definition or {}).get("word_column")
    return named if columns > 1 and named is not None and -columns <= named < columns else word_column(sentence)
