"""Reading the files of a task file, in whatever format they are."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ...corpora.conll import bio_tags, read_conll, word_column
from ...corpora.json_tables import read_json_table
from ...corpora.sources import Row
from ...corpora.squad_json import read_squad
from ...corpora.tabular import (
    Dialect,
    read_csv,
    read_hub_dataset,
    read_parquet,
    sniff,
)
from ...errors import RequestError, nearest
from ...files import sha256_of
from .cells import Columns, find_columns
from .data_formats import DOCUMENTS, format_of
from .documents import are_wrapped, tagged_rows
from .pairs import PairRules, Related, far_relations, related_rows, relations_of
from .table_rows import ids_tell_documents, rows_of_table, separator_of
from .task_file import TaskFile

SAMPLE = 2000  # records by which columns are judged
_TITLES = {"brat": "BRAT", "bioc": "BioC", "pubtator": "PubTator"}
_WITHOUT_COLUMNS = (*DOCUMENTS, "conll", "squad")


def fingerprint(file: TaskFile, split: str) -> str:
    """Return a checksum of everything that the rows of a split are read from."""
    if file.dataset is not None:
        # The library keeps what it has downloaded; a changed dataset is downloaded anew under another fingerprint.
        return f"{file.dataset} {file.config} {file.files[split]}"
    paths = file.sources(split)
    return _checksum(paths[0]) if len(paths) == 1 else " ".join(map(_checksum, paths))


def _checksum(path: Path) -> str:
    if not path.is_dir():
        format_of(path)  # for its errors
        return sha256_of(path)
    files = sorted(item for item in path.rglob("*") if item.suffix in (".txt", ".ann") and item.is_file())
    listing = "".join(f"{item.relative_to(path).as_posix()} {sha256_of(item)}\n" for item in files)
    return hashlib.sha256(listing.encode()).hexdigest()


class Reader:
    """Reads the rows of a task file's splits.

    Args:
        file: the task file.

    Attributes:
        remarks: how the files were understood: formats, dialects, columns.
        columns: what the columns of a table hold.
        wrapped: whether lines of annotated documents end in the middle of sentences.
        far: split -> number of relations that were left out because they reach too far.
        labels: the types of mentions and relations that were read, also those that the task file ignores.
    """

    def __init__(self, file: TaskFile) -> None:
        self.file = file
        self.remarks: dict[str, None] = {}
        self.wrapped = False
        self.columns: dict[str, Any] = {}
        self.far: Counter[str] = Counter()
        self.labels: set[str] = set()

    def rows(self, split: str, rules: PairRules | None = None) -> Iterator[tuple[str, Row]]:
        """Yield (place, row) for each example of a split, or of `data`.

        A row has the fields of the prepared format, `id` only where the data have it, and `document` where they tell.
        It has `whole` if all of the document stands in this split.

        Args:
            split: the name of the split.
            rules: which mentions are pairs, for relations in annotated documents.

        Raises:
            RequestError: something in the files is malformed; the message names file and line.
        """
        for path in [None] if self.file.dataset else self.file.sources(split):
            yield from self._rows_of(path, split, rules)

    def _rows_of(self, path: Path | None, split: str, rules: PairRules | None) -> Iterator[tuple[str, Row]]:
        """Yield the rows of one file or folder; None stands for a dataset of the hub."""
        file, name = self.file, self._format(path)
        if name not in file.kind.formats:
            raise RequestError(
                f"{path}: {name} files hold no examples of {file.kind.name} ({file.kind.about}); it takes "
                f"{', '.join(file.kind.formats)}"
            )
        if file.splitting.by is not None and name in _WITHOUT_COLUMNS:
            raise RequestError(
                f"{path}: {name} files have no column {file.splitting.by!r} to split by; remove by, so that documents "
                "are kept together where the files tell them"
            )
        if name in DOCUMENTS and path is not None:
            yield from self._document_rows(name, path, split, rules)
        elif name == "conll" and path is not None:
            yield from self._sentences(path, split)
        elif name == "squad" and path is not None:
            self.remarks[f"{path}: SQuAD"] = None
            yield from read_squad(path)
        else:
            yield from self._table_rows(name, path, split)

    def look(self, split: str) -> Related | None:
        """Learn from annotated documents how they are to be divided, before their rows are read.

        Returns:
            What their relations have in common; None if no relations are looked for, or the data are no documents.

        Raises:
            RequestError: relations are looked for and no document has one, or one is malformed.
        """
        paths = [] if self.file.dataset else self.file.sources(split)
        if not paths or self._format(paths[0]) not in DOCUMENTS:
            return None
        ignore = self.file.ignore
        documents = (document for path in paths for document in DOCUMENTS[self._format(path)](path))
        if not self.file.kind.pairs:
            self.wrapped = are_wrapped(documents, ignore)
            return None
        found = relations_of(documents, ignore)
        if not found.kinds:
            raise RequestError(
                f"{self.file.source(split)}: no relation in it, so that there is nothing to learn; check the files"
            )
        return found

    def _format(self, path: Path | None) -> str:
        return "hub" if path is None else self.file.format or format_of(path, self.file.kind.name)

    def _document_rows(self, name: str, path: Path, split: str, rules: PairRules | None) -> Iterator[tuple[str, Row]]:
        self.remarks[f"{path}: {_TITLES[name]}"] = None
        seen: dict[str, str] = {}
        for document in DOCUMENTS[name](path):
            if document.key in seen:
                raise RequestError(
                    f"{document.where}: a second document {document.key}, the first one is at {seen[document.key]}; "
                    "remove one"
                )
            seen[document.key] = document.where
            self.labels |= {item.kind for item in (*document.mentions, *document.relations)}
            if rules is None:
                rows = tagged_rows(document, self.file.ignore, wrapped=self.wrapped)
            else:
                self.far[split] += far_relations(document, rules)
                rows = related_rows(document, rules)
            for where, row in rows:
                yield where, row | {"document": document.key, "whole": True}

    def _sentences(self, path: Path, split: str) -> Iterator[tuple[str, Row]]:
        tokens, tags = self.file.columns.get("tokens"), self.file.columns.get("tags", -1)
        for number, sentence in enumerate(read_conll(path)):
            columns = len(sentence.rows[0])
            tokens = word_column(sentence) if tokens is None else tokens
            for role, column in (("tokens", tokens), ("tags", tags)):
                if type(column) is not int or not -columns <= column < columns:
                    raise RequestError(
                        f"{path}:{sentence.lines[0]}: the column of {role} should be a number from 0 to {columns - 1} "
                        f"(or from -{columns} to -1, counted from the last one), found {column!r}"
                    )
            if not number:
                self.remarks[f"{path}: CoNLL, {columns} columns, words in {tokens}, tags in {tags}"] = None
            try:
                found = bio_tags([row[tags] for row in sentence.rows])
            except ValueError as error:
                raise RequestError(f"{path}:{sentence.lines[error.args[1]]}: {error.args[0]}") from error
            row: Row = {"tokens": [row[tokens] for row in sentence.rows], "ner_tags": found}
            if empty := [line for line, token in zip(sentence.lines, row["tokens"], strict=True) if not token]:
                raise RequestError(f"{path}:{empty[0]}: the word is empty; correct the line")
            if sentence.name:
                row["document"] = sentence.name
            elif sentence.document:
                # The files of the splits count their documents separately.
                row["document"] = f"{split}-{sentence.document}"
            yield f"{path}:{sentence.lines[0]}", row

    def _table_rows(self, name: str, path: Path | None, split: str) -> Iterator[tuple[str, Row]]:
        file = self.file
        where = file.dataset if path is None else str(path)
        if path is None:
            records = read_hub_dataset(file.dataset or "", file.config, file.files[split])
            how = "dataset"
        elif name == "csv":
            dialect = self._dialect(path)
            records, how = read_csv(path, dialect), f"table, {dialect}"
        else:
            records = read_json_table(path) if name == "json" else read_parquet(path)
            how = {"json": "JSON", "parquet": "Parquet"}.get(name, name)
        sample = list(islice(records, SAMPLE))
        if not sample:
            raise RequestError(f"{where}: no example in it; get the file again")
        # An object in JSON may lack a field that others have.
        available = list(dict.fromkeys(key for _, record in sample for key in record))
        columns = self._columns(available, f"{where}:1" if name == "csv" else str(where))
        labels = columns.names.get("labels")
        if labels is not None and not isinstance(labels, list) and columns.separator is None:
            columns = replace(columns, separator=separator_of(record.get(labels) for _, record in sample))
        if "id" in columns.names and "document" not in columns.names:
            told = ids_tell_documents(record.get(columns.names["id"]) for _, record in sample)
            columns = replace(columns, document_in_id=told)
            if told:
                self.remarks[f"{where}: documents are what ids begin with"] = None
        self.columns = dict(columns.names)
        shown = ", ".join(f"{role} in {column!r}" for role, column in columns.names.items())
        self.remarks[f"{where}: {how}; {shown}"] = None
        yield from rows_of_table(file.kind.convert, chain(sample, records), columns)

    def _dialect(self, path: Path) -> Dialect:
        given = self.file.dialect
        found = sniff(path, given.get("encoding"))
        # Columns that are named by numbers mean that no line names them.
        named = [
            item for value in self.file.columns.values() for item in (value if isinstance(value, list) else [value])
        ]
        header = not named or not all(type(item) is int for item in named)
        return Dialect(given.get("delimiter", found.delimiter), given.get("quote", found.quote), found.encoding, header)

    def _columns(self, available: list[Any], where: str) -> Columns:
        named = {key: value for key, value in self.file.columns.items() if key not in ("separator", "first_answer")}
        names = find_columns(self.file.kind.columns, self.file.kind.needs, named, available, where)
        by = self.file.splitting.by
        if by is not None and "document" not in named:
            if by not in available:
                raise RequestError(f"{where}: no column {by!r} to split by; {nearest(by, map(str, available))}")
            names["document"] = by
        return Columns(
            names,
            self.file.columns.get("separator"),
            self.file.columns.get("first_answer"),
            self.file.marks,
        )
