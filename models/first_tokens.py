"""A shortcut for the last layer of an encoder whose head reads the first token of each sequence alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .layers import encoder_layers
from .packed_attention import KeysAndValues

# The names that encoders give to the projections of their attention.
_NAMES = {"key": ("key", "k_lin"), "value": ("value", "v_lin")}


@contextmanager
def narrowed_last_layer(base: torch.nn.Module) -> Iterator[bool]:
    """Let the last layer compute keys and values of all tokens, and everything else of first tokens alone.

    The result is the same, because nothing reads the last layer's output at other tokens. Ten of the twelve matrix
    products that a layer makes per token are then made for first tokens only: 14% of the work of a six-layer encoder.
    The layer must be called with the keywords `layout`, `every_token` and `full_sequence` (see
    `packed.running_packed`); where `every_token` is true, nothing is changed.

    Args:
        base: an encoder of `transformers`.

    Yields:
        Whether the encoder's layers are known. If so, its output has one position per sequence.
    """
    layers = encoder_layers(base)
    layer = None if layers is None else layers[-1]
    projections = {} if layer is None else _projections(layer)
    if layer is None or len(projections) < len(_NAMES):
        yield False
        return

    def narrow(module: Any, arguments: tuple, keywords: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        if keywords["every_token"]:
            return None
        states, *others = arguments
        full_sequence: KeysAndValues = keywords["full_sequence"]
        full_sequence.key, full_sequence.value = projections["key"](states), projections["value"](states)
        starts = keywords["layout"].offsets[:-1].long()
        return (states.index_select(1, starts), *others), keywords

    hook = layer.register_forward_pre_hook(narrow, with_kwargs=True)
    try:
        yield True
    finally:
        hook.remove()


def _projections(layer: torch.nn.Module) -> dict[str, torch.nn.Module]:
    found = {}
    for name, called in _NAMES.items():
        modules = [m for path, m in layer.named_modules() if path.rpartition(".")[-1] in called]
        if len(modules) == 1:
            found[name] = modules[0]
    return found
