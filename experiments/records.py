"""Reading a dataclass from a JSON object whose content cannot be trusted."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypedDict, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from ..tasks.task import Truncation

Record = TypeVar("Record")
# The settings that limit a run, with the types of their values. A run of an early version may lack them.
_LIMITS: dict[str, tuple[type, ...]] = {
    "max_steps": (int, type(None)),
    "train_fraction": (int, float, type(None)),
    "train_split": (str, type(None)),
}
_COUNTS = tuple(item.name for item in fields(Truncation))


class ModelRecord(TypedDict, total=False):
    """A model as results and runs describe it: `settings_sha256` covers configuration and tokenizer."""

    name: str | None
    source: str
    revision: str | None
    weights_sha256: str | None
    settings_sha256: str
    parameters: int | None


class SettingRecord(TypedDict):
    """A setting of a recipe, with where its value came from."""

    value: Any
    origin: str


def from_document(kind: type[Record], document: Any) -> Record:
    """Make a dataclass from a JSON object, after checking the type of each of its fields.

    A field of the dataclass that has a default may be missing. Keys that are no field go into the field `extra`.

    Raises:
        ValueError: the document is not an object, or a field is missing or of a wrong type.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"expected a JSON object, found {type(document).__name__}")
    for name, (kinds, required) in _fields_of(kind).items():
        if name not in document:
            if required:
                raise ValueError(f"the field {name!r} is missing")
            continue
        value = document[name]
        # In Python a bool is an int, in JSON it is not.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"the field {name!r} should be {' or '.join(item.__name__ for item in kinds)}")
    known = {name: value for name, value in document.items() if name in _fields_of(kind)}
    make: Any = kind  # pyright does not know that each of these classes has a field `extra`
    return make(**known, extra={name: value for name, value in document.items() if name not in known})


def to_document(record: Any) -> dict[str, Any]:
    """Return a dataclass as a JSON object, the inverse of `from_document`.

    A field that equals its default of None is left out, because a file that was written before the field existed does
    not have it.
    """
    names = _fields_of(type(record))
    document = {name: getattr(record, name) for name in names}
    present = {name: value for name, value in document.items() if value is not None or names[name][1]}
    return present | record.extra


def check_parts(record: Any) -> None:
    """Check the inner parts of the fields that results and runs have in common.

    Raises:
        ValueError: a part is missing or of a wrong type.
    """
    for name in ("recipe", "data", "truncation"):
        if not all(isinstance(item, dict) for item in (getattr(record, name) or {}).values()):
            raise ValueError(f"{name} should hold objects")
    if not isinstance(record.model.get("weights_sha256"), str | None):
        raise ValueError("model.weights_sha256 should be str")
    for name in ("departures", "notes"):
        if not all(isinstance(text, str) for text in getattr(record, name, None) or ()):
            raise ValueError(f"{name} should be strings")
    for key, setting in record.recipe.items():
        if not isinstance(setting.get("origin"), str | None):
            raise ValueError(f"recipe.{key}.origin should be str")
    for key, kinds in _LIMITS.items():
        value = record.recipe.get(key, {}).get("value")
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"recipe.{key} is {value!r}")
    for split, counts in (record.truncation or {}).items():
        if not all(type(counts.get(name)) is int for name in _COUNTS):
            raise ValueError(f"truncation.{split} should hold the numbers {', '.join(_COUNTS)}")
    for name in ("metrics", "dev"):
        found = getattr(record, name, None) or {}
        numbers = found.get("metrics") or {} if name == "dev" else found
        if not isinstance(numbers, dict) or not all(type(value) in (int, float) for value in numbers.values()):
            raise ValueError(f"{name} should hold numbers")
    trained = (record.cost or {}).get("train")
    if not isinstance(trained, dict | None) or type((trained or {}).get("seconds")) not in (int, float, type(None)):
        raise ValueError("cost.train should hold numbers")
    baseline = getattr(record, "baseline", None)
    if baseline is not None and (
        not isinstance(baseline.get("name"), str) or type(baseline.get("score")) not in (int, float)
    ):
        raise ValueError("baseline should hold a name and a score")
    if record.dev is not None and type(record.dev.get("score")) not in (int, float):
        raise ValueError("dev.score should be a number")


@cache
def _fields_of(kind: Any) -> dict[str, tuple[tuple[type, ...], bool]]:
    """Return, for each field but `extra`, the types that it may have and whether it is required."""
    hints = get_type_hints(kind)
    return {
        item.name: (_kinds(hints[item.name]), item.default is MISSING and item.default_factory is MISSING)
        for item in fields(kind)
        if item.name != "extra"
    }


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the types of JSON values that a type hint allows."""
    if isinstance(hint, types.UnionType) or get_origin(hint) is Union:
        return tuple(kind for part in get_args(hint) for kind in _kinds(part))
    kind = get_origin(hint) or hint
    if is_typeddict(kind) or kind is Mapping:
        return (dict,)
    return (int, float) if kind is float else (kind,)
