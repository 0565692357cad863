"""BioASQ's test questions from the challenge's five golden files of task 7b."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from .json_files import field, read_json
from .sources import Format, Found, Row
from .tables import check_label

_FILES = tuple(f"7B{batch}_golden.json" for batch in range(1, 6))


def bioasq_golden_format(labels: tuple[str, ...]) -> Format:
    """`7B1_golden.json` to `7B5_golden.json`: all five are needed, in this order."""
    return Format("BioASQ 7b golden JSON", _find, partial(_read, labels=labels))


def _find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    batches = [next((path for path in files if path.name == name), None) for name in _FILES]
    if all(batches):
        yield "test", tuple(path for path in batches if path)


def _read(files: tuple[Path, ...], split: str, labels: tuple[str, ...]) -> Iterator[Row]:
    for path in files:
        for number, question in enumerate(field(read_json(path), "questions", list, str(path)), start=1):
            where = f"{path}: question {number}"
            if field(question, "type", str, where) != "yesno":
                continue
            # Only yes/no questions have a plain string here. The ideal answer would give it away: never read.
            label = field(question, "exact_answer", str, where).strip()
            snippets = [field(item, "text", str, where) for item in field(question, "snippets", list, where)]
            yield {
                "id": field(question, "id", str, where).strip(),
                "sentence1": _one_line(field(question, "body", str, where)),
                "sentence2": _one_line(" ".join(snippets)),
                "label": check_label(path, number, label, labels),
            }


def _one_line(text: str) -> str:
    return text.replace("\n", " ").strip()
