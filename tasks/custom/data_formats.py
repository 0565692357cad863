"""The formats of users' data, and how they are recognised."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ...corpora.annotated import Document
from ...corpora.bioc_files import read_bioc
from ...corpora.brat import brat_files, read_brat
from ...corpora.lines import open_binary
from ...corpora.pubtator import read_pubtator
from ...errors import RequestError
from .kinds import KINDS

_HEAD = 4096  # bytes by which a format is recognised
SUFFIXES = {
    ".parquet": "parquet", ".xml": "bioc", ".pubtator": "pubtator", ".conll": "conll", ".iob": "conll",
    ".iob2": "conll", ".bio": "conll", ".conllu": "conll", ".csv": "csv", ".tsv": "csv", ".jsonl": "json",
    ".ndjson": "json",
}  # fmt: skip
DOCUMENTS: dict[str, Callable[[Path], Iterator[Document]]] = {
    "brat": read_brat,
    "bioc": read_bioc,
    "pubtator": read_pubtator,
}


def format_of(path: Path, family: str | None = None) -> str:
    """Return the format of a file or folder, by its name and beginning.

    Args:
        path: the file or folder.
        family: the family of the task, where it is known: a table of words is CoNLL for `ner`.

    Raises:
        RequestError: it is not there, or its format is unknown.
    """
    if path.is_dir():
        if brat_files(path):
            return "brat"
        raise RequestError(
            f"{path}: no .txt and .ann files in this folder, and no files whose names begin with train, dev and test; "
            "name a file, or a BRAT folder"
        )
    if not path.exists():
        raise RequestError(f"{path}: no such file or folder; paths in a task file start at its folder")
    try:
        with open_binary(path) as handle:
            head = handle.read(_HEAD).removeprefix(b"\xef\xbb\xbf")
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"{path}: the file cannot be read ({error}); get it again") from error
    if not head.strip():
        raise RequestError(f"{path}: the file is empty; get it again")
    name = path.name.removesuffix(".gz")
    found = SUFFIXES.get(Path(name).suffix.lower())
    if re.match(rb"\s*[^\s|]+\|t\|", head):
        return "pubtator"
    if found in (None, "json") and re.match(rb"\s*[{\[]", head):
        if re.search(rb'"(paragraphs|qas)"\s*:', head) or (
            family is not None and "squad" in KINDS[family].formats and b'"data"' in head
        ):
            return "squad"
        return "bioc" if re.search(rb'"(documents|passages)"\s*:', head) else "json"
    if found is None and head.lstrip().startswith(b"<"):
        return "bioc"
    if found in (None, "csv") and family is not None and "conll" in KINDS[family].formats:
        return "conll"
    return found or "csv"
