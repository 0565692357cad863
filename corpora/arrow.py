"""Write Arrow files once, batch by batch, and memory-map them on every later use."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..files import atomic_write, cache_dir

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_ROWS_PER_BATCH = 1000  # rows in memory at a time while a file is written
_log = logging.getLogger(__name__)


def cached_dataset(
    name: str,
    key: dict[str, Any],
    schema: pa.Schema,
    rows: Callable[[], tuple[Iterable[dict], Callable[[], dict[str, int]]]],
    counts: Collection[str],
) -> tuple[Dataset, dict[str, int]]:
    """Return a memory-mapped dataset and its notes; write both into the cache when they are not there.

    Args:
        name: start of the file name, so that a person can recognise the file in the cache folder.
        key: JSON-serialisable values that determine the rows; a different key gives a different file.
        schema: Arrow schema of the rows.
        rows: function that returns the rows and a second function. The second function is called after the last row
            and returns the notes, a dict of numbers.
        counts: the names of these numbers.

    Raises:
        RunError: the cache cannot be written.
    """
    # These libraries load slowly, and most commands do not need them.
    import pyarrow as pa
    from datasets import Dataset

    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_dir() / f"{name}-{digest}.arrow"
    notes_path = path.with_suffix(".json")
    # The second attempt is for a damaged file, which the first attempt removes.
    for attempt in range(2):
        if not (path.exists() and notes_path.exists()):
            iterator, notes = rows()
            try:
                write_arrow(path, schema, iterator)
                # The notes are written last. Without them the rows count as missing, so a stop in between does no harm.
                with atomic_write(notes_path) as handle:
                    handle.write(json.dumps(notes()).encode())
            except OSError as error:
                raise RunError(
                    f"{path.parent}: the cache cannot be written ({error.strerror}); "
                    "free disk space, or set LINKBERT_CACHE_DIR to another folder"
                ) from error
        try:
            return Dataset.from_file(str(path)), _read_counts(notes_path, counts)
        except (pa.ArrowException, OSError, ValueError):
            if attempt:
                raise
            _log.warning("%s: the cached file is damaged and is written again", path)
            path.unlink(missing_ok=True)
    # The second attempt always returns or raises; this line is for the type checker.
    raise RunError(f"{path}: the cached file cannot be read; remove it and run the command again")


def _read_counts(path: Path, names: Collection[str]) -> dict[str, int]:
    """Read the notes of a cached dataset.

    Raises:
        ValueError: the file does not hold these numbers and nothing else.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.keys() != set(names) or not all(type(n) is int for n in found.values()):
        raise ValueError(f"{path}: should hold the numbers {', '.join(names)}")
    return found


def write_arrow(path: Path, schema: pa.Schema, rows: Iterable[dict]) -> None:
    """Write rows to a file as an Arrow stream; the file appears at `path` only when it is complete.

    Only one batch of rows is in memory at a time, so memory does not grow with the corpus.
    """
    import pyarrow as pa

    iterator = iter(rows)
    with atomic_write(path) as handle, pa.ipc.new_stream(handle, schema) as writer:
        while batch := list(islice(iterator, _ROWS_PER_BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
