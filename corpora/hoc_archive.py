"""HoC from the original corpus archive and BLURB's PMID lists."""

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
_MAX_DOCUMENT = 1_000_000  # bytes of one abstract


def hoc_archive_format(labels: tuple[str, ...]) -> Format:
    """The corpus repository as a zip, split by BLURB's lists `{train,dev,test}_pmid.tsv`."""
    return Format("Hallmarks of Cancer zip", _find, partial(_read, labels=labels))


def _find(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    archives = [path for path in files if path.name == _ARCHIVE and below(path, folders)]
    for split in ("train", "dev", "test"):
        lists = [path for path in files if path.name == f"{split}_pmid.tsv" and below(path, folders)]
        if archives and lists:
            yield split, (archives[0], lists[0])


def _read(files: tuple[Path, ...], split: str, labels: tuple[str, ...]) -> Iterator[Row]:
    archive, listing = files
    names = [name.strip() for _, line in read_lines(listing) for name in line.split(",") if name.strip()]
    try:
        with zipfile.ZipFile(archive) as corpus:
            for name in names:
                yield _abstract(archive, corpus, name, labels)
    except ZIP_ERRORS as error:
        raise RequestError(f"{archive}: not a whole zip archive ({error}); get it again") from error


def _abstract(archive: Path, corpus: zipfile.ZipFile, name: str, labels: tuple[str, ...]) -> Row:
    where = f"{archive}!{name}"
    try:
        for part in ("text", "labels"):
            if corpus.getinfo(f"{_ROOT}/{part}/{name}").file_size > _MAX_DOCUMENT:
                raise RequestError(f"{where}: more than {_MAX_DOCUMENT} bytes in the archive; refused")
        with corpus.open(f"{_ROOT}/text/{name}") as text, corpus.open(f"{_ROOT}/labels/{name}") as tags:
            sentences = [line for _, line in decode_lines(text, where) if line.strip()]
            annotation = " ".join(line for _, line in decode_lines(tags, where))
    except KeyError as error:
        raise RequestError(f"{archive}: {name} of BLURB's PMID list is not in the archive") from error
    # One field a sentence, each opened by "<".
    fields = annotation.split("<")[1:]
    if len(fields) != len(sentences):
        raise RequestError(f"{where}: {len(sentences)} sentences but labels for {len(fields)}")
    abstract = Abstract(name.removesuffix(".txt"), [0] * len(labels))
    for sentence, field in zip(sentences, fields, strict=True):
        abstract.add(sentence.strip(), _flags(where, field, labels))
    return abstract.row()


def _flags(where: str, field: str, labels: tuple[str, ...]) -> list[int]:
    # "Genomic instability and mutation--Mutation AND ...": only the top of the hierarchy counts.
    flags = [0] * len(labels)
    for item in field.split("AND"):
        name = " ".join(item.split("--")[0].split()).lower()
        if name in ("", "null"):
            continue
        if name not in labels:
            raise RequestError(f"{where}: label {name!r} is none of the ten hallmarks")
        flags[labels.index(name)] = 1
    return flags
