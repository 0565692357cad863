"""Where computed intervals and tests are kept: in the user's cache, and, to be published, beside the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..experiments.results import to_text
from ..files import atomic_write_text, cache_dir, write_output
from .aggregate import BLURB_TASKS

FILE = "intervals.json"  # in a folder of results
_VERSION = 2  # of the method; a new one computes everything again


def digest_of(key: Sequence[Any]) -> str:
    """Return the name under which a number is kept: it depends on the method, and on all predictions behind it."""
    return hashlib.sha256(json.dumps([_VERSION, BLURB_TASKS, key]).encode()).hexdigest()[:32]


def from_cache(key: Sequence[Any]) -> Any:
    """Return what the cache has under a key; None if it is not there, or cannot be read."""
    with suppress(OSError, ValueError):
        return json.loads(_path(key).read_text(encoding="utf-8"))
    return None


def into_cache(key: Sequence[Any], document: Any) -> None:
    """Keep a JSON document in the cache, as far as that can be written."""
    with suppress(OSError):  # The cache saves time, and is not needed.
        atomic_write_text(_path(key), json.dumps(document))


def _path(key: Sequence[Any]) -> Path:
    return cache_dir() / "uncertainty" / f"{digest_of(key)}.json"


def read_kept(folder: Path) -> Mapping[str, Any]:
    """Return what lies beside the results of a folder, by digest; nothing if there is no such file.

    Raises:
        RequestError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["numbers"])
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
    write_output(path, to_text({"about": about, "numbers": dict(sorted(numbers.items()))}).encode(), FILE)
    return path
