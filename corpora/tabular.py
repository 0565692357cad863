"""Read tables of any origin: CSV and TSV with any dialect, and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ..errors import RequestError
from .json_files import check_text
from .lines import MAX_LINE, decode_lines, open_binary
from .sources import Row

_DELIMITERS = (",", "\t", ";", "|")
_QUOTES = ('"', "'", "")
_SAMPLE = 200  # records by which the dialect is judged
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
_NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}


@dataclass(frozen=True)
class Dialect:
    """How a file separates and quotes its fields.

    Attributes:
        delimiter: the character between fields.
        quote: the character around fields that hold a delimiter or a line end; empty if there is none.
        encoding: the encoding of the file.
        header: whether the first record names the columns.
    """

    delimiter: str
    quote: str = '"'
    encoding: str = "utf-8-sig"
    header: bool = True

    def __str__(self) -> str:
        quote = f"quoted by {self.quote}" if self.quote else "not quoted"
        return f"separated by {_NAMES.get(self.delimiter, repr(self.delimiter))}, {quote}"


def sniff(path: Path, encoding: str | None = None) -> Dialect:
    """Return the dialect in which the first records of a file have the same number of columns, and the most of them.

    Raises:
        RequestError: the file cannot be read or is empty.
    """
    encoding = encoding or _marked_encoding(path)
    lines = list(islice(text_lines(path, encoding), 2 * _SAMPLE))
    if not lines:
        raise RequestError(f"{path}: the file is empty; get it again")
    best, columns = Dialect("\t" if path.suffix.startswith(".tsv") else ","), 1
    for quote in _QUOTES:
        for delimiter in _DELIMITERS:
            count = _columns(lines, delimiter, quote)
            # Apostrophes are common in prose, so that they count as quotes only where a line begins with one. The first
            # dialect wins where several fit.
            if count > columns and (quote != "'" or any(line.startswith("'") for line in lines)):
                best, columns = Dialect(delimiter, quote), count
        if columns > 1:
            break
    if not best.quote and _seems_quoted(lines, best.delimiter):
        # A quote that is not closed has hidden the columns; `read_csv` names its line.
        best = replace(best, quote='"')
    # In files with tabs, a quote is mostly an ordinary character; a field in quotes must be seen.
    quoted = any(line.startswith(best.quote) or f"{best.delimiter}{best.quote}" in line for line in lines)
    quote = best.quote if quoted or best.delimiter != "\t" else ""
    return Dialect(best.delimiter, quote, encoding or "utf-8-sig")


def _marked_encoding(path: Path) -> str | None:
    """Return UTF-16 if the first bytes of a file say so, as Excel writes them."""
    with open_binary(path) as handle:
        return "utf-16" if handle.read(2) in (b"\xff\xfe", b"\xfe\xff") else None


def _seems_quoted(lines: list[str], delimiter: str) -> bool:
    """Return whether fields in double quotes are seen, although the file cannot be parsed with them.

    In a file with tabs, most lines must have one: a sentence there may well begin with a quotation mark.
    """
    limit = re.escape(delimiter)
    if delimiter != "\t":
        return any(re.search(rf'(^|{limit})"', line) for line in lines)
    whole = re.compile(rf'(^|{limit})"[^"]*"({limit}|\r?$)')
    return sum(bool(whole.search(line.removesuffix("\n"))) for line in lines) > len(lines) / 2


def _columns(lines: list[str], delimiter: str, quote: str) -> int:
    """Return the number of columns, or 0 if the records differ in it or cannot be parsed."""
    counts = []
    try:
        for record in islice(_reader(iter(lines), delimiter, quote), _SAMPLE):
            if record:
                counts.append(len(record))
    except csv.Error:
        # The sample may end inside of a quoted field; what was read before it counts.
        if len(counts) < 2 or len(lines) < 2 * _SAMPLE:
            return 0
    return counts[0] if counts and len(set(counts)) == 1 else 0


def _reader(lines: Iterator[str], delimiter: str, quote: str) -> Any:
    csv.field_size_limit(MAX_LINE)
    quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=delimiter, quotechar=quote or None, quoting=quoting, strict=True)


def text_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield the lines of a text file with their ends.

    Raises:
        RequestError: the file cannot be read, or is not in this encoding; the message names the line.
    """
    with open_binary(path) as handle:
        if encoding in (None, "utf-8-sig", "utf-8"):
            try:
                for _, line in decode_lines(handle, path):
                    yield f"{line}\n"
            except RequestError as error:
                hint = (
                    ', or name its encoding (encoding = "cp1252" under [files], or `linkbert init --encoding cp1252`)'
                )
                raise RequestError(*(p + hint if "not UTF-8" in p else p for p in error.problems)) from error
        else:
            yield from _encoded_lines(handle, path, encoding)


def _encoded_lines(handle: IO[bytes], path: Path, encoding: str) -> Iterator[str]:
    read = 0
    try:
        with io.TextIOWrapper(handle, encoding=encoding, newline="\n") as text:
            # `readline` is called with a limit because a small gzip file can hold a line of gigabytes.
            for line in iter(lambda: text.readline(MAX_LINE + 1), ""):
                read += 1
                if len(line) > MAX_LINE:
                    raise RequestError(f"{path}:{read}: the line is longer than {MAX_LINE} characters; check the file")
                check_text(line)  # Some encodings can spell half of a UTF-16 pair.
                yield line
    except LookupError as error:
        raise RequestError(f"{path}: no encoding {encoding!r}; name one that Python knows, e.g. latin-1") from error
    except ValueError as error:
        reason = getattr(error, "reason", error)
        raise RequestError(
            f"{path}:{read + 1}: not in the encoding {encoding!r} ({reason}); name the right one"
        ) from error
    except _DAMAGED as error:
        raise RequestError(
            f"{path}:{read + 1}: the compressed data are damaged or cut short; get the file again"
        ) from error


def read_csv(path: Path, dialect: Dialect) -> Iterator[tuple[str, Row]]:
    """Yield (file and line, record) for each record; its columns have the names of the header, or numbers from 0.

    Raises:
        RequestError: a quote is not closed, or a record has another number of columns than the first one.
    """
    reader = _reader(text_lines(path, dialect.encoding), dialect.delimiter, dialect.quote)
    names: list[Any] = []
    while True:
        begin = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise RequestError(
                f"{path}:{begin}: the record that begins here is broken ({error}): a quote that is not closed, or not "
                f'doubled inside of a quoted field; correct it, or say quote = "" under [files] of the task file if '
                "quotes are ordinary characters"
            ) from error
        if record is None:
            return
        if not record:
            continue
        if not names:
            names = record if dialect.header else list(range(len(record)))
            if len(set(names)) < len(names):
                double = next(name for name in names if names.count(name) > 1)
                raise RequestError(f"{path}:{begin}: the column {double!r} occurs twice; give each column its own name")
            if dialect.header:
                continue
        if len(record) != len(names):
            raise RequestError(
                f"{path}:{begin}: expected {len(names)} columns, found {len(record)}; the fields are {dialect}; "
                "correct the line, or the dialect in the task file"
            )
        yield f"{path}:{begin}", dict(zip(names, record, strict=True))


def read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) for each row of a Parquet file. Numbers of classes become names, if `datasets` wrote the file.

    Raises:
        RequestError: the file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            features = _features(file.schema_arrow)
            for batch in file.iter_batches(batch_size=1000):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}: row {number}", {key: _named(row[key], features.get(key)) for key in row}
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such file") from error
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        raise RequestError(f"{path}: not a whole Parquet file ({error}); get it again") from error


def _features(schema: Any) -> Mapping[str, Any]:
    """Return column -> its type as `datasets` has written it into a Parquet file; empty if another program wrote it."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    from datasets import Features

    return Features.from_arrow_schema(schema)


def read_hub_dataset(name: str, config: str | None, split: str) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) for each row of a dataset of the Hugging Face hub; numbers of classes become their names.

    Raises:
        RequestError: the dataset cannot be loaded; the message passes on the reason.
    """
    import datasets

    try:
        loaded: Any = datasets.load_dataset(name, config, split=split)
    except Exception as error:
        # The library raises errors of many types for a missing network, dataset, configuration or split.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RequestError(
            f"dataset {name!r}, configuration {config or 'default'}, split {split!r}: it cannot be loaded ({reason}); "
            "check the names, or save it as a file (`dataset.to_parquet`) and name that file"
        ) from error
    for number, row in enumerate(loaded, start=1):
        yield f"{name} {split}: row {number}", {key: _named(value, loaded.features[key]) for key, value in row.items()}


def _named(value: Any, feature: Any) -> Any:
    """Return a value with the names of classes in place of their numbers."""
    if feature is None:
        return value
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        return feature.int2str(value) if value is not None and value >= 0 else None
    inner = getattr(feature, "feature", None)
    if inner is not None and isinstance(value, list):
        return [_named(item, inner) for item in value]
    return value
