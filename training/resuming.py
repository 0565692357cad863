"""Saving a running training and going on from there, to the bit."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ..errors import RunError
from .batches import MicroBatchSize
from .checkpoints import Checkpoints
from .precision import device_name
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
    from .feed import Feed
    from .progress import Meter

_log = logging.getLogger(__name__)

_LOOK_EVERY = 8  # updates between two agreements of several GPUs, each of which waits for them


@dataclass
class Training:
    """A training under way: all that changes with an update.

    Attributes:
        accelerator: of its processes.
        model: in the form in which it is trained.
        optimizer: of its parameters.
        schedule: of the learning rate.
        feed: of updates.
        meter: of loss and speed.
        parts: of the run's state, that the trainer knows nothing of.
        deterministic: whether only algorithms that give the same bits each time are used.
        updates: done.
        epochs: done, what follows an epoch included.
        exact: whether it is the training that it would have been without a stop.
    """

    accelerator: Accelerator
    model: Any
    optimizer: Any
    schedule: Any
    feed: Feed
    meter: Meter
    parts: Mapping[str, Stateful]
    deterministic: bool = False
    updates: int = 0
    epochs: int = 0
    exact: bool = True

    def states(self) -> dict[str, State]:
        """Describe it, all processes together."""
        own = [(random_state(self.feed.device), self.meter.state())]
        everyone = gather_object(own) if self.accelerator.num_processes > 1 else own
        scaler = self.accelerator.scaler
        position = {
            "updates": self.updates,
            "epochs": self.epochs,
            "schedule": self.schedule.state_dict(),
            "size": asdict(self.feed.size),
            "halvings": self.feed.halvings,
            "scaler": None if scaler is None else scaler.state_dict(),
            "device": device_name(self.feed.device),
            "deterministic": self.deterministic,
            "exact": self.exact,
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
        """Become what `states` describes; the random generators come last."""
        position = states["position"].values
        restore_model(self.model, states["model"])
        restore_optimizer(self.optimizer, states["optimizer"])
        self.schedule.load_state_dict(position["schedule"])
        self.updates, self.epochs, self.exact = position["updates"], position["epochs"], position["exact"]
        size = MicroBatchSize(**position["size"])
        if size.examples == self.feed.size.examples:
            self.feed.size = size
        else:
            self.exact = False
        if (position["device"], position["deterministic"]) != (device_name(self.feed.device), self.deterministic):
            self.exact = False
        self.feed.halvings = position["halvings"]
        if self.accelerator.scaler is not None and position["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(position["scaler"])
        for name, part in self.parts.items():
            part.restore(states[name])
        process = self.accelerator.process_index
        self.meter.restore(states[f"meter-{process}"])
        restore_random(self.feed.device, states[f"random-{process}"])


class Resumable:
    """Takes a training up from its last checkpoint, and writes checkpoints as it goes.

    Args:
        training: as it begins.
        checkpoints: where they are kept; None for a training that keeps none.
        total: updates of the whole training.
    """

    def __init__(self, training: Training, checkpoints: Checkpoints | None, total: int) -> None:
        self.training, self.checkpoints, self.total = training, checkpoints, total
        self.saved = (0, 0)

    def begin(self, also: Mapping[str, Any]) -> None:
        """Go on from the last checkpoint, if there is one; else from the beginning.

        Args:
            also: what a checkpoint depends on, beside its conditions.

        Raises:
            RequestError: the checkpoint is of another run.
        """
        states = self.checkpoints.read(also=also) if self.checkpoints else None
        if states is None:
            for part in self.training.parts.values():
                part.restore(State())
            return
        self.training.restore(states)
        if not self.training.exact:
            _log.warning(
                "micro-batches, device or algorithms are others than before: sums may differ in their last bits"
            )
        self.saved = (self.training.updates, self.training.epochs)
        _log.info("going on after update %d of %d", self.training.updates, self.total)

    def after_update(self) -> None:
        """Write a checkpoint if one is due.

        Raises:
            Stopped: if it was asked for.
        """
        # Several GPUs would wait for each other at every vote.
        if self._shared and self.training.updates % _LOOK_EVERY and self.training.updates != self.total:
            return
        self._save_if(self.checkpoints is not None and self.checkpoints.due)

    def after_epoch(self) -> None:
        """Write a checkpoint if it takes a small share of the time; after the last epoch in any case.

        Raises:
            Stopped: several processes were asked to stop meanwhile.
        """
        last = self.training.updates == self.total
        self._save_if(self.checkpoints is not None and (last or self.checkpoints.cheap))

    @property
    def _shared(self) -> bool:
        return self.training.accelerator.num_processes > 1 and self.training.feed.device.type != "cpu"

    def _save_if(self, due: bool) -> None:
        stop, due = self._agreed(stop_asked(), due)
        if stop:
            raise Stopped(stop)
        if due:
            self.save()

    def save(self) -> None:
        """Write a checkpoint, unless the last one is as new.

        Raises:
            RunError: loss or weights are not finite, or the checkpoint cannot be written.
        """
        position = (self.training.updates, self.training.epochs)
        if self.checkpoints is None or position == self.saved:
            return
        self.training.meter.check()
        states = self.training.states()
        if not all(bool(tensor.isfinite().all()) for tensor in states["model"].tensors.values()):
            raise RunError(f"the weights are not finite after update {self.training.updates}; lower --learning-rate")
        if self.training.accelerator.is_main_process:
            self.checkpoints.write(self.training.updates, states, self.training.epochs)
        self.training.accelerator.wait_for_everyone()
        self.saved = position
        _log.debug("checkpoint after update %d", self.training.updates)

    def _agreed(self, stop: int | None, due: bool) -> tuple[int | None, bool]:
        """What all processes do: stop if one was asked to; write a checkpoint if the first one finds it due."""
        accelerator, device = self.training.accelerator, self.training.feed.device
        if accelerator.num_processes == 1:
            return stop, due
        votes: Any = accelerator.reduce(
            torch.tensor([bool(stop), due and accelerator.is_main_process], dtype=torch.int64, device=device)
        )
        stopping, writing = (bool(vote) for vote in votes.tolist())
        return ((stop or int(signal.SIGTERM)) if stopping else None), writing
