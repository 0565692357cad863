"""The engine of this machine: one process per run, as many at a time as the devices hold."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .jobs import CLOSING_SECONDS, Event, Job, limit_threads, work_on

_log = logging.getLogger(__name__)
_PRELOADED = "linkbert.benchmarks.preloaded"
_LAST_OUTPUT = 2000  # bytes of the output of a process that died


@dataclass(frozen=True)
class Slot:
    """What one run at a time may use.

    Attributes:
        cores: the logical cores.
        device: the number of the GPU as `CUDA_VISIBLE_DEVICES` has it; None for a run on the CPU.
    """

    cores: tuple[int, ...]
    device: str | None = None

    def take(self) -> None:
        """Confine this process to the slot. It must not have computed anything yet."""
        if self.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.device
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)
        limit_threads(len(self.cores))


def usable_cores() -> list[int]:
    """Return the numbers of the logical cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def make_slots(runs_per_device: int | None, jobs: int) -> list[Slot]:
    """Divide the devices of this machine among runs.

    Args:
        runs_per_device: runs at a time on each GPU or, without one, on the CPU. By default one on each GPU, and on the
            CPU one for each core.
        jobs: the number of runs; there are no more slots than that.
    """
    import torch

    cores, gpus = usable_cores(), _gpus(torch.cuda.device_count())
    if gpus:
        # In turns, so that few runs are spread over all GPUs.
        devices: list[str | None] = [gpu for _ in range(runs_per_device or 1) for gpu in gpus]
    else:
        devices = [None] * min(runs_per_device or len(cores), len(cores))
        if runs_per_device is not None and runs_per_device > len(cores):
            _log.warning(
                "--runs-per-device %d: each run needs a core, so that %d are done at a time",
                runs_per_device,
                len(cores),
            )
    devices = devices[: max(1, jobs)]
    share = max(1, len(cores) // len(devices))
    slots = []
    for number, device in enumerate(devices):
        first = number * share % len(cores)
        slots.append(Slot(tuple(cores[first : first + share]), device))
    return slots


def _gpus(count: int) -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[:count] if visible else [str(number) for number in range(count)]


@dataclass
class _Worker:
    """A process that works on a job."""

    job: Job
    slot: Slot
    process: Any
    connection: Connection
    output: Path


class LocalEngine:
    """Works on jobs in processes of this machine.

    Each process is forked from one that has imported everything and computed nothing, so that imports are paid once. A
    run that is killed, or that crashes, ends alone, and its memory is free again.

    Args:
        slots: what each run may use.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = list(slots)
        self._workers: list[_Worker] = []
        self.slots = len(slots)
        methods = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if self._context.get_start_method() == "forkserver":
            self._context.set_forkserver_preload([_PRELOADED])

    def start(self, job: Job) -> None:
        """Begin to work on a job in a free slot."""
        slot = self._free.pop(0)
        receiving, sending = self._context.Pipe(duplex=False)
        handle, name = tempfile.mkstemp(prefix="linkbert-output-")
        os.close(handle)
        process = self._context.Process(target=_work, args=(job, slot, sending, name), daemon=False)
        process.start()
        sending.close()  # So that the end of the process is the end of what is received.
        self._workers.append(_Worker(job, slot, process, receiving, Path(name)))

    def poll(self, seconds: float) -> list[Event]:
        """Return what the processes have told; wait for `seconds` at most if that is nothing."""
        ready = wait([worker.connection for worker in self._workers], seconds) if self._workers else []
        events: list[Event] = []
        for worker in [worker for worker in self._workers if worker.connection in ready]:
            events += self._received(worker)
        return events

    def _received(self, worker: _Worker) -> Iterator[Event]:
        try:
            while worker.connection.poll():
                event = worker.connection.recv()
                yield event
                if event.is_last:
                    self._end(worker)
                    return
        except (EOFError, OSError):
            worker.process.join()
            reason = _death(worker)
            self._end(worker)
            yield Event(worker.job.number, error=reason)

    def _end(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        worker.output.unlink(missing_ok=True)
        self._workers.remove(worker)
        self._free.append(worker.slot)

    def close(self) -> None:
        """Ask all runs to stop, which write their checkpoints, and wait for them."""
        for worker in self._workers:
            worker.process.terminate()
        until = time.monotonic() + CLOSING_SECONDS
        for worker in list(self._workers):
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
            self._end(worker)


def _death(worker: _Worker) -> str:
    code = worker.process.exitcode
    tail = worker.output.read_bytes()[-_LAST_OUTPUT:].decode(errors="replace").strip()
    said = f"; its last output: {tail.splitlines()[-1]}" if tail else ""
    if code == -signal.SIGKILL:
        return (
            "its process was killed, probably by the system because memory ran out; use a smaller --runs-per-device, "
            f"and run the same command again: it continues from the last checkpoint{said}"
        )
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"its process ended without a result ({how}); run the same command again{said}"


def _work(job: Job, slot: Slot, connection: Connection, output: str) -> None:
    """Do a job in this process, and send what it tells."""
    # Ctrl-C in a terminal reaches a whole process group. Here the engine alone stops its runs.
    os.setsid()
    with Path(output).open("ab", buffering=0) as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    slot.take()
    _end_with_parent()

    def tell(event: Event) -> None:
        # The engine is gone if it was killed. The run is then stopped by `_end_with_parent`.
        with contextlib.suppress(OSError):
            connection.send(event)

    tell(work_on(job, tell))


def _end_with_parent() -> None:
    """Stop this process, as by SIGTERM, when the process that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
