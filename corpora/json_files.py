"""Read JSON strictly and with size limits; every error names the file and, where there is one, the line."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import RequestError
from .lines import open_binary, read_lines

OWN_LIMIT = 10_000_000  # bytes; for files that linkbert itself wrote, such as results, `run.json` and checksums
# No number here needs more digits, and a float holds any number with 308 digits, so that `float(number)` cannot fail.
_MAX_DIGITS = 100
_MAX_DOCUMENT = 128_000_000  # bytes; BioASQ's training file, the largest JSON document here, has less than half of it


def read_json(path: Path, limit: int | None = None) -> Any:
    """Return the content of a file that is one JSON document.

    Args:
        path: the file; it is decompressed when its name ends in `.gz`.
        limit: the largest allowed size in bytes after decompression; None means the limit for corpora, 128 MB.

    Raises:
        RequestError: the file is missing, too large, damaged, not UTF-8, or not strict JSON.
    """
    limit = limit or _MAX_DOCUMENT
    try:
        # One byte above the limit shows that the file is too large, however large it is.
        with open_binary(path) as handle:
            content = handle.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(f"{path}: the compressed data are damaged or cut short; get the file again") from error
    if len(content) > limit:
        raise RequestError(
            f"{path}: larger than {limit} bytes, the limit for files of this kind; check that it is the right file"
        )
    try:
        # "utf-8-sig" skips the byte order mark that some editors put at the start of a file.
        return _strict(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 (at byte {error.start}); convert the file to UTF-8") from error
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{path}:{error.lineno}: not JSON ({error.msg}); the file may be cut short, get it again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: not strict JSON ({error}); correct the file or get it again") from error


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each line that is not blank.

    Args:
        path: the file; it is decompressed when its name ends in `.gz`.

    Raises:
        RequestError: the file cannot be read or is empty, or a line is not exactly one JSON object.
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, parse_object(line, f"{path}:{number}")


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object that a line of text holds.

    Args:
        text: the line.
        where: the position of the line, e.g. `FILE:LINE`, with which error messages start.

    Raises:
        RequestError: the line is not strict JSON, or it is JSON but not an object.
    """
    try:
        value = _strict(text)
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); the line may be cut short, get the file again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{where}: not strict JSON ({error}); correct the line") from error
    if not isinstance(value, dict):
        raise RequestError(f"{where}: expected a JSON object, found {type(value).__name__}; correct the line")
    return value


def field(record: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return `record[key]` after checking that it is there and has the expected type.

    Args:
        record: a parsed JSON value; if it is not an object, the field counts as missing.
        key: the name of the field.
        kind: the accepted type or types.
        where: the position of the record, e.g. `FILE:LINE`, with which error messages start.

    Raises:
        RequestError: the field is missing, has another type, or is a string that UTF-8 cannot encode.
    """
    names = " or ".join(item.__name__ for item in (kind if isinstance(kind, tuple) else (kind,)))
    if not isinstance(record, dict) or key not in record:
        raise RequestError(f"{where}: the field {key!r} is missing (expected {names}); add it or get the file again")
    value = record[key]
    # bool is a subclass of int in Python, but `true` is not a number in JSON.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RequestError(
            f"{where}: the field {key!r} should be {names}, found {type(value).__name__}; "
            "correct it or get the file again"
        )
    if isinstance(value, str):
        try:
            check_text(value)
        except ValueError as error:
            raise RequestError(f"{where}: the field {key!r} holds {error}; correct it or get the file again") from error
    return value


def check_text(text: str) -> None:
    """Check that a text can be encoded as UTF-8.

    Raises:
        ValueError: the text holds a lone surrogate (half of a UTF-16 pair), which an escape in JSON can spell.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("a lone surrogate, half of a UTF-16 pair, which UTF-8 cannot encode") from error


def _strict(text: str) -> Any:
    """Return the value of a JSON text that can be written again as UTF-8: no NaN or infinity, no lone surrogate.

    Raises:
        ValueError: the text is not JSON (as JSONDecodeError), or its value cannot be written again.
        RecursionError: the text is nested too deeply for Python's parser.
    """
    value = json.loads(text, parse_constant=_reject_constant, parse_float=_finite, parse_int=_whole)
    # Only an escape like \ud800 can bring in a surrogate, so most texts need no check.
    if "\\ud" in text.lower():
        check_text(json.dumps(value, ensure_ascii=False))
    return value


def _whole(text: str) -> int:
    # This is checked before `int`, which refuses more than 4300 digits with a message about Python's internals.
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    # `float` turns a number like 1e999 into infinity without an error.
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _reject_constant(name: str) -> None:
    # Python's parser accepts NaN, Infinity and -Infinity unless it is told otherwise.
    raise ValueError(f"{name} is not a JSON number")
