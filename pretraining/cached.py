"""What is made once from a corpus, and kept in linkbert's cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..files import atomic_folder, cache_dir
from ..locks import commit_lock


def cached_folder(kind: str, made_of: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, and make it if it is not there. Of several processes, one does while others wait.

    Args:
        kind: with which the folder's name begins.
        made_of: a text that differs whenever the content does.
        make: writes the files into a temporary folder.
    """
    folder = cache_dir() / "pretraining" / f"{kind}{hashlib.sha256(made_of.encode()).hexdigest()[:32]}"
    with commit_lock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            with atomic_folder(folder) as staged:
                make(staged)
    return folder
