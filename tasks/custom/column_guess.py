"""Guessing the family of a table, and what its columns hold, by their names and values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ..fitting import shows_mentions
from .families import FEWEST_OPTIONS
from .kinds import KINDS, Kind

_FEW_ANSWERS = 5  # Answers of at most this many different kinds are classes such as yes and no.
_FEW = 50  # A column with at most this many different values can hold labels.
_LONG = 25  # characters from which on a value is probably a text

_NO_RELATION = ("false", "none", "no", "no relation", "norelation", "negative", "ddi false", "na", "not related")
# The families in the order in which they are tried: those with the most particular columns first.
ORDER = ("ner", "extractive-qa", "choice", "similarity", "relation", "pair", "multi-label", "classification")
# Names of columns that hold one option each: a letter from A, or a number from 0 or 1, after one of these words.
_OPTION = re.compile(r"(|option|opt|op|choice|answer|ending|alternative|candidate)[_ -]?([a-z]|\d)")


def fits(name: str, values: Mapping[Any, list[Any]]) -> bool:
    """Return whether a table can be of a family.

    Args:
        name: the family.
        values: column -> its values in the first records.
    """
    columns = roles(name, values)
    if not any(columns.keys() >= set(needed) for needed in KINDS[name].needs):
        return False
    check = _CHECKS.get(name)
    return check is None or check(columns, values)


def roles(name: str, values: Mapping[Any, list[Any]]) -> dict[str, Any]:
    """Return which column may hold what: by its name, and for texts and labels also by its values."""
    kind, found = KINDS[name], {}
    if "options" in kind.spread and (numbered := _question_without_header(values)):
        return numbered
    lower = {str(column).lower(): column for column in reversed(list(values))}
    for role, usual in kind.columns.items():
        column = next((lower[item] for item in usual if item in lower and lower[item] not in found.values()), None)
        if column is not None:
            found[role] = column
    needed = kind.needs[0]
    free = [column for column in values if column not in found.values()]
    texts = sorted((column for column in free if _length(values[column]) >= _LONG), key=lambda c: -_length(values[c]))
    for role in needed:
        if role in ("text", "text_pair") and role not in found and texts:
            found[role] = texts.pop(0)
    if "entities" in kind.columns and "text" in found and "entities" not in found:
        spans = [column for column in free if _holds_spans(values[column])]
        found |= {"entities": spans[0]} if spans else {}
    for role in kind.spread:
        if role not in found and (columns := _SPREAD[role]([c for c in free if c not in found.values()], values)):
            found[role] = columns
    if "label" in needed and "label" not in found:
        labels = [column for column in free if column not in found.values() and _is_label(values[column])]
        if labels:
            found["label"] = min(labels, key=lambda column: len(set(map(str, values[column]))))
    return found


def _holds_spans(column: list[Any]) -> bool:
    """Return whether cells are lists of spans, as the annotation tool doccano writes them: `[[0, 7, "Drug"]]`."""
    items = [item for value in column if isinstance(value, list) for item in value]
    spans = [isinstance(item, list) and len(item) == 3 and type(item[0]) is type(item[1]) is int for item in items]
    return bool(items) and all(isinstance(value, list) for value in column) and all(spans)


def _options(free: list[Any], values: Mapping[Any, list[Any]]) -> list[Any]:
    """Return the columns that hold one option each."""
    groups: dict[str, dict[str, Any]] = {}
    for column in free:
        match = _OPTION.fullmatch(str(column).lower())
        if match and (match[1] or match[2].isalpha()):  # A number alone is the column of a table without a header.
            groups.setdefault(match[1], {})[match[2]] = column
    for group in groups.values():
        for first in "a01":
            listed = [group.get(chr(ord(first) + number)) for number in range(len(group))]
            if len(listed) >= FEWEST_OPTIONS and None not in listed:
                return listed
    return []


def _question_without_header(values: Mapping[Any, list[Any]]) -> dict[str, Any]:
    """Return the columns of a table without a header, as MMLU's, whose last column holds letters of the options."""
    columns = list(values)
    if not all(type(column) is int for column in columns) or len(columns) < FEWEST_OPTIONS + 2:
        return {}
    letters = {str(value).strip() for value in values[columns[-1]]}
    possible = {chr(ord("A") + number) for number in range(len(columns) - 2)}
    if not letters <= possible or len(letters) < FEWEST_OPTIONS:
        return {}
    return {"question": columns[0], "options": columns[1:-1], "answer": columns[-1]}


def _flags(free: list[Any], values: Mapping[Any, list[Any]]) -> list[Any]:
    """Return the columns of 0 and 1, if there are several: one for each label."""
    found = {column: {_flag(value) for value in values[column]} for column in free}
    flags = [column for column, seen in found.items() if seen <= {"0", "1"}]
    return flags if len(flags) > 1 and any("1" in found[column] for column in flags) else []


def _flag(value: Any) -> str:
    return {"false": "0", "true": "1", "0.0": "0", "1.0": "1"}.get(text := str(value).strip().lower(), text)


_SPREAD: dict[str, Callable[[list[Any], Mapping[Any, list[Any]]], list[Any]]] = {"options": _options, "labels": _flags}


def _length(column: list[Any]) -> float:
    """Return the mean length of the texts of a column; 0 if it holds something else."""
    texts = [value for value in column if isinstance(value, str)]
    return sum(map(len, texts)) / len(texts) if len(texts) == len(column) and texts else 0.0


def _is_label(column: list[Any]) -> bool:
    return len({str(value) for value in column}) <= min(_FEW, max(2, len(column) // 2))


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and float(value) == float(value)
    except (TypeError, ValueError):
        return False


def _separated(column: list[Any]) -> bool:
    """Return whether cells hold several labels: as lists, or as texts of few different parts."""
    if any(isinstance(value, list) for value in column):
        return True
    texts = [value for value in column if isinstance(value, str)]
    if sum(text.lstrip().startswith("[") for text in texts) > 0.9 * len(column):
        return True
    if sum(bool(re.search(r"[;|]", text)) for text in texts) > 0.05 * len(column):
        return True
    # The names of a few classes may have a comma in them; lists have few parts in many combinations.
    parts = {part.strip() for text in texts for part in text.split(",")}
    return sum("," in text for text in texts) > 0.05 * len(column) and len(parts) <= min(_FEW, len(set(texts)))


def _has_class(values: Mapping[Any, list[Any]]) -> bool:
    """Return whether there is a column with a usual name of a class, beside columns of 0 and 1."""
    return any(str(column).lower() in KINDS["classification"].columns["label"] for column in values)


def _numeric(columns: Mapping[str, Any], values: Mapping[Any, list[Any]]) -> bool:
    label = values[columns["label"]]
    # Few whole numbers are classes.
    return all(map(_is_number, label)) and (len(set(label)) > 5 or any(float(value) % 1 for value in label))


def _shows_two_mentions(columns: Mapping[str, Any], values: Mapping[Any, list[Any]]) -> bool:
    """Return whether two columns hold spans, or whether the mentions in the texts are marked already."""
    if "first" in columns and "second" in columns:
        return all(isinstance(value, dict | list) for role in ("first", "second") for value in values[columns[role]])
    texts = values[columns["text"]]
    return sum(isinstance(text, str) and shows_mentions(text) for text in texts) > 0.9 * len(texts)


def _answers_are_spans(columns: Mapping[str, Any], values: Mapping[Any, list[Any]]) -> bool:
    contexts, answers = values[columns["context"]], values[columns["answers"]]
    inside = [not isinstance(a, str) or (isinstance(c, str) and a in c) for c, a in zip(contexts, answers, strict=True)]
    several = "answer_start" in columns or len({str(answer) for answer in answers}) > _FEW_ANSWERS
    return sum(inside) > 0.9 * len(inside) and several


_CHECKS: dict[str, Callable[[Mapping[str, Any], Mapping[Any, list[Any]]], bool]] = {
    "extractive-qa": _answers_are_spans,
    "similarity": _numeric,
    "relation": _shows_two_mentions,
    "multi-label": lambda columns, values: (
        not _has_class(values) if isinstance(columns["labels"], list) else _separated(values[columns["labels"]])
    ),
    "pair": lambda columns, values: _length(values[columns["text_pair"]]) > 0 and _is_label(values[columns["label"]]),
}


def counts_from_one(columns: Mapping[str, Any], values: Mapping[Any, list[Any]]) -> bool:
    """Return whether answers are numbers from 1 to that of the options."""
    options, answers = columns.get("options"), values.get(columns.get("answer"), [])
    numbers = {str(answer).strip() for answer in answers}
    if options is None or not numbers or not all(number.isdecimal() for number in numbers):
        return False
    most = len(options) if isinstance(options, list) else max(map(len, filter(None, values[options])), default=0)
    return "0" not in numbers and max(map(int, numbers)) == most


def negative_of(kind: Kind, columns: Mapping[str, Any], values: Mapping[Any, list[Any]]) -> str | None:
    """Return the relation that seems to say that there is none."""
    if not kind.pairs:
        return None
    labels = {str(value).strip() for value in values.get(columns.get("label"), [])}
    usual = [label for label in labels if re.sub(r"[\s_-]+", " ", label).casefold() in _NO_RELATION]
    return usual[0] if len(usual) == 1 else "0" if labels == {"0", "1"} else None


def about(values: Mapping[Any, list[Any]], column: Any) -> str:
    """Return a few words about the values of a column."""
    if isinstance(column, list):
        return f" ({len(column)} columns)"
    found: list[Any] = values.get(column, [])
    counts = Counter(str(value) for value in found)
    if found and len(counts) <= _FEW and len(counts) < len(found):
        return f" ({len(counts)} values: {', '.join(f'{v[:20]} {n}' for v, n in counts.most_common(6))})"
    return f" (such as {str(found[0])[:60]!r})" if found else ""
