"""The published scores, read from `published.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import RequestError, first_of, nearest
from .aggregate import blurb_score

Selection = Literal["all", "linkbert", "gu", "indus", "none"]
SELECTIONS: tuple[str, ...] = get_args(Selection)
# A printed BLURB score is rounded to 0.1 or 0.01, and so are the cells from which it is aggregated.
_ROUNDING = 0.1
_NAMED = 4  # scores that a mark about another publication names


@dataclass(frozen=True)
class Publication:
    """A paper that prints scores.

    Attributes:
        name: the short name after the `@` in `model@publication`.
        cite: authors and year.
        title: the full reference.
        recipe: how its models were fine-tuned.
        runs: number of runs behind each mean; None if the paper states none.
        runs_of: dataset -> number of runs where it differs from `runs`.
    """

    name: str
    cite: str
    title: str
    recipe: str
    runs: int | None = None
    runs_of: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedRow:
    """The scores of one model as one publication prints them.

    Attributes:
        model: the model's name.
        publication: the paper.
        cite: the paper, and where it took the scores from.
        scores: task -> score, x100.
        stds: task -> sample standard deviation over seeds, where printed.
        printed: the BLURB score as printed; None if there is none.
        printed_std: its printed standard deviation; None if there is none.
        note: what a reader must know of this row.
        headline: whether the leaderboard shows it by default.
    """

    model: str
    publication: Publication
    cite: str
    scores: Mapping[str, float]
    stds: Mapping[str, float]
    printed: float | None
    printed_std: float | None
    note: str | None
    headline: bool

    @property
    def name(self) -> str:
        """The row's name in `--compare`, `model@publication`."""
        return f"{self.model}@{self.publication.name}"

    def runs(self, task: str) -> int | None:
        """Return the number of runs behind the score of a task; None if the publication states none."""
        return self.publication.runs_of.get(task, self.publication.runs)

    @property
    def runs_text(self) -> str:
        """The number of runs behind the means; `not stated` where the publication states none."""
        counts = sorted({count for task in self.scores if (count := self.runs(task)) is not None})
        return "–".join(map(str, counts)) or "not stated"

    @property
    def printed_text(self) -> str:
        """The BLURB score as printed, with its deviation where there is one."""
        if self.printed is None:
            return ""
        return f"{self.printed:.2f}" if self.printed_std is None else f"{self.printed:.1f} ±{self.printed_std:.1f}"

    @property
    def about(self) -> str:
        """The citation, and a note where there is one."""
        return f"{self.cite}; {self.note}" if self.note else self.cite

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "name": self.name,
            "model": self.model,
            "publication": self.publication.name,
            "cite": self.cite,
            "title": self.publication.title,
            "recipe": self.publication.recipe,
            "note": self.note,
            "printed": self.printed,
            "printed_std": self.printed_std,
            "tasks": {
                task: {"mean": score, "std": self.stds.get(task), "n": self.runs(task)}
                for task, score in self.scores.items()
            },
        }

    def marks(self) -> list[str]:
        """Return what a reader must know before comparing this row with others."""
        return [self.cite, *([self.note] if self.note else []), *self._aggregation(), *self._other_numbers()]

    def _aggregation(self) -> list[str]:
        """Return a mark if the printed BLURB score is not the one that follows from the printed cells."""
        own = blurb_score(self.scores)
        if own is None or self.printed is None or abs(own - self.printed) < _ROUNDING:
            return []
        return [f"prints the BLURB score {self.printed:g}; its cells give {own:.2f}"]

    def _other_numbers(self) -> list[str]:
        """Return one mark for each other publication that prints different numbers for the same model."""
        marks = []
        for other in published_rows():
            if other.model != self.model or other.publication == self.publication:
                continue
            apart = {name: abs(self.scores.get(name, score) - score) for name, score in other.scores.items()}
            differing = sorted((name for name, by in apart.items() if by), key=lambda name: -apart[name])
            if differing:
                scores = [f"{name} {other.scores[name]:g}" for name in differing]
                if (own := blurb_score(other.scores)) is not None and blurb_score(self.scores) is not None:
                    scores.insert(0, f"BLURB {own:.2f}")
                marks.append(
                    f"{other.publication.cite} prints other numbers for this model: {first_of(scores, _NAMED)}"
                )
        return marks


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Return the rows of all publications; (model, publication) is unique."""
    content = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    papers = {name: Publication(name, **entry) for name, entry in content["publications"].items()}
    rows = tuple(_row(entry, papers[entry["publication"]]) for entry in content["rows"])
    if len({row.name for row in rows}) != len(rows):
        raise ValueError("published.toml holds a model twice for one publication")
    return rows


def _row(entry: dict[str, Any], paper: Publication) -> PublishedRow:
    printed = entry.get("printed", {})
    return PublishedRow(
        model=entry["model"],
        publication=paper,
        cite=entry.get("cite", paper.cite),
        scores=entry["scores"],
        stds=entry.get("stds", {}),
        printed=printed.get("score"),
        printed_std=printed.get("std"),
        note=entry.get("note"),
        headline=entry.get("headline", False),
    )


def select_published(selection: str | None) -> list[PublishedRow]:
    """Return the published rows that a leaderboard shows.

    Args:
        selection: one of `SELECTIONS`, or None for the headline rows: the comparison of the LinkBERT paper.

    Raises:
        RequestError: there is no such selection.
    """
    if selection is None:
        return [row for row in published_rows() if row.headline]
    if selection not in SELECTIONS:
        raise RequestError(f"--published {selection!r}: {nearest(selection, SELECTIONS)}")
    return [row for row in published_rows() if selection in ("all", row.publication.name)]
