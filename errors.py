"""The two ways in which `linkbert` fails, each with its exit code, and the wording they share."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 2000  # characters of one message


class LinkbertError(Exception):
    """A failure that has a plain explanation. It reaches the user as `error: ...` lines, one per problem.

    Args:
        problems: one sentence, or several when more than one thing is wrong at once.
    """

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(readable, problems))
        super().__init__("\n".join(self.problems))


def readable(problem: str) -> str:
    """Leave out the middle of a message that quotes something huge; where it is and what to do stand at its ends."""
    return problem if len(problem) <= _LONGEST else f"{problem[: _LONGEST // 2]} [...] {problem[-_LONGEST // 2 :]}"


class RunError(LinkbertError):
    """It failed while running: disk full, non-finite loss, failed download (exit code 1)."""


class RequestError(LinkbertError):
    """The request was wrong or could not be started (exit code 2)."""

    exit_code = 2


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust gave up; the type of that is nowhere to be imported from."""
    return type(error).__name__ == "PanicException"


def nearest(name: str, choices: Iterable[str]) -> str:
    """Say which of `choices` come nearest to a mistyped `name`, or list them all when none does."""
    choices = list(choices)
    close = get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"expected one of: {', '.join(choices)}"
