"""Searching for the settings of a recipe on dev, with the engines that run suites."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, RunError
from ..experiments.options import RunOptions
from ..experiments.plan import RunPlan, make_plan
from ..experiments.trial import SPLITS
from ..files import require_writable, write_output
from ..locks import run_lock
from ..tasks.recipe import SMALL_HIDDEN_SIZE, problem_with
from ..training.reporters import Progress
from .inline import is_launched
from .jobs import Engine, Event, Job, reason_of_end
from .study import can_begin, ended, is_under_way, repeat_interrupted, try_once
from .trial_storage import Search, is_url, mend_journal, open_study, require_writable_storage

_POLL_SECONDS = 0.5
# The grid from which Gu et al. 2021 chose PubMedBERT's published numbers: these rates and batches, 2 to 60 epochs
# (which ones in between is not stated), a warm-up of a tenth.
GU = {
    "learning_rate": (1e-5, 3e-5, 5e-5),
    "batch_size": (16, 32),
    "epochs": (2, 5, 10, 20, 40, 60),
    "warmup": (0.1,),
}
GRIDS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {"gu": GU}
_SMALL_FACTOR = 10  # Small encoders learn best at rates that are about ten times as high.


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    Attributes:
        number: its number in the study.
        settings: the settings that were tried.
        score: the score on dev, x100; None if it failed. (Settings whose training failed may be tried again.)
        state: `complete`, `pruned` (ended early, because it was behind others at the same part of its training), or
            `failed`.
        error: why it failed, or None.
    """

    number: int
    settings: Mapping[str, Any]
    score: float | None
    state: str
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it has no score."""
        return self.state == "failed"


@dataclass(frozen=True)
class SearchResult:
    """What a search has found.

    Attributes:
        task: the task's name.
        model: the model's name.
        trials: all trials of the study, in order, and what failed without being tried again with success.
        best: the best complete trial; the earlier one of equal scores.
        recipe_file: the file with its settings.
    """

    task: str
    model: str
    trials: list[Trial]
    best: Trial
    recipe_file: str

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        return {
            "task": self.task,
            "model": self.model,
            "trials": [vars(trial) | {"settings": dict(trial.settings)} for trial in self.trials],
            "best": vars(self.best) | {"settings": dict(self.best.settings)},
            "recipe_file": self.recipe_file,
        }


def grid_of(plan: RunPlan, values: Mapping[str, Sequence[Any]], grid: str | None) -> dict[str, tuple[Any, ...]]:
    """Return setting -> the values that are tried.

    By default these are learning rates around those of Gu et al. 2021 (ten times as high for encoders of 384 hidden
    units or fewer), batches of 16 and 32, no warm-up and one of a tenth, and half, all and twice the epochs of the
    recipe.

    Args:
        plan: the run without any of these settings.
        values: setting -> values that the user names; they replace those of the grid.
        grid: the name of a grid, or None for the default one.

    Raises:
        RequestError: a grid or setting is unknown, or a value is out of range.
    """
    if grid is not None and grid not in GRIDS:
        raise RequestError(f"--grid {grid!r}: there is {', '.join(GRIDS)}")
    factor = _SMALL_FACTOR if plan.model.hidden_size <= SMALL_HIDDEN_SIZE else 1
    epochs = plan.recipe.epochs
    chosen: dict[str, tuple[Any, ...]] = dict(GRIDS[grid]) if grid else {
        "learning_rate": tuple(float(f"{factor * rate:.6g}") for rate in (1e-5, 2e-5, 3e-5, 5e-5, 8e-5)),
        "batch_size": (16, 32),
        "warmup": (0.0, 0.1),
        "epochs": tuple(dict.fromkeys((max(1, epochs // 2), epochs, 2 * epochs))),
    }  # fmt: skip
    if values and not grid:
        chosen = {}
    chosen |= {key: tuple(dict.fromkeys(listed)) for key, listed in values.items()}
    problems = [
        f"--space {key}: {problem}"
        for key, listed in chosen.items()
        for value in listed
        if (problem := problem_with(key, value))
    ]
    problems += [f"--space {key}: --set names it too; remove one" for key in chosen if key in plan.options.settings]
    if problems:
        raise RequestError(*problems)
    return chosen


def search(
    options: RunOptions,
    *,
    trials: int,
    engine: Callable[[int], Engine],
    values: Mapping[str, Sequence[Any]] | None = None,
    grid: str | None = None,
    storage: str | None = None,
    output: Path | None = None,
    on_begin: Callable[[int, int], None] = lambda there, wanted: None,
    on_progress: Callable[[int, Progress], None] = lambda number, progress: None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> SearchResult:
    """Search for settings with the best score on dev. The test split is not read.

    A search that was stopped continues: its trials are in the storage.

    Args:
        options: the request, with one seed, or none for that of the recipe.
        trials: the number of trials that the study shall have in the end.
        engine: number of trials that are missing -> what works on them.
        values: setting -> values to try in place of the default grid.
        grid: a name of `GRIDS`; each of its combinations is tried if `trials` allows it.
        storage: an Optuna storage URL, for several machines, or the path of a journal file; a file in the folder of
            runs if None.
        output: the recipe file; `recipe-TASK-MODEL.toml` if None.
        on_begin: called with the number of trials that are there, and of those that are wanted.
        on_progress: called with the place of a trial in this command, and its progress.
        on_trial: called with each trial that ends.

    Raises:
        RequestError: the request is wrong.
        RunError: no trial was completed.
        Stopped: a signal asked for it.
    """
    if trials < 1:
        raise RequestError(f"--trials should be at least 1, found {trials}")
    if is_launched():
        raise RequestError("a trial uses one device: start the search itself without a launcher of processes")
    plan = make_plan(options, splits=SPLITS)
    model, task = plan.model.source.name, plan.task.name
    chosen = grid_of(plan, values or {}, grid)
    where = storage or str(options.runs_dir / "searches" / f"{task}-{model}.journal")
    search = Search(f"{task}-{model}", where, chosen, _about(plan, chosen))
    wanted = min(trials, len(search.combinations))
    path = output or Path(f"recipe-{task}-{model}.toml")
    require_writable(path.absolute().parent, "the folder of --output", create=False)
    with _held(search) as study:
        on_begin(_count_scored(study), wanted)
        _work_through(search, study, wanted, options, engine, on_progress, on_trial)
        found = [Trial(**outcome) for outcome in ended(study)]
    complete = [trial for trial in found if trial.state == "complete"]
    if not complete:
        raise RunError("no trial was completed, so that there is nothing to choose from; see why each failed, above")
    best = max(complete, key=lambda trial: (trial.score, -trial.number))
    write_output(path, _recipe_text(plan, best, sum(not trial.failed for trial in found)).encode(), "--output")
    return SearchResult(task, model, found, best, str(path))


@contextmanager
def _held(search: Search) -> Iterator[Any]:
    """Open the study of a search, of which nobody else adds trials to a journal meanwhile."""
    where = search.storage
    with ExitStack() as held:
        if not is_url(where):
            lock = Path(f"{where}.held")  # Optuna itself locks the file named `.lock` while it writes.
            require_writable(lock.parent, "the folder of --storage")
            held.enter_context(run_lock(lock, f"the search in {where}"))
            mend_journal(where)
        study = open_study(search)
        repeat_interrupted(study, search)
        yield study


def _about(plan: RunPlan, grid: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return what the scores of a study depend on beside the settings that are tried."""
    identity = plan.identity(plan.seeds[0]).to_json()
    fixed = {key: value for key, value in identity["recipe"].items() if key not in grid}
    return identity | {"recipe": fixed, "grid": {key: list(values) for key, values in grid.items()}}


def _work_through(
    search: Search,
    study: Any,
    wanted: int,
    options: RunOptions,
    engine: Callable[[int], Engine],
    on_progress: Callable[[int, Progress], None],
    on_trial: Callable[[Trial], None],
) -> None:
    """Make trials until the study has as many as are wanted. Those that fail here are not replaced."""
    there = _count_scored(study)
    if there >= wanted:
        return
    working, started, running, failed = engine(wanted - there), 0, 0, 0
    try:
        while True:
            # Other machines may add trials to the same study, or leave some unfinished.
            missing = wanted - _count_scored(study) - failed
            while running < min(working.slots, missing) and can_begin(study, search):
                working.start(Job(started, f"trial {started + 1}", try_once, (search, there + started, options)))
                started, running = started + 1, running + 1
            if not running and (missing <= 0 or not is_under_way(study)):
                return
            if not running:
                time.sleep(_POLL_SECONDS)
                repeat_interrupted(study, search)
            for event in working.poll(_POLL_SECONDS) if running else ():
                if event.progress is not None:
                    on_progress(event.number, event.progress)
                if event.is_last:
                    running -= 1
                    trial = _trial_of(event)
                    failed += trial.failed
                    on_trial(trial)
                    if event.result is None:
                        require_writable_storage(study, search)
    finally:
        working.close()


def _trial_of(event: Event) -> Trial:
    """Return the trial that an event ends; nothing is known of the settings of a process that was lost."""
    if event.result is not None:
        return Trial(**event.result)
    return Trial(-1, {}, None, "failed", reason_of_end(event))


def _count_scored(study: Any) -> int:
    """Return the number of trials that count: complete ones, and those that were ended early."""
    return sum(outcome["state"] != "failed" for outcome in ended(study))


def _recipe_text(plan: RunPlan, best: Trial, trials: int) -> str:
    """Return the recipe file: the settings of the best trial, and all others that a default recipe would not give."""
    chosen = plan.options.recipe is not None  # Its settings belong to the file, which is used without --recipe.
    given = {
        key: value
        for key, value in plan.recipe.values().items()
        if not (origin := plan.recipe.origin[key]).startswith(("default", "checkpoint"))
        and (chosen or not origin.startswith("recipe ") or origin.startswith("recipe file"))
    }
    settings = {**given, **plan.options.settings, **best.settings}
    lines = [
        f"# The settings with the best score on dev ({best.score:.2f}) of {trials} trials with",
        f"# {plan.model.source.name}, seed {plan.seeds[0]}. The best of many scores is too high:",
        "# score it again, with other seeds.",
        f'about = "the best of {trials} trials on dev"',
        "",
        f"[{plan.task.recipe_section}]",
        *(f"{key} = {_toml(value)}" for key, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
