"""Checkpoints: folders with all that a run needs to go on as if it had never stopped.

A checkpoint is valid once its folder has its name, which one rename gives it. It holds safetensors and JSON, no
pickles, and a manifest with the size and SHA-256 of each file.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RequestError, RunError
from ..files import atomic_folder, sha256_of, sweep
from .state import State

_log = logging.getLogger(__name__)

_MANIFEST, _VALUES = "manifest.json", "state.json"
_PREFIX = "update-"
_KEPT = 2
CHECKPOINT_EVERY = 10.0  # minutes between two, if nothing else is asked for
# The end of an epoch is no reason for a checkpoint that would take a larger share of the time since the last one.
_SHARE = 0.05


class Checkpoints:
    """Writes, finds and removes the checkpoints of one run.

    Args:
        folder: for them alone.
        conditions: what a checkpoint depends on, by name; one of other conditions is refused.
        every: seconds between two; None for the ends of epochs alone.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any], every: float | None) -> None:
        self.folder, self.conditions, self.every = folder, dict(conditions), every
        self.last, self.took = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for one."""
        return self.every is not None and time.monotonic() - self.last >= self.every

    @property
    def cheap(self) -> bool:
        """Whether writing one takes a small share of the time since the last one."""
        return self.took <= _SHARE * (time.monotonic() - self.last)

    def write(self, updates: int, states: Mapping[str, State], epochs: int = 0) -> None:
        """Write a checkpoint after so many updates and whole epochs, and remove all but the last two.

        Raises:
            RunError: it could not be written; the earlier ones are as they were.
        """
        from safetensors import SafetensorError

        since = time.monotonic()
        path = self.folder / f"{_PREFIX}{updates:08d}.{epochs:04d}"
        try:
            with atomic_folder(path) as staged:
                _fill(staged, self.conditions, states)
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise RunError(
                f"{path}: the checkpoint cannot be written ({reason}); earlier ones are whole: make room and run the "
                "same command again"
            ) from error
        sweep(self.folder, f"{_PREFIX}*")
        # What is beyond this point was passed over when the run was taken up: it is damaged.
        found = self._all()
        kept = [other for other in found if other.name <= path.name][:_KEPT]
        for other in found:
            if other not in kept:
                shutil.rmtree(other, ignore_errors=True)
        self.last = time.monotonic()
        self.took = self.last - since

    def read(self, *, also: Mapping[str, Any] | None = None) -> dict[str, State] | None:
        """Read the last checkpoint that is whole; None if there is none.

        Args:
            also: further conditions, known only now.

        Raises:
            RequestError: it is of other conditions; names each difference.
        """
        self.conditions |= also or {}
        for path in self._all():
            try:
                document = _verified(path)
            except ValueError as error:
                _log.warning("%s: damaged (%s); going back to the one before", path, error)
                continue
            self._refuse_others(path, document["conditions"])
            return _states(path, document["values"])
        return None

    def _all(self) -> list[Path]:
        """The last one first."""
        return sorted(self.folder.glob(f"{_PREFIX}*"), reverse=True)

    def _refuse_others(self, path: Path, there: Mapping[str, Any]) -> None:
        asked = json.loads(json.dumps(self.conditions))
        found = [
            f"{name} is {there.get(name)} there, {asked.get(name)} now"
            for name in sorted({*there, *asked})
            if there.get(name) != asked.get(name)
        ]
        if found:
            raise RequestError(
                f"{path}: a checkpoint that this run cannot go on from: {'; '.join(found)}. Restore what differs, or "
                "begin anew with --restart"
            )


def _fill(folder: Path, conditions: Mapping[str, Any], states: Mapping[str, State]) -> None:
    from safetensors.torch import save_file

    document = {"conditions": conditions, "values": {name: state.values for name, state in states.items()}}
    (folder / _VALUES).write_text(json.dumps(document), encoding="utf-8")
    for name, state in states.items():
        if state.tensors:
            tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.tensors.items()}
            save_file(tensors, folder / f"{name}.safetensors")
    written = {path.name: [path.stat().st_size, sha256_of(path)] for path in sorted(folder.iterdir())}
    (folder / _MANIFEST).write_text(json.dumps(written), encoding="utf-8")


def _verified(path: Path) -> dict[str, Any]:
    """Check every file of a checkpoint and return its document.

    Raises:
        ValueError: a file is missing, cut or changed.
    """
    try:
        manifest = _read_object(path / _MANIFEST)
        found = {file.name for file in path.iterdir()}
        if found != {*manifest, _MANIFEST} or _VALUES not in manifest:
            raise ValueError("its files are not those that were written")
        for name, written in manifest.items():
            file = path / name
            if file.is_symlink() or written != [file.stat().st_size, sha256_of(file)]:
                raise ValueError(f"{name} is not what was written")
        document = _read_object(path / _VALUES)
    except OSError as error:
        raise ValueError(f"{Path(error.filename or path).name}: {error.strerror}") from error
    conditions, values = document.get("conditions"), document.get("values")
    if not isinstance(conditions, dict) or not isinstance(values, dict) or any("/" in name for name in values):
        raise ValueError(f"{_VALUES} is not what was written")
    return document


def _read_object(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{file.name} is not what was written") from error
    if not isinstance(document, dict):
        raise ValueError(f"{file.name} is not what was written")
    return document


def _states(path: Path, values: Mapping[str, Any]) -> dict[str, State]:
    from safetensors.torch import load_file

    return {
        name: State(load_file(file) if (file := path / f"{name}.safetensors").exists() else {}, plain)
        for name, plain in values.items()
    }
