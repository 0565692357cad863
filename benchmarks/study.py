"""The study of a search: its grid, its storage, and one trial. Optuna chooses the settings of each trial."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..experiments.options import RunOptions
from ..training.reporters import Reporter

if TYPE_CHECKING:
    import optuna

_BEATS = 60  # seconds between signs of life of a trial, where the storage is a database
_STEPS = 20  # parts of a training at which trials of different lengths are compared
_ATTEMPTS = 10  # to be given settings that were not tried yet
_SEED = 0  # of the sampler; the seed of the training is an option


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
            sampler=optuna.samplers.TPESampler(seed=_SEED),
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
            again = optuna.storages.RetryFailedTrialCallback()
            return optuna.storages.RDBStorage(storage, heartbeat_interval=_BEATS, failed_trial_callback=again)
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


def _ask(study: optuna.Study, search: Search) -> optuna.Trial:
    """Ask for settings that were not tried yet; a sampler may name the same point of a grid again."""
    optuna = _optuna()
    known = {_point(trial.params): trial for trial in study.get_trials() if trial.params and trial.state.name != "FAIL"}
    space = {key: optuna.distributions.CategoricalDistribution(values) for key, values in search.grid.items()}
    trial = study.ask(space)
    for _ in range(_ATTEMPTS):
        earlier = known.get(_point(trial.params))
        if earlier is None:
            return trial
        # With the same seed, the same settings give the same score. A trial that is not told counts as under way.
        told = earlier.value if earlier.state == optuna.trial.TrialState.COMPLETE else None
        study.tell(trial, told, state=None if told is not None else optuna.trial.TrialState.FAIL)
        trial = study.ask(space)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    left = [point for point in search.combinations if _point(point) not in known]
    study.enqueue_trial(left[trial.number % len(left)] if left else search.combinations[0])
    return study.ask(space)


def _point(settings: Mapping[str, Any]) -> str:
    return json.dumps(dict(settings), sort_keys=True)


def try_once(search: Search, options: RunOptions, reporters: Sequence[Reporter]) -> Mapping[str, Any]:
    """Make one trial: ask for settings, train, and tell the score on dev.

    Returns:
        `number`, `settings`, `score` and `state` (`complete` or `pruned`) of the trial.
    """
    from ..experiments.trial import try_settings

    optuna = _optuna()
    study = open_study(search)
    trial = _ask(study, search)
    seen: list[float] = []

    def judge(done: float, score: float) -> None:
        seen.append(score)
        trial.report(score, step=round(done * _STEPS))
        if done < 1 and trial.should_prune():
            raise optuna.TrialPruned

    told = {"number": trial.number, "settings": dict(trial.params)}
    try:
        score = try_settings(replace(options, settings={**options.settings, **trial.params}), judge, reporters)
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return {**told, "score": seen[-1], "state": "pruned"}
    except Exception:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    study.tell(trial, score)
    return {**told, "score": score, "state": "complete"}
