"""Arrow files that are written once, streaming, and memory-mapped afterwards."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_ROWS_PER_BATCH = 1000
_log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Where derived data lie: `LINKBERT_CACHE_DIR`, else `~/.cache/linkbert` (or under `XDG_CACHE_HOME`)."""
    chosen = os.environ.get("LINKBERT_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "linkbert"


def cached_dataset(
    name: str,
    key: dict[str, Any],
    schema: pa.Schema,
    rows: Callable[[], tuple[Iterable[dict], Callable[[], dict]]],
) -> tuple[Dataset, dict]:
    """Return a memory-mapped dataset and its notes, made on first use.

    Args:
        name: opens the file name, for a person who looks into the cache.
        key: everything that the rows depend on; another key is another file.
        schema: the Arrow schema of the rows.
        rows: makes (the rows, a function that returns notes once the rows are exhausted).

    Raises:
        RunError: the cache cannot be written.
    """
    import pyarrow as pa
    from datasets import Dataset

    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_dir() / f"{name}-{digest}.arrow"
    notes_path = path.with_suffix(".json")
    for attempt in range(2):
        if not (path.exists() and notes_path.exists()):
            iterator, notes = rows()
            try:
                write_arrow(path, schema, iterator)
                with atomic_write(notes_path) as handle:
                    handle.write(json.dumps(notes()).encode())
            except OSError as error:
                raise RunError(
                    f"{path.parent}: the cache cannot be written ({error.strerror}); "
                    "free space or set LINKBERT_CACHE_DIR"
                ) from error
        try:
            return Dataset.from_file(str(path)), json.loads(notes_path.read_text(encoding="utf-8"))
        except (pa.ArrowException, OSError, ValueError):
            if attempt:
                raise
            _log.warning("%s: the cached file is damaged; it is made again", path)
            path.unlink(missing_ok=True)
    raise RunError(f"{path}: the cached file cannot be read; remove it")


def write_arrow(path: Path, schema: pa.Schema, rows: Iterable[dict]) -> None:
    """Write rows as an Arrow stream in one step; memory holds one batch of rows at a time."""
    import pyarrow as pa

    iterator = iter(rows)
    with atomic_write(path) as handle, pa.ipc.new_stream(handle, schema) as writer:
        while batch := list(islice(iterator, _ROWS_PER_BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
