"""Reading lines from a file or from standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RequestError


def require_input(file: str) -> None:
    """Make sure that standard input is there if it is asked for.

    Raises:
        RequestError: it is closed.
    """
    if file == "-" and sys.stdin is None:  # started with a closed standard input, as service managers may do
        raise RequestError("standard input is closed; open it, or name a file instead of -")


@contextmanager
def input_lines(file: str) -> Iterator[Iterator[str]]:
    """Yield the lines of a file, or of standard input for `-`.

    Raises:
        RequestError: the file cannot be read, or standard input is closed.
    """
    from ..corpora.lines import decode_lines, open_binary

    if file != "-":
        with open_binary(Path(file)) as handle:
            yield (line for _, line in decode_lines(handle, file))
        return
    require_input(file)
    stream = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read().encode())
    yield (line for _, line in decode_lines(stream, "standard input"))
