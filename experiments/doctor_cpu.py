"""Checks of the processor, of the threads that torch uses on it, of memory and its allocator, and of the compiler."""

from __future__ import annotations

import math
import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from ..training.device import device_name
from .doctor_finding import Finding, first_line, gigabytes
from .doctor_limits import core_limit, memory_limit

# Weights, gradients and two moments of the optimizer in fp32 for a base model of 110 million parameters.
_BASE_MODEL = 16 * 110e6
_SECONDS = 10  # how long the compiler may take to print its version
_ALLOCATOR = re.compile(r"lib(?:tcmalloc|jemalloc|mimalloc)[^/\s]*$", re.MULTILINE)  # in a list of mapped files
_LITTLE_MEMORY = 4e9  # bytes; less than this leaves little room for the activations of a base model


def usable_cores() -> int:
    """Return how many cores this process may use, by its affinity and by the limit of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = core_limit()
    return allowed if limit is None else min(allowed, max(1, math.floor(limit)))


def check_cpu() -> Finding:
    """Name the processor, and count the cores that this process may use."""
    import torch

    name = device_name(torch.device("cpu")).rpartition(", ")[0]
    usable, present = usable_cores(), os.cpu_count() or 1
    return Finding("devices", "cpu", "ok", f"{name}, {usable} of {present} logical cores usable by this process")


def check_threads() -> Finding:
    """Check that torch uses as many threads as this process has cores."""
    import psutil
    import torch

    usable = usable_cores()
    # Two threads on one physical core are hardly faster than one, and torch starts one by default.
    physical = min(usable, psutil.cpu_count(logical=False) or usable)
    variable = os.environ.get("OMP_NUM_THREADS")
    found = f"torch uses {torch.get_num_threads()}" + ("" if variable is None else f" (OMP_NUM_THREADS={variable})")
    # torch may say that it uses fewer threads than OMP_NUM_THREADS, but some of its operations start that many.
    threads = max(torch.get_num_threads(), int(variable) if variable and variable.isdecimal() else 0)
    if threads > usable:
        remedy = f"Set OMP_NUM_THREADS={usable}, because more threads than cores slow each other down."
        return Finding("devices", "threads", "note", f"{found}, more than the usable cores ({usable})", remedy)
    if variable is not None and threads < physical:
        remedy = f"Set OMP_NUM_THREADS={physical}, unless several runs share this machine."
        return Finding("devices", "threads", "note", f"{found}, less than the usable cores ({physical})", remedy)
    return Finding("devices", "threads", "ok", found)


def check_memory() -> Finding:
    """Check how much memory is available, within the limit of a container or batch job if there is one."""
    import psutil

    machine = psutil.virtual_memory()
    total, available, scope = machine.total, machine.available, ""
    limit = memory_limit()
    if limit is not None and limit.size < total:
        scope = f", the limit of this container or job (the machine has {gigabytes(total)})"
        total, available = limit.size, min(available, max(limit.size - limit.used, 0))
    found = f"{gigabytes(available)} available of {gigabytes(total)}{scope}"
    if available >= _LITTLE_MEMORY:
        return Finding("memory", "memory", "ok", found)
    remedy = (
        f"End other programs or fine-tune a small model, because weights, gradients and optimizer of a base model take "
        f"{gigabytes(_BASE_MODEL)} and its activations come on top."
    )
    return Finding("memory", "memory", "note", found, remedy)


def check_allocator() -> Finding:
    """Name the allocator of the process, and recommend a better one for training on a CPU.

    The figures of the recommendation are those of speed/README.md.
    """
    import torch

    maps = Path("/proc/self/maps")
    if maps.is_file() and (loaded := _ALLOCATOR.search(maps.read_text(encoding="utf-8", errors="replace"))):
        return Finding("memory", "allocator", "ok", loaded[0])
    if platform.libc_ver()[0] != "glibc":
        return Finding("memory", "allocator", "ok", "that of the system")
    if torch.cuda.is_available():
        return Finding("memory", "allocator", "ok", "glibc's, which matters for training on a CPU only")
    remedy = (
        "Install tcmalloc, e.g. the package libtcmalloc-minimal4, and set LD_PRELOAD=libtcmalloc_minimal.so.4: "
        "training on a CPU was 13 to 23% faster with it, in 8 to 27% less memory."
    )
    return Finding("memory", "allocator", "note", "glibc's", remedy)


def check_compiler() -> Finding:
    """Check that torch finds a C++ compiler and the header of Python, with which it compiles operations for CPUs."""
    # The same search as in `torch._inductor.cpp_builder`, whose import would leave a folder in the temporary folder.
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    slower = "without it, training on a CPU works, but dropout is slower"
    try:
        # The user who sets CXX runs this command, and torch runs the same program.
        done = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        remedy = f"Install a C++ compiler, e.g. the package g++, or name one in CXX; {slower}."
        return Finding("compiler", "c++", "note", f"{compiler} cannot be run ({first_line(error)})", remedy)
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        remedy = f"Install the headers of this Python, e.g. the package python3-dev; {slower}."
        return Finding("compiler", "c++", "note", f"{compiler}, but no Python.h", remedy)
    version = (done.stdout.decode(errors="replace").splitlines() or [compiler])[0]
    return Finding("compiler", "c++", "ok", f"{version}, for torch.compile on CPUs")
