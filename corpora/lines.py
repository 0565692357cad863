"""Read text files line by line, with the limits and error messages that all line-based readers share."""

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

# Bytes. The longest line of the benchmark's corpora has about 40 thousand characters, so this limit refuses no real
# file; it keeps a compressed file with one endless line from filling the memory.
MAX_LINE = 4_000_000
# The errors that `zipfile` raises for a damaged archive. RuntimeError is raised when a damaged header says that the
# member is encrypted or uses an unknown compression method (NotImplementedError, a subclass).
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError,
)  # fmt: skip


def at_most(limit: int, refusal: LinkbertError) -> Callable[[bytes], bytes]:
    """Return a function that returns each piece of a stream unchanged, until they exceed `limit` bytes in total.

    Args:
        limit: the total number of bytes that may pass.
        refusal: the error that the function raises when the total is larger.
    """
    left = limit

    def count(piece: bytes) -> bytes:
        nonlocal left
        left -= len(piece)
        if left < 0:
            raise refusal
        return piece

    return count


def open_binary(path: Path) -> IO[bytes]:
    """Return a file opened for reading bytes; it is decompressed when its name ends in `.gz`.

    Raises:
        RequestError: the file is missing, is a folder, or cannot be read.
    """
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise RequestError(f"{path}: expected a file, found a folder; name the file inside it") from error
    except OSError as error:
        raise RequestError(f"{path}: the file cannot be read ({error.strerror})") from error


def decode_lines(handle: IO[bytes], path: Path | str) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, text without its `\n`) for each line of a binary stream.

    Only `\n` ends a line: some corpora hold U+2029 (paragraph separator) and similar characters inside a field, where
    `str.splitlines` would cut it.

    Args:
        handle: the stream, read from its current position.
        path: the name of the stream, with which error messages start.

    Raises:
        RequestError: a line is not UTF-8 or longer than `MAX_LINE` bytes, or compressed data are damaged.
    """
    number = 0
    try:
        # `readline` is called with a limit because a small gzip file can hold a line of gigabytes.
        for number, raw in enumerate(iter(lambda: handle.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise RequestError(
                    f"{path}:{number}: the line is longer than {MAX_LINE} bytes, which no line of a corpus is; "
                    "check that this is the right file"
                )
            try:
                # "utf-8-sig" skips a byte order mark, which can only stand at the start of a file.
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
    """Yield (line number from 1, text) for each line of a UTF-8 file, plain or, if its name ends in `.gz`, gzipped.

    Raises:
        RequestError: the file cannot be opened or is empty, or one of the errors of `decode_lines`.
    """
    empty = True
    with open_binary(path) as handle:
        for line in decode_lines(handle, path):
            empty = False
            yield line
    if empty:
        raise RequestError(f"{path}: the file is empty; get it again")


def split_columns(path: Path, number: int, line: str, columns: tuple[str, ...]) -> list[str]:
    """Return the fields of a tab-separated line that must have exactly these columns.

    Quotation marks are ordinary characters: some of BLURB's sentences start with one, which the `csv` module removes.

    Args:
        path: the file, for the error message.
        number: the line number, for the error message.
        line: the line without its line end.
        columns: the names of the expected columns.

    Raises:
        RequestError: the line has too few or too many columns.
    """
    # The limit makes at most one field too many, so that a line of a million tabs does not make a million strings.
    fields = line.split("\t", len(columns))
    if len(fields) != len(columns):
        raise RequestError(
            f"{path}:{number}: expected {len(columns)} tab-separated columns ({', '.join(columns)}), "
            f"found {line.count(chr(9)) + 1}; correct the line or get the file again"
        )
    return fields
