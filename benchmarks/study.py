"""The study of a search: its grid, its storage, and one trial. Optuna chooses the settings of each trial."""

from __future__ import annotations

import itertools
import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, RunError
from ..experiments.options import RunOptions
from ..training.reporters import Reporter

if TYPE_CHECKING:
    import optuna

_BEATS = 60  # seconds between signs of life of a trial, where the storage is a database
_STEPS = 20  # parts of a training at which trials of different lengths are compared
_ATTEMPTS = 10  # to be given settings that were not tried yet
_SEED = 0  # of the sampler of the first trial; the seed of the training is an option
_CHOICE_SECONDS = 10.0  # to choose the settings of a trial; a process that needs longer is taken for dead
_FAILED = "training failed"  # an attribute of trials; others fail because they were interrupted, or repeat a point


class _TriedError(Exception):
    """The settings that were chosen were tried already, or are under way."""


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
    optuna = _optuna()
    try:
        study = optuna.create_study(
            study_name=search.name,
            storage=_storage(search.storage),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=_STEPS // 4),
            direction="maximize",
            load_if_exists=True,
        )
    except Exception as error:
        # A storage may be any database, each with errors of its own.
        raise RequestError(f"--storage {search.storage}: it cannot be opened ({error})") from error
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


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise RequestError("a search needs the package optuna; pip install 'linkbert[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _storage(storage: str) -> Any:
    optuna = _optuna()
    if is_url(storage):
        # A trial whose machine is gone is repeated by the others.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            again = optuna.storages.RetryHeartbeatStaleTrialCallback()
            return optuna.storages.RDBStorage(storage, heartbeat_interval=_BEATS, heartbeat_stale_trial_callback=again)
    Path(storage).parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(storage))


def repeat_interrupted(study: optuna.Study) -> int:
    """Mark trials that a process left unfinished as failed, and let their settings be tried again.

    The caller makes sure that no process works on them.

    Returns:
        Their number.
    """
    states = _optuna().trial.TrialState
    left = study.get_trials(states=(states.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=states.FAIL)
        study.enqueue_trial(trial.params)
    return len(left)


def try_once(search: Search, place: int, options: RunOptions, reporters: Sequence[Reporter]) -> Mapping[str, Any]:
    """Make one trial: choose settings, train, and keep the score on dev.

    Args:
        search: what is searched.
        place: which trial of the study this is, so that trials that are chosen at once are different ones.
        options: the request without the settings that are tried.
        reporters: are told how the training proceeds.

    Returns:
        `number`, `settings`, `score` and `state` (`complete` or `pruned`) of the trial.
    """
    optuna = _optuna()
    study = open_study(search)
    study.sampler = optuna.samplers.TPESampler(seed=_SEED + place)
    trained: list[int] = []

    def attempt(trial: optuna.Trial, failed: bool) -> float:
        settings = {key: trial.suggest_categorical(key, values) for key, values in search.grid.items()}
        _wait_for_choices(study, search, trial.number)
        if _point(settings) in _tried(study, before=trial.number, failed=failed):
            raise _TriedError
        trained.append(trial.number)
        return _train(trial, replace(options, settings={**options.settings, **settings}), reporters)

    for number in range(2 * _ATTEMPTS):
        # Settings that failed are tried again when no others are left: the reason may have been a full disk.
        failed = number < _ATTEMPTS or bool(_left(study, search, failed=True))
        if number >= _ATTEMPTS and (left := _left(study, search, failed=failed)):
            study.enqueue_trial(left[place % len(left)])
        study.optimize(partial(attempt, failed=failed), n_trials=1, catch=(_TriedError,))
        if trained:
            return outcome(study.trials[trained[0]])
    raise RunError("all settings are tried, or under way elsewhere")


def outcome(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return `number`, `settings`, `score` and `state` of a trial that is complete or was ended early."""
    state = trial.state.name.lower()
    score = trial.value if state == "complete" else max(trial.intermediate_values.items())[1]
    return {"number": trial.number, "settings": dict(trial.params), "score": score, "state": state}


def _train(trial: optuna.Trial, options: RunOptions, reporters: Sequence[Reporter]) -> float:
    from ..experiments.trial import try_settings

    optuna = _optuna()

    def judge(done: float, score: float) -> None:
        trial.report(score, step=round(done * _STEPS))
        if done < 1 and trial.should_prune():
            raise optuna.TrialPruned

    try:
        return try_settings(options, judge, reporters)
    except optuna.TrialPruned:
        raise
    except Exception:
        trial.set_user_attr(_FAILED, True)
        raise


def _wait_for_choices(study: optuna.Study, search: Search, before: int) -> None:
    """Wait until trials with lower numbers, which other processes have begun, have all of their settings."""
    until = time.monotonic() + _CHOICE_SECONDS
    while time.monotonic() < until and any(
        trial.number < before and trial.state.name == "RUNNING" and len(trial.params) < len(search.grid)
        for trial in study.get_trials(deepcopy=False)
    ):
        time.sleep(0.05)


def _left(study: optuna.Study, search: Search, *, failed: bool) -> list[dict[str, Any]]:
    tried = _tried(study, failed=failed)
    return [point for point in search.combinations if _point(point) not in tried]


def _tried(study: optuna.Study, *, before: int | None = None, failed: bool) -> set[str]:
    """Return the points that were tried, are under way or wait; or that failed, if `failed` is true.

    Args:
        study: the study.
        before: only trials with a lower number count: of two that choose the same point at the same moment, the one
            with the lower number keeps it.
        failed: whether points whose training failed are meant too.
    """
    # Trials that wait in the storage have settings that are fixed, and not chosen yet.
    return {
        _point({**trial.system_attrs.get("fixed_params", {}), **trial.params})
        for trial in study.get_trials(deepcopy=False)
        if (before is None or trial.number < before)
        and (trial.state.name != "FAIL" or (failed and _FAILED in trial.user_attrs))
    }


def _point(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), sort_keys=True)
