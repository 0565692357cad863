"""The functions behind the commands as Python callers get them: with progress, and errors in words of Python."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from .errors import LinkbertError
from .training.reporters import Reporter

Function = TypeVar("Function", bound=Callable[..., Any])
# A flag in a message, with the value that may follow it: `--max-steps`, `--name NAME`, `--set KEY=VALUE`.
_FLAG = re.compile(r"--(set )?([a-z][a-z0-9-]*)( [A-Z][A-Z0-9_=|]*\b)?")
_NAMES = ("task", "tasks", "model", "run")  # arguments that name a task, a model or a run folder
_RENAMED = {"from": "start"}  # a word of the language cannot be the name of an argument


def in_python_words(message: str) -> str:
    """Return a message of the command line with keyword arguments in place of flags: `--max-steps` is `max_steps`.

    A command that the message quotes stays as it is.
    """
    quoted = re.split(r"(`[^`]*`)", message)
    return "".join(part if part.startswith("`") else _FLAG.sub(_argument, part) for part in quoted)


def _argument(match: re.Match[str]) -> str:
    name = match[2].replace("-", "_")
    return _RENAMED.get(name, name) + ("=..." if match[3] else "")


def _as_name(value: Any) -> Any:
    """Return a path as a text, also within a list; anything else as it is."""
    if isinstance(value, list | tuple):
        return [_as_name(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _for_python(function: Function) -> Function:
    """Return a function whose errors speak of Python arguments."""
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        # What the command line names by a text may be a path here.
        given = [_as_name(value) if name in _NAMES else value for name, value in zip(names, arguments, strict=False)]
        arguments = (*given, *arguments[len(given) :])
        keywords = {name: _as_name(value) if name in _NAMES else value for name, value in keywords.items()}
        with _in_python_words():
            found = function(*arguments, **keywords)
        return _translated(found) if inspect.isgenerator(found) else found

    return call  # type: ignore[return-value]


def _translated(items: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of a generator, whose errors appear while it runs."""
    with _in_python_words():
        yield from items


@contextmanager
def _in_python_words() -> Iterator[None]:
    try:
        yield
    except LinkbertError as error:
        raise type(error)(*map(in_python_words, error.problems)) from error


def _with_progress(function: Function) -> Function:
    """Return a function that shows progress on standard error, unless it is given reporters or `progress=False`."""

    @functools.wraps(function)
    def call(
        *arguments: Any, reporters: Sequence[Reporter] | None = None, progress: bool = True, **keywords: Any
    ) -> Any:
        from .cli.console import progress as shown

        if reporters is not None:
            return function(*arguments, reporters=reporters, **keywords)
        with shown(quiet=not progress) as own:
            return function(*arguments, reporters=own, **keywords)

    return call  # type: ignore[return-value]


def public(function: Function, *, shows_progress: bool) -> Function:
    """Return a function of the package as Python callers get it.

    Args:
        function: the function that a command calls.
        shows_progress: whether it takes reporters, so that progress is shown by default.
    """
    return _for_python(_with_progress(function) if shows_progress else function)
