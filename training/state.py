"""The state of a run as tensors and plain values, from which it is restored with the same bits."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class State:
    """A part of a run's state.

    Attributes:
        tensors: the tensors of the state by name.
        values: everything else, as JSON can hold it.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class Stateful(Protocol):
    """An object whose state belongs into a checkpoint."""

    def state(self) -> State:
        """Return the present state. Its tensors may be the object's own ones."""
        ...

    def restore(self, state: State) -> None:
        """Take over a state that `state` returned earlier; an empty one means the beginning of a run."""
        ...


def model_state(model: torch.nn.Module) -> State:
    """Return all parameters and buffers of a model."""
    return State(dict(_tensors_of(model)))


def restore_model(model: torch.nn.Module, state: State) -> None:
    """Copy parameters and buffers back into a model.

    Raises:
        ValueError: the state belongs to another model.
    """
    import torch

    own = _tensors_of(model)
    if own.keys() != state.tensors.keys() or any(own[name].shape != t.shape for name, t in state.tensors.items()):
        raise ValueError("the checkpoint holds other parameters than the model")
    with torch.no_grad():
        for name, tensor in state.tensors.items():
            own[name].copy_(tensor)


def _tensors_of(model: torch.nn.Module) -> Mapping[str, torch.Tensor]:
    # `named_parameters` lists a tensor that two modules share only once.
    return {
        **{f"parameter.{name}": parameter.data for name, parameter in model.named_parameters()},
        **{f"buffer.{name}": buffer for name, buffer in model.named_buffers()},
    }


def optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """Return the moments and settings of an optimizer."""
    whole = optimizer.state_dict()
    tensors = {f"{number}.{key}": value for number, item in whole["state"].items() for key, value in item.items()}
    return State(tensors, {"groups": whole["param_groups"]})


def restore_optimizer(optimizer: torch.optim.Optimizer, state: State) -> None:
    """Give an optimizer of the same parameters its moments and settings back."""
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in state.tensors.items():
        number, _, key = name.partition(".")
        moments.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": state.values["groups"]})


def random_state(device: torch.device) -> State:
    """Return the states of all random generators of this process."""
    import numpy as np
    import torch

    tensors = {"torch": torch.get_rng_state()}
    if device.type != "cpu":
        tensors["device"] = torch.get_device_module(device).get_rng_state()
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    tensors["numpy"] = torch.from_numpy(np.asarray(keys, dtype=np.uint32).astype(np.int64))
    version, words, spare = random.getstate()
    tensors["python"] = torch.tensor(words, dtype=torch.int64)
    return State(
        tensors,
        {"numpy": [str(name), int(position), int(has_gauss), float(gauss)], "python": [version, spare]},
    )


def restore_random(device: torch.device, state: State) -> None:
    """Set all random generators of this process to an earlier state.

    Raises:
        RuntimeError: a generator did not accept its state.
    """
    import numpy as np
    import torch

    torch.set_rng_state(state.tensors["torch"])
    if device.type != "cpu" and "device" in state.tensors:
        torch.get_device_module(device).set_rng_state(state.tensors["device"])
    name, position, has_gauss, gauss = state.values["numpy"]
    np.random.set_state((name, state.tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    version, spare = state.values["python"]
    random.setstate((version, tuple(state.tensors["python"].tolist()), spare))
    now = random_state(device)
    # A run that continues on another kind of device has one generator more, or one less.
    both = now.tensors.keys() & state.tensors.keys()
    same = now.values == state.values and all(torch.equal(now.tensors[name], state.tensors[name]) for name in both)
    if not same:
        raise RuntimeError("a random generator did not take its state back")
