"""The checks of `linkbert doctor`: whether this machine is ready, and how to solve each problem."""

from __future__ import annotations

import locale
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ..files import cache_dir
from .doctor_cpu import check_allocator, check_compiler, check_cpu, check_memory, check_threads
from .doctor_finding import Finding, problem_of
from .doctor_folders import check_cache, check_data, check_locks, check_space
from .doctor_gpu import check_gpus, check_triton
from .doctor_hub import check_hub, check_hub_cache, check_presets, hub_cache
from .doctor_precision import check_precision
from .doctor_versions import check_package, check_packages, check_python

_CHARACTERS = "±–"  # what the tables of this package print beyond ASCII

# A check returns what it found; some checks find several things, e.g. one for each GPU.
Check = Callable[[], Finding | list[Finding]]


def examine(
    *, data_dir: Path, runs_dir: Path, results_dir: Path, encoding: str, offline: bool = False
) -> Iterator[Finding]:
    """Check this machine, and yield each finding as soon as it is made. Nothing that is written stays.

    Args:
        data_dir: the folder of prepared corpora.
        runs_dir: the folder of models and logs.
        results_dir: the folder of results.
        encoding: the encoding of standard output.
        offline: do not ask the Hugging Face hub.
    """
    checks: list[tuple[str, str, Check]] = [
        ("versions", "python", check_python),
        ("versions", "linkbert", check_package),
        ("versions", "packages", check_packages),
        ("devices", "cpu", check_cpu),
        ("devices", "threads", check_threads),
        ("devices", "gpu", check_gpus),
        ("precision", "auto", check_precision),
        ("memory", "memory", check_memory),
        ("memory", "allocator", check_allocator),
        ("disk", "runs", partial(check_space, "runs", runs_dir)),
        ("disk", "results", partial(check_space, "results", results_dir)),
        ("disk", "data", partial(check_space, "data", data_dir, written=False)),
        ("disk", "cache", lambda: check_space("cache", cache_dir(), written=False)),
        ("disk", "hugging face", lambda: check_space("hugging face", hub_cache(), written=False)),
        ("cache", "linkbert", check_cache),
        ("cache", "hugging face", check_hub_cache),
        ("cache", "presets", check_presets),
        ("data", "prepared", partial(check_data, data_dir)),
        ("hub", "reachable", partial(check_hub, offline=offline)),
        ("compiler", "c++", check_compiler),
        ("compiler", "triton", _check_triton),
        ("locks", "runs", partial(check_locks, runs_dir)),
        ("terminal", "encoding", partial(check_encoding, encoding)),
    ]
    for section, name, check in checks:
        try:
            found = check()
        except Exception as error:
            # A broken installation or machine fails in many ways, and the other checks are wanted all the more.
            found = problem_of(section, name, error)
        yield from [found] if isinstance(found, Finding) else found


def _check_triton() -> list[Finding]:
    import torch

    return [check_triton()] if torch.cuda.is_available() else []


def check_encoding(encoding: str) -> Finding:
    """Check that the characters of tables can be printed, and that the terminal is likely to show them.

    Args:
        encoding: the encoding of standard output.
    """
    shown = " ".join(_CHARACTERS)
    try:
        _CHARACTERS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        remedy = "Set PYTHONIOENCODING=utf-8."
        return Finding("terminal", "encoding", "problem", f"{encoding} has no {shown!a}", remedy)
    expected = locale.getencoding()
    if expected.lower().replace("-", "") != encoding.lower().replace("-", ""):
        remedy = f"Set LC_ALL=C.UTF-8 if {shown} does not look right in tables."
        return Finding("terminal", "encoding", "note", f"output is {encoding}, the locale says {expected}", remedy)
    return Finding("terminal", "encoding", "ok", f"{encoding}, which has {shown}")
