"""Elementwise passes of training on CPUs: dropout, and what attention with dropout needs.

Drawing Bernoulli masks costs a CPU about a quarter of a training step. Here a mask is a hash of (element number, two
random keys), computed where it is used and never stored, once `torch.compile` has fused it with its neighbours.
Without a C++ compiler, masks are cut from random 64-bit words, 16 bits an element, and kept for the backward pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

_log = logging.getLogger(__name__)

_BITS = 16  # of a drawn word that decide on one element
_SPAN = 2**32
_PROGRAMS = 32  # compiled for one pass, at most
# A 32-bit integer hash with low bias: xor-shift, multiply, twice over (constants of C. Wellons' hash prospector).
_MULTIPLIERS = (0x21F0AAAD, 0x735A2D97)


class Kernels:
    """The elementwise passes, fused or not.

    Args:
        fused: compile them; call `usable` first.
    """

    def __init__(self, *, fused: bool) -> None:
        self.fused = fused

    def noise(self, size: int, rate: float) -> torch.Tensor:
        """Draw what decides on so many elements, from torch's global generator.

        Returns:
            Fused: int32, (3,): two keys and the threshold of the hash. Else: bool, (size,), True where kept.
        """
        if self.fused:
            keys = torch.randint(-(_SPAN // 2), _SPAN // 2, (3,), dtype=torch.int32)
            keys[2] = round(rate * _SPAN) - _SPAN // 2
            return keys
        words = torch.empty(-(-size * _BITS // 64), dtype=torch.int64).random_(-(2**63), None)
        threshold = round(rate * 2**_BITS) - 2 ** (_BITS - 1)
        return words.view(torch.int16)[:size] >= threshold

    def drop(self, values: torch.Tensor, noise: torch.Tensor, rate: float) -> torch.Tensor:
        """Zero the elements that the noise drops, and scale the others by 1 / (1 - rate)."""
        return self._run(_drop, values.reshape(-1), noise, 1 / (1 - rate)).view(values.shape)

    def drop_probabilities(self, probabilities: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return probabilities with a minus sign where dropped, and with zeros there; neither is scaled.

        The first is all that the backward pass needs: one tensor holds probabilities and mask.
        """
        signed, kept = self._run(_drop_probabilities, probabilities.reshape(-1), noise)
        return signed.view(probabilities.shape), kept.view(probabilities.shape)

    def scores_gradient(
        self, outer: torch.Tensor, signed: torch.Tensor, delta: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Carry a gradient through dropout and softmax.

        Args:
            outer: gradient of the dropped probabilities, 1 / (1 - rate) multiplied in; (n, queries, keys).
            signed: as `drop_probabilities` returned it.
            delta: per query, the sum of output x its gradient, float32; (n, queries, 1).

        Returns:
            Gradient of the scores, and the dropped probabilities again.
        """
        rows = (-1, signed.shape[-1])
        scores, kept = self._run(_scores_gradient, outer.view(rows), signed.view(rows), delta.reshape(-1, 1))
        return scores.view(signed.shape), kept.view(signed.shape)

    # The passes see one shape each, flat where they can, so that one compiled program serves all tensors.
    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return (_compiled(function) if self.fused else function)(*arguments)


class Dropout(torch.nn.Module):
    """`torch.nn.Dropout` with the masks of `Kernels`.

    Args:
        rate: probability of an element to be dropped.
        kernels: the passes.
    """

    def __init__(self, rate: float, kernels: Kernels) -> None:
        super().__init__()
        self.p, self.kernels = rate, kernels

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Drop elements while training."""
        if not self.training or self.p == 0:
            return values
        return _Dropout.apply(values, self.p, self.kernels)  # type: ignore[return-value]


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rate: float, kernels: Kernels) -> torch.Tensor:
        ctx.rate, ctx.kernels = rate, kernels
        # Outside of autocast, as the backward pass: a compiled program is bound to such settings.
        with torch.autocast(values.device.type, enabled=False):
            noise = kernels.noise(values.numel(), rate)
            ctx.save_for_backward(noise)
            return kernels.drop(values, noise, rate)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (noise,) = ctx.saved_tensors
        return ctx.kernels.drop(grads[0], noise, ctx.rate), None, None


@cache
def usable() -> bool:
    """Whether the passes can be compiled here; if not, one line of the log says so."""
    kernels = Kernels(fused=True)
    values = torch.ones(2, 16)
    try:
        # This is done once in a process: the draws of a run must not depend on whether it was the first.
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            kernels.drop(values, kernels.noise(values.numel(), 0.5), 0.5)
    except RuntimeError as error:
        _log.warning("without a C++ compiler dropout is slower here (%s)", str(error).strip().splitlines()[0])
        return False
    return True


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # Sizes change from batch to batch: one program serves all of them. Number formats and such make a few more; beyond
    # the limit of programs the same hashes are computed uncompiled.
    torch.compiler.config.recompile_limit = max(torch.compiler.config.recompile_limit, _PROGRAMS)
    return torch.compile(function, dynamic=True)


def _keep(noise: torch.Tensor, size: int) -> torch.Tensor:
    if noise.dtype is torch.bool:
        return noise
    # Shifts of signed integers carry the sign along; the masks cut it off.
    mixed = torch.arange(size, dtype=torch.int32) ^ noise[0]
    mixed = (mixed ^ ((mixed >> 16) & 0xFFFF)) * _MULTIPLIERS[0] + noise[1]
    mixed = (mixed ^ ((mixed >> 15) & 0x1FFFF)) * _MULTIPLIERS[1]
    return (mixed ^ ((mixed >> 15) & 0x1FFFF)) >= noise[2]


def _drop(values: torch.Tensor, noise: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.where(_keep(noise, values.numel()), values * scale, 0.0).to(values.dtype)


def _drop_probabilities(probabilities: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    keep = _keep(noise, probabilities.numel())
    signed = torch.where(keep, probabilities, -probabilities)
    return signed, signed.clamp(min=0)


def _scores_gradient(
    outer: torch.Tensor, signed: torch.Tensor, delta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    kept = signed.clamp(min=0)
    gradient = kept.float() * outer.float() - signed.abs().float() * delta
    return gradient.to(outer.dtype), kept
