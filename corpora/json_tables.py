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


def read_json_table(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, object) for each object of a JSON lines file, or of a JSON file with a list or object of objects.

    In an object of objects, the keys become the field `id` of objects that have none. If the objects are the columns of
    a data frame, as pandas' `to_json` writes them, its rows are yielded.

    Raises:
        RequestError: the file is neither.
    """
    lines = first_lines(path)
    is_lines = bool(lines) and lines[0].startswith(b"{") and lines[0].endswith(b"}")
    content = None if is_lines and len(lines) > 1 else read_json(path)
    if is_lines and not (isinstance(content, dict) and content and all(isinstance(v, dict) for v in content.values())):
        for number, row in read_json_lines(path):
            yield f"{path}:{number}", row
        return
    if not isinstance(content, dict | list):
        raise RequestError(f"{path}: expected JSON objects, found {type(content).__name__}; check the file")
    content = _rows_of_frame(content) or content
    items = content.items() if isinstance(content, dict) else enumerate(content, start=1)
    for key, row in items:
        if not isinstance(row, dict):
            raise RequestError(f"{path}: item {key} is not an object but {type(row).__name__}; correct it")
        yield f"{path}: item {key}", {"id": key, **row} if isinstance(key, str) else row


def _rows_of_frame(content: Any) -> list[Row]:
    """Return the rows of a data frame whose columns are objects with numbered cells; none if it is something else."""
    columns = [*content.values()] if isinstance(content, dict) else []
    if not columns or not all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        return []
    if not all(number.isdigit() for number in columns[0]):
        return []
    return [{name: column[number] for name, column in content.items()} for number in columns[0]]


def first_lines(path: Path) -> list[bytes]:
    """Return the first two lines that are not blank; of lines beyond the limit, a part."""
    try:
        with open_binary(path) as handle:
            lines = (raw.strip(b"\xef\xbb\xbf \r\n\t") for raw in iter(lambda: handle.readline(MAX_LINE), b""))
            return list(islice(filter(None, lines), 2))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(f"{path}: the compressed data are damaged or cut short; get the file again") from error
