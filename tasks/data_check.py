"""`linkbert data check`: what is wrong or doubtful in a corpus, and would make a score wrong."""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..corpora.sources import Row
from .custom.writing import PLACES
from .data import load_split, require_split
from .data_findings import CheckedSplit, Finding, Severity, counted, cut_by_tokenizer, finding_of, places_of
from .task import Task

_LONGER = 20  # A text this many times as long as the median one is worth a look.
_FEWEST = 20  # examples of train below which extreme lengths say nothing
_TOLERATED = 0.01  # share of a split whose texts may be in another one before the score counts as wrong
_IMBALANCE = 0.9  # A class with this share of train decides the score of a constant prediction.


@dataclass(frozen=True)
class DataReport:
    """The outcome of all checks.

    Attributes:
        task: the task's name.
        counts: split -> numbers of examples and of the units that the family counts.
        labels: split -> label -> number of examples or mentions.
        findings: what was found, the worst first.
    """

    task: str
    counts: dict[str, dict[str, int]]
    labels: dict[str, dict[str, int]]
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        """Whether something makes the score wrong."""
        return any(finding.severity == "wrong" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return asdict(self)


def check_data(task: Task, data_dir: Path, model: Path | None = None, max_length: int | None = None) -> DataReport:
    """Look through all splits of a task.

    Args:
        task: the task.
        data_dir: the folder of prepared corpora, for a built-in task.
        model: the folder of a model with whose tokenizer texts are encoded; None to leave that out.
        max_length: word pieces per sequence.

    Raises:
        RequestError: a split is missing or malformed; the message names file and line.
    """
    splits = [_read(task, name, data_dir) for name in task.splits]
    findings = [finding for check in _CHECKS for finding in check(task, splits)]
    if model is not None and max_length is not None:
        findings += list(cut_by_tokenizer(task, splits, model, max_length))
    findings.sort(key=lambda finding: finding.severity != "wrong")
    unit = task.family.unit
    counts = {
        split.name: {"examples": len(split.examples)}
        | ({unit: sum(map(task.family.size, split.examples))} if unit != "examples" else {})
        for split in splits
    }
    return DataReport(task.name, counts, {split.name: dict(_labels(task, split)) for split in splits}, findings)


def _read(task: Task, name: str, data_dir: Path) -> CheckedSplit:
    path = require_split(task, name, data_dir)
    rows: Any = load_split(task, name, data_dir).examples
    examples = list(rows)
    beside = path.with_name(f"{name}{PLACES}")
    if beside.is_file():
        with beside.open(encoding="utf-8") as handle:
            lines = [json.loads(line) for line in handle]
        places, notes = [line["where"] for line in lines], [line["notes"] for line in lines]
        return CheckedSplit(name, examples, places, notes, any(line.get("whole") for line in lines))
    return CheckedSplit(name, examples, [f"{path}:{n}" for n in range(1, len(examples) + 1)], [[]] * len(examples))


def _labels(task: Task, split: CheckedSplit) -> Counter[str]:
    """Count labels: of mentions for tags, of examples for classes."""
    counts: Counter[str] = Counter()
    for example in split.examples:
        counts.update(task.family.label_names(task, example["label"]))
    return counts


def _duplicates(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Equal texts within a split."""
    for split in splits:
        seen: dict[Any, int] = {}
        again = []
        for number, example in enumerate(split.examples):
            text = task.family.text(example)
            if text is not None and seen.setdefault(text, number) != number:
                again.append(number)
        if again:
            count = f"{counted(len(again), 'example')} with the text of an earlier one"
            yield finding_of("look", "duplicates", count, places_of(split, again), split)


def _leaks(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Texts, or documents, that are in two splits."""
    for what, keys in (("text", _texts), ("document", _documents)):
        known: dict[Any, str] = {}
        for split in splits:
            own = keys(task, split)
            shared: dict[str, list[int]] = defaultdict(list)
            for number, value in enumerate(own):
                if value is not None and value in known:
                    shared[known[value]].append(number)
            for other, numbers in shared.items():
                # The splits of a published benchmark are what they are; a user's own can be made anew. Sentences that
                # many documents repeat inflate the score little.
                few = what == "text" and len(numbers) <= _TOLERATED * len(own)
                severity: Severity = "look" if task.definition is None or few else "wrong"
                message = f"{counted(len(numbers), 'example')} with a {what} that is also in {other}"
                if severity == "wrong":
                    message += "; remove the copies from one of the two"
                yield finding_of(severity, f"{what} in two splits", message, places_of(split, numbers), split)
            for value in own:
                known.setdefault(value, split.name)


def _texts(task: Task, split: CheckedSplit) -> list[str | None]:
    return [task.family.text(example) for example in split.examples]


def _documents(task: Task, split: CheckedSplit) -> list[Any]:
    """Return what tells the document of each example from others.

    Annotated documents are told apart by their text as well: folders of BRAT often number their documents alike.
    """
    if task.document_of is None:
        return []
    names = [task.document_of(example["id"]) for example in split.examples]
    if not split.whole:
        return names
    contents: dict[str, list[str]] = defaultdict(list)
    for name, example in zip(names, split.examples, strict=True):
        contents[name].append(_whole_text(example))
    digests = {name: hashlib.sha256("\n".join(texts).encode()).digest() for name, texts in contents.items()}
    return [(name, digests[name]) for name in names]


def _conflicts(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Equal texts with different labels."""
    first: dict[Any, tuple[Any, str]] = {}
    found = []
    for split in splits:
        for number, example in enumerate(split.examples):
            text = task.family.text(example)
            if text is None:
                continue
            label, place = first.setdefault(text, (example["label"], split.places[number]))
            if label != example["label"]:
                found.append(f"{split.places[number]} (beside {place})")
    if found:
        count = counted(len(found), "example")
        message = f"{count} with the text of another one, but another label: no model is right on both"
        yield finding_of("look", "conflicting labels", message, found)


def _rare_labels(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Labels that train lacks, or has once, and classes that decide the score."""
    train = _labels(task, splits[0])
    for split in splits[1:]:
        unseen = [label for label in _labels(task, split) if label not in train]
        if unseen:
            message = f"labels that {splits[0].name} lacks, so that no model can learn them: {', '.join(unseen)}"
            yield finding_of("wrong", "labels not in train", message, _with_label(task, split, unseen[0]), split)
        absent = [label for label in train if label not in _labels(task, split)]
        if absent:
            message = f"no example of {', '.join(absent)}: the score says nothing about it"
            yield finding_of("look", "labels not tested", message, (), split)
    once = [label for label, count in train.items() if count == 1]
    if once:
        message = f"labels that occur once: {', '.join(once)}"
        yield finding_of("look", "labels seen once", message, _with_label(task, splits[0], once[0]), splits[0])
    if task.family.one_label and train and max(train.values()) > _IMBALANCE * train.total():
        label = max(train, key=lambda name: train[name])
        message = f"{train[label] / train.total():.0%} of the examples are {label}: always saying so scores that much"
        yield finding_of("look", "label balance", message, (), splits[0])


def _spellings(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Labels that differ in capitals, in white space, or in how a number is written."""
    spelt: dict[str, dict[str, None]] = defaultdict(dict)
    for split in splits:
        for label in _labels(task, split):
            spelt[_plain(str(label))][label] = None
    for labels in spelt.values():
        if len(labels) > 1:
            yield finding_of("look", "spelling", f"labels that differ in spelling only: {', '.join(labels)}", ())


def _plain(label: str) -> str:
    try:
        return f"{float(label):g}"
    except ValueError:
        return re.sub(r"[\s_-]+", " ", label).strip().casefold()


def _with_label(task: Task, split: CheckedSplit, label: str) -> list[str]:
    chosen = (
        number
        for number, example in enumerate(split.examples)
        if label in task.family.label_names(task, example["label"])
    )
    return places_of(split, chosen)


def _lengths(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """Texts that are blank, or far longer than the others."""
    for split in splits:
        words = [len(_whole_text(example).split()) for example in split.examples]
        blank = [number for number, example in enumerate(split.examples) if _has_blank(task, example)]
        if blank:
            yield finding_of("wrong", "empty texts", counted(len(blank), "empty text"), places_of(split, blank), split)
        median = statistics.median(words) if words else 0
        long = [number for number, count in enumerate(words) if count > _LONGER * max(median, 1)]
        if long and len(words) >= _FEWEST:
            message = (
                f"{counted(len(long), 'text')} with more than {_LONGER} times the words of the median one ({median:g})"
            )
            yield finding_of("look", "extreme texts", message, places_of(split, long), split)


def _has_blank(task: Task, example: Row) -> bool:
    parts = (example.get(name) for name in task.family.columns)
    return not _whole_text(example).strip() or any(isinstance(part, str) and not part.strip() for part in parts)


def _whole_text(example: Row) -> str:
    parts = [example.get(name) for name in ("text", "text_pair", "question", "context")]
    return " ".join([*filter(None, parts), *example.get("tokens", ()), *(example.get("options") or ())])


def _noticed(task: Task, splits: Sequence[CheckedSplit]) -> Iterator[Finding]:
    """What was noticed when the files were read: spans that begin or end inside a word."""
    for split in splits:
        notes = [note for found in split.notes for note in found]
        if notes:
            message = f"{counted(len(notes), 'mention')} beginning or ending inside a word, extended to the whole word"
            yield finding_of("look", "spans inside words", message, notes, split)


_CHECKS: tuple[Callable[[Task, Sequence[CheckedSplit]], Iterator[Finding]], ...] = (
    _leaks,
    _lengths,
    _rare_labels,
    _spellings,
    _noticed,
    _duplicates,
    _conflicts,
)
