"""Devices, their number formats, and how they fail."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import RequestError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
# Bytes of activations per token, layer and hidden unit in half precision, with room for attention and optimiser.
_ACTIVATION_BYTES = 100
_GOES_ON = "checkpoints are whole, and the same command goes on from the last one"
_CPU_TOKENS = 4096  # larger tensors are mapped afresh each time, and leave the caches


def resolve_precision(requested: str, device: torch.device) -> str:
    """Turn `auto` into bf16 where the device computes it fast, fp16 on other GPUs, else fp32.

    Raises:
        RequestError: an unknown name, or fp16 without a GPU.
    """
    if requested not in PRECISIONS:
        raise RequestError(f"unknown precision {requested!r}; expected one of: {', '.join(PRECISIONS)}")
    if requested == "fp16" and device.type not in ("cuda", "xpu"):
        raise RequestError("precision fp16 needs a GPU for its loss scaling; use bf16 or fp32 here")
    if requested != "auto":
        return requested
    if _fast_bf16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "fp32"


def _fast_bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
    return device.type == "xpu"


def device_name(device: torch.device) -> str:
    """Name the device in words, for the result."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        name = abilities.get("cpu_name") or platform.processor() or platform.machine()
        return f"{name}, {torch.get_num_threads()} threads"
    return device.type


def token_budget(device: torch.device, config: Any) -> int:
    """How many tokens of a micro-batch the device takes, roughly, for a model of this configuration."""
    import torch

    if device.type != "cuda":
        return _CPU_TOKENS
    memory = torch.cuda.get_device_properties(device).total_memory
    layers = getattr(config, "num_hidden_layers", 12)
    return max(_CPU_TOKENS, memory // (_ACTIVATION_BYTES * config.hidden_size * layers))


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MB: of the GPU's allocator, or of the whole process on a CPU."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Let torch take only algorithms that give the same bits each time while the block runs."""
    import torch

    settings: Any = torch.utils.deterministic
    before, fill = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    settings.fill_uninitialized_memory = False  # nothing here reads memory that it has not written
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = fill


def device_problem(error: BaseException) -> str | None:
    """Say in plain words what an error tells of the device; None if it is about something else."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    first = str(error).strip().split("\n")[0]
    if isinstance(error, MemoryError) or should_reduce_batch_size(error):  # type: ignore[arg-type]
        return (
            f"out of memory ({first or 'of the machine'}); what was checkpointed is whole, and the same command goes on"
        )
    if isinstance(error, torch.AcceleratorError):
        return f"the device failed ({first}); what was checkpointed is whole, and the same command goes on"
    if "deterministic" in first and "use_deterministic_algorithms" in str(error):
        return f"--deterministic is not possible ({first})"
    return None
