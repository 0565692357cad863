"""How two runs of one task differ: settings, data, versions, and the examples that flipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import RequestError
from .identity import RunIdentity
from .inspection import InspectedRun

_TEST = "test"


@dataclass(frozen=True)
class Flip:
    """An example that one of two runs gets right and the other one wrong.

    Attributes:
        id: the example.
        gold: its gold label.
        a: prediction of the first run.
        b: prediction of the second run.
    """

    id: str
    gold: Any
    a: Any
    b: Any


@dataclass(frozen=True)
class RunDifference:
    """How two runs differ.

    Attributes:
        a: name of the first run.
        b: name of the second run.
        scores: their scores.
        settings: setting -> (value of the first, of the second), where they differ.
        identity: further differences of the two runs, such as seed, weights, data and precision.
        versions: package -> (version of the first, of the second), where they differ.
        gained: examples that the second gets right and the first does not.
        lost: examples that the first gets right and the second does not.
        moved: for tasks whose labels are numbers, the examples whose predictions differ most.
        changed: number of examples with different predictions.
        examples: number of examples; 0 if the predictions are not there.
        missing: what cannot be compared, and why.
    """

    a: str
    b: str
    scores: tuple[float, float]
    settings: Mapping[str, tuple[Any, Any]]
    identity: Mapping[str, tuple[Any, Any]]
    versions: Mapping[str, tuple[Any, Any]]
    gained: Sequence[Flip]
    lost: Sequence[Flip]
    moved: Sequence[Flip]
    changed: int
    examples: int
    missing: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as a JSON object."""
        return asdict(self)


def diff_runs(a: InspectedRun, b: InspectedRun) -> RunDifference:
    """Return how two runs of one task differ.

    Raises:
        RequestError: they are runs of different tasks.
    """
    if a.result.task != b.result.task:
        raise RequestError(f"{a.name} and {b.name} are runs of different tasks")
    first, second = a.result, b.result
    settings = {
        key: (first.setting(key), second.setting(key))
        for key in {**first.recipe, **second.recipe}
        if first.setting(key) != second.setting(key)
    }
    versions = {
        name: (first.versions.get(name), second.versions.get(name))
        for name in {**first.versions, **second.versions}
        if first.versions.get(name) != second.versions.get(name)
    }
    identity = {
        name: (one, other)
        for name, one, other in RunIdentity.of(first).compared(RunIdentity.of(second))
        if one != other and name not in settings
    }
    missing = [f"{run.name}: {run.missing[0]}" for run in (a, b) if not run.rows]
    if first.data.get(_TEST) != second.data.get(_TEST):
        missing.append("the test data differ, so that examples cannot be compared")
    elif [row["id"] for row in a.rows] != [row["id"] for row in b.rows]:
        missing.append("the predictions are of other examples, or in another order, so that they cannot be compared")
    pairs = [] if missing else list(_aligned(a, b))
    gained = [flip for flip in pairs if flip.b == flip.gold != flip.a]
    lost = [flip for flip in pairs if flip.a == flip.gold != flip.b]
    return RunDifference(
        a=a.name,
        b=b.name,
        scores=(first.score, second.score),
        settings=settings,
        identity=identity,
        versions=versions,
        gained=gained,
        lost=lost,
        moved=sorted((flip for flip in pairs if isinstance(flip.gold, float)), key=lambda flip: -abs(flip.a - flip.b)),
        changed=sum(flip.a != flip.b for flip in pairs),
        examples=len(pairs),
        missing=missing,
    )


def _aligned(a: InspectedRun, b: InspectedRun) -> Iterator[Flip]:
    for one, other in zip(a.rows, b.rows, strict=True):
        yield Flip(str(one["id"]), one["gold"], one["prediction"], other["prediction"])
