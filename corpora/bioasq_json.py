"""Read BioASQ's test split from the five files with gold answers that the challenge published for task 7b."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from .json_files import field, read_json
from .sources import Format, Found, Row
from .tables import check_label

# In this order the yes/no questions are in the order of BLURB's test file.
_FILES = tuple(f"7B{batch}_golden.json" for batch in range(1, 6))


def bioasq_golden_format(labels: tuple[str, ...]) -> Format:
    """Return the format of `7B1_golden.json` to `7B5_golden.json`; the test split needs all five files.

    Args:
        labels: the answers that the task allows.
    """
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
            # `exact_answer` is a plain string for yes/no questions only. `ideal_answer` is never read: it is a text
            # that answers the question, so it must not become input of the model.
            label = field(question, "exact_answer", str, where).strip()
            snippets = [field(item, "text", str, where) for item in field(question, "snippets", list, where)]
            yield {
                "id": field(question, "id", str, where).strip(),
                "sentence1": _one_line(field(question, "body", str, where)),
                "sentence2": _one_line(" ".join(snippets)),
                "label": check_label(path, number, label, labels),
            }


def _one_line(text: str) -> str:
    # BLURB's table has one row per line, so it holds a space where the original text has a line break.
    return text.replace("\n", " ").strip()
