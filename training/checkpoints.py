"""Checkpoints: folders with everything that a run needs to continue as if it had never stopped.

A checkpoint is valid once its folder has its final name, which it gets by one rename. It holds safetensors and JSON, no
pickles, and a manifest with the size and SHA-256 of each file.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ..errors import RequestError, RunError
from ..files import atomic_folder, sha256_of, sweep
from .state import State

_log = logging.getLogger(__name__)

_MANIFEST, _VALUES = "manifest.json", "state.json"
_PREFIX = "update-"
_KEPT = 2
CHECKPOINT_EVERY = 10.0  # default number of minutes between two checkpoints
# At the end of an epoch, a checkpoint is written only if that takes at most this share of the time since the last one:
# the epochs of small corpora take a second, and would otherwise be spent on writing.
_SHARE = 0.05


class Identity(Protocol):
    """What makes two runs the same run; `experiments.identity.RunIdentity` is one."""

    def with_conditions(self, conditions: Mapping[str, Any]) -> Identity:
        """Return this identity with further conditions, by name."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return this identity as a JSON object."""
        ...

    def differences_from_json(self, document: Mapping[str, Any]) -> list[str]:
        """Return in what an identity that was stored by `to_json` differs."""
        ...


class Checkpoints:
    """Writes, finds and removes the checkpoints of one run.

    Args:
        folder: a folder that holds nothing else.
        identity: the run; a checkpoint of another run is refused.
        every: seconds between two checkpoints; None to write them at the ends of epochs only.
    """

    def __init__(self, folder: Path, identity: Identity, every: float | None) -> None:
        self.folder, self.identity, self.every = folder, identity, every
        self.last, self.took = time.monotonic(), 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self.every is not None and time.monotonic() - self.last >= self.every

    @property
    def cheap(self) -> bool:
        """Whether writing a checkpoint takes a small share of the time since the last one."""
        return self.took <= _SHARE * (time.monotonic() - self.last)

    def write(self, updates: int, states: Mapping[str, State], epochs: int = 0) -> None:
        """Write a checkpoint, and remove all but the last two.

        Args:
            updates: number of updates done.
            states: the state of the run, by name.
            epochs: number of epochs done, including the scoring after each.

        Raises:
            RunError: it could not be written; the earlier checkpoints are unchanged.
        """
        from safetensors import SafetensorError

        since = time.monotonic()
        path = self.folder / f"{_PREFIX}{updates:08d}.{epochs:04d}"
        try:
            with atomic_folder(path) as staged:
                _fill(staged, self.identity, states)
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise RunError(
                f"{path}: the checkpoint cannot be written ({reason}); earlier ones are whole: make room and run the "
                "same command again"
            ) from error
        sweep(self.folder, f"{_PREFIX}*")
        # A checkpoint of a later position is damaged: otherwise the run would have continued from it.
        found = self._all()
        kept = [other for other in found if other.name <= path.name][:_KEPT]
        for other in found:
            if other not in kept:
                shutil.rmtree(other, ignore_errors=True)
        self.last = time.monotonic()
        self.took = self.last - since

    def read(self, conditions: Mapping[str, Any] | None = None) -> dict[str, State] | None:
        """Read the last checkpoint that is complete; None if there is none.

        Args:
            conditions: further conditions of the run, which are part of its identity from now on.

        Raises:
            RequestError: the checkpoint belongs to another run; the message names each difference.
        """
        self.identity = self.identity.with_conditions(conditions or {})
        for path in self._all():
            try:
                document = _verified(path)
            except ValueError as error:
                _log.warning("%s: damaged (%s); trying the one before", path, error)
                continue
            if found := self.identity.differences_from_json(document["identity"]):
                raise RequestError(
                    f"{path}: a checkpoint that this run cannot continue from: {'; '.join(found)}. "
                    "Restore what differs, or begin anew with --restart"
                )
            return _states(path, document["values"])
        return None

    def _all(self) -> list[Path]:
        """Return the folders of all checkpoints, the last one first."""
        return sorted(self.folder.glob(f"{_PREFIX}*"), reverse=True)


def _fill(folder: Path, identity: Identity, states: Mapping[str, State]) -> None:
    from safetensors.torch import save_file

    document = {"identity": identity.to_json(), "values": {name: state.values for name, state in states.items()}}
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
        ValueError: a file is missing, truncated or changed.
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
    if "conditions" in document:
        raise ValueError("written by an earlier version")
    identity, values = document.get("identity"), document.get("values")
    if not isinstance(identity, dict) or not isinstance(values, dict) or any("/" in name for name in values):
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
