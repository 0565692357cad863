"""Find corpora in a folder: which file holds which split of which dataset, and in which format."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# One example as a dict; its keys are those of the prepared format unless a docstring says otherwise.
Row = dict[str, Any]
# The result of `Format.find`: pairs of (split, the files that are needed to read it).
Found = Iterator[tuple[str, tuple[Path, ...]]]


# The endings of names that a corpus file can have.
_FILE_SUFFIXES = (".tsv", ".json", ".jsonl", ".csv", ".gz", ".zip", ".parquet")


@dataclass(frozen=True)
class Format:
    """A file format in which a corpus is published, with the functions that find and read it.

    Attributes:
        name: the name of the format in messages.
        find: function that takes all files of a folder and the folder names of the dataset (as `plain` returns them),
            and yields (split, files that are needed to read it).
        read: function that takes those files and the split, and yields rows in the prepared format, one at a time.
    """

    name: str
    find: Callable[[Sequence[Path], tuple[str, ...]], Found]
    read: Callable[[tuple[Path, ...], str], Iterator[Row]]


@dataclass(frozen=True)
class Source:
    """One split of one dataset that was found on disk.

    Attributes:
        split: the name of the split.
        format: the format of the files.
        files: the files that are needed to read the split.
    """

    split: str
    format: Format
    files: tuple[Path, ...]

    def rows(self) -> Iterator[Row]:
        """Return an iterator over the rows of the split, in the prepared format."""
        return self.format.read(self.files, self.split)

    def __str__(self) -> str:
        return f"{self.files[0]} ({self.format.name})"


def list_files(folder: Path) -> list[Path]:
    """Return all files below `folder`, in a stable order.

    Links to folders are followed, but no folder is read twice, and the folders above `folder` are never read: a link to
    one of them would lead out of `folder` and back into it. Pipes and devices are left out. A folder whose name ends
    like that of a corpus file is returned as well.
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
        # A folder with the name of a file is a mistake of the user. It is kept so that the reader reports it; without
        # it, the split would seem to be missing.
        found.extend(Path(parent) / name for name in folders if Path(name).suffix in _FILE_SUFFIXES)
        found.extend(path for name in sorted(files) if not _is_special(path := Path(parent) / name))
    return found


def _is_special(path: Path) -> bool:
    """Return whether `path` is neither a file nor a folder, e.g. a pipe, which can block for ever when it is opened."""
    try:
        mode = path.stat().st_mode
    except OSError:
        # A link without a target is not special: the reader should report it.
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def plain(name: str) -> str:
    """Return a folder name reduced to lower-case letters and digits, so that `BC5CDR-chem` and `bc5cdr_chem` agree."""
    return "".join(character for character in name.lower() if character.isalnum())


def named_files(splits: dict[str, tuple[str, ...]], inside: tuple[str, ...] = ("blurb",)) -> Callable[..., Found]:
    """Return a `Format.find` function for formats with one file per split, known by name and folder.

    Args:
        splits: split -> the names that its file can have.
        inside: the sub-folders of the dataset's folder in which the file can be, besides the folder itself.
    """
    names = {name: split for split, files in splits.items() for name in files}
    inside = tuple(plain(folder) for folder in inside)

    def find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
        for path in files:
            if path.name in names and _lies_in(path, folders, inside):
                yield names[path.name], (path,)

    return find


def _lies_in(path: Path, folders: tuple[str, ...], inside: tuple[str, ...]) -> bool:
    # A relative path can lack the dataset's folder, e.g. with `--source .`. Links keep the name that the user gave
    # them.
    parents = [plain(part) for part in path.absolute().parts[:-1]]
    if parents and parents[-1] in inside:
        parents.pop()
    return bool(parents) and parents[-1] in folders


def below(path: Path, folders: tuple[str, ...]) -> bool:
    """Return whether any folder above `path` has one of the dataset's folder names (as `plain` returns them)."""
    return any(plain(part) in folders for part in path.absolute().parts[:-1])
