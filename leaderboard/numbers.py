"""Intervals and paired differences as values, and how they are read from a JSON document that may be damaged."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .aggregate import TYPE_TASKS

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """The 95% confidence intervals of one row, x100; None where something is missing or nothing varies.

    Attributes:
        tasks: task -> interval.
        types: BLURB task type -> interval.
        blurb: interval of the BLURB score.
    """

    tasks: Mapping[str, Interval | None]
    types: Mapping[str, Interval | None]
    blurb: Interval | None


NO_INTERVALS = Intervals({}, dict.fromkeys(TYPE_TASKS), None)


@dataclass(frozen=True)
class Paired:
    """A difference between two measured models on the same examples.

    Attributes:
        difference: first minus second, x100.
        ci: its 95% confidence interval; None if nothing varies.
        p: p-value of the paired test.
        detectable: the smallest true difference that would be found with 80% power; None if nothing varies.
        seeds: whether the noise of the seeds is counted. It is unknown if each has one run, and nothing else tells it.
    """

    difference: float
    ci: Interval | None
    p: float
    detectable: float | None
    seeds: bool = True


@dataclass(frozen=True)
class PairedDifferences:
    """All differences between two measured rows: per task, per BLURB task type, and of the BLURB score."""

    tasks: Mapping[str, Paired]
    types: Mapping[str, Paired]
    blurb: Paired | None


def intervals_in(document: Any) -> Intervals | None:
    """Read intervals from a JSON document; None if there is none, or it is damaged."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        tasks, types = ({str(k): _interval_in(v) for k, v in document[part].items()} for part in ("tasks", "types"))
        if set(types) == set(TYPE_TASKS):
            return Intervals(tasks, types, _interval_in(document["blurb"]))
    return None


def differences_in(document: Any) -> PairedDifferences | None:
    """Read differences from a JSON document; None if there is none, or it is damaged."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        tasks, types = ({str(k): _paired_in(v) for k, v in document[part].items()} for part in ("tasks", "types"))
        return PairedDifferences(tasks, types, None if document["blurb"] is None else _paired_in(document["blurb"]))
    return None


def _interval_in(value: Any) -> Interval | None:
    if value is None:
        return None
    low, high = value
    return _number_in(low), _number_in(high)


def _paired_in(value: Mapping[str, Any]) -> Paired:
    known = value["detectable"]
    return Paired(
        difference=_number_in(value["difference"]),
        ci=_interval_in(value["ci"]),
        p=_number_in(value["p"]),
        detectable=None if known is None else _number_in(known),
        seeds=value.get("seeds", True) is True,
    )


def _number_in(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)
