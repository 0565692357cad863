"""Checks of the number formats: which one `--precision auto` takes, and how fast each is on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..training.device import resolve_precision
from .doctor_finding import Finding, first_line

if TYPE_CHECKING:
    import torch

_SECTION = "precision"
_SECONDS = 0.4  # time of the measurement of one number format
_CLEARLY_FASTER = 1.5  # measurements of the same format differ by less than this factor
# Rows, columns and number of the matrix products that are timed together. On a CPU, one product as in a linear layer of
# a base model, on 1024 tokens. A GPU is kept busy by larger ones only, and must not be waited for after each.
_CPU_PRODUCT = (1024, 768, 1)
_GPU_PRODUCTS = (4096, 4096, 10)


def check_precision() -> list[Finding]:
    """Say which number format `--precision auto` takes, and measure the speed of each format."""
    import torch

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    device = device or torch.device("cpu")
    chosen = resolve_precision("auto", device)
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if device.type != "cpu":  # `--precision fp16` is refused on CPUs
        formats["fp16"] = torch.float16
    speeds: dict[str, float] = {}
    findings = []
    for name, dtype in formats.items():
        try:
            speeds[name] = measure_speed(device, dtype, _SECONDS)
        except RuntimeError as error:
            findings.append(_not_measured(name, error, needed=name in ("fp32", chosen)))
        else:
            findings.append(Finding(_SECTION, name, "ok", f"{speeds[name]:.3g} TFLOP/s in matrix products"))
    return [_check_choice(chosen, device.type, speeds), *findings]


def measure_speed(device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """Return the best speed of matrix products of one number format.

    Args:
        device: where to compute.
        dtype: the number format.
        seconds: for how long the product is repeated. A single product may take longer.

    Returns:
        The speed in TFLOP/s.
    """
    import torch

    rows, width, repeats = _CPU_PRODUCT if device.type == "cpu" else _GPU_PRODUCTS
    # A generator of its own leaves torch's random state as it is.
    generator = torch.Generator(device).manual_seed(0)
    left = torch.randn(rows, width, device=device, generator=generator).to(dtype)
    right = torch.randn(width, width, device=device, generator=generator).to(dtype)
    if device.type != "cpu":  # The first product on a GPU also loads the library of its products.
        torch.mm(left, right)
        torch.accelerator.synchronize()
    best, end = 0.0, time.perf_counter() + seconds
    while not best or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(repeats):
            torch.mm(left, right)
        if device.type != "cpu":
            torch.accelerator.synchronize()
        elapsed = time.perf_counter() - start
        best = max(best, 2 * rows * width * width * repeats / elapsed / 1e12)
    return best


def _check_choice(chosen: str, device: str, speeds: dict[str, float]) -> Finding:
    found = f"`--precision auto` takes {chosen} on this {'CPU' if device == 'cpu' else device}"
    fastest = max(speeds, key=lambda name: speeds[name], default=chosen)
    if chosen in speeds and speeds[fastest] > _CLEARLY_FASTER * speeds[chosen]:
        factor = speeds[fastest] / speeds[chosen]
        remedy = f"Try `--precision {fastest}`, whose matrix products are {factor:.1f} times as fast here."
        return Finding(_SECTION, "auto", "note", found, remedy)
    return Finding(_SECTION, "auto", "ok", found)


def _not_measured(name: str, error: RuntimeError, *, needed: bool) -> Finding:
    found = f"cannot be computed: {first_line(error)}"
    if needed:
        remedy = "Free memory of the device if it is exhausted, or install another build of torch."
        return Finding(_SECTION, name, "problem", found, remedy)
    return Finding(_SECTION, name, "note", found)
