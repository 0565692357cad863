"""A Ray cluster: connecting to it, what its machines hold, and why it gives work up."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ..errors import RequestError

ATTEMPTS_AFTER_LOSS = 5  # times that a run is done again after its machine, or its process, was lost
T = TypeVar("T")


class OwnThread:
    """Makes all calls of Ray in one thread.

    In the main thread, a call of Ray does not survive a signal whose handler raises, and it may wait without end for a
    cluster that does not answer.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="ray-calls", daemon=True).start()

    def call(self, function: Callable[[], T], timeout: float | None = None) -> T:
        """Make a call, and return what it returns or raise what it raises.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
        """
        future: Future[Any] = Future()
        self._calls.put((function, future))
        return future.result(timeout)

    def _serve(self) -> None:
        while True:
            function, future = self._calls.get()
            try:
                future.set_result(function())
            except BaseException as error:
                # It is raised where the call was made.
                future.set_exception(error)


def connect(address: str) -> Any:
    """Connect to a cluster, and return the package `ray`.

    Raises:
        RequestError: that is not possible.
    """
    # Ray prints what it says about lost machines on standard output, which belongs to our results.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = r"[\s\S]*"
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise RequestError("--engine ray needs the package ray; pip install 'linkbert[ray]'") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=None if address == "local" else address,
            log_to_driver=False,
            configure_logging=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise unreachable(address, str(error).strip().split("\n")[0]) from error
    return ray


def unreachable(address: str, reason: str) -> RequestError:
    """Return the error that says why a cluster cannot be used, and what to do."""
    return RequestError(
        f"--address {address}: no Ray cluster can be used there ({reason}); start one with `ray start --head`, and "
        "`ray start --address HOST:6379` on the other machines, each with the same linkbert and ray installed"
    )


def resources_of(ray: Any, cpus: int | None, gpus: float | None) -> tuple[int, float]:
    """Return the cores and GPUs of each run.

    Raises:
        RequestError: no machine of the cluster has as many.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    total_cpus, total_gpus = (sum(machine.get(kind, 0) for machine in machines) for kind in ("CPU", "GPU"))
    if gpus is None:
        gpus = 1.0 if total_gpus else 0.0
    if cpus is None:
        cpus = max(1, int(total_cpus * gpus / total_gpus)) if gpus and total_gpus else 1
    for option, wanted, kind in (("--cpus-per-run", cpus, "CPU"), ("--gpus-per-run", gpus, "GPU")):
        most = max((machine.get(kind, 0) for machine in machines), default=0)
        if wanted > most:
            raise RequestError(f"{option} {wanted:g}: no machine of the cluster has as many; the largest has {most:g}")
    return cpus, gpus


def reason_of_loss(error: Exception) -> str:
    """Return why Ray gave a job up."""
    text = str(error).strip().split("\n")
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return (
            "its machine ran out of memory, and Ray stopped it; give each run more with --cpus-per-run, and run the "
            "same command again: it continues from the last checkpoint"
        )
    if kind in ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError"):
        return (
            f"its machine or process was lost {ATTEMPTS_AFTER_LOSS + 1} times ({text[0]}); run the same command "
            "again: it continues from the last checkpoint"
        )
    return f"{kind}: {text[-1]}"
