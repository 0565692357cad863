"""Saving a training that is under way, and continuing it with the same bits."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object, set_seed

from ..errors import RunError
from .checkpoints import Checkpoints
from .device import device_name
from .meter import SHARED_COUNTS
from .sampling import MicroBatchSize
from .state import (
    State,
    Stateful,
    model_state,
    optimizer_state,
    random_state,
    restore_model,
    restore_optimizer,
    restore_random,
)
from .stopping import Stopped, stop_asked

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .data_loader import UpdateLoader
    from .meter import Meter

_log = logging.getLogger(__name__)

# Number of updates after which several GPUs agree whether to stop or to save. Each agreement waits for all of them.
_AGREE_EVERY = 8


@dataclass
class TrainingState:
    """A training that is under way: everything that changes with an update.

    Attributes:
        accelerator: the accelerator of this process.
        model: the model as it is trained (patched).
        wrapped: the model that is called; several processes call it through a wrapper that exchanges gradients.
        optimizer: the optimizer of its parameters.
        scheduler: the learning rate schedule.
        loader: reads updates; it knows the size of micro-batches.
        meter: watches loss and speed.
        parts: further state of the run by name, about which the trainer knows nothing.
        deterministic: whether only algorithms are used that give the same bits each time.
        updates: number of updates done.
        epochs: number of epochs done, including the scoring after each.
        exact: whether the training is, to the bit, the one that it would have been without interruptions.
    """

    accelerator: Accelerator
    model: PreTrainedModel
    wrapped: Any
    optimizer: Any  # accelerate's wrapper around AdamW
    scheduler: torch.optim.lr_scheduler.LRScheduler
    loader: UpdateLoader
    meter: Meter
    parts: Mapping[str, Stateful]
    deterministic: bool = False
    updates: int = 0
    epochs: int = 0
    exact: bool = True

    def states(self) -> dict[str, State]:
        """Return the state of all processes, by name."""
        own = [(random_state(self.loader.device), self.meter.state())]
        everyone = gather_object(own) if self.accelerator.num_processes > 1 else own
        scaler = self.accelerator.scaler
        position = {
            "updates": self.updates,
            "epochs": self.epochs,
            "schedule": self.scheduler.state_dict(),
            "size": asdict(self.loader.size),
            "halvings": self.loader.halvings,
            "scaler": None if scaler is None else scaler.state_dict(),
            "device": device_name(self.loader.device),
            "deterministic": self.deterministic,
            "exact": self.exact,
            "processes": len(everyone),
        }
        states = {
            "position": State(values=position),
            "model": model_state(self.model),
            "optimizer": optimizer_state(self.optimizer),
        }
        for number, (random, meter) in enumerate(everyone):
            states |= {f"random-{number}": random, f"meter-{number}": meter}
        return states | {name: part.state() for name, part in self.parts.items()}

    def restore(self, states: Mapping[str, State]) -> None:
        """Take over a state. The random generators come last, because everything before may draw from them."""
        position = states["position"].values
        restore_model(self.model, states["model"])
        restore_optimizer(self.optimizer, states["optimizer"])
        self.scheduler.load_state_dict(position["schedule"])
        self.updates, self.epochs, self.exact = position["updates"], position["epochs"], position["exact"]
        size = MicroBatchSize(**position["size"])
        if size.examples == self.loader.size.examples:
            self.loader.size = size
        else:
            self.exact = False
        if (position["device"], position["deterministic"]) != (device_name(self.loader.device), self.deterministic):
            self.exact = False
        self.loader.halvings = position["halvings"]
        if self.accelerator.scaler is not None and position["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(position["scaler"])
        for name, part in self.parts.items():
            part.restore(states[name])
        before, now, process = position["processes"], self.accelerator.num_processes, self.accelerator.process_index
        self.meter.restore(_share([states[f"meter-{number}"] for number in range(before)], process, now))
        restore_random(self.loader.device, states[f"random-{process % before}"])
        if before != now:
            # Each process needs numbers of its own from here on, and none that it had at the beginning.
            self.exact = False
            set_seed((torch.initial_seed() + self.updates * now + process) % 2**32)


def _share(meters: list[State], process: int, processes: int) -> State:
    """Return the share of a process in what all processes of the run so far have counted."""
    if len(meters) == processes:
        return meters[process]
    values = dict(meters[0].values)
    for name in SHARED_COUNTS:
        values[name] = sum(meter.values[name] for meter in meters) // processes
    losses = [meter.tensors["losses"] for meter in meters if "losses" in meter.tensors]
    # They are summed over processes when they are reported.
    return State({"losses": torch.stack(losses).sum(0) / processes} if losses else {}, values)


class Resumable:
    """Continues a training from its last checkpoint, and writes checkpoints while it runs.

    Args:
        state: the training at its beginning.
        checkpoints: where checkpoints are kept; None for a training that keeps none.
        total: number of updates of the whole training.
    """

    def __init__(self, state: TrainingState, checkpoints: Checkpoints | None, total: int) -> None:
        self.state, self.checkpoints, self.total = state, checkpoints, total
        self.saved = (0, 0)

    def begin(self, conditions: Mapping[str, Any]) -> None:
        """Continue from the last checkpoint if there is one, else start at the beginning.

        Args:
            conditions: what a checkpoint depends on beside the run, by name.

        Raises:
            RequestError: the checkpoint belongs to another run.
        """
        states = self.checkpoints.read(conditions) if self.checkpoints else None
        if states is None:
            for part in self.state.parts.values():
                part.restore(State())
            return
        self.state.restore(states)
        if not self.state.exact:
            _log.warning(
                "micro-batches, processes, device or algorithms differ from those before: sums may differ in their "
                "last bits and, with another number of processes, dropout leaves other units out"
            )
        self.saved = (self.state.updates, self.state.epochs)
        _log.info("continuing after update %d of %d", self.state.updates, self.total)

    def after_update(self) -> None:
        """Write a checkpoint if one is due.

        Raises:
            Stopped: a signal asked for it.
        """
        if self._shared and self.state.updates % _AGREE_EVERY and self.state.updates != self.total:
            return
        self._save_if(self.checkpoints is not None and self.checkpoints.due)

    def after_epoch(self) -> None:
        """Write a checkpoint if writing takes a small share of the time, and always after the last epoch.

        Raises:
            Stopped: several processes were asked to stop in the meantime.
        """
        last = self.state.updates == self.total
        self._save_if(self.checkpoints is not None and (last or self.checkpoints.cheap))

    @property
    def _shared(self) -> bool:
        return self.state.accelerator.num_processes > 1 and self.state.loader.device.type != "cpu"

    def _save_if(self, due: bool) -> None:
        stop, due = self._agreed(stop_asked(), due)
        if stop:
            raise Stopped(stop)
        if due:
            self.save()

    def save(self) -> None:
        """Write a checkpoint, unless the last one is from the same position.

        Raises:
            RunError: the loss or a weight is not finite, or the checkpoint cannot be written.
        """
        position = (self.state.updates, self.state.epochs)
        if self.checkpoints is None or position == self.saved:
            return
        self.state.meter.check()
        states = self.state.states()
        if not all(bool(tensor.isfinite().all()) for tensor in states["model"].tensors.values()):
            raise RunError(f"the weights are not finite after update {self.state.updates}; lower --learning-rate")
        if self.state.accelerator.is_main_process:
            self.checkpoints.write(self.state.updates, states, self.state.epochs)
        self.state.accelerator.wait_for_everyone()
        self.saved = position
        _log.debug("checkpoint after update %d", self.state.updates)

    def _agreed(self, stop: int | None, due: bool) -> tuple[int | None, bool]:
        """Agree with all processes: stop if any of them was asked to, write a checkpoint if the main one finds it due.

        Returns:
            The signal if the processes stop, and whether they write a checkpoint.
        """
        accelerator, device = self.state.accelerator, self.state.loader.device
        if accelerator.num_processes == 1:
            return stop, due
        votes: Any = accelerator.reduce(
            torch.tensor([bool(stop), due and accelerator.is_main_process], dtype=torch.int64, device=device)
        )
        stopping, writing = (bool(vote) for vote in votes.tolist())
        return ((stop or int(signal.SIGTERM)) if stopping else None), writing
