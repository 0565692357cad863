"""The work that engines do: what they are given, and what they tell."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import LinkbertError
from ..experiments.options import RunOptions
from ..experiments.results import Result
from ..locks import HeldError
from ..tasks.registry import get_task
from ..training.reporters import Progress, Reporter
from ..training.stopping import Stopped, obeying_signals

Work = Callable[..., Mapping[str, Any]]
PATIENCE = 120.0  # seconds until a run that another process holds fails on a cluster; a lost machine releases it late
CLOSING_SECONDS = 60.0  # time for the checkpoints of runs that are stopped
_HELD_PAUSE = 1.0  # seconds


@dataclass(frozen=True)
class Job:
    """A piece of work, as it is sent to the process or machine that does it.

    Attributes:
        number: its place in the plan.
        title: what it is, for messages.
        work: a function of a module, which is called with `arguments` and the reporters to tell about progress, and
            returns a JSON object. It raises `Stopped` if a signal stops it, and any other error if it fails.
        arguments: its arguments; they can be pickled.
    """

    number: int
    title: str
    work: Work
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Event:
    """What a job tells.

    Attributes:
        number: the job's place in the plan.
        began: whether it has begun, on whatever does the work. A job that is done again begins again.
        progress: how far it is, or None.
        log: (level, text) of a message, or None.
        result: the JSON object that the work returned, if it is done.
        error: why the job failed, or None.
        stopped: the signal that stopped it, or None.
    """

    number: int
    began: bool = False
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
        """How many jobs it takes at a time; those that cannot begin yet wait in its queue."""
        ...

    def start(self, job: Job) -> None:
        """Take a job."""
        ...

    def poll(self, seconds: float) -> Sequence[Event]:
        """Return what the jobs have told since the last call; wait for `seconds` at most if that is nothing."""
        ...

    def close(self) -> None:
        """Stop all jobs that are under way, so that each writes a checkpoint, and free what the engine holds."""
        ...


def train(options: RunOptions, track: Sequence[str], reporters: Sequence[Reporter]) -> Mapping[str, Any]:
    """Fine-tune and score, and return the result as a JSON object.

    Args:
        options: the request, with one seed.
        track: names of trackers that follow the run.
        reporters: are told how it proceeds.
    """
    from ..experiments.finetune import finetune
    from ..experiments.trackers import make_trackers

    result = finetune(options, reporters=[*reporters, *make_trackers(track)])
    assert isinstance(result, Result)  # a list is returned for several seeds only
    return result.to_json()


def score(options: RunOptions, folder: Path, reporters: Sequence[Reporter]) -> Mapping[str, Any]:
    """Score the fine-tuned model of another task on test, and return the result as a JSON object.

    Args:
        options: the request, with the task to score.
        folder: the run folder of the model.
        reporters: are told how it proceeds.
    """
    from ..experiments.evaluation import score_run

    return score_run(get_task(options.task), folder, "test", options, reporters).to_json()


def work_on(job: Job, tell: Callable[[Event], None], patience: float = 0.0) -> Event:
    """Do a job in this process, and return its last event.

    Args:
        job: the job.
        tell: is given the events before the last one.
        patience: seconds to wait if another process holds the run. A process that is gone may seem to hold it for a
            while, until its machine or the file server has noticed.
    """
    tell(Event(job.number, began=True))
    _pass_log_on(lambda level, text: tell(Event(job.number, log=(level, text))))
    telling = Telling(lambda progress: tell(Event(job.number, progress=progress)), time.monotonic)
    until = time.monotonic() + patience
    try:
        with obeying_signals():
            while True:
                try:
                    return Event(job.number, result=job.work(*job.arguments, [telling]))
                except HeldError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(_HELD_PAUSE)
    except Stopped as stopped:
        return Event(job.number, stopped=stopped.number)
    except Exception as error:
        # Whatever it is, the other runs do not depend on it.
        return Event(job.number, error=reason_of(error))


def limit_threads(count: int) -> None:
    """Let this process compute with so many threads. It must not have computed anything yet."""
    # Threads that outnumber the cores wait for each other: three runs with two threads each on two cores were found to
    # work at a third of the speed of one.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(count)
    import torch

    torch.set_num_threads(count)
    torch.set_num_interop_threads(1)


def _pass_log_on(tell: Callable[[int, str], None]) -> None:
    class _Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.levelno, record.getMessage())

    logger = logging.getLogger("linkbert")
    logger.handlers[:] = [_Sending()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def reason_of_end(event: Event) -> str:
    """Return why a job has no result; a signal that this process did not receive may have stopped it."""
    if event.stopped is not None:
        return f"stopped by {signal.Signals(event.stopped).name}; the same command continues it"
    return event.error or "it ended without a result"


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
