"""Writing rows in the prepared format, after checking each of them."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from ...corpora.prepared import prepared_line
from ...corpora.sources import Row
from ...errors import RequestError
from ..task import Task
from ..word_division import DivisionCounter
from .definition import identifier
from .task_file import TaskFile
from .task_file_checks import SPLITS

# Beside each prepared split: where each example stands in the user's files, and what was noticed in reading it.
PLACES = ".places.jsonl"


class Writer:
    """Writes rows into the files of their splits, and checks them as prepared files are checked.

    Args:
        file: the task file.
        task: the task with its labels.
        folder: where the files are written.
        labels: the labels.
    """

    def __init__(self, file: TaskFile, task: Task, folder: Path, labels: list[str]) -> None:
        self.file, self.task, self.folder, self.labels = file, task, folder, labels
        self.counts: Counter[str] = Counter()
        self.labels_of: dict[str, set[str]] = {split: set() for split in SPLITS}
        self.ids: dict[tuple[str, str], str] = {}
        self.numbers: Counter[str] = Counter()
        self.documents, self.unanswerable = False, False
        self.words = DivisionCounter()
        self.handles: dict[str, IO[bytes]] = {}
        self.places: dict[str, IO[bytes]] = {}

    def opened(self) -> ExitStack:
        """Open the files of all splits."""
        stack = ExitStack()
        for split in SPLITS:
            self.handles[split] = stack.enter_context((self.folder / f"{split}.json").open("wb"))
            self.places[split] = stack.enter_context((self.folder / f"{split}{PLACES}").open("wb"))
        return stack

    def add(self, split: str, where: str, row: Row) -> None:
        """Write one row.

        Raises:
            RequestError: a label is not among those of the task, an id occurs twice, or the row is malformed.
        """
        document, notes, whole = row.pop("document", None), row.pop("notes", []), row.pop("whole", False)
        row.pop("group", None)
        for label in self.file.kind.labels_of(row):
            if label not in self.labels:
                raise RequestError(f"{where}: {self._unknown(split, label)}")
            self.labels_of[split].add(label)
        row = self.file.kind.finish(row, self.labels)
        self.numbers[document or split] += 1
        own = str(row.pop("id", self.numbers[document or split]))
        row = {"id": identifier(document, own), **row}
        if first := self.ids.get((split, row["id"])):
            raise RequestError(
                f"{where}: the id {own!r} is at {first} already; give each example its own id, or say under [columns] "
                "that its column holds documents"
            )
        self.ids[split, row["id"]] = where
        try:
            example = self.task.parse_labelled(row)
        except ValueError as error:
            raise RequestError(f"{where}: {error}; correct it") from error
        for name in self.task.family.columns:
            if isinstance(example.get(name), str) and not example[name].strip():
                raise RequestError(f"{where}: the {name.replace('_', ' ')} is empty; add it, or remove the example")
        self.documents |= document is not None
        self.unanswerable |= row.get("answers", {"text": True})["text"] == []
        if split == "train" and "tokens" in row:
            self.words.add(row["tokens"])
        self.counts[split] += 1
        self.handles[split].write(prepared_line(row))
        self.places[split].write(prepared_line({"where": where, "notes": notes} | ({"whole": True} if whole else {})))

    def _unknown(self, split: str, label: str) -> str:
        if self.file.labels is None:
            return (
                f"the label {label!r} in {split} does not occur in train, so that no model can learn it; correct it, "
                f"add it to train, or leave it out with ignore = [{json.dumps(label)}] in the task file"
            )
        return (
            f"the label {label!r} is not among the labels of the task file ({', '.join(self.labels)}); add it there, "
            f"correct it, or leave it out with ignore = [{json.dumps(label)}]"
        )

    def check(self, assigned: dict[str, str]) -> None:
        """Make sure that no split is empty, and that train has something to learn.

        Raises:
            RequestError: one is, or it has not.
        """
        for split in SPLITS:
            if not self.counts[split]:
                raise RequestError(
                    f"{self.file.path}: no example is left for {split}; "
                    + ("choose larger shares under [split]" if assigned else "check its file")
                )
        found = self.labels_of["train"]
        if self.file.kind.labelled and len(found) < self.file.kind.fewest_labels:
            what = f"one class only ({', '.join(found)})" if found else "no label"
            raise RequestError(
                f"{self.file.path}: {what} in train: there is nothing to learn; check its file, or which column holds "
                "the labels"
            )
