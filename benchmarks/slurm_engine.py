"""The engine of a Slurm cluster, through submitit: the runs of a suite are a job array."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..training.reporters import Progress
from .jobs import CLOSING_SECONDS, PATIENCE, Event, Job, limit_threads, work_on
from .slurm import further_options, job_states, minutes_of, partition_has_gpus

_MINUTES = 240  # limit of a job if the user sets none; a run that needs longer is continued in another job
_CONTINUED = 100  # times that a run is continued after its time was up
_STATE_SECONDS = 10.0  # time between two questions to Slurm about its jobs
_LAST_WORD = 300.0  # seconds to wait for what Slurm does with a job that it has told to stop
_GPU_CORES = 4  # cores of a run on a GPU if the user does not say


@dataclass
class _Submitted:
    """A job as submitit calls it on a machine of the cluster.

    Attributes:
        job: the job.
        told: the file for its events.
        cores: its cores.
    """

    job: Job
    told: Path
    cores: int

    def __call__(self) -> Event:
        """Do the job, and return its last event. If Slurm stops it, let submitit put it into the queue again."""
        limit_threads(self.cores)
        with self.told.open("a", encoding="utf-8") as handle:

            def tell(event: Event) -> None:
                handle.write(json.dumps(_content(event)) + "\n")
                handle.flush()

            event = work_on(self.job, tell, PATIENCE)
            if event.stopped == signal.SIGUSR1:
                text = (
                    "its time is up, or its machine is taken away; it waits in the queue to go on from its checkpoint"
                )
                tell(Event(self.job.number, log=(logging.WARNING, text)))
        if event.stopped == signal.SIGTERM:
            # Slurm is about to kill the job because it was cancelled, or to requeue it after a preemption, which it
            # would not do if the job ended by itself.
            time.sleep(_LAST_WORD)
        elif event.stopped == signal.SIGUSR1:
            signal.raise_signal(signal.SIGUSR1)  # submitit's handler, which is in force again
        return event

    def checkpoint(self) -> Any:
        """Return what is put into the queue after a preemption or at the end of the time: the same job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    __submitit_checkpoint__ = checkpoint


@dataclass
class _Watched:
    """A job in Slurm's hands.

    Attributes:
        job: the job.
        handle: submitit's job.
        told: the file of its events.
        read: bytes of that file that were read.
        gone: times that Slurm was found to know nothing of it any more.
    """

    job: Job
    handle: Any
    told: Path
    read: int = 0
    gone: int = 0

    def events(self) -> Iterator[Event]:
        """Yield the events since the last call."""
        with contextlib.suppress(FileNotFoundError), self.told.open("rb") as handle:
            handle.seek(self.read)
            for line in handle:
                if not line.endswith(b"\n"):
                    return
                self.read += len(line)
                yield _event(self.job.number, json.loads(line))


class SlurmEngine:
    """Works on jobs as jobs of Slurm, on a folder of runs that all machines share.

    Slurm warns a job by SIGUSR1 before its time is up, and when it takes the machine away. The run then writes a
    checkpoint, and its job goes back into the queue.

    Args:
        runs_dir: the folder of runs.
        asked: `partition`, `time` and `account`, or None where Slurm's or our default is good.
        cpus_per_run: cores of each run; one, or four with a GPU, if None.
        gpus_per_run: GPUs of each run; one if None and the partition has any.
        further: options of `sbatch`, each `KEY=VALUE`.
        cluster: `slurm`, or `local` for submitit's stand-in on this machine.

    Raises:
        RequestError: submitit or Slurm is not there, or an option is wrong.
    """

    slots = sys.maxsize  # Slurm keeps the queue.

    def __init__(
        self,
        runs_dir: Path,
        asked: Mapping[str, Any],
        cpus_per_run: int | None,
        gpus_per_run: float | None,
        further: Sequence[str] = (),
        *,
        cluster: str = "slurm",
    ) -> None:
        # NCCL may catch SIGUSR2, and SIGUSR1 is what Slurm's own documentation names.
        os.environ.setdefault("SUBMITIT_PREEMPT_SIGNAL", "USR1")
        self._cluster = cluster
        self._folder = runs_dir.absolute() / "slurm" / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{os.getpid()}"
        if gpus_per_run is None:
            gpus_per_run = float(cluster == "slurm" and partition_has_gpus(asked.get("partition")))
        self._cores = cpus_per_run or (_GPU_CORES if gpus_per_run else 1)
        self._executor = self._make_executor(asked, int(gpus_per_run), further)
        self._waiting: list[Job] = []
        self._watched: list[_Watched] = []
        self._asked_at, self._failed = time.monotonic(), False

    def _make_executor(self, asked: Mapping[str, Any], gpus: int, further: Sequence[str]) -> Any:
        try:
            import submitit
        except ImportError as error:
            raise RequestError("--engine slurm needs the package submitit; pip install 'linkbert[slurm]'") from error
        try:
            executor = submitit.AutoExecutor(self._folder, cluster=self._cluster, slurm_max_num_timeout=_CONTINUED)
        except RuntimeError as error:
            raise RequestError(
                "--engine slurm: this machine has no Slurm (`srun` is not found); start on a machine of the cluster"
            ) from error
        # If submitit was imported before, the machines have to agree with what it read from the environment then.
        os.environ["SUBMITIT_PREEMPT_SIGNAL"] = submitit.JobEnvironment.USR_SIG
        limit = minutes_of(asked["time"]) if asked.get("time") else _MINUTES
        executor.update_parameters(
            name="linkbert",
            timeout_min=limit,
            cpus_per_task=self._cores,
            gpus_per_node=gpus,
            **{f"slurm_{key}": asked[key] for key in ("partition", "account") if asked.get(key)},
            slurm_additional_parameters={"requeue": True, **further_options(further)},
        )
        return executor

    def start(self, job: Job) -> None:
        """Take a job. It is submitted with all others that are taken before the next `poll`, as one array."""
        self._waiting.append(job)

    def poll(self, seconds: float) -> list[Event]:
        """Submit what was taken, and return what the jobs have told; wait for `seconds` if that is nothing."""
        if self._waiting:
            self._submit()
        events = self._news()
        if not events:
            time.sleep(seconds)
            events = self._news()
        return events

    def _submit(self) -> None:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        jobs, self._waiting = self._waiting, []
        (self._folder / "events").mkdir(parents=True, exist_ok=True)
        told = [self._folder / "events" / f"{job.number}.jsonl" for job in jobs]
        submitted = [_Submitted(job, path, self._cores) for job, path in zip(jobs, told, strict=True)]
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what sbatch says of an error.
                handles = self._executor.submit_array(submitted)
        except (FailedJobError, FailedSubmissionError) as error:
            self._failed = True
            raise RequestError(
                f"--engine slurm: sbatch refused the jobs ({_last_line(str(error))}); `sinfo` lists the partitions and "
                "their limits, `sacctmgr show associations` the accounts"
            ) from error
        self._watched += [_Watched(*items) for items in zip(jobs, handles, told, strict=True)]

    def _news(self) -> list[Event]:
        events: list[Event] = []
        for watched in list(self._watched):
            ended = watched.handle.paths.result_pickle.exists()
            events += watched.events()
            if ended:
                events.append(self._end(watched))
        if time.monotonic() - self._asked_at >= _STATE_SECONDS:
            self._asked_at = time.monotonic()
            events += self._lost()
        return events

    def _end(self, watched: _Watched) -> Event:
        self._watched.remove(watched)
        error = watched.handle.exception()
        if error is None:
            event = watched.handle.result()
            self._failed |= event.error is not None
            return event
        self._failed = True
        return Event(
            watched.job.number, error=f"{_last_line(str(watched.handle.stderr() or error))}{self._see(watched)}"
        )

    def _lost(self) -> Iterator[Event]:
        """Yield the ends of jobs that Slurm does not have any more, and that left no result."""
        states = self._states()
        if states is None:
            return
        for watched in list(self._watched):
            state = states.get(watched.handle.job_id, "unknown to Slurm")
            # The file of a result may be seen later than the end of its job.
            watched.gone = watched.gone + 1 if state else 0
            if watched.gone > 2:
                self._watched.remove(watched)
                self._failed = True
                yield Event(
                    watched.job.number,
                    error=f"its Slurm job {watched.handle.job_id} ended without a result ({state}); run the same "
                    f"command again: it continues from the last checkpoint{self._see(watched)}",
                )

    def _states(self) -> dict[str, str] | None:
        """Return what is known of each job: an empty text while it waits or runs, else how it ended."""
        if self._cluster == "slurm":
            return job_states({watched.handle.job_id.split("_")[0] for watched in self._watched})
        return {item.handle.job_id: item.handle.state if item.handle.done() else "" for item in self._watched}

    def _see(self, watched: _Watched) -> str:
        return f"; see {watched.handle.paths.stderr}" if watched.handle.paths.stderr.exists() else ""

    def close(self) -> None:
        """Cancel all jobs, which write checkpoints if they run, and wait for them."""
        if self._watched and self._cluster == "slurm":
            numbers = sorted({watched.handle.job_id.split("_")[0] for watched in self._watched})
            subprocess.run(["scancel", *numbers], check=False, capture_output=True)  # noqa: S603, S607
        elif self._watched:
            for watched in self._watched:
                watched.handle.cancel(check=False)
        until = time.monotonic() + CLOSING_SECONDS
        while self._watched and time.monotonic() < until:
            states = self._states()
            if states is not None:
                self._watched = [item for item in self._watched if states.get(item.handle.job_id) == ""]
            time.sleep(0.5)
        if not self._failed:
            shutil.rmtree(self._folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                self._folder.parent.rmdir()


def _content(event: Event) -> dict[str, Any]:
    progress = None if event.progress is None else asdict(event.progress)
    return {"began": event.began, "progress": progress, "log": event.log}


def _event(number: int, content: Mapping[str, Any]) -> Event:
    progress = None if content["progress"] is None else Progress(**content["progress"])
    log = None if content["log"] is None else (content["log"][0], content["log"][1])
    return Event(number, began=content["began"], progress=progress, log=log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"
