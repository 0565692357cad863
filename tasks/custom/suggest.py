"""What `linkbert init` believes about a file or folder, and the task file that says so."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ...corpora.conll import read_conll
from ...corpora.json_tables import read_json_table
from ...corpora.tabular import Dialect, read_csv, read_parquet, sniff
from ...errors import RequestError, first_of
from ...models.sources import safe_name
from .column_guess import ORDER, about, counts_from_one, fits, negative_of, roles
from .data_formats import DOCUMENTS, format_of
from .kinds import KINDS
from .reading import SAMPLE
from .split_files import SHARD, find_splits
from .table_rows import separator_of
from .task_file_checks import SPLITS, WHOLE

# Names that columns usually have.
_USUAL = {name for kind in KINDS.values() for names in kind.columns.values() for name in names}


@dataclass(frozen=True)
class Suggestion:
    """What the data seem to be.

    Attributes:
        name: a name for the task.
        family: the family.
        files: split (or `data`) -> its file or folder, or the parts of its file.
        format: the format of the files.
        columns: what a column holds -> its name or number.
        remarks: what led to this, for a person to read.
        negative: the class that F1 leaves out.
        encoding: the encoding of a table that is not UTF-8.
    """

    name: str
    family: str
    files: Mapping[str, Sequence[Path]]
    format: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    negative: str | None = None
    encoding: str | None = None

    def to_toml(self, folder: Path) -> str:
        """Return the task file.

        Args:
            folder: the folder in which it will lie; paths are relative to it where that is shorter.
        """
        kind = KINDS[self.family]
        lines = [
            f"name = {_text(self.name)}",
            f"family = {_text(self.family)}  # {kind.about}",
        ]
        if kind.labelled:
            lines.append('labels = "infer"  # or a list: labels that are not in it are an error')
        if self.negative is not None:
            lines.append(f"negative = {_text(self.negative)}  # F1 leaves it out")
        lines.append(f"metric = {_text(kind.metrics[0])}" + _others(kind.metrics))
        lines += [
            "",
            "[files]",
            *(f"{split} = {_text(_path(_pattern(paths), folder))}" for split, paths in self.files.items()),
        ]
        lines.append(f"format = {_text(self.format)}")
        if self.encoding is not None:
            lines.append(f"encoding = {_text(self.encoding)}")
        missing = [split for split in SPLITS[1:] if split not in self.files]
        if missing:
            lines += ["", "# No document (or, where there is none, no text) is in two splits.", "[split]"]
            lines += [f"{split} = 0.1" for split in missing] + ["seed = 42"]
        if self.columns:
            lines += [
                "",
                "[columns]",
                *(f"{role} = {json.dumps(column, ensure_ascii=False)}" for role, column in self.columns.items()),
            ]
        lines += ["", "# [recipe]  # settings of your own; `linkbert finetune TASK_FILE --model M --dry-run` shows all"]
        return "\n".join([*lines, ""])


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a basic string of TOML has the escapes of JSON


def _others(metrics: Sequence[str]) -> str:
    return f"  # or {', '.join(metrics[1:])}" if len(metrics) > 1 else ""


def _pattern(paths: Sequence[Path]) -> Path:
    """Return a file, or the pattern that the names of its parts have."""
    first = paths[0]
    return first if len(paths) == 1 else first.with_name(SHARD.sub("-*", first.stem) + first.suffix)


def _path(path: Path, folder: Path) -> str:
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def suggest(
    path: Path,
    family: str | None = None,
    name: str | None = None,
    taken: Collection[str] = (),
    encoding: str | None = None,
) -> Suggestion:
    """Look at a file or folder, and say what it seems to be.

    Args:
        path: the file or folder.
        family: the family, if it is known.
        name: the task's name; taken from the path if None.
        taken: names that the task cannot have.
        encoding: the encoding of a table; UTF-8 if None, or UTF-16 if the file says so.

    Raises:
        RequestError: nothing can be made of the data, and the message says what was looked for; or the name cannot be
            that of a task.
    """
    if name is not None and (not safe_name(name) or name.endswith(".toml") or name in taken):
        raise RequestError(
            f"--name {name!r}: a name consists of letters, digits, '.', '_' and '-', and is not that of a built-in task"
        )
    found_files = find_splits(path)
    files = found_files.files
    first = (files.get(WHOLE) or files["train"])[0]
    form = format_of(first, family)
    if family is None and form == "csv" and _is_conll(first):
        form = "conll"
    known = _KNOWN.get(form)
    remarks = [f"{first}: {form}"]
    if found_files.unused:
        remarks.append(f"not used: {first_of([entry.name for entry in found_files.unused])}")
    columns: dict[str, Any] = {}
    negative = None
    if known is not None:
        found, more = known(first)
        remarks += more
    else:
        found, columns, more, negative = _table(first, form, family, encoding)
        remarks += more
    chosen = family or found
    if form not in KINDS[chosen].formats:
        raise RequestError(
            f"{first}: {form} files hold no examples of {chosen} ({KINDS[chosen].about}); it takes "
            f"{', '.join(KINDS[chosen].formats)}"
        )
    others = [split for split in files if split not in (WHOLE, "train")]
    if others:
        remarks.append(f"splits: {', '.join(f'{split} in {_pattern(files[split])}' for split in files)}")
    stem = first.name if WHOLE in files else path.resolve().name if path.is_dir() else path.resolve().parent.name
    return Suggestion(name or _name(stem, taken), chosen, files, form, columns, tuple(remarks), negative, encoding)


def _name(stem: str, taken: Collection[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem.split(".")[0]).strip("-").lower() or "my-task"
    return f"my-{plain}" if plain in taken else plain


def _is_conll(path: Path) -> bool:
    """Return whether a table looks like one token per line: blank lines, and tags in the last column."""
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            lines = [line.rstrip("\n") for line in islice(handle, 200)]
    except OSError:
        return False
    filled = [line.split() for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    tags = [fields[-1] for fields in filled if len(fields) > 1]
    return len(tags) > 1 and sum(bool(re.fullmatch(r"O|[BIESLUM](-\S+)?", tag)) for tag in tags) > 0.9 * len(filled)


def _of_documents(form: str) -> Callable[[Path], tuple[str, list[str]]]:
    def look(path: Path) -> tuple[str, list[str]]:
        mentions: Counter[str] = Counter()
        relations: Counter[str] = Counter()
        documents = 0
        for document in DOCUMENTS[form](path):
            documents += 1
            mentions.update(mention.kind for mention in document.mentions)
            relations.update(relation.kind for relation in document.relations)
        remarks = [f"{documents} documents; mentions: {_counted(mentions)}"]
        if relations:
            remarks.append(f"relations: {_counted(relations)} (`--family relation` learns them)")
        return "ner", remarks

    return look


def _conll(path: Path) -> tuple[str, list[str]]:
    first = next(read_conll(path), None)
    if first is None:
        raise RequestError(f"{path}: no sentence in it; check the file")
    return "ner", [f"one token per line, {len(first.rows[0])} columns; the first sentence: {_columns_of(first.rows)}"]


def _columns_of(rows: Sequence[Sequence[str]]) -> str:
    return " ".join("/".join(row) for row in rows[:8])


def _squad(path: Path) -> tuple[str, list[str]]:
    return "extractive-qa", []


_KNOWN: dict[str, Callable[[Path], tuple[str, list[str]]]] = {
    **{form: _of_documents(form) for form in DOCUMENTS},
    "conll": _conll,
    "squad": _squad,
}


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counts.most_common(12)) or "none"


def _table(
    path: Path, form: str, family: str | None, encoding: str | None
) -> tuple[str, dict[str, Any], list[str], str | None]:
    """Return the family, the columns, remarks, and the negative class, by the names and values of columns."""
    remarks = []
    if form == "csv":
        dialect = sniff(path, encoding)
        records = read_csv(path, _with_header(path, dialect))
        remarks.append(f"fields are {dialect}")
    else:
        records = read_json_table(path) if form == "json" else read_parquet(path)
    rows = [row for _, row in islice(records, SAMPLE)]
    if not rows:
        raise RequestError(f"{path}: no example in it; check the file")
    values = {column: [row.get(column) for row in rows] for column in dict.fromkeys(key for row in rows for key in row)}
    names = [family] if family else [name for name in ORDER if fits(name, values)]
    for name in names:
        columns = roles(name, values)
        if any(columns.keys() >= set(needed) for needed in KINDS[name].needs):
            if isinstance(labels := columns.get("labels"), str) and any(isinstance(one, str) for one in values[labels]):
                columns["separator"] = separator_of(values[labels])
                remarks.append(f"labels are separated by {columns['separator']}")
            remarks += [f"{role}: column {column!r}{about(values, column)}" for role, column in columns.items()]
            if counts_from_one(columns, values):
                columns["first_answer"] = 1
                remarks.append("answers count the options from 1")
            return name, columns, remarks, negative_of(KINDS[name], columns, values)
    raise RequestError(
        f"{path}: no family fits its columns ({', '.join(map(str, values))}); name one with --family "
        f"({', '.join(KINDS)}), or write a task file with a table [columns]"
    )


def _with_header(path: Path, dialect: Dialect) -> Dialect:
    """Return the dialect with a guess whether the first record names the columns: short, different words."""
    first = next(read_csv(path, Dialect(dialect.delimiter, dialect.quote, dialect.encoding, header=False)), None)
    fields = [str(value) for value in first[1].values()] if first else []
    # A data frame of pandas has no name for its index. Words such as `text` and `label` stand in no first record.
    short = (len(value) <= 40 and not re.fullmatch(r"[-+.\d]+", value) for value in fields)
    usual = sum(value.lower() in _USUAL for value in fields)
    named = len(set(fields)) == len(fields) and (usual > 1 or (all(short) and sum(not value for value in fields) <= 1))
    return Dialect(dialect.delimiter, dialect.quote, dialect.encoding, header=named)
