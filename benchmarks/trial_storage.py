"""Where the trials of a search are kept: a journal file, or a database for several machines."""

from __future__ import annotations

import itertools
import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, RunError

if TYPE_CHECKING:
    import optuna

STEPS = 20  # parts of a training at which trials of different lengths are compared
_BEATS = 60  # seconds between signs of life of a trial, where the storage is a database
_OPENINGS = 5  # attempts to open a database, in which another process may be making the same tables
_BUSY = ("IntegrityError", "OperationalError", "StorageInternalError")


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        name: the name of the study in its storage.
        storage: an Optuna storage URL, or the path of a journal file.
        grid: setting -> the values that are tried.
        about: what the scores of the study depend on beside the settings that are tried.
    """

    name: str
    storage: str
    grid: Mapping[str, tuple[Any, ...]]
    about: Mapping[str, Any]

    @property
    def combinations(self) -> list[dict[str, Any]]:
        """All points of the grid."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


def is_url(storage: str) -> bool:
    """Return whether a storage is a database, and not a journal file."""
    return "://" in storage


def open_study(search: Search) -> optuna.Study:
    """Open the study of a search, and make it if it is not there.

    Raises:
        RequestError: the storage cannot be opened, or holds a study of something else.
    """
    study = _open(search)
    about = json.loads(json.dumps(search.about))
    known = study.user_attrs.get("about")
    if known is None:
        study.set_user_attr("about", about)
    elif known != about:
        found = [key for key in {**known, **about} if known.get(key) != about.get(key)]
        raise RequestError(
            f"{search.storage}: the study {search.name} is of another search ({', '.join(found)} differ); use another "
            "--storage, or remove the file"
        )
    return study


def _open(search: Search) -> optuna.Study:
    optuna = load_optuna()
    left = _OPENINGS
    while True:
        try:
            return optuna.create_study(
                study_name=search.name,
                storage=_storage(search.storage),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=STEPS // 4),
                direction="maximize",
                load_if_exists=True,
            )
        except Exception as error:
            # A storage may be any database, each with errors of its own.
            left -= 1
            if not left or type(error).__name__ not in _BUSY:
                what = str(error).partition("\n")[0]  # The statement in SQL follows.
                raise RequestError(f"--storage {search.storage}: it cannot be opened ({what})") from error
            time.sleep(1.0)


def load_optuna() -> Any:
    """Return the package optuna.

    Raises:
        RequestError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise RequestError("a search needs the package optuna; pip install 'linkbert[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _storage(storage: str) -> Any:
    optuna = load_optuna()
    if is_url(storage):
        # A trial whose machine is gone is repeated by the others.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            again = optuna.storages.RetryHeartbeatStaleTrialCallback()
            return optuna.storages.RDBStorage(storage, heartbeat_interval=_BEATS, heartbeat_stale_trial_callback=again)
    Path(storage).parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(_journal(storage))


def _journal(path: str) -> Any:
    """Return a journal that stays whole when the disk is full; optuna cannot read one that ends within a line."""
    from optuna.storages.journal import JournalFileBackend

    class _Whole(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            try:
                super().append_logs(logs)
            except OSError:
                mend_journal(path)
                raise

    return _Whole(path)


def mend_journal(path: str) -> None:
    """Cut off a last line that was not written whole, because the disk was full or the process was killed."""
    if not Path(path).is_file():
        return
    with Path(path).open("rb+") as file:
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def require_writable_storage(study: optuna.Study, search: Search) -> None:
    """Make sure that a study can still be written.

    Raises:
        RunError: it cannot.
    """
    try:
        study.set_user_attr("written", time.time())
    except Exception as error:
        raise RunError(
            f"{search.storage}: the trials cannot be written ({error}); those that are there are whole: mend that, "
            "and the same command continues"
        ) from error
