"""Read HoC from the archive of the original corpus and BLURB's PMID lists."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ..errors import RequestError
from .lines import ZIP_ERRORS, decode_lines, read_lines
from .sources import Format, Found, Row, below
from .tables import Abstract

_ARCHIVE = "Hallmarks-of-Cancer-master.zip"
_ROOT = "Hallmarks-of-Cancer-master"
_MAX_DOCUMENT = 1_000_000  # bytes of the text or the labels of one abstract; the longest real text has 4 kB


def hoc_archive_format(labels: tuple[str, ...]) -> Format:
    """Return the format of the corpus repository as a zip archive, which BLURB's `{train,dev,test}_pmid.tsv` split.

    Args:
        labels: the hallmarks in lower case, in the order of the label vector.
    """
    return Format("Hallmarks of Cancer zip", _find, partial(_read, labels=labels))


def _find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    archives = [path for path in files if path.name == _ARCHIVE and below(path, folders)]
    for split in ("train", "dev", "test"):
        lists = [path for path in files if path.name == f"{split}_pmid.tsv" and below(path, folders)]
        if archives and lists:
            yield split, (archives[0], lists[0])


def _read(files: tuple[Path, ...], split: str, labels: tuple[str, ...]) -> Iterator[Row]:
    archive, listing = files
    # A list is one line of file names such as `22239943.txt`, separated by commas.
    names = [name.strip() for _, line in read_lines(listing) for name in line.split(",") if name.strip()]
    try:
        with zipfile.ZipFile(archive) as corpus:
            for name in names:
                yield _abstract(archive, corpus, name, labels)
    except ZIP_ERRORS as error:
        raise RequestError(f"{archive}: this is not a whole zip archive ({error}); get the file again") from error


def _abstract(archive: Path, corpus: zipfile.ZipFile, name: str, labels: tuple[str, ...]) -> Row:
    """Return the row of one abstract, whose file name in the archive is `name`."""
    where = f"{archive}!{name}"
    try:
        # The size is checked before reading, because a small archive can unpack to gigabytes.
        for part in ("text", "labels"):
            if corpus.getinfo(f"{_ROOT}/{part}/{name}").file_size > _MAX_DOCUMENT:
                raise RequestError(
                    f"{where}: the {part} file in the archive has more than {_MAX_DOCUMENT} bytes and is refused"
                )
        with corpus.open(f"{_ROOT}/text/{name}") as text, corpus.open(f"{_ROOT}/labels/{name}") as tags:
            sentences = [line for _, line in decode_lines(text, where) if line.strip()]
            annotation = " ".join(line for _, line in decode_lines(tags, where))
    except KeyError as error:
        raise RequestError(
            f"{archive}: {name} of BLURB's PMID list is not in the archive; check that the list belongs to this archive"
        ) from error
    # There is one field per sentence, possibly empty, and "<" stands before each field, the first one included.
    fields = annotation.split("<")[1:]
    if len(fields) != len(sentences):
        raise RequestError(
            f"{where}: the text has {len(sentences)} sentences, but the labels are for {len(fields)}; "
            "get the archive again"
        )
    abstract = Abstract(name.removesuffix(".txt"), [0] * len(labels))
    for sentence, field in zip(sentences, fields, strict=True):
        abstract.add(sentence.strip(), _flags(where, field, labels))
    return abstract.row()


def _flags(where: str, field: str, labels: tuple[str, ...]) -> list[int]:
    """Return the labels of one sentence as zeros and ones."""
    # An example of a field is "Genomic instability and mutation--Mutation AND Cellular energetics". "AND" separates the
    # labels ("and" in lower case is part of a name), and BLURB uses only the top of the hierarchy, before the "--".
    flags = [0] * len(labels)
    for item in field.split("AND"):
        name = " ".join(item.split("--")[0].split()).lower()
        if name in ("", "null"):
            continue
        if name not in labels:
            raise RequestError(f"{where}: label {name!r} is not one of the ten hallmarks; get the archive again")
        flags[labels.index(name)] = 1
    return flags
