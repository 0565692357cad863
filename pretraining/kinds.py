"""Checks of the kinds of values that Python callers give; the command line has converted them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..experiments.options import option_flag

# Where the name of an option is not that of its flag, or it has none.
_FLAGS = {"start": "--from", "corpus": "the corpus", "source": "the source", "settings": "the settings"}


def wrong_kinds(values: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> list[str]:
    """Return a message for each option whose value is of no kind that it has; True and False are no numbers.

    Args:
        values: the values by the names of the options.
        kinds: the kinds by the names of the options; those of others are not checked.
    """
    wrong = [
        name
        for name, allowed in kinds.items()
        if not isinstance(value := values[name], allowed) or (isinstance(value, bool) and bool not in allowed)
    ]
    return [
        f"{_FLAGS.get(name) or option_flag(name)} should be {_described(kinds[name])}, found {values[name]!r}"
        for name in wrong
    ]


def require_kinds(values: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    """Make sure that each value is of a kind that its option has; see `wrong_kinds`.

    Raises:
        RequestError: some are not; all are named.
    """
    if wrong := wrong_kinds(values, kinds):
        raise RequestError(*wrong)


def _described(kinds: tuple[type, ...]) -> str:
    if int in kinds:
        return "a number" if float in kinds else "a whole number"
    if Path in kinds:
        return "a text or a path" if str in kinds else "a path"
    names = {bool: "true or false", str: "a text", tuple: "a list of names", Mapping: "a dictionary"}
    return names[kinds[0]]
