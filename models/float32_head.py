"""Computing the classifier of a model in float32 while its encoder runs in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def float32_head(model: PreTrainedModel) -> Iterator[None]:
    """Run the layers around a model's encoder without autocast while the block runs, so that logits are float32.

    bf16 has eight bits of precision: between 2 and 4 two neighbouring numbers differ by 1/64, and two options of a
    question often get the same logit. The layers of a head are small, so that float32 costs nothing that can be
    measured.

    Args:
        model: a model of `transformers` with a head.
    """
    # An encoder without a head is its own base model.
    layers = [child for child in model.children() if child is not model.base_model and model is not model.base_model]
    replaced = [layer.__dict__.get("forward") for layer in layers]
    for layer in layers:
        layer.forward = _in_float32(layer.forward, model)
    try:
        yield
    finally:
        for layer, before in zip(layers, replaced, strict=True):
            del layer.forward  # The method of the class appears again,
            if before is not None:
                layer.forward = before  # or whatever had replaced it before.


def _in_float32(forward: Callable[..., Any], model: PreTrainedModel) -> Callable[..., Any]:
    def run(*arguments: Any, **keywords: Any) -> Any:
        with torch.autocast(model.device.type, enabled=False):
            converted = [_converted(argument) for argument in arguments]
            return forward(*converted, **{name: _converted(value) for name, value in keywords.items()})

    return run


def _converted(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
