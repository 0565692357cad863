"""The last layer of an encoder whose head reads first tokens alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# What encoders call the projections of their attention.
_NAMES = {"key": ("key", "k_lin"), "value": ("value", "v_lin")}


@contextmanager
def narrowed_last_layer(base: torch.nn.Module) -> Iterator[bool]:
    """Let the last layer compute what first tokens need: keys and values of all tokens, all else of those alone.

    Ten of the twelve matrix products that a layer makes per token are then made for first tokens only. It is for
    layers that run with the keywords `layout`, `every_token` and `whole` (see `packed_attention`), and does nothing
    where `every_token` is true.

    Args:
        base: an encoder of `transformers`.

    Yields:
        Whether this knows the layers of the encoder: its output then has one position per sequence.
    """
    layer = _last_layer(base)
    projections = {} if layer is None else _projections(layer)
    if layer is None or len(projections) < len(_NAMES):
        yield False
        return

    def narrow(module: Any, arguments: tuple, keywords: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        if keywords["every_token"]:
            return None
        states, *others = arguments
        keywords["whole"].update({name: projection(states) for name, projection in projections.items()})
        starts = keywords["layout"].offsets[:-1].long()
        return (states.index_select(1, starts), *others), keywords

    hook = layer.register_forward_pre_hook(narrow, with_kwargs=True)
    try:
        yield True
    finally:
        hook.remove()


def _last_layer(base: Any) -> torch.nn.Module | None:
    layers = getattr(base.config, "num_hidden_layers", None)
    stacks = [m for m in base.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == layers]
    return stacks[0][-1] if len(stacks) == 1 else None


def _projections(layer: torch.nn.Module) -> dict[str, torch.nn.Module]:
    found = {}
    for name, called in _NAMES.items():
        modules = [m for path, m in layer.named_modules() if path.rpartition(".")[-1] in called]
        if len(modules) == 1:
            found[name] = modules[0]
    return found
