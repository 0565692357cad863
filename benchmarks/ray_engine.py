"""The engine of a Ray cluster: each run is a Ray task, which is done again elsewhere if its machine is lost."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..experiments.results import Result
from ..experiments.store import store_copy
from .jobs import CLOSING_SECONDS, PATIENCE, Event, Job, limit_threads, work_on
from .ray_cluster import ATTEMPTS_AFTER_LOSS, OwnThread, connect, reason_of_loss, resources_of, unreachable

_CONNECTING_SECONDS = 60.0
# Variables of the command that its runs see as well.
_PASSED_ON = ("HF_", "LINKBERT_", "TRANSFORMERS_", "WANDB_", "MLFLOW_")


@dataclass(frozen=True)
class _Place:
    """Where the command runs, for the machines that work for it.

    Attributes:
        folder: its working folder.
        probe: a file that exists where the folder of runs is shared.
        environment: its variables that runs see as well.
        cores: cores of each run.
    """

    folder: str
    probe: str
    environment: Mapping[str, str]
    cores: int


class RayEngine:
    """Works on jobs as tasks of a Ray cluster.

    A run whose worker dies is done again on another machine. It continues from its last checkpoint if both see the
    same folder of runs, and from the beginning otherwise. Results of machines with a folder of their own are carried
    back by Ray.

    Args:
        address: of the cluster: `auto` (the one that runs on this machine), `HOST:PORT`, or `local` to start one.
        cpus_per_run: cores of each run; None for one or, on GPUs, the cores of the cluster divided by the runs that its
            GPUs take.
        gpus_per_run: GPUs of each run, which may be a fraction; None for one if the cluster has any.
        runs_dir: the folder of runs.

    Raises:
        RequestError: Ray is not installed, no cluster answers, or no machine of it is large enough for a run.
    """

    slots = sys.maxsize  # Ray keeps the queue.

    def __init__(self, address: str, cpus_per_run: int | None, gpus_per_run: float | None, runs_dir: Path) -> None:
        self._thread = OwnThread()
        try:
            self._ray = self._thread.call(partial(connect, address), _CONNECTING_SECONDS)
        except TimeoutError as error:
            raise unreachable(address, f"no answer in {_CONNECTING_SECONDS:.0f} seconds") from error
        self._jobs: dict[Any, Job] = {}
        self._begun: set[int] = set()
        self._thread.call(partial(self._prepare, cpus_per_run, gpus_per_run, runs_dir))

    def _prepare(self, cpus_per_run: int | None, gpus_per_run: float | None, runs_dir: Path) -> None:
        ray = self._ray
        try:
            cpus, gpus = resources_of(ray, cpus_per_run, gpus_per_run)
            self._probe = runs_dir.absolute() / f".{uuid.uuid4().hex}.probe"
            self._probe.parent.mkdir(parents=True, exist_ok=True)
            self._probe.touch()
            passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
            self._place = _Place(str(Path.cwd()), str(self._probe), passed, cpus)
            here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                ray.get_runtime_context().get_node_id(), soft=False
            )
            self._mailbox = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        except BaseException:
            ray.shutdown()
            raise
        # A worker ends with its task: the memory of a run is free afterwards, and its peak is that of one run.
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=ATTEMPTS_AFTER_LOSS, max_calls=1)
        self._task = task(_work)

    def start(self, job: Job) -> None:
        """Give a job to Ray, which begins it when a machine has room."""
        self._thread.call(partial(self._start, job))

    def _start(self, job: Job) -> None:
        task = self._task.options(name=job.title)
        self._jobs[task.remote(pickle.dumps(job), self._place, self._mailbox)] = job

    def poll(self, seconds: float) -> list[Event]:
        """Return what the jobs have told; wait for `seconds` at most if none of them ends."""
        return self._thread.call(partial(self._poll, seconds)) if self._jobs else []

    def _poll(self, seconds: float) -> list[Event]:
        ready, _ = self._ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=seconds)
        # What was sent before the end of a job may arrive after it.
        under_way = {job.number for job in self._jobs.values()}
        events: list[Event] = []
        for event in self._ray.get(self._mailbox.take.remote()):
            if event.number in under_way:
                events += self._told(event)
        return events + [self._end(reference) for reference in ready]

    def _told(self, event: Event) -> Iterator[Event]:
        yield event
        if event.began and event.number in self._begun:
            text = "its machine or process was lost; another one goes on from the last checkpoint"
            yield Event(event.number, log=(logging.WARNING, text))
        if event.began:
            self._begun.add(event.number)

    def _end(self, reference: Any) -> Event:
        job = self._jobs.pop(reference)
        try:
            event, files = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Event(job.number, error=reason_of_loss(error))
        if files:
            _store(event.result, files)
        return event

    def close(self) -> None:
        """Cancel all runs, which write their checkpoints, wait for them, and leave the cluster."""
        self._thread.call(self._close)

    def _close(self) -> None:
        left = list(self._jobs)
        for reference in left:
            self._ray.cancel(reference)
        if left:
            _, late = self._ray.wait(left, num_returns=len(left), timeout=CLOSING_SECONDS)
            for reference in late:
                self._ray.cancel(reference, force=True)
        self._jobs.clear()
        self._ray.shutdown()
        self._probe.unlink(missing_ok=True)


class _Mailbox:
    """Receives what runs tell. It is an actor on the machine of the command."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        """Receive an event."""
        self.events.append(event)

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events


def _work(content: bytes, place: _Place, mailbox: Any) -> tuple[Event, dict[str, bytes]]:
    """Do a job on a machine of the cluster.

    Returns:
        Its last event and, where the folder of runs is not shared, the files of its result.
    """
    os.environ.update(place.environment)
    limit_threads(place.cores)
    job: Job = pickle.loads(content)  # noqa: S301 (it comes from the command, through Ray)
    try:
        os.chdir(place.folder)
    except OSError as error:
        reason = (
            f"the machine {os.uname().nodename} has no folder {place.folder} ({error.strerror}); start in a folder "
            "that all machines share or have, with the data in it"
        )
        return Event(job.number, error=reason), {}
    event = work_on(job, mailbox.put.remote, PATIENCE)
    if event.stopped not in (None, signal.SIGINT):
        # The machine is being taken away. Ray does the job again elsewhere if this process does not end by itself.
        os._exit(1)
    carried = event.result is not None and not Path(place.probe).exists()
    return event, _files_of(event.result or {}) if carried else {}


def _files_of(result: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the names and contents of the files of a result; none for other work than runs."""
    paths = [Path(result[key]) for key in ("predictions_file", "result_file") if result.get(key)]
    return {path.name: path.read_bytes() for path in paths}


def _store(document: Any, files: Mapping[str, bytes]) -> None:
    """Store the files of a result in its place in the folder of results."""
    result = Result.from_json(document)
    predictions, file = Path(result.predictions_file or ""), Path(result.result_file or "")
    if file.exists():
        return  # The folder of results is shared, and only that of runs is not.
    with tempfile.TemporaryDirectory() as name:
        for own, content in files.items():
            Path(name, own).write_bytes(content)
        store_copy(result, Path(name, file.name), Path(name, predictions.name), file.parents[2])
