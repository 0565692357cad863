"""The definition of a user's task: a JSON object that runs and results carry, and the task that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...models.sources import safe_name
from ..recipe import problem_with
from ..task import EXTRA, Task
from ..word_division import Division
from .kinds import KINDS
from .marking import MARKS
from .pairs import PairRules

_DOCUMENT = "#"  # separates document and number in the ids of examples


@dataclass(frozen=True)
class Definition:
    """A user's task without its data. It is stored with runs and results, so that they need no task file later.

    Attributes:
        name: the task's name.
        family: its family, as a task file names it.
        title: its name in print.
        labels: its labels in a fixed order: entity types, classes or relations; empty if the family has none.
        metric: its metric.
        negative: the class that F1 leaves out.
        documents: whether the ids of its examples begin with their document.
        unanswerable: whether questions may have no answer.
        marks: how mentions of relations are marked; None for other families and for texts that are marked already.
        pairs: for relations in annotated documents, the pairs of types that can be related.
        directed: whether a pair of mentions of one type is an example in both directions.
        reach: how many passages (or lines) apart the mentions of a pair may be.
        by_concept: whether pairs are of concepts, not of mentions.
        wrapped: for tagged words, whether lines of documents end in the middle of sentences.
        division: for tagged words, the punctuation that is a part of words (`word_division.Division` as JSON).
        word_column: for CoNLL files, the column of the words if the task file names it.
        columns: what the columns of a table hold, for those of inputs.
        recipe: settings that replace those of the recipe.
    """

    name: str
    family: str
    title: str
    metric: str
    labels: list[str] = field(default_factory=list)
    negative: str | None = None
    documents: bool = False
    unanswerable: bool = False
    marks: str | None = None
    pairs: list[list[str]] = field(default_factory=list)
    directed: bool = False
    reach: int = 0
    by_concept: bool = False
    wrapped: bool = False
    division: dict[str, str] = field(default_factory=dict)
    word_column: int | None = None
    columns: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Any) -> Definition:
        """Make a definition from a JSON object that cannot be trusted.

        Raises:
            ValueError: it is not one; says why.
        """
        known = {item.name for item in fields(cls)}
        if not isinstance(document, Mapping) or not {"name", "family", "title", "metric"} <= document.keys():
            raise ValueError("not the definition of a task")
        found = cls(**{key: value for key, value in document.items() if key in known})
        kind = KINDS.get(found.family) if isinstance(found.family, str) else None
        if kind is None or found.metric not in kind.metrics:
            raise ValueError(f"the task has an unknown family {found.family!r} or metric {found.metric!r}")
        if not isinstance(found.name, str) or not safe_name(found.name) or not isinstance(found.title, str):
            raise ValueError(f"{found.name!r} cannot name a task")
        if not isinstance(found.labels, list) or not all(isinstance(label, str) for label in found.labels):
            raise ValueError("the labels of the task are not a list of texts")
        if found.negative not in (None, *found.labels) or found.marks not in (None, *MARKS):
            raise ValueError("the task has an unknown negative class or marks")
        if not isinstance(found.recipe, Mapping) or any(
            key != "seed" and problem_with(key, value) for key, value in found.recipe.items()
        ):
            raise ValueError("the recipe of the task is malformed")
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in found.pairs):
            raise ValueError("the pairs of the task are malformed")
        if type(found.reach) is not int or found.reach < 0:
            raise ValueError(f"pairs cannot be {found.reach!r} passages apart")
        if type(found.word_column) not in (int, type(None)):
            raise ValueError(f"{found.word_column!r} is no column of words")
        Division.from_json(found.division)
        if not isinstance(found.columns, Mapping) or not all(isinstance(name, str) for name in found.columns):
            raise ValueError("the columns of the task are malformed")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return this definition as a JSON object, without what equals its default."""
        defaults = {item.name: item.default for item in fields(self)}
        return {key: value for key, value in asdict(self).items() if value not in ([], {}) and value != defaults[key]}

    @property
    def pair_rules(self) -> PairRules | None:
        """Which pairs of mentions are examples; None if the examples are not pairs in annotated documents."""
        if not self.pairs or self.negative is None:
            return None
        kinds, marks = {(a, b) for a, b in self.pairs}, self.marks or MARKS[0]
        return PairRules(kinds, self.negative, marks, self.directed, self.reach, self.by_concept)

    def task(self, prepared: Callable[[str], Path] | None = None) -> Task:
        """Return the task.

        Args:
            prepared: split -> its file in the prepared format; None where only runs and results are at hand.
        """
        kind = KINDS[self.family]
        return Task(
            name=self.name,
            version=1,
            title=self.title,
            family=kind.family,
            suite=EXTRA,
            task_type=EXTRA,
            release="",
            counts=(),
            labels=kind.task_labels(self.labels),
            metric=self.metric,
            negative=self.negative,
            tag_types={label: label for label in self.labels} if kind.typed else {},
            division=Division.from_json(self.division),
            marked=kind.pairs,
            recipe_of=kind.recipe_section,
            recipe=self.recipe,
            unanswerable=self.unanswerable,
            document_of=document_of if self.documents else None,
            access="it is a task of your own: its task file names the data",
            definition=self.to_json(),
            prepared=prepared,
        )


def identifier(document: str | None, own: str) -> str:
    """Return the id of an example: its own id or number, after its document where that is known."""
    # The last `#` ends the name of the document, so that none can stand in the rest.
    return own if document is None else f"{document}{_DOCUMENT}{own.replace(_DOCUMENT, '%23')}"


def document_of(identifier: str) -> str:
    """Return the document of an example; the example itself if it is in none."""
    document, mark, _ = identifier.rpartition(_DOCUMENT)
    return document if mark else identifier
