"""The layers of an encoder by their depth, for learning rates that fall with it, and to freeze or begin layers anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RequestError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def encoder_layers(base: Any) -> torch.nn.ModuleList | None:
    """Return the stack of layers of an encoder; None if it cannot be told apart."""
    import torch

    count = getattr(base.config, "num_hidden_layers", None)
    stacks = [m for m in base.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]
    return stacks[0] if len(stacks) == 1 else None


def depths(model: PreTrainedModel) -> dict[torch.nn.Parameter, int]:
    """Return the depth of each parameter: 0 for embeddings, then 1, 2, ... for the layers; the head has the highest.

    Raises:
        RequestError: the layers of this architecture are not known.
    """
    layers = _layers(model)
    found: dict[torch.nn.Parameter, int] = {}
    for number, layer in enumerate(layers, start=1):
        found |= dict.fromkeys(layer.parameters(), number)
    for name, parameter in model.named_parameters():
        # What stands neither in a layer nor in the embeddings (final normalisation, pooler, head) comes last.
        found.setdefault(parameter, 0 if "embed" in name else len(layers) + 1)
    return found


def freeze_layers(model: PreTrainedModel, count: int) -> None:
    """Exclude the embeddings and the lowest layers from training.

    Args:
        model: the model.
        count: number of layers, from the lowest; 0 to train everything.

    Raises:
        RequestError: the model has fewer layers.
    """
    if count:
        _require(model, count, "frozen_layers")
        for parameter, depth in depths(model).items():
            if depth <= count:
                parameter.requires_grad_(False)


def reinitialise_layers(model: PreTrainedModel, count: int) -> None:
    """Let the highest layers and the pooler begin with random weights, as the architecture draws them.

    Args:
        model: the model.
        count: number of layers, from the highest; 0 to leave all as they are.

    Raises:
        RequestError: the model has fewer layers.
    """
    if not count:
        return
    import torch

    _require(model, count, "reinit_layers")
    chosen: list[torch.nn.Module] = list(_layers(model))[-count:]
    pooler = getattr(model.base_model, "pooler", None)
    if isinstance(pooler, torch.nn.Module):
        chosen.append(pooler)
    for part in chosen:
        initialise_anew(model, part)


def initialise_anew(model: PreTrainedModel, part: torch.nn.Module) -> None:
    """Draw the weights of a part of a model at random, as its architecture draws them."""
    import torch

    initialise: Any = model._init_weights
    with torch.no_grad():
        for module in part.modules():
            for parameter in module.parameters(recurse=False):
                # transformers leaves weights alone that it knows to come from a checkpoint.
                _forget_origin(parameter)
            _forget_origin(module)
            initialise(module)


def _forget_origin(item: Any) -> None:
    if hasattr(item, "_is_hf_initialized"):
        del item._is_hf_initialized


def _layers(model: PreTrainedModel) -> torch.nn.ModuleList:
    layers = encoder_layers(model.base_model)
    if layers is None:
        raise RequestError(
            f"the layers of {model.config.model_type} are not known, so that layer_decay, frozen_layers and "
            "reinit_layers cannot be used with it"
        )
    return layers


def _require(model: PreTrainedModel, count: int, setting: str) -> None:
    there = len(_layers(model))
    if count > there:
        raise RequestError(f"{setting} {count}: the model has {there} layers; choose {there} or fewer")
