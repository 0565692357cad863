"""Checks of the folders: free space, the cache, the prepared corpora, and whether file locks work."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from ..corpora.prepared import prepared_path
from ..errors import RequestError
from ..files import cache_dir, require_writable
from ..locks import run_lock
from ..tasks.registry import TASKS
from .doctor_finding import Finding, gigabytes, problem_of

_LITTLE_SPACE = 5e9  # bytes
_NO_SPACE = 0.5e9  # The weights of a base model take 0.44 GB in fp32, and a run saves them.
_FILLED_BY_RUNS = ("runs", "results", "cache")
# How to use another disk than that of a folder.
_ELSEWHERE = {
    "runs": "name another folder with --runs-dir",
    "results": "name another folder with --results-dir",
    "data": "name another folder with --data-dir",
    "cache": "set LINKBERT_CACHE_DIR to another folder",
    "hugging face": "set HF_HOME to another folder",
}
_SIZE_SECONDS = 2.0  # A cache can hold very many files, on a slow disk.
# File systems, and the mount options with which they lock files on one machine only; "" means always.
_LOCAL_LOCKS = {
    "nfs": ("nolock", "local_lock=all", "local_lock=flock"),
    "nfs4": ("local_lock=all", "local_lock=flock"),
    "lustre": ("localflock",),
    "fuse.sshfs": ("",),
}


def check_space(name: str, folder: Path, *, written: bool = True) -> Finding:
    """Check that there is room in a folder and, if runs write to it, that it can be written.

    Args:
        name: what the folder holds, e.g. "runs"; a key of `_ELSEWHERE`.
        folder: the folder. If it does not exist yet, the nearest existing parent folder is checked.
        written: whether every run writes to it.
    """
    try:
        if written:
            require_writable(folder, f"the folder of {name}", create=False)
        free = shutil.disk_usage(nearest_existing(folder)).free
    except RequestError as error:
        remedy = f"Make it a folder that can be written, or {_ELSEWHERE[name]}."
        return Finding("disk", name, "problem", problem_of("disk", name, error).found, remedy)
    found = f"{gigabytes(free)} free in {folder}"
    if free >= _LITTLE_SPACE:
        return Finding("disk", name, "ok", found)
    remedy = f"Make room, or {_ELSEWHERE[name]}, because less than {gigabytes(_LITTLE_SPACE)} is soon used up."
    full = free < _NO_SPACE and name in _FILLED_BY_RUNS
    return Finding("disk", name, "problem" if full else "note", found, remedy)


def check_cache() -> Finding:
    """Check that the cache can be written, and measure its size."""
    folder = cache_dir()
    chosen = "LINKBERT_CACHE_DIR" if os.environ.get("LINKBERT_CACHE_DIR") else "default"
    try:
        require_writable(folder, "the cache", create=False)
    except RequestError as error:
        found = problem_of("cache", "linkbert", error).found
        remedy = "Set LINKBERT_CACHE_DIR to a folder that you can write to."
        return Finding("cache", "linkbert", "problem", found, remedy)
    return Finding("cache", "linkbert", "ok", f"{size_text(folder)} in {folder} ({chosen})")


def check_data(data_dir: Path) -> list[Finding]:
    """Check which corpora are prepared."""
    get = (
        "Run `linkbert data download` for public corpora and `linkbert data prepare --source FOLDER` for your files; "
        "`linkbert data list` says how to get each."
    )
    if not data_dir.is_dir():
        found = f"{data_dir} is not a folder" if data_dir.exists() else f"there is no folder {data_dir}"
        remedy = f"For the benchmark: {get[:-1]}, or name another folder with --data-dir or LINKBERT_DATA_DIR."
        # Data of a user's own need no such folder.
        return [Finding("data", "prepared", "problem" if data_dir.exists() else "note", found, remedy)]
    missing = {
        task.name: [split for split in task.splits if not prepared_path(data_dir, task.release, split).is_file()]
        for task in TASKS.values()
    }
    complete = [name for name, splits in missing.items() if not splits]
    partial = {name: splits for name, splits in missing.items() if 0 < len(splits) < len(TASKS[name].splits)}
    found = f"{len(complete)} of {len(TASKS)} corpora in {data_dir}" + (f": {', '.join(complete)}" if complete else "")
    if not complete and not partial:
        return [Finding("data", "prepared", "problem", found, get)]
    findings = [Finding("data", "prepared", "ok", found)]
    if lacking := [name for name, splits in missing.items() if splits]:
        names = (f"{name} ({', '.join(partial[name])})" if name in partial else name for name in lacking)
        findings.append(Finding("data", "missing", "note", f"{len(lacking)}: {', '.join(names)}", get))
    return findings


def check_locks(runs_dir: Path) -> Finding:
    """Check that two holders of the lock of a run exclude each other in the folder of runs."""
    folder = nearest_existing(runs_dir)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".linkbert-doctor-") as scratch:
            locked = _lock_excludes(Path(scratch) / "lock")
    except OSError as error:
        reason = f"not checked, because {runs_dir} cannot be written ({error.strerror})"
        return Finding("locks", "runs", "note", reason, "Make the folder of runs writable, and check again.")
    remedy = "Do not start the same run twice, or name a folder on another disk with --runs-dir."
    kind, options = _mount_of(folder)
    if not locked:
        found = f"the file system of {runs_dir}{f' ({kind})' if kind else ''} does not lock files"
        return Finding("locks", "runs", "problem", found, remedy)
    local = [option for option in _LOCAL_LOCKS.get(kind, ()) if not option or option in options]
    if local:
        found = f"files in {runs_dir} are locked for this machine only ({', '.join(filter(None, (kind, *local)))})"
        return Finding("locks", "runs", "note", found, "Do not start the same run on two machines.")
    return Finding("locks", "runs", "ok", f"files in {runs_dir} can be locked")


def _lock_excludes(path: Path) -> bool:
    with run_lock(path, "the check of locks"):
        try:
            with run_lock(path, "the check of locks"):
                return False
        except RequestError:
            return True


def _mount_of(folder: Path) -> tuple[str, list[str]]:
    """Return the type and the mount options of the file system of a folder; the type is empty if it is not known."""
    import psutil

    folder = folder.resolve()
    mounts = {Path(item.mountpoint): item for item in psutil.disk_partitions(all=True)}
    for parent in (folder, *folder.parents):
        if parent in mounts:
            return mounts[parent].fstype, mounts[parent].opts.split(",")
    return "", []


def nearest_existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def size_text(folder: Path) -> str:
    """Return the size of all files below a folder as text, e.g. `1.2 GB`; a folder that does not exist has 0.0 GB."""
    total, pending, end = 0, [folder], time.monotonic() + _SIZE_SECONDS
    while pending:
        if time.monotonic() > end:
            return f"more than {gigabytes(total)}"
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                # The Hugging Face cache has links to its files, which must not be counted twice.
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return gigabytes(total)
