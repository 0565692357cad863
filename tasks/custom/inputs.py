"""Reading inputs without labels by the names that the columns of the training data had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...corpora.sources import Row
from ...errors import RequestError
from ..fitting import shows_mentions
from .cells import Cells, Columns
from .kinds import KINDS
from .table_rows import marked_text

_SPANS = ("first", "second")


def input_columns(family: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the columns with the inputs of a family hold, without those of labels and those that have no name."""
    wanted = (*KINDS[family].family.columns, "text", *_SPANS)
    return {role: column for role, column in columns.items() if role in wanted and _is_named(column)}


def _is_named(column: Any) -> bool:
    return all(isinstance(name, str) for name in _listed(column))


def as_prepared(definition: Mapping[str, Any], row: Row) -> Row:
    """Return an input with the fields of the prepared format.

    Fields that it lacks are taken from the columns that the training data had, or from columns of a usual name. Options
    may be an object or in several columns, and mentions whose spans are given are marked, as in training.

    Args:
        definition: the definition of the task.
        row: the input, with an `id`.

    Raises:
        ValueError: a field cannot be read; says why.
    """
    kind = KINDS[definition["family"]]
    names = dict(definition.get("columns", {}))
    for role, usual in kind.columns.items():
        if role in names and all(name in row for name in _listed(names[role])):
            continue
        names.pop(role, None)
        found = next((name for name in usual if name in row), None)
        if found is not None:
            names[role] = found
    marks = definition.get("marks")
    # Whoever reads the input knows its place, and puts it before the message.
    cells = Cells("", row, Columns(names, marks=marks or "markers"))
    found = dict(row)
    try:
        for role in kind.family.columns:
            if role in names and role in kind.spread:
                found[role] = list(cells.choices(role).values())
            elif role in names and role not in row:
                found[role] = cells.value(role)
        if marks and names.keys() >= set(_SPANS) and not shows_mentions(str(found.get("text"))):
            found = {"id": row["id"], "text": marked_text(cells)}
    except RequestError as error:
        raise ValueError("; ".join(problem.removeprefix(": ") for problem in error.problems)) from error
    return found


def _listed(column: Any) -> Iterable[Any]:
    return column if isinstance(column, list) else [column]
