"""What is known of a test set beyond its examples: documents, a trivial baseline, texts that are also in train."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metrics.baselines import Baseline
from .task import Task

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CorpusFacts:
    """Numbers about the canonical test file of a task (`corpus_facts.toml`).

    Attributes:
        sha256: SHA-256 of the prepared test file to which the numbers belong.
        baseline: the score of a trivial constant prediction.
        shared_with_train: number of test examples whose text is also in train; None if that is not known.
        documents: number of examples of each document, in order; empty if the ids of the examples tell.
    """

    sha256: str
    baseline: Baseline
    shared_with_train: int | None = None
    documents: tuple[int, ...] = ()


@cache
def _all_facts() -> dict[str, CorpusFacts]:
    content = tomllib.loads(Path(__file__).with_name("corpus_facts.toml").read_text(encoding="utf-8"))
    return {name: _facts(entry) for name, entry in content.items()}


def _facts(entry: dict[str, Any]) -> CorpusFacts:
    documents, known = tuple(entry.get("documents", ())), entry.get("shared_with_train")
    return CorpusFacts(entry["sha256"], Baseline(**entry["baseline"]), known, documents)


def corpus_facts(task: str, sha256: str | None) -> CorpusFacts | None:
    """Return what is known of a test file, or None if it is not the canonical one of the task."""
    facts = _all_facts().get(task)
    return facts if facts is not None and facts.sha256 == sha256 else None


def canonical_facts(task: str) -> CorpusFacts | None:
    """Return what is known of the canonical test file of a task."""
    return _all_facts().get(task)


def document_numbers(task: Task, ids: Sequence[str], sha256: str | None) -> np.ndarray:
    """Return the number of the document to which each example of a test set belongs, counted from 0.

    An example is a document of its own where the corpus does not say to which document it belongs.

    Args:
        task: the task.
        ids: the ids of the examples, in the order of the corpus.
        sha256: SHA-256 of the prepared test file.

    Returns:
        Array of int64, one number per example.
    """
    import numpy as np

    facts = corpus_facts(task.name, sha256)
    if facts is not None and sum(facts.documents) == len(ids):
        return np.repeat(np.arange(len(facts.documents)), facts.documents)
    if task.document_of is None:
        return np.arange(len(ids))
    order: dict[str, int] = {}
    return np.array([order.setdefault(task.document_of(identifier), len(order)) for identifier in ids], dtype=np.int64)
