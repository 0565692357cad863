"""Intervals and tests that lie beside results, for readers who do not have the predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import write_output
from .results import to_text

FILE = "intervals.json"  # in a folder of results


def read_kept(folder: Path) -> Mapping[str, Any]:
    """Return what lies beside the results of a folder, by digest; nothing if there is no such file.

    Raises:
        RequestError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))["numbers"]
        if not isinstance(numbers, dict):
            raise ValueError("`numbers` should be an object")
        return numbers
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(
            f"{path}: cannot be read ({type(error).__name__}: {error}); remove it, or write it again with "
            "`linkbert leaderboard --keep-intervals`"
        ) from error


def write_kept(folder: Path, numbers: Mapping[str, Any]) -> Path:
    """Write numbers beside the results of a folder, and return the file.

    Raises:
        RequestError: it cannot be written.
    """
    path = folder / FILE
    about = "intervals and tests, computed from predictions that are not published; the names depend on the predictions"
    write_output(path, to_text({"about": about, "numbers": dict(sorted(numbers.items()))}).encode())
    return path
