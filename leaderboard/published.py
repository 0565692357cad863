"""The published scores, read from `published.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class PublishedRow:
    """The scores of one model as a paper prints them.

    Attributes:
        model: the model's name.
        cite: the paper, and where it took the scores from.
        scores: task -> score.
    """

    model: str
    cite: str
    scores: Mapping[str, float]


@cache
def published_rows() -> dict[str, PublishedRow]:
    """Return the published rows by model."""
    content = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
    return {model: PublishedRow(model, entry["cite"], entry["scores"]) for model, entry in content.items()}
