"""Reading JSON with errors that name the file and, for JSON lines, the line."""

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

OWN_LIMIT = 10_000_000  # bytes of a file that this tool writes: a result, a run, checksums
_MAX_DIGITS = 100  # of a whole number: more than any here, fewer than a float can hold
_MAX_DOCUMENT = 128_000_000  # bytes; BioASQ's training file, the largest here, has less than half of it


def read_json(path: Path, limit: int | None = None) -> Any:
    """Read one JSON document.

    Args:
        path: the file, plain or gzipped.
        limit: bytes that it may have; what a corpus may have when None.

    Raises:
        RequestError: empty, not UTF-8, or not JSON, with line and column.
    """
    limit = limit or _MAX_DOCUMENT
    try:
        with open_binary(path) as handle:
            content = handle.read(limit + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(f"{path}: the compressed data are damaged or cut short; get the file again") from error
    if len(content) > limit:
        raise RequestError(f"{path}: larger than {limit} bytes, which no file of this kind is; refused")
    try:
        return _strict(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 at byte {error.start}; convert the file to UTF-8") from error
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{path}:{error.lineno}: not JSON ({error.msg}); it may be cut short, get it again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: not strict JSON ({error})") from error


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) for each non-blank line.

    Raises:
        RequestError: a line that is not one JSON object.
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, parse_object(line, f"{path}:{number}")


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Parse one line as a JSON object; `where` opens the message.

    Raises:
        RequestError: not JSON, or JSON that is no object.
    """
    try:
        value = _strict(text)
    except json.JSONDecodeError as error:
        raise RequestError(
            f"{where}: not JSON ({error.msg} at column {error.colno}); the line may be cut short, get the file again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{where}: not strict JSON ({error})") from error
    if not isinstance(value, dict):
        raise RequestError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value


def field(record: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return `record[key]` when it is there and of this type.

    Raises:
        RequestError: naming `where`, the key, and what was found.
    """
    names = " or ".join(item.__name__ for item in (kind if isinstance(kind, tuple) else (kind,)))
    if not isinstance(record, dict) or key not in record:
        raise RequestError(f"{where}: the field {key!r} is missing (expected {names})")
    value = record[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RequestError(f"{where}: the field {key!r} should be {names}, found {type(value).__name__}")
    if isinstance(value, str):
        try:
            check_text(value)
        except ValueError as error:
            raise RequestError(f"{where}: the field {key!r} holds {error}") from error
    return value


def check_text(text: str) -> None:
    """Make sure that a text can be written as UTF-8.

    Raises:
        ValueError: it holds a lone surrogate, which JSON can spell and no text can have.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("a lone surrogate in a text") from error


def _strict(text: str) -> Any:
    """Parse JSON that can be written again: finite numbers, and no half of a character.

    Raises:
        ValueError: it cannot.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(text, parse_constant=_reject_constant, parse_float=_finite, parse_int=_whole)
    if "\\ud" in text.lower():
        check_text(json.dumps(value, ensure_ascii=False))
    return value


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
