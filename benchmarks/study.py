"""The study of a search: its grid, its storage, and one trial. Optuna chooses the settings of each trial."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..experiments.options import RunOptions
from ..training.reporters import Reporter
from ..training.stopping import Stopped
from .jobs import reason_of
from .trial_storage import STEPS, Search, is_url, load_optuna, open_study

if TYPE_CHECKING:
    import optuna

_ATTEMPTS = 10  # to be given settings that were not tried yet
_SEED = 0  # of the sampler of the first trial; the seed of the training is an option
_CHOICE_SECONDS = 10.0  # to choose the settings of a trial; a process that needs longer is taken for dead
_FAILED = "failed"  # why a training failed; trials without it failed because they were interrupted, or repeat a point


class _TriedError(Exception):
    """The settings that were chosen were tried already, or are under way."""


class _FailedError(Exception):
    """The training failed, for a reason that is kept with the trial."""


def repeat_interrupted(study: optuna.Study, search: Search) -> None:
    """Mark trials that a process left unfinished as failed, and let their settings be tried again.

    The caller makes sure that no process works on them if the storage is a journal. With a database, those count whose
    process has given no sign of life for two minutes.
    """
    optuna = load_optuna()
    if is_url(search.storage):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        return
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(trial.params)


def can_begin(study: optuna.Study, search: Search) -> bool:
    """Return whether there are settings that were not tried with success, and that nothing works on."""
    waiting = any(trial.state.name == "WAITING" for trial in study.get_trials(deepcopy=False))
    return waiting or bool(_left(study, search, failed=False))


def is_under_way(study: optuna.Study) -> bool:
    """Return whether something works on a trial, as far as the study knows."""
    return any(trial.state.name == "RUNNING" for trial in study.get_trials(deepcopy=False))


def try_once(search: Search, place: int, options: RunOptions, reporters: Sequence[Reporter]) -> Mapping[str, Any]:
    """Make one trial: choose settings, train, and keep the score on dev.

    Args:
        search: what is searched.
        place: which trial of the study this is, so that trials that are chosen at once are different ones.
        options: the request without the settings that are tried.
        reporters: are told how the training proceeds.

    Returns:
        `number`, `settings`, `score`, `state` (`complete`, `pruned` or `failed`) and `error` of the trial.

    Raises:
        Stopped: a signal asked for it. The settings will be tried again.
        RunError: no settings are left, or the trial could not be kept.
    """
    optuna = load_optuna()
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

    avoid_failed = True
    for number in range(2 * _ATTEMPTS):
        if number >= _ATTEMPTS:
            # The sampler names no new point any more. Settings that failed are tried again when no others are left: the
            # reason may have been a full disk.
            avoid_failed = bool(left := _left(study, search, failed=True))
            if left := left or _left(study, search, failed=False):
                study.enqueue_trial(left[place % len(left)])
        try:
            study.optimize(partial(attempt, failed=avoid_failed), n_trials=1, catch=(_TriedError, _FailedError))
        except Stopped:
            if trained:
                study.tell(trained[0], state=optuna.trial.TrialState.FAIL)
                study.enqueue_trial(study.trials[trained[0]].params)
            raise
        if trained:
            return outcome(study.trials[trained[0]])
    raise RunError("all settings are tried, or under way elsewhere")


def outcome(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """Return `number`, `settings`, `score`, `state` and `error` of a trial that has ended."""
    state = trial.state.name.lower().replace("fail", "failed")
    score = max(trial.intermediate_values.items())[1] if state == "pruned" else trial.value
    error = trial.user_attrs.get(_FAILED)
    return {"number": trial.number, "settings": dict(trial.params), "score": score, "state": state, "error": error}


def ended(study: optuna.Study) -> list[dict[str, Any]]:
    """Return the outcomes of a study in order, each point once: its first score or, without one, its last failure."""
    scored: dict[str, dict[str, Any]] = {}
    failed: dict[str, dict[str, Any]] = {}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name in ("COMPLETE", "PRUNED"):
            scored.setdefault(_point(trial.params), outcome(trial))
        elif _FAILED in trial.user_attrs:
            failed[_point(trial.params)] = outcome(trial)
    return sorted((failed | scored).values(), key=lambda found: found["number"])


def _train(trial: optuna.Trial, options: RunOptions, reporters: Sequence[Reporter]) -> float:
    from ..experiments.trial import try_settings

    optuna = load_optuna()

    def judge(done: float, score: float) -> None:
        trial.report(score, step=round(done * STEPS))
        if done < 1 and trial.should_prune():
            raise optuna.TrialPruned

    try:
        return try_settings(options, judge, reporters)
    except optuna.TrialPruned:
        raise
    except Exception as error:
        trial.set_user_attr(_FAILED, reason_of(error))
        raise _FailedError from error


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
