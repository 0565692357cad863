"""Streaming text lines with the errors that every line-based reader shares."""

from __future__ import annotations

import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ..errors import LinkbertError, RequestError

# Longer than any real line by far: the longest of the benchmark's corpora has 40 thousand characters.
MAX_LINE = 4_000_000
# What reading a damaged zip archive raises: RuntimeError where it claims to be encrypted or of another kind.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


def at_most(limit: int, refusal: LinkbertError) -> Callable[[bytes], bytes]:
    """Make a function that passes pieces of a stream on, and raises `refusal` beyond so many bytes in all."""
    left = limit

    def count(piece: bytes) -> bytes:
        nonlocal left
        left -= len(piece)
        if left < 0:
            raise refusal
        return piece

    return count


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading, through gzip when its name ends in `.gz`.

    Raises:
        RequestError: missing, a folder, or not readable.
    """
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise RequestError(f"{path}: expected a file, found a folder; name the file inside it") from error
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror})") from error


def decode_lines(handle: IO[bytes], path: Path | str) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, text without its `\n`).

    Lines end at `\n` alone: the corpora hold U+2029 and the like inside fields, where `str.splitlines` would cut.

    Raises:
        RequestError: bytes that are not UTF-8, an absurdly long line, or a truncated gzip stream, with the line.
    """
    number = 0
    try:
        # A line is never read whole before its length is known: a small gzip file can hold one of gigabytes.
        for number, raw in enumerate(iter(lambda: handle.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise RequestError(f"{path}:{number}: the line is longer than {MAX_LINE} bytes; this is no corpus")
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise RequestError(
                    f"{path}:{number}: not UTF-8 (byte 0x{raw[error.start]:02x} at column {error.start + 1}); "
                    "convert the file to UTF-8"
                ) from error
            yield number, text.removesuffix("\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RequestError(
            f"{path}:{number + 1}: the compressed data are damaged or cut short; get the file again"
        ) from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a plain or gzipped UTF-8 file (see `decode_lines`).

    Raises:
        RequestError: also when the file is empty.
    """
    empty = True
    with open_binary(path) as handle:
        for line in decode_lines(handle, path):
            empty = False
            yield line
    if empty:
        raise RequestError(f"{path}: the file is empty; get it again")


def split_columns(path: Path, number: int, line: str, columns: tuple[str, ...]) -> list[str]:
    """Split a tab-separated line into exactly these columns; no quoting rule.

    Raises:
        RequestError: too few or too many columns, with file and line.
    """
    fields = line.split("\t", len(columns))
    if len(fields) != len(columns):
        raise RequestError(
            f"{path}:{number}: expected {len(columns)} tab-separated columns ({', '.join(columns)}), "
            f"found {line.count(chr(9)) + 1}; correct the line or get the file again"
        )
    return fields
