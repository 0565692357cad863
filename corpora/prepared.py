"""Read and write the prepared format: JSON lines, byte for byte as the LinkBERT authors' preprocessing writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .json_files import check_text, read_json_lines
from .sources import Format, Found, Row

_SHOWN = 12  # the largest number of field names that an error message lists
FILE_SPLITS = ("train", "dev", "val", "test")


def prepared_path(data_dir: Path, release: str, split: str) -> Path:
    """Return the path of a prepared split, e.g. `data/tokcls/NCBI-disease_hf/test.json`."""
    return data_dir / release / f"{split}.json"


def prepared_line(row: Row) -> bytes:
    """Return one row as a line of bytes, with the defaults of `json.dumps` and the keys in the row's order.

    Raises:
        ValueError: the row holds NaN or an infinity.
    """
    return json.dumps(row, allow_nan=False).encode("ascii") + b"\n"


def read_examples(path: Path, parse: Callable[[Row], Row]) -> Iterator[Row]:
    """Yield the examples of a prepared file, one at a time.

    Args:
        path: the prepared file of a split, e.g. `train.json`.
        parse: function that returns the example of a row, with its id under `id`, and raises ValueError if the row
            breaks the task's rules.

    Raises:
        RequestError: a line is malformed, an id occurs twice, or the file has no example.
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
            raise RequestError(
                f"{where}: the id {example['id']!r} is used on line {first} already; give each example its own id"
            )
        yield example
    if not seen:
        raise RequestError(f"{path}: no example in it; prepare the corpus again")


def release_format(release: str, splits: tuple[str, ...], parse: Callable[[Row], Row]) -> Format:
    """Return the format of the authors' own release, whose files are prepared already.

    The rows are checked and passed on unchanged.

    Args:
        release: the folder of the dataset in the release, e.g. `seqcls/GAD_hf`.
        splits: the names of the splits.
        parse: function that raises ValueError if a row breaks the task's rules, as in `read_examples`.
    """
    folder = tuple(release.split("/"))

    def find(files: Iterable[Path], folders: tuple[str, ...]) -> Found:
        for path in files:
            parents = path.absolute().parts[:-1]
            if path.suffix == ".json" and path.stem in splits and parents[-len(folder) :] == folder:
                yield path.stem, (path,)

    def read(files: tuple[Path, ...], split: str) -> Iterator[Row]:
        for number, row in read_json_lines(files[0]):
            try:
                # `parse` accepts rows without a label, because `linkbert predict` reads them; a corpus has labels.
                parse(row)
            except ValueError as error:
                raise RequestError(f"{files[0]}:{number}: {error}; correct the line or get the file again") from error
            yield row

    return Format("authors' release", find, read)


def text_field(row: Row, key: str) -> str:
    """Return a text field of a prepared row.

    Raises:
        ValueError: the field is missing, is not a string, or holds a lone surrogate (half of a UTF-16 pair).
    """
    value = row.get(key)
    if not isinstance(value, str):
        raise ValueError(f"the field {key!r} should be a string, found {describe(row, key)}")
    check_text(value)
    return value


def identifier_of(row: Row) -> str:
    """Return the id of a prepared row as a string; a whole number is accepted as well.

    Raises:
        ValueError: the id is missing, has another type, or holds a lone surrogate (half of a UTF-16 pair).
    """
    value = row.get("id")
    # bool is a subclass of int in Python, but `true` is not an id.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"the field 'id' should be a string, found {describe(row, 'id')}")
    check_text(str(value))
    return str(value)


def describe(row: Row, key: str) -> str:
    """Return a few words about the content of a field, for an error message."""
    if key not in row:
        names = ", ".join(list(row)[:_SHOWN]) or "no fields"
        return f"no such field (the row has {names}{', ...' if len(row) > _SHOWN else ''})"
    value: Any = row[key]
    # A value can be a whole document, so only its beginning is shown.
    return f"{type(value).__name__} {str(value)[:40]!r}"
