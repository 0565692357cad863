"""Elementwise operations for training on CPUs: dropout, and the parts of attention that need its dropout mask.

`torch.nn.Dropout` draws a Bernoulli number for each element, which takes a CPU about a quarter of a training step. Here
the dropout mask is a hash of each element's index and two random keys. `torch.compile` fuses the hash with the
operations that use the mask, so that the mask is never stored: the backward pass computes it again from the keys.

Without compilation, each operation of the hash would be a pass of its own over memory. Then the mask is cut from random
64-bit words, 16 bits per element, and is stored for the backward pass.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

_log = logging.getLogger(__name__)

_BITS = 16  # number of bits of a random word that decide about one element
_SPAN = 2**32  # number of values of the hash
_PROGRAMS = 32  # largest number of programs that are compiled for one function
# Constants of a 32-bit integer hash with low bias, found by C. Wellons' hash prospector. The hash does an xor-shift and
# a multiplication, twice, and a last xor-shift.
_MULTIPLIERS = (0x21F0AAAD, 0x735A2D97)


class Kernels:
    """The elementwise operations, either compiled or executed one after the other.

    Args:
        fused: whether to compile the operations, which works only where `usable` returns True.
    """

    def __init__(self, *, fused: bool) -> None:
        self.fused = fused

    def noise(self, size: int, rate: float) -> torch.Tensor:
        """Draw the random numbers that define one dropout mask, from torch's global generator.

        Args:
            size: number of elements of the mask.
            rate: probability of an element to be dropped.

        Returns:
            If fused, two random keys and the threshold of the hash, int32, shape (3,). Otherwise the mask itself, which
            is True for elements that are kept; bool, shape (size,).
        """
        if self.fused:
            keys = torch.randint(-(_SPAN // 2), _SPAN // 2, (3,), dtype=torch.int32)
            # The threshold travels with the keys, so that one small tensor defines the whole mask.
            keys[2] = round(rate * _SPAN) - _SPAN // 2
            return keys
        # One random word serves four elements; that is cheaper than a draw for each. It rounds the rate to 2**-16.
        words = torch.empty(-(-size * _BITS // 64), dtype=torch.int64).random_(-(2**63), None)
        threshold = round(rate * 2**_BITS) - 2 ** (_BITS - 1)
        return words.view(torch.int16)[:size] >= threshold

    def drop(self, values: torch.Tensor, noise: torch.Tensor, rate: float) -> torch.Tensor:
        """Return `values` with the dropped elements set to zero and the others multiplied by 1 / (1 - rate).

        Args:
            values: a float tensor of any shape.
            noise: the output of `noise` for as many elements and the same rate.
            rate: probability of an element to be dropped.
        """
        return self._run(_drop, values.reshape(-1), noise, 1 / (1 - rate)).view(values.shape)

    def drop_probabilities(self, probabilities: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Apply dropout to attention probabilities, without the factor 1 / (1 - rate).

        Args:
            probabilities: output of a softmax, any shape.
            noise: the output of `noise` for as many elements.

        Returns:
            The probabilities with a minus sign where they are dropped, and the probabilities with zeros there. Both
            have the shape of `probabilities`.
        """
        # The backward pass needs all probabilities (for the softmax) and the mask (for the dropout). Probabilities are
        # never negative, so their sign is free to hold the mask: one tensor is stored instead of two.
        signed, kept = self._run(_drop_probabilities, probabilities.reshape(-1), noise)
        return signed.view(probabilities.shape), kept.view(probabilities.shape)

    def scores_gradient(
        self, outer: torch.Tensor, signed: torch.Tensor, delta: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradient of attention scores, given the gradient after softmax and dropout.

        Args:
            outer: gradient of the probabilities after dropout, already multiplied by 1 / (1 - rate);
                shape (n, queries, keys).
            signed: first output of `drop_probabilities`, same shape.
            delta: for each query the sum of (output of attention x its gradient); float32, shape (n, queries, 1).

        Returns:
            The gradient of the scores, and the probabilities with zeros where they are dropped; both have the shape of
            `outer`.
        """
        rows = (-1, signed.shape[-1])
        scores, kept = self._run(_scores_gradient, outer.view(rows), signed.view(rows), delta.reshape(-1, 1))
        return scores.view(signed.shape), kept.view(signed.shape)

    # A compiled program serves one number of dimensions. Each function is therefore called with flattened tensors: of
    # one dimension, or of two if it works by row.
    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return (_compiled(function) if self.fused else function)(*arguments)


class Dropout(torch.nn.Module):
    """A dropout layer like `torch.nn.Dropout` whose masks come from `Kernels`.

    Args:
        rate: probability of an element to be dropped.
        kernels: computes the masks.
    """

    def __init__(self, rate: float, kernels: Kernels) -> None:
        super().__init__()
        self.p, self.kernels = rate, kernels

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return `values` after dropout in training mode, else `values` unchanged."""
        if not self.training or self.p == 0:
            return values
        return _Dropout.apply(values, self.p, self.kernels)  # type: ignore[return-value]


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, rate: float, kernels: Kernels) -> torch.Tensor:
        ctx.rate, ctx.kernels = rate, kernels
        # A compiled program is valid for one autocast state. The backward pass runs without autocast, so the forward
        # pass does the same; otherwise each function would be compiled once more. No operation here needs autocast.
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
    """Return whether the operations can be compiled on this machine; if not, log one warning."""
    kernels = Kernels(fused=True)
    values = torch.ones(2, 16)
    try:
        # This trial runs once per process and draws random keys. The generator is restored, since the random numbers of
        # a run must not depend on whether it is the first one in its process.
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            kernels.drop(values, kernels.noise(values.numel(), 0.5), 0.5)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        _log.warning("without a C++ compiler dropout is slower here; install one, e.g. g++ (%s)", reason)
        return False
    return True


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # Sizes change from batch to batch and a compilation takes seconds, so `dynamic=True` makes one program for all
    # sizes. Other number formats, for example, need a program of their own. Beyond the limit torch runs the function
    # uncompiled, with the same masks.
    torch.compiler.config.recompile_limit = max(torch.compiler.config.recompile_limit, _PROGRAMS)
    return torch.compile(function, dynamic=True)


def _keep(noise: torch.Tensor, size: int) -> torch.Tensor:
    if noise.dtype is torch.bool:
        return noise
    # The hash is defined on unsigned integers, whose shifts fill up with zeros. Shifts of signed integers fill up with
    # the sign bit; the bit masks remove those bits.
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
    # The gradient of a softmax is p * (gradient of p - delta). It is computed in float32, because a difference of two
    # similar bfloat16 numbers has few correct digits.
    gradient = kept.float() * outer.float() - signed.abs().float() * delta
    return gradient.to(outer.dtype), kept
