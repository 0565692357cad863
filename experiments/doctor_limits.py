"""The memory and the cores to which a container or a batch system limits this process (control groups of Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """A limit of memory.

    Attributes:
        size: the limit in bytes.
        used: bytes that count towards it and cannot be given back. Cached files can be given back.
    """

    size: int
    used: int


def memory_limit() -> MemoryLimit | None:
    """Return the smallest memory limit of the control groups of this process, or None if there is none."""
    limits = []
    for folder in _control_groups("memory"):
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),  # version 2 of control groups
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),  # version 1
        ):
            size = _number(folder / limit)
            if size is not None:
                used = (_number(folder / usage) or 0) - _entry(folder / "memory.stat", cached)
                limits.append(MemoryLimit(size, max(used, 0)))
    return min(limits, key=lambda item: item.size, default=None)


def core_limit() -> float | None:
    """Return how many cores the control groups of this process allow at a time, e.g. 1.5, or None without a limit."""
    limits = []
    for folder in _control_groups("cpu"):
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            limits.append(int(quota) / int(period))  # Without a limit the quota is `max`, which is not a number.
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota is not None and period and quota > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def _control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups of this process, from its own to the outermost one.

    In a container, the inner folders may not be visible; then the outermost one is that of the container.
    """
    try:
        lines = _MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = _ROOT / controller if controllers else _ROOT
        own = PurePosixPath(path.lstrip("/"))
        yield from (base / group for group in (own, *own.parents))


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def _entry(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        entries = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
        return int(entries.get(name, 0))
    return 0
