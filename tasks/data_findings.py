"""Findings about the examples of a corpus, and what a tokenizer and a maximum length cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..corpora.sources import Row
from .task import CUT, Task, Truncation

Severity = Literal["wrong", "look"]
_SHOWN = 5  # places that a finding names


@dataclass(frozen=True)
class Finding:
    """Something in the data that a person should know.

    Attributes:
        severity: `wrong` if it makes the score wrong, `look` if it is worth a look.
        check: the name of the check.
        message: what was found, with its number.
        places: file and line of the first examples concerned.
    """

    severity: Severity
    check: str
    message: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckedSplit:
    """A split as the checks see it.

    Attributes:
        name: the name of the split.
        examples: its examples.
        places: file and line of each example.
        notes: what was noticed in reading each example.
        whole: whether each document is there with all of its text.
    """

    name: str
    examples: Sequence[Row]
    places: Sequence[str]
    notes: Sequence[Sequence[str]]
    whole: bool = False


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. `1 example` or `5 examples`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def finding_of(
    severity: Severity, check: str, message: str, places: Iterable[str], split: CheckedSplit | None = None
) -> Finding:
    """Return a finding with the first places; its message begins with the split if there is one."""
    return Finding(severity, check, f"{split.name}: {message}" if split else message, tuple(list(places)[:_SHOWN]))


def places_of(split: CheckedSplit, numbers: Iterable[int]) -> list[str]:
    """Return the places of some examples of a split."""
    return [split.places[number] for number in numbers]


# Field of `Truncation` -> (severity, what it means).
_CUT: Mapping[str, tuple[Severity, str]] = {
    "gold_labels_lost": (
        "wrong",
        "labelled words or answers are lost: no word piece, or cut by the limit",
    ),
    "masks_lost": ("wrong", "examples lose a mention of their relation to the limit, which makes them unanswerable"),
    "examples_cut": ("look", "examples are longer than the limit and lose their end"),
    "windowed": ("look", "examples are longer than the limit and become several windows; nothing is lost"),
}


def cut_by_tokenizer(task: Task, splits: Sequence[CheckedSplit], model: Path, max_length: int) -> Iterator[Finding]:
    """Yield what the tokenizer and the maximum length of a model cut, and how many words it does not know."""
    from ..models.tokenizer_loading import load_tokenizer

    tokenizer = load_tokenizer(model, words=task.head.per_word)
    for split in splits:
        whole = Truncation()
        unknown = pieces = 0
        for row in task.encode(tokenizer, split.examples, max_length, whole, _long_inputs(task)):
            for sequence in row["input_ids"]:
                pieces += len(sequence)
                unknown += sequence.count(tokenizer.unk_token_id)
        for name, (severity, what) in _CUT.items():
            if count := getattr(whole, name):
                places = places_of(split, _concerned(task, tokenizer, split, max_length, name))
                message = f"{count} {what} ({max_length} pieces){_remedy(task, name)}"
                yield finding_of(severity, name.replace("_", " "), message, places, split)
        if unknown:
            message = f"{unknown} of {pieces} word pieces are unknown to the tokenizer"
            yield finding_of("look", "unknown words", message, (), split)


def _long_inputs(task: Task) -> str:
    return task.recipe.get("long_inputs", CUT)


def _remedy(task: Task, name: str) -> str:
    """Return which other way to treat long inputs loses less, if the task has one that its recipe does not use."""
    others = [way for way in task.family.long_inputs if way != _long_inputs(task)]
    return f"; see --long-inputs {others[0]}" if others and name in ("masks_lost", "examples_cut") else ""


def _concerned(task: Task, tokenizer: Any, split: CheckedSplit, max_length: int, name: str) -> Iterator[int]:
    """Yield the numbers of the first examples that something is counted for."""
    found = 0
    for number, example in enumerate(split.examples):
        own = Truncation()
        list(task.encode(tokenizer, [example], max_length, own, _long_inputs(task)))
        if getattr(own, name):
            yield number
            found += 1
            if found == _SHOWN:
                return
