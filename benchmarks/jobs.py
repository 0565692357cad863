"""One run of a suite as an engine works on it: what it is given, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import LinkbertError
from ..experiments.options import RunOptions
from ..experiments.paths import RunPaths
from ..experiments.results import Result
from ..tasks.registry import get_task
from ..training.reporters import Progress, Reporter


@dataclass(frozen=True)
class Job:
    """One run, as it is sent to the process or machine that works on it.

    Attributes:
        number: its place in the plan.
        title: task, model and seed, for messages.
        options: the request.
        name: the model's name in paths.
        scores: whether a model that is fine-tuned already is scored, instead of training one.
        track: names of trackers that follow the run.
    """

    number: int
    title: str
    options: RunOptions
    name: str
    scores: bool = False
    track: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """What a job tells.

    Attributes:
        number: the job's place in the plan.
        progress: how far it is, or None.
        log: (level, text) of a message, or None.
        result: the result, if the job is done.
        error: why the job failed, or None.
        stopped: the signal that stopped it, or None.
    """

    number: int
    progress: Progress | None = None
    log: tuple[int, str] | None = None
    result: Mapping[str, Any] | None = field(default=None, repr=False)
    error: str | None = None
    stopped: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether the job is over."""
        return self.result is not None or self.error is not None or self.stopped is not None


class Engine(Protocol):
    """Something that works on jobs: processes of this machine, or a cluster."""

    @property
    def slots(self) -> int:
        """How many jobs it takes at a time."""
        ...

    def start(self, job: Job) -> None:
        """Begin to work on a job."""
        ...

    def poll(self, seconds: float) -> Sequence[Event]:
        """Return what the jobs have told since the last call; wait for `seconds` at most if that is nothing."""
        ...

    def close(self) -> None:
        """Stop all jobs that are under way, so that each writes a checkpoint, and free what the engine holds."""
        ...


def run_job(job: Job, reporters: Sequence[Reporter]) -> Result:
    """Do the work of a job in this process.

    Raises:
        LinkbertError: the run failed, or cannot be started.
        Stopped: a signal stopped it.
    """
    from ..experiments.evaluation import score_run
    from ..experiments.finetune import finetune
    from ..experiments.trackers import make_trackers

    told = [*reporters, *make_trackers(job.track)]
    if not job.scores:
        result = finetune(job.options, reporters=told)
        assert isinstance(result, Result)  # a list is returned for several seeds only
        return result
    task, options = get_task(job.options.task), job.options
    paths = RunPaths(task.trained_on or task.name, job.name, options.seeds[0], options.runs_dir, options.results_dir)
    return score_run(task, paths.run_dir, "test", options, told)


def reason_of(error: BaseException) -> str:
    """Return the reason of a failure as one text."""
    return str(error) if isinstance(error, LinkbertError) else f"{type(error).__name__}: {error}"


class Telling(Reporter):
    """Passes the progress of a run on, at most twice a second and at the end of each stage.

    Args:
        tell: is given each progress.
        clock: seconds since some moment.
    """

    _PAUSE = 0.5

    def __init__(self, tell: Callable[[Progress], None], clock: Callable[[], float]) -> None:
        self.tell, self.clock = tell, clock
        self.last: dict[str, float] = {}

    def on_progress(self, progress: Progress) -> None:
        """Pass progress on if it is time for it."""
        now = self.clock()
        if progress.done >= progress.total or now - self.last.get(progress.stage, float("-inf")) >= self._PAUSE:
            self.last[progress.stage] = now
            self.tell(progress)
