"""Checks of the GPUs: whether torch can use those that the machine has, their memory, and triton."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path

from .doctor_finding import Finding, Status, first_line, gigabytes

_LITTLE_MEMORY = 4e9  # bytes
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # the vendor, and the beginning of the class of display controllers, on PCI
_DEVICE_FILES = Path("/dev")
_PCI_DEVICES = Path("/sys/bus/pci/devices")


def check_gpus() -> list[Finding]:
    """Check each GPU that torch finds; if it finds none, check whether the machine has one all the same."""
    import torch

    with warnings.catch_warnings():
        # torch warns of a driver that is too old, and the finding says so.
        warnings.simplefilter("ignore")
        if torch.cuda.is_available():
            return [_check_gpu(index) for index in range(torch.cuda.device_count())]
        if torch.accelerator.is_available():
            return [_finding("ok", str(torch.accelerator.current_accelerator()))]
        return [_without_gpu()]


def check_triton() -> Finding:
    """Check whether triton is installed. Only a machine with a GPU that torch can use needs this check."""
    if find_spec("triton") is not None:
        return Finding("compiler", "triton", "ok", "installed, for torch.compile on GPUs")
    remedy = "Install triton only if you call torch.compile yourself, because linkbert compiles nothing on GPUs."
    return Finding("compiler", "triton", "note", "not installed", remedy)


def nvidia_signs() -> list[str]:
    """Return what says that this machine has an NVIDIA GPU, whether or not torch can use it."""
    signs = [str(path) for path in sorted(_DEVICE_FILES.glob("nvidia[0-9]*"))]
    if shutil.which("nvidia-smi"):
        signs.append("nvidia-smi")
    for device in _PCI_DEVICES.glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text()
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            signs.append(f"PCI device {device.name}")
    return signs


def _check_gpu(index: int) -> Finding:
    import torch

    check = f"gpu {index}"
    try:
        name, capability = torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index)
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as error:  # e.g. another process holds the GPU alone, or its memory is full
        remedy = "End the processes that `nvidia-smi` lists on this GPU, or choose another with CUDA_VISIBLE_DEVICES."
        return _finding("problem", f"cannot be used: {first_line(error)}", remedy, check)
    number = ".".join(map(str, capability))
    found = f"{name}, {gigabytes(free)} free of {gigabytes(total)}, compute capability {number}"
    if torch.version.hip is None and not _has_kernels(capability, torch.cuda.get_arch_list()):
        remedy = "Install a build of torch for this GPU, as the selector on pytorch.org says."
        return _finding("problem", f"{found}, for which this build of torch has no kernels", remedy, check)
    if free < _LITTLE_MEMORY:
        remedy = "End the processes that `nvidia-smi` lists on this GPU, or choose another with CUDA_VISIBLE_DEVICES."
        return _finding("note", found, remedy, check)
    return _finding("ok", found, check=check)


def _has_kernels(capability: tuple[int, int], built_for: list[str]) -> bool:
    """Return whether torch has kernels for a GPU.

    Args:
        capability: compute capability of the GPU, e.g. (9, 0).
        built_for: what torch was built for, e.g. ["sm_80", "sm_90a", "compute_90"].
    """
    for name in built_for:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name)
        if found is None:
            continue
        kind, built = found[1], (int(found[2]), int(found[3]))
        # Machine code runs on GPUs of the same generation. Intermediate code (`compute`) is translated for later ones.
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return True
    return not built_for


def _without_gpu() -> Finding:
    import torch

    signs = nvidia_signs()
    if torch.version.cuda is None:
        if signs and torch.version.hip is None:
            remedy = "Install a build of torch for CUDA, as the selector on pytorch.org says."
            return _finding("problem", f"this build of torch is for CPUs, but there is {', '.join(signs)}", remedy)
        return _finding("ok", "none; runs use the CPU")
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        hidden = f"hidden by CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']}; runs use the CPU"
        return _finding("note", hidden, "Unset CUDA_VISIBLE_DEVICES, unless the GPUs are hidden on purpose.")
    reason = _cuda_problem()
    if signs:
        remedy = (
            f"Install an NVIDIA driver that supports CUDA {torch.version.cuda}, until `nvidia-smi` lists the GPU (a "
            "container also has to be started with its GPUs)."
        )
        return _finding("problem", f"torch cannot use the GPU ({', '.join(signs)}): {reason}", remedy)
    remedy = "Install the NVIDIA driver if this machine has an NVIDIA GPU; otherwise nothing needs to be done."
    return _finding("note", f"none; runs use the CPU, though torch is built for CUDA {torch.version.cuda}", remedy)


def _cuda_problem() -> str:
    import torch

    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return first_line(error)
    return "it finds no GPU"


def _finding(status: Status, found: str, remedy: str | None = None, check: str = "gpu") -> Finding:
    return Finding("devices", check, status, found, remedy)
