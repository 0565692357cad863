"""Reporters for the experiment trackers that people have: TensorBoard, Weights & Biases, MLflow and Trackio."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from typing import Any

from ..errors import RequestError, nearest
from ..training.reporters import Progress, Reporter

# Name of a tracker -> the package that it needs, which is also the extra that installs it.
TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "trackio": "trackio"}
_PROJECT = "linkbert"
_LOGGED = ("loss", "learning_rate", "examples_per_second", "tokens_per_second", "memory_mb", "epoch")


def make_trackers(names: Sequence[str]) -> list[Reporter]:
    """Return the reporters for trackers by name.

    Raises:
        RequestError: a tracker is unknown, or its package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise RequestError(f"--track {name!r}: {nearest(name, TRACKERS)}")
        if find_spec(TRACKERS[name]) is None:
            raise RequestError(
                f"--track {name}: the package {TRACKERS[name]} is not installed; pip install 'linkbert[{name}]'"
            )
    return [Tracker(name) for name in dict.fromkeys(names)]


class Tracker(Reporter):
    """Sends losses, learning rate, speed, memory, the scores of epochs and the result to a tracker.

    The connection to each of them is that of `accelerate`. A tracker is told about one run after the other. TensorBoard
    writes into the run folder; the others where their own environment variables say (`WANDB_MODE=offline`,
    `MLFLOW_TRACKING_URI`, `TRACKIO_DIR`).

    Args:
        name: a name of `TRACKERS`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._open: Any = None  # the tracker of the run that is under way
        self._step = 0

    def on_start(self, run: Mapping[str, Any]) -> None:
        """Open the tracker, and log the settings of the run."""
        try:
            with _quiet_output():
                self._open = self._started(run)
        except Exception as error:
            # Each tracker has errors of its own: no server, no login, a store that it does not know.
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RequestError(
                f"--track {self.name}: it cannot start ({reason}); check its settings, or leave the tracker out"
            ) from error
        self._step = 0

    def _started(self, run: Mapping[str, Any]) -> Any:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        title = f"{run['task']}/{run['model']}/seed-{run['seed']}"
        make = LOGGER_TYPE_TO_CLASS[self.name]
        # TensorBoard shows folders: its curves lie in the run folder. The others have a project with named runs.
        if make.requires_logging_directory:
            found = make(self.name, logging_dir=run["run_dir"])
        else:
            found = make(_PROJECT, **{"run_name" if self.name == "mlflow" else "name": title})
        found.start()
        # Trackio prints when Python ends; that must not follow the result on standard output.
        atexit.register(lambda: setattr(sys, "stdout", sys.stderr))
        settings = {**run["recipe"], "task": run["task"], "model": run["model"], "seed": run["seed"]}
        found.store_init_configuration({key: _plain(value) for key, value in settings.items()})
        return found

    def on_progress(self, progress: Progress) -> None:
        """Log the loss, with learning rate, speed and memory."""
        if progress.stage == "train" and progress.loss is not None:
            self._step = progress.done
            self._log({f"train/{name}": getattr(progress, name) for name in _LOGGED})

    def on_epoch(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Log the scores at the end of an epoch."""
        self._log({f"dev/{name.removeprefix('dev_')}": value for name, value in scores.items()})

    def on_end(self, result: Mapping[str, Any]) -> None:
        """Log the scores of dev and test, and close the tracker."""
        dev = (result.get("dev") or {}).get("metrics") or {}
        for split, metrics in (("dev", dev), (result["split"], result["metrics"])):
            self._log({f"{split}/{name}": value for name, value in metrics.items()})
        self._close()

    def on_failure(self, error: BaseException) -> None:
        """Close the tracker; what was logged so far is kept."""
        self._close()

    def _log(self, values: Mapping[str, Any]) -> None:
        found = {name: value for name, value in values.items() if value is not None}
        if self._open is not None and found:
            with _quiet_output():
                self._open.log(found, step=self._step)

    def _close(self) -> None:
        if self._open is not None:
            with _quiet_output():
                self._open.finish()
            self._open = None


def _quiet_output() -> redirect_stdout[Any]:
    """Send what a tracker prints to standard error: standard output holds the result alone."""
    return redirect_stdout(sys.stderr)


def _plain(value: Any) -> Any:
    """Return a value that every tracker takes as a setting."""
    return value if isinstance(value, str | int | float | bool) else str(value)
