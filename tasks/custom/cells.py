"""The cells of a table: which column holds what, and the checks of their values."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ...corpora.sources import Row
from ...errors import RequestError, nearest

_SHOWN = 60  # characters of a cell that a message quotes


@dataclass(frozen=True)
class Columns:
    """What the columns of a table hold.

    Attributes:
        names: what a column holds -> its name or number, or the names of several columns.
        separator: what separates the labels in one cell of a table; None to recognise it.
        first_answer: how the answer of a multiple-choice question names the first option: by a number, or as `A`; None
            to recognise it (numbers start at 0 then).
        marks: how mentions are marked (`marking.mark`).
        document_in_id: whether ids begin with that of a document.
    """

    names: Mapping[str, Any]
    separator: str | None = None
    first_answer: int | str | None = None
    marks: str = "markers"
    document_in_id: bool = False


def find_columns(
    roles: Mapping[str, tuple[str, ...]],
    needs: Sequence[tuple[str, ...]],
    named: Mapping[str, Any],
    available: Sequence[Any],
    where: str,
) -> dict[str, Any]:
    """Return which column holds what: as the task file names them, or else those with a usual name.

    Args:
        roles: what a column can hold -> usual names of such a column.
        needs: the columns that must be there; of several alternatives, one.
        named: the table [columns] of the task file.
        available: the columns of the data.
        where: the file, for messages.

    Raises:
        RequestError: a column that is named, or one that is needed, is not there.
    """
    found: dict[str, Any] = {}
    # A column that the task file names for something is not taken for something else because of its usual name.
    taken = [column for value in named.values() for column in (value if isinstance(value, list) else [value])]
    for role, usual in roles.items():
        if role in named:
            wanted = named[role] if isinstance(named[role], list) else [named[role]]
            for column in wanted:
                if column not in available:
                    raise RequestError(f"{where}: no column {column!r} for {role}; {_hint(column, available)}")
            found[role] = named[role]
        else:
            lower = {str(column).lower(): column for column in reversed(available) if column not in taken}
            column = next((lower[name.lower()] for name in usual if name.lower() in lower), None)
            if column is not None and column not in found.values():
                found[role] = column
    if not any(found.keys() >= set(needed) for needed in needs):
        missing = " or ".join(" and ".join(role for role in needed if role not in found) for needed in needs)
        raise RequestError(
            f"{where}: which column holds {missing}? Name it under [columns] of the task file; there are "
            f"{_listed(available)}"
        )
    return found


def _hint(column: Any, available: Sequence[Any]) -> str:
    if isinstance(column, str):
        return nearest(column, [str(item) for item in available])
    return f"there are {_listed(available)}"


def _listed(available: Sequence[Any]) -> str:
    return ", ".join(map(str, available[:20])) + (", ..." if len(available) > 20 else "")


@dataclass(frozen=True)
class Cells:
    """One record of a table.

    Attributes:
        where: its place, for messages.
        record: column -> value.
        columns: what the columns hold.
    """

    where: str
    record: Row
    columns: Columns

    def wrong(self, role: str, message: str) -> RequestError:
        """Return the error that a cell gives."""
        return RequestError(f"{self.where}: the column {self.columns.names[role]!r} ({role}) {message}")

    def value(self, role: str) -> Any:
        """Return a cell."""
        return self.record.get(self.columns.names[role])

    def text(self, role: str) -> str:
        """Return a cell that is a text.

        Raises:
            RequestError: it is not.
        """
        value = self.value(role)
        if not isinstance(value, str):
            raise self.wrong(role, f"should be a text, found {shown(value)}; correct the row or name another column")
        return value

    def label(self, role: str = "label") -> str:
        """Return a label; numbers and truth values become texts.

        Raises:
            RequestError: it is missing.
        """
        value = self.value(role)
        if isinstance(value, bool | int):
            return str(value)
        if isinstance(value, float) and value.is_integer():
            return str(int(value))  # A table with a missing cell turns whole numbers into floats.
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(role, f"should be a label, found {shown(value)}; add it, or remove the row")
        return value.strip()

    def number(self, role: str) -> float:
        """Return a cell that is a number.

        Raises:
            RequestError: it is not.
        """
        value = self.value(role)
        try:
            return float(value) if not isinstance(value, bool) else float("nan")
        except (TypeError, ValueError):
            raise self.wrong(
                role, f"should be a number, found {shown(value)}; correct the row or name another column"
            ) from None

    def position(self, role: str) -> int:
        """Return a cell that is the position of a character.

        Raises:
            RequestError: it is not a whole number.
        """
        value = self.number(role)
        if not value.is_integer():
            raise self.wrong(role, f"should be a position, found {shown(self.value(role))}; correct the row")
        return int(value)

    def texts(self, role: str) -> list[Any]:
        """Return a list of texts: of a cell that is a list, or of several cells.

        Raises:
            RequestError: it is not one.
        """
        columns = self.columns.names[role]
        value = [self.record.get(name) for name in columns] if isinstance(columns, list) else self.value(role)
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = self._json(role, value)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(role, f"should be a list of texts, found {shown(value)}; correct the row")
        return value

    def choices(self, role: str) -> dict[str, str]:
        """Return texts to choose from by their names: those of an object, or A, B and so on for a list or for columns.

        Of several columns, those that are empty are left out; the others keep their letters.

        Raises:
            RequestError: there are none.
        """
        columns = self.columns.names[role]
        value = None if isinstance(columns, list) else self.value(role)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = self._json(role, value)
        value = _named_options(value)
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return {str(key).strip(): text for key, text in value.items()}
        if isinstance(columns, list):
            listed = [self.record.get(name) for name in columns]
            if wrong := [item for item in listed if not isinstance(item, str | None)]:
                raise self.wrong(role, f"should be texts, found {shown(wrong[0])}; correct the row")
        else:
            listed = self.texts(role)
        named = zip(map(chr, range(ord("A"), ord("A") + len(listed))), listed, strict=True)
        return {name: text or "" for name, text in named if text or not isinstance(columns, list)}

    def _json(self, role: str, value: str) -> Any:
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                return ast.literal_eval(value)  # as pandas writes lists
            raise self.wrong(role, f"is not JSON ({error.msg}): {shown(value)}; correct the row") from error
        except RecursionError as error:
            raise self.wrong(role, f"is nested too deeply: {shown(value)}; correct the row") from error


def _named_options(value: Any) -> Any:
    """Return options of other layouts as name -> text: objects with a name and a text each, or two lists, as in ARC."""
    if isinstance(value, dict) and isinstance(value.get("label"), list) and isinstance(value.get("text"), list):
        return dict(zip(map(str, value["label"]), value["text"], strict=False))
    for name, text in (("key", "value"), ("label", "text")):
        named = isinstance(value, list) and all(
            isinstance(item, dict) and {name, text} <= item.keys() for item in value
        )
        if named and value:
            return {str(item[name]): item[text] for item in value}
    return value


def shown(value: Any) -> str:
    """Return the beginning of a cell for a message."""
    return "nothing" if value in (None, "") else repr(str(value)[:_SHOWN])
