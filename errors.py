"""The two errors that `linkbert` reports to its users, with their exit codes, and helpers for their messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

_LONGEST = 2000  # maximum length of one message, in characters


class LinkbertError(Exception):
    """An error with a plain explanation. The user sees one line `error: ...` per problem and no traceback.

    Args:
        problems: one message for each thing that is wrong. A message says what was expected, what was found and what
            to do.
    """

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(readable, problems))
        super().__init__("\n".join(self.problems))


def readable(problem: str) -> str:
    """Return a message of about 2,000 characters at most; the middle of a longer one is replaced by `[...]`."""
    # A message may quote something huge from a file. It begins with the place of the problem and ends with what to do.
    return problem if len(problem) <= _LONGEST else f"{problem[: _LONGEST // 2]} [...] {problem[-_LONGEST // 2 :]}"


class RunError(LinkbertError):
    """An error while a command was running: a full disk, a non-finite loss, a failed download (exit code 1)."""


class PeerLostError(RunError):
    """Another process of the same run ended, so that this one cannot go on."""


class RequestError(LinkbertError):
    """An error in the request: it is wrong or cannot be started (exit code 2)."""

    exit_code = 2


def is_panic(error: BaseException) -> bool:
    """Return whether `error` is a panic (an internal failure) of a library that is written in Rust."""
    # No package exports the class, so it is recognised by its name. It is not a subclass of `Exception`.
    return type(error).__name__ == "PanicException"


def first_of(names: Collection[str], most: int = 5) -> str:
    """Return the first of some names for a message, with the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(islice(names, most)) + more


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return a hint for a mistyped `name`: the most similar of `choices` (up to three), or all if none is similar."""
    choices = list(choices)
    close = get_close_matches(name.lower(), choices, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"expected one of: {', '.join(choices)}"
