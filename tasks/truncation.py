"""What encoding a split lost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Truncation:
    """What encoding a split lost. It is counted per split and stored with the result.

    Attributes:
        examples: number of examples encoded.
        examples_cut: number of examples that lost tokens.
        tokens_cut: number of word pieces lost.
        masks_lost: number of examples that lost a mask or marker of a mention, which makes them unanswerable.
        gold_labels_lost: number of labelled words that the model cannot see.
        windowed: number of examples that were split into overlapping windows; they lost nothing.
    """

    examples: int = 0
    examples_cut: int = 0
    tokens_cut: int = 0
    masks_lost: int = 0
    gold_labels_lost: int = 0
    windowed: int = 0
