"""The cache of computed intervals and tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..files import atomic_write_text, cache_dir
from .aggregate import BLURB_TASKS

_VERSION = 4  # of the method; a new one computes everything again


def digest_of(key: Sequence[Any]) -> str:
    """Return the name under which a number is kept: it depends on the method, and on all predictions behind it."""
    return hashlib.sha256(json.dumps([_VERSION, BLURB_TASKS, key]).encode()).hexdigest()[:32]


def from_cache(key: Sequence[Any]) -> Any:
    """Return what the cache has under a key; None if it is not there, or cannot be read."""
    with suppress(OSError, ValueError, RecursionError):
        return json.loads(_path(key).read_text(encoding="utf-8"))
    return None


def into_cache(key: Sequence[Any], document: Any) -> None:
    """Keep a JSON document in the cache, as far as that can be written."""
    with suppress(OSError):  # The cache saves time, and is not needed.
        atomic_write_text(_path(key), json.dumps(document))


def _path(key: Sequence[Any]) -> Path:
    return cache_dir() / "uncertainty" / f"{digest_of(key)}.json"
