"""Read tables from JSON: lines, lists, objects of objects, and data frames."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .json_files import read_json, read_json_lines
from .lines import MAX_LINE, open_binary
from .sources import Row

_ROWS_PER_COLUMN = 10  # from which on objects with the same keys, which are no numbers, are taken for columns


def read_json_table(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, object) for each object of a JSON lines file, or of a JSON file with a list or object of objects.

    In an object of objects, the keys become the field `id` of objects that have none. Of a data frame, as pandas'
    `to_json` writes it, the rows are yielded; their names become the field `id` unless they are only numbered.

    Raises:
        RequestError: the file is neither.
    """
    lines = first_lines(path)
    is_lines = bool(lines) and lines[0].startswith(b"{") and lines[0].endswith(b"}")
    content = None if is_lines and len(lines) > 1 else _rows_of_frame(read_json(path))
    of_objects = isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values())
    if is_lines and not (of_objects or isinstance(content, list)):
        for number, row in read_json_lines(path):
            yield f"{path}:{number}", row
        return
    if not isinstance(content, dict | list):
        raise RequestError(f"{path}: expected JSON objects, found {type(content).__name__}; check the file")
    items = content.items() if isinstance(content, dict) else enumerate(content, start=1)
    for key, row in items:
        if not isinstance(row, dict):
            raise RequestError(f"{path}: item {key} is not an object but {type(row).__name__}; correct it")
        yield f"{path}: item {key}", {"id": key, **row} if isinstance(key, str) else row


def _rows_of_frame(content: Any) -> Any:
    """Return the rows of a data frame that pandas wrote, by name or as a list; what is none is returned as it is."""
    if not isinstance(content, dict):
        return content
    data, index, header = (content.get(key, ()) for key in ("data", "index", "columns"))
    if content.keys() == {"schema", "data"} and isinstance(data, list):
        return data
    if content.keys() == {"columns", "index", "data"} and all(isinstance(part, list) for part in content.values()):
        fits = len(index) == len(data) and all(isinstance(cells, list) and len(cells) == len(header) for cells in data)
        return _named(index, [dict(zip(map(str, header), cells, strict=True)) for cells in data]) if fits else content
    columns = list(content.values())
    if not columns or not all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        return content
    names = list(columns[0])
    # Many objects with the same few keys are rows; few objects with the same many keys are columns.
    numbers = all(name.removeprefix("-").isdigit() for name in names)
    if len(names) <= (1 if numbers else _ROWS_PER_COLUMN) * len(columns):
        return content
    return _named(names, [{key: column[name] for key, column in content.items()} for name in names])


def _named(names: list[Any], rows: list[Row]) -> dict[str, Row] | list[Row]:
    """Return rows by their names, or as a list if they are only numbered, or some have the same name."""
    texts = list(map(str, names))
    if texts == list(map(str, range(len(names)))) or len(set(texts)) < len(texts):
        return rows
    return dict(zip(texts, rows, strict=True))


def first_lines(path: Path) -> list[bytes]:
    """Return the first two lines that are not blank; of lines beyond the limit, a part."""
    try:
        with open_binary(path) as handle:
            lines = (raw.strip(b"\xef\xbb\xbf \r\n\t") for raw in iter(lambda: handle.readline(MAX_LINE), b""))
            return list(islice(filter(None, lines), 2))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(f"{path}: the compressed data are damaged or cut short; get the file again") from error
