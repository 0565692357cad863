"""Which files and folders hold the splits of a corpus, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import RequestError, first_of
from .task_file_checks import WHOLE

_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "devel", "development", "valid", "validation", "val", "eval", "evaluation"),
    "test": ("test", "testing"),
}
SHARD = re.compile(r"-\d{5}-of-\d{5}(?=$|\.)")  # the part of a file in exports of Hugging Face datasets
_PROSE = (".md", ".toml", ".pdf", ".html", "")  # of files beside data that nobody takes for data


@dataclass(frozen=True)
class SplitFiles:
    """Where splits are.

    Attributes:
        files: split, or `data` -> its file or folder, or the parts of its file in order.
        unused: other files and folders that may be data.
    """

    files: Mapping[str, Sequence[Path]]
    unused: Sequence[Path] = ()


def find_splits(path: Path) -> SplitFiles:
    """Return the files of the splits, where the names of files or subfolders tell them, else the whole as `data`.

    The names of the splits of one corpus differ in the word for the split alone. Of a folder with several corpora, the
    one without another word is taken.

    Raises:
        RequestError: the path is not there, or a folder holds several corpora and none is the obvious one.
    """
    if not path.exists():
        raise RequestError(f"{path}: no such file or folder")
    entries = sorted(path.iterdir() if path.is_dir() else path.parent.iterdir())
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    if not path.is_dir():
        entries = [entry for entry in entries if entry.suffix == path.suffix]
    elif any(entry.suffix == ".ann" for entry in entries):
        return SplitFiles({WHOLE: [path]})
    corpora = _corpora(entries)
    if not path.is_dir():
        own = next((files for files in corpora.values() if any(path in parts for parts in files.values())), {})
        return SplitFiles(own if "train" in own else {WHOLE: [path]})
    names = sorted(name for name, files in corpora.items() if "train" in files)
    if not names:
        only = entries[0] if len(entries) == 1 and entries[0].is_file() else path
        return SplitFiles({WHOLE: [only]})
    if "" not in names and len(names) > 1:
        every = [part.name for name in names for part in corpora[name]["train"]]
        raise RequestError(
            f"{path}: several files for train ({first_of(every)}); name one of them instead of the folder"
        )
    chosen = corpora[names[0]]
    used = {part for parts in chosen.values() for part in parts}
    others = [entry for entry in entries if entry not in used and (entry.is_dir() or entry.suffix not in _PROSE)]
    return SplitFiles(chosen, others)


def _corpora(entries: Iterable[Path]) -> dict[str, dict[str, list[Path]]]:
    """Return what names have beside the word for the split -> split -> the files, in the order of train, dev, test."""
    found: dict[str, dict[str, list[Path]]] = {}
    for split, names in _NAMES.items():
        for entry in entries:
            stem = SHARD.sub("", entry.stem.lower() if entry.is_file() else entry.name.lower())
            words = re.split(r"([^a-z]+)", stem)
            place = next((number for number, word in enumerate(words) if word in names), None)
            if place is None:
                continue
            rest = "".join([*words[:place], *words[place + 1 :]]).strip("-_. ")
            parts = found.setdefault(re.sub(r"[-_. ]+", "-", rest), {}).setdefault(split, [])
            if not parts or (SHARD.search(entry.stem) and SHARD.search(parts[0].stem)):
                parts.append(entry)
    return found
