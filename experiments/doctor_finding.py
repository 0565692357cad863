"""What one check of `linkbert doctor` found, and how numbers and errors are written there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import LinkbertError

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        section: the group of checks, e.g. `disk`.
        check: name of the check within its section.
        status: `ok`; `note` for something that a user should know but that stops no run; or `problem`.
        found: what was found, in a few words.
        remedy: what to do, in one sentence. A problem always has one.
    """

    section: str
    check: str
    status: Status
    found: str
    remedy: str | None = None

    def __post_init__(self) -> None:
        if self.status == "problem" and not self.remedy:
            raise ValueError(f"{self.section}, {self.check}: a problem needs a remedy")


def gigabytes(size: float) -> str:
    """Return a number of bytes as text in GB (10**9 bytes), e.g. `58.1 GB`."""
    return f"{size / 1e9:.1f} GB"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if it has no message."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def problem_of(section: str, check: str, error: BaseException) -> Finding:
    """Return the problem that a failed check reports.

    Args:
        section: the section of the check.
        check: the name of the check.
        error: what it raised. The messages of this package end with what to do, after a semicolon.
    """
    if isinstance(error, LinkbertError):
        found, _, remedy = first_line(error).rpartition("; ")
        if found:
            return Finding(section, check, "problem", found, f"{remedy[0].upper()}{remedy[1:]}.")
    return Finding(
        section,
        check,
        "problem",
        f"the check failed with {type(error).__name__}: {first_line(error)}",
        "Install linkbert and its dependencies again in a new virtual environment, and report this line if it stays.",
    )
