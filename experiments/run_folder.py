"""The life of a run folder: whether the run is there already, its beginning, its end, its failure, and cleaning up."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import LinkbertError, PeerLostError, RequestError
from ..files import atomic_write_text, discard, require_writable, sweep
from ..locks import run_lock
from .identity import RunIdentity
from .options import RunOptions
from .paths import RunPaths
from .results import Result, now, to_text
from .run_record import RUN_FILE, RunRecord, read_run, write_run
from .store import read_result

FAILED = "failed.json"
_log = logging.getLogger(__name__)

Record = TypeVar("Record", Result, RunRecord)


def refuse_failed(folder: Path) -> None:
    """Make sure that the run in a folder did not fail.

    Raises:
        RequestError: it did; the message says why.
    """
    if (folder / FAILED).is_file():
        failed = read_json(folder / FAILED, OWN_LIMIT)
        raise RequestError(f"{folder}: the run failed: {failed.get('error') if isinstance(failed, dict) else failed}")


@dataclass(frozen=True)
class Existing:
    """What is there already of a run that is asked for.

    Attributes:
        result: its stored result, unless the run folder is newer.
        trained: whether the run folder holds a trained model whose result is not stored.
    """

    result: Result | None = None
    trained: bool = False


def look_up(paths: RunPaths, identity: RunIdentity, options: RunOptions) -> Existing:
    """Look for the result and the folder of a run.

    Args:
        paths: where the run lies.
        identity: what makes another run the same run.
        options: with `overwrite`, a different run counts as nothing; with `restart`, the same run does as well.

    Raises:
        RequestError: the result or folder of a different run is there, or one that cannot be read, and `overwrite` is
            not set.
    """
    result = _if_same(paths.result_file, partial(read_result, paths.result_file), identity, options)
    record = None
    if (paths.run_dir / RUN_FILE).exists():
        record = _if_same(paths.run_dir, partial(read_run, paths.run_dir), identity, options)
    if options.restart:
        return Existing()
    trained = record is not None and record.is_finished
    # The folder is newer than the result if `--restart` was stopped, or killed before its result was stored.
    if result is not None and record is not None and result.run_dir == str(paths.run_dir):
        newer = not (trained and _is_result_of(result, record))
        return Existing(trained=trained) if newer else Existing(result)
    return Existing(result) if result is not None else Existing(trained=trained)


def _if_same(path: Path, read: Callable[[], Record], identity: RunIdentity, options: RunOptions) -> Record | None:
    """Return a result or run record if it is of the same run, and None if nothing is there or it may be replaced."""
    if not path.exists():
        return None
    try:
        record = read()
    except RequestError as error:
        if options.overwrite:
            return None
        raise RequestError(f"{error}; --overwrite replaces it") from error
    found = identity.differences(RunIdentity.of(record))
    if found and not options.overwrite:
        raise RequestError(
            f"{path}: a different run is there: {'; '.join(found)}. Use --overwrite to replace it, or --name to keep "
            "both"
        )
    return None if found else record


def _is_result_of(result: Result, record: RunRecord) -> bool:
    return result.trained_weights_sha256 == record.trained_weights_sha256


@contextmanager
def holding_run(paths: RunPaths) -> Iterator[None]:
    """Keep other processes from working on the same run while the block runs.

    Raises:
        RequestError: another process works on it, or the folder of runs cannot be written.
    """
    require_writable(paths.run_dir.parent, "the run folder")
    with run_lock(paths.lock, str(paths.run_dir)):
        yield


def begin_run(paths: RunPaths, record: RunRecord, *, restart: bool = False) -> RunRecord:
    """Prepare the run folder, for a new run or to continue the same run that did not finish.

    A finished run that is replaced is kept beside the folder until the new run is done (see `clean_up`).

    Args:
        paths: where the run lies; the caller holds the run.
        record: the run that begins.
        restart: whether an unfinished run starts anew.

    Returns:
        The record as it was written, with the time when the run began.

    Raises:
        RequestError: the folder holds something that is not a run, or an output folder cannot be written.
    """
    folder = paths.run_dir
    require_writable(folder, "the run folder")
    require_writable(paths.result_file.parent, "the folder of results")
    sweep(folder.parent, paths.stem)
    there = _record_in(folder)
    if there is not None and not there.is_finished and not restart and _is_same_run(record, there):
        (folder / FAILED).unlink(missing_ok=True)
        sweep(folder, "*")
        return replace(record, started=there.started or now())
    if there is not None and there.is_finished:
        _keep_aside(paths, there)
    elif any(folder.iterdir()):
        _log.info("%s: an earlier run did not finish; it begins anew", folder)
        discard(folder)
    require_writable(folder, "the run folder")
    record = replace(record, started=now())
    write_run(folder, record)
    return record


def _is_same_run(record: RunRecord, other: RunRecord) -> bool:
    return not RunIdentity.of(record).differences(RunIdentity.of(other))


def _record_in(folder: Path) -> RunRecord | None:
    """Return the record of the run in a folder, or None if there is none or it was never written completely.

    Raises:
        RequestError: the folder holds files that are not those of a run.
    """
    if (folder / RUN_FILE).exists():
        try:
            return read_run(folder)
        except RequestError:  # `look_up` has allowed to replace it.
            return None
    # A run that was stopped at its very beginning leaves nothing but these names.
    if all(path.name == FAILED or path.name.startswith(f".{RUN_FILE}") for path in folder.iterdir()):
        return None
    raise RequestError(
        f"{folder}: the run folder holds something that is not a run; choose another --runs-dir or --name"
    )


def _keep_aside(paths: RunPaths, record: RunRecord) -> None:
    """Keep the finished run to which the stored result belongs until the run that replaces it is done."""
    try:
        stored = read_result(paths.result_file) if paths.result_file.exists() else None
    except RequestError:
        stored = None
    if paths.replaced.exists() and not (stored and _is_result_of(stored, record)):
        # The run aside is the one with the stored result; this one was never scored, and is the one to give up.
        _log.info("%s: its result was never stored; it begins anew", paths.run_dir)
        discard(paths.run_dir)
        return
    _log.info("%s: kept as %s until the new run is done", paths.run_dir, paths.replaced.name)
    shutil.rmtree(paths.replaced, ignore_errors=True)
    paths.run_dir.replace(paths.replaced)


def clean_up(paths: RunPaths) -> None:
    """Remove what only an unfinished run needs; the caller holds the run."""
    shutil.rmtree(paths.checkpoints, ignore_errors=True)
    shutil.rmtree(paths.replaced, ignore_errors=True)
    (paths.run_dir / FAILED).unlink(missing_ok=True)
    sweep(paths.run_dir, "*")
    sweep(paths.run_dir.parent, paths.stem)


def finish_clean_up(paths: RunPaths) -> None:
    """Finish the clean-up of a run that was stopped after its result was stored."""
    left = (paths.checkpoints, paths.replaced, paths.run_dir / FAILED)
    # If another process holds the run, that process cleans up; a folder that is not a run is not touched.
    with suppress(RequestError):
        if any(path.exists() for path in left) and read_run(paths.run_dir).is_finished:
            with holding_run(paths):
                clean_up(paths)


def note_failure(folder: Path, error: Exception) -> None:
    """Write `failed.json` into the run folder, unless another process of the run has written there why it ended."""
    if isinstance(error, PeerLostError) and (folder / FAILED).exists():
        return
    record = {
        "error": str(error),
        "type": type(error).__name__,
        "time": now(),
        # An error of this package explains itself; any other error is a defect, and its traceback is needed to find it.
        "traceback": None if isinstance(error, LinkbertError) else traceback.format_exc(),
    }
    with suppress(OSError):  # The failure itself is what the user has to know, not that it could not be written down.
        atomic_write_text(folder / FAILED, to_text(record))
