"""Devices: their number formats, their memory, their failures, and the variables of process launchers."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import RequestError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
# Bytes of activations per token, layer and hidden unit in half precision, with a margin for attention and optimizer.
_ACTIVATION_BYTES = 100
# On CPUs, larger micro-batches were slower: their tensors leave the caches, and the allocator maps them afresh each
# time.
_CPU_TOKENS = 4096
# oneDNN keeps the compiled programs of the last 1024 shapes, which take up to 1.4 GB when sequences have many lengths.
# With 64 of them, training and prediction were as fast.
_KEPT_KERNELS = 64
_RESUMES = "the last checkpoint is whole, and the same command continues from it"
# torchrun and accelerate set all of these for each process that they start.
_LAST_PORT = 65535
_LAUNCHER_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# accelerate's configuration sets one of these to divide a model over devices.
_DIVIDING = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}


def limit_kernel_cache() -> None:
    """Let oneDNN keep fewer compiled programs than by default, unless the user has set a number.

    oneDNN reads the variable when it computes for the first time in the process.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KEPT_KERNELS))


def resolve_precision(requested: str, device: torch.device) -> str:
    """Return the number format to compute in: `auto` becomes bf16 on devices that are fast at it, else fp16 or fp32.

    Raises:
        RequestError: the name is unknown, or fp16 is requested without a GPU.
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
    """Return the device's name for the result, e.g. `NVIDIA H100` or `AMD Ryzen, 2 threads`."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        name = abilities.get("cpu_name") or platform.processor() or platform.machine()
        return f"{name}, {torch.get_num_threads()} threads"
    return device.type


def token_budget(device: torch.device, config: Any) -> int:
    """Return about how many tokens of a micro-batch fit into the device's memory, for a model of this configuration."""
    import torch

    if device.type != "cuda":
        return _CPU_TOKENS
    memory = torch.cuda.get_device_properties(device).total_memory
    layers = getattr(config, "num_hidden_layers", 12)
    return max(_CPU_TOKENS, memory // (_ACTIVATION_BYTES * config.hidden_size * layers))


def memory_mb(device: torch.device) -> float:
    """Return the memory in use in MB: that of the tensors on a GPU or, on a CPU, that of the whole process."""
    import psutil
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 1e6
    return psutil.Process().memory_info().rss / 1e6


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak memory in MB, of the GPU's allocator or, on a CPU, of the whole process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Allow torch only algorithms that give the same bits each time, while the block runs."""
    import torch

    settings: Any = torch.utils.deterministic
    before, fill = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # By default torch also fills new memory with NaN, which costs time. Nothing here reads memory before writing it.
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = fill


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device's memory is exhausted, so that smaller micro-batches may help."""
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, MemoryError):
        return True
    # oneDNN, which computes matrix products on CPUs, reports exhausted memory with these words alone.
    primitive = isinstance(error, RuntimeError) and "could not create a primitive" in str(error)
    return primitive or (isinstance(error, Exception) and should_reduce_batch_size(error))


def device_problem(error: BaseException) -> str | None:
    """Explain an error of the device in plain words, or return None if the error is about something else."""
    import torch

    first = str(error).strip().split("\n")[0]
    if is_out_of_memory(error):
        return f"out of memory ({first or 'of the machine'}); {_RESUMES}"
    if isinstance(error, torch.AcceleratorError):
        return f"the device failed ({first}); {_RESUMES}"
    if "deterministic" in first and "use_deterministic_algorithms" in str(error):
        return f"--deterministic is not possible ({first})"
    return None


def is_lost_peer(error: BaseException) -> bool:
    """Return whether an error says that another process of the run has ended."""
    import torch

    if isinstance(error, torch.distributed.DistError):
        return True
    # gloo, by which processes on CPUs talk to each other, has no type of its own for its errors.
    return isinstance(error, RuntimeError) and "gloo/" in str(error)


def check_launcher() -> None:
    """Make sure that this process was started by a launcher of several processes, or by none.

    Raises:
        RequestError: some of the launcher's variables are set and others are missing, or a value is impossible. To wait
            for other processes, or to take this one for the first of several, would both be wrong. Or the launcher asks
            for a model that is divided over devices.
    """
    for name, what in _DIVIDING.items():
        if os.environ.get(name, "").lower() in ("1", "true", "yes", "y", "t", "on"):
            raise RequestError(
                f"accelerate is configured for {what} ({name}), which is not supported: each process holds the whole "
                "model. Use `accelerate launch --multi_gpu`, or `torchrun`"
            )
    found = {name: os.environ[name] for name in _LAUNCHER_VARIABLES if name in os.environ}
    launched = "RANK" in found or "LOCAL_RANK" in found or found.get("WORLD_SIZE", "1") != "1"
    if not launched:
        return
    remedy = "start with `accelerate launch` or `torchrun`, or unset these variables for a single process"
    if missing := [name for name in _LAUNCHER_VARIABLES if name not in found]:
        raise RequestError(
            f"the environment has {', '.join(found)} of a launcher of several processes, but not {', '.join(missing)}; "
            f"{remedy}"
        )
    numbers = {name: value for name, value in found.items() if name != "MASTER_ADDR"}
    if wrong := [f"{name}={value}" for name, value in numbers.items() if not value.isdecimal()]:
        raise RequestError(f"the environment has {', '.join(wrong)}, which should be a number; {remedy}")
    if int(found["RANK"]) >= int(found["WORLD_SIZE"]) or int(found["MASTER_PORT"]) > _LAST_PORT:
        values = ", ".join(f"{name}={found[name]}" for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        raise RequestError(f"the environment has {values}, which do not fit together; {remedy}")
