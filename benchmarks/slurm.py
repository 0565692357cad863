"""What Slurm's own commands say: its jobs, its partitions, its times."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from typing import Any

from ..errors import RequestError

# States of a job that has ended and does not come back. A job that is requeued is pending again.
_ENDED = {
    "BOOT_FAIL": "its machine did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": "it completed",
    "DEADLINE": "its deadline passed",
    "FAILED": "it failed",
    "NODE_FAIL": "its machine failed",
    "OUT_OF_MEMORY": "its machine ran out of memory; give it more, e.g. --slurm mem=32G",
    "PREEMPTED": "it was preempted",
    "REVOKED": "it was revoked",
    "TIMEOUT": "its time was up; give it more with --time",
}
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")
_SHORTEST_SECONDS = 300
_ANSWER_SECONDS = 60


def minutes_of(time: str) -> int:
    """Return a time limit in minutes, rounded up.

    Args:
        time: as `sbatch --time` takes it: `MINUTES`, `MINUTES:SECONDS`, `HOURS:MINUTES:SECONDS`, `DAYS-HOURS`,
            `DAYS-HOURS:MINUTES` or `DAYS-HOURS:MINUTES:SECONDS`.

    Raises:
        RequestError: it is none of these, or less than five minutes.
    """
    found = _TIME.fullmatch(time.strip())
    if found is None:
        raise RequestError(f"--time {time!r}: expected MINUTES, HOURS:MINUTES:SECONDS or DAYS-HOURS, such as 4:00:00")
    first, second, third = (int(found[name] or 0) for name in ("first", "second", "third"))
    if found["days"] is not None:
        seconds = ((int(found["days"]) * 24 + first) * 60 + second) * 60 + third
    elif found["third"] is not None:
        seconds = (first * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    if seconds < _SHORTEST_SECONDS:
        raise RequestError(f"--time {time!r}: too short; a job starts, and is warned 90 seconds before its end")
    return -(-seconds // 60)


def job_states(numbers: Collection[str]) -> dict[str, str] | None:
    """Return what is known of the jobs of these arrays: an empty text while a job waits or runs, else how it ended.

    A job of which Slurm knows nothing any more is missing. None if Slurm does not answer: its controller may be
    restarted while jobs run.

    Args:
        numbers: numbers of jobs or of job arrays.
    """
    if not numbers:
        return {}
    command = [
        "squeue",
        "--noheader",
        "--states=all",
        "--array",
        "--format=%i|%T",
        f"--jobs={','.join(sorted(numbers))}",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode and "Invalid job id" not in done.stderr:
        return None
    pairs = (line.strip().split("|") for line in done.stdout.splitlines() if "|" in line)
    return {identifier: _ENDED.get(state, "") for identifier, state in pairs}


def further_options(options: Sequence[str]) -> dict[str, Any]:
    """Return the options of `sbatch` that the user gives by name.

    Raises:
        RequestError: one is not of the form KEY=VALUE.
    """
    found: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.removeprefix("--").partition("=")
        if not key or (equals and not value):
            raise RequestError(f"--slurm {option}: expected KEY=VALUE, as in --slurm qos=long")
        found[key] = value if equals else True
    return found


def partition_has_gpus(partition: str | None) -> bool:
    """Return whether machines of a partition, or of any partition if None, have GPUs."""
    if shutil.which("sinfo") is None:
        return False
    command = ["sinfo", "--noheader", "--format=%G", *([f"--partition={partition}"] if partition else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "gpu" in done.stdout
