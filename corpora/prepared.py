"""The prepared format: one JSON object a line, byte for byte as the authors' preprocessing writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .json_files import check_text, read_json_lines
from .sources import Format, Found, Row

_SHOWN = 12  # fields that a message lists
FILE_SPLITS = ("train", "dev", "val", "test")


def prepared_path(data_dir: Path, release: str, split: str) -> Path:
    """Where a prepared split lies, e.g. `data/tokcls/NCBI-disease_hf/test.json`."""
    return data_dir / release / f"{split}.json"


def prepared_line(row: Row) -> bytes:
    """Serialise one row: ASCII escapes, the default separators, keys in the row's order."""
    return json.dumps(row, allow_nan=False).encode("ascii") + b"\n"


def read_examples(path: Path, parse: Callable[[Row], Row]) -> Iterator[Row]:
    """Yield the examples of a prepared file, streaming.

    Args:
        path: a `train.json`, `dev.json`, ...
        parse: turns a prepared row into an example, and raises ValueError where the row breaks the task's rules.

    Raises:
        RequestError: with file, line, what is wrong and what to do; also for an id that occurs twice.
    """
    seen: dict[str, int] = {}
    for number, row in read_json_lines(path):
        where = f"{path}:{number}"
        try:
            example = parse(row)
        except ValueError as error:
            raise RequestError(f"{where}: {error}; correct the line or prepare the corpus again") from error
        first = seen.setdefault(example["id"], number)
        if first != number:
            raise RequestError(f"{where}: the id {example['id']!r} stands on line {first} already; ids must be unique")
        yield example
    if not seen:
        raise RequestError(f"{path}: no example in it; prepare the corpus again")


def release_format(release: str, splits: tuple[str, ...], parse: Callable[[Row], Row]) -> Format:
    """The authors' release itself: a folder `release` with prepared files, checked and written again as they are."""
    folder = tuple(release.split("/"))

    def find(files: Iterable[Path], folders: tuple[str, ...]) -> Found:
        for path in files:
            parents = path.resolve().parts[:-1]
            if path.suffix == ".json" and path.stem in splits and parents[-len(folder) :] == folder:
                yield path.stem, (path,)

    def read(files: tuple[Path, ...], split: str) -> Iterator[Row]:
        for number, row in read_json_lines(files[0]):
            try:
                if "label" not in parse(row):
                    raise ValueError("the row has no label")
            except ValueError as error:
                raise RequestError(f"{files[0]}:{number}: {error}; correct the line or get the file again") from error
            yield row

    return Format("authors' release", find, read)


def text_field(row: Row, key: str) -> str:
    """Return a text field of a prepared row.

    Raises:
        ValueError: missing or not a string.
    """
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(f"the field {key!r} should be a string, found {describe(row, key)}")
    check_text(value)
    return value


def identifier_of(row: Row) -> str:
    """Return the id as a string; a number is accepted.

    Raises:
        ValueError: missing or of another type.
    """
    value = row.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"the field 'id' should be a string, found {describe(row, 'id')}")
    check_text(str(value))
    return str(value)


def describe(row: Row, key: str) -> str:
    """Say in a few words what a field holds, for a message."""
    if key not in row:
        return f"none (fields: {', '.join(list(row)[:_SHOWN]) or 'none'}{', ...' if len(row) > _SHOWN else ''})"
    value: Any = row[key]
    return f"{type(value).__name__} {str(value)[:40]!r}"
