"""Recognising corpora in a folder: which file holds which split of which dataset, in which format."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Found = Iterator[tuple[str, tuple[Path, ...]]]


_FILE_SUFFIXES = (".tsv", ".json", ".jsonl", ".csv", ".gz", ".zip", ".parquet")


@dataclass(frozen=True)
class Format:
    """One original format of a corpus.

    Attributes:
        name: how messages call it.
        find: from (all files of a folder, the dataset's folder names) to (split, files needed to read it).
        read: from (those files, split) to rows in the prepared format, streaming.
    """

    name: str
    find: Callable[[Sequence[Path], tuple[str, ...]], Found]
    read: Callable[[tuple[Path, ...], str], Iterator[Row]]


@dataclass(frozen=True)
class Source:
    """One split of one dataset, found on disk."""

    split: str
    format: Format
    files: tuple[Path, ...]

    def rows(self) -> Iterator[Row]:
        """Read the split, row by row in the prepared format."""
        return self.format.read(self.files, self.split)

    def __str__(self) -> str:
        return f"{self.files[0]} ({self.format.name})"


def list_files(folder: Path) -> list[Path]:
    """List all files below `folder` in a stable order.

    Links to folders are followed once, and not to the folders that `folder` lies in. Pipes and devices are no files.
    """
    found: list[Path] = []
    top = os.path.realpath(folder)
    seen = {str(parent) for parent in Path(top).parents}
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        # A folder that is called like a file is an error of whoever made it, and the reader says so.
        found.extend(Path(parent) / name for name in folders if Path(name).suffix in _FILE_SUFFIXES)
        found.extend(path for name in sorted(files) if not _is_special(path := Path(parent) / name))
    return found


def _is_special(path: Path) -> bool:
    """Whether opening it might wait for ever; a link that leads nowhere is an error that its reader reports."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def plain(name: str) -> str:
    """Reduce a folder name to lower-case letters and digits, so that spellings of one corpus compare equal."""
    return "".join(character for character in name.lower() if character.isalnum())


def named_files(splits: dict[str, tuple[str, ...]], inside: tuple[str, ...] = ("blurb",)) -> Callable[..., Found]:
    """Make a finder for files that lie in the dataset's folder, or in a folder `inside` it.

    Args:
        splits: the file names of each split.
        inside: sub-folders of the dataset's folder in which the files may lie as well.
    """
    names = {name: split for split, files in splits.items() for name in files}
    inside = tuple(plain(folder) for folder in inside)

    def find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
        for path in files:
            if path.name in names and _lies_in(path, folders, inside):
                yield names[path.name], (path,)

    return find


def _lies_in(path: Path, folders: tuple[str, ...], inside: tuple[str, ...]) -> bool:
    parents = [plain(part) for part in path.resolve().parts[:-1]]
    if parents and parents[-1] in inside:
        parents.pop()
    return bool(parents) and parents[-1] in folders


def below(path: Path, folders: tuple[str, ...]) -> bool:
    """Tell whether any folder above `path` is one of the dataset's folders."""
    return any(plain(part) in folders for part in path.resolve().parts[:-1])
