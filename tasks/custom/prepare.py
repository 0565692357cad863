"""Preparing a user's data: inferring labels, dividing examples among splits, and writing the prepared format."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from ...corpora.sources import Row
from ...errors import RequestError, RunError, nearest
from ...files import atomic_folder, cache_dir
from ..task import Task
from .definition import Definition
from .inputs import input_columns
from .pairs import PairRules
from .reading import Reader, fingerprint
from .splitting import assign
from .task_file import TaskFile, read_task_file
from .task_file_checks import SPLITS, WHOLE
from .writing import Writer

_VERSION = 6  # part of the cache key; raise it when reading or splitting changes
_MOST_LABELS = 1000  # More labels than this, and half as many as examples, are not labels.
_NEGATIVE = "none"  # label of pairs of mentions without a relation
_ABOUT = "task.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A user's data in the prepared format.

    Attributes:
        folder: where `train.json`, `dev.json` and `test.json` lie.
        definition: the task, with its labels.
        remarks: how the files were understood, and how examples were divided.
        new: whether they were prepared just now.
    """

    folder: Path
    definition: Definition
    remarks: tuple[str, ...]
    new: bool

    def task(self) -> Task:
        """Return the task with its data."""
        return self.definition.task(lambda split: self.folder / f"{split}.json")


def load_task_file(path: Path, taken: tuple[str, ...]) -> Task:
    """Read a task file, prepare its data unless that was done, and return the task.

    Args:
        path: the task file.
        taken: names that it cannot have.

    Raises:
        RequestError: the task file or its data are wrong; the message names file and line.
    """
    return _prepare_once(path, _state(read_task_file(path, taken)), taken).task()


def _state(file: TaskFile) -> frozenset[tuple[str, int, int]]:
    """Return path, time of the last change, and size of the task file and of all files that it names."""
    paths = [file.path]
    for source in [] if file.dataset else chain.from_iterable(map(file.sources, file.files)):
        paths += [source, *source.rglob("*")] if source.is_dir() else [source]
    found = [(path, path.stat()) for path in map(Path.resolve, paths) if path.exists()]
    return frozenset((str(path), status.st_mtime_ns, status.st_size) for path, status in found)


@cache
def _prepare_once(path: Path, state: frozenset[tuple[str, int, int]], taken: tuple[str, ...]) -> Prepared:
    # A command asks for its task several times; the files are hashed once unless one of them has changed.
    prepared = prepare_task_file(read_task_file(path, taken))
    if prepared.new:
        for remark in prepared.remarks:
            _log.info("%s", remark)
    return prepared


def prepare_task_file(file: TaskFile) -> Prepared:
    """Prepare the data of a task file, or find them in the cache.

    Raises:
        RequestError: the data are wrong; the message names file and line.
        RunError: the cache cannot be written.
    """
    key = {
        "version": _VERSION,
        "family": file.kind.name,
        "labels": file.labels,
        "ignore": file.ignore,
        "negative": file.negative,
        "marks": file.marks,
        "directed": file.directed,
        "reach": file.reach,
        "format": file.format,
        "dialect": file.dialect,
        "splitting": vars(file.splitting),
        "columns": file.columns,
        # The places of the examples are kept, so that they must name the files by their present path.
        "files": {split: (str(file.source(split)), fingerprint(file, split)) for split in file.files},
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=list).encode()).hexdigest()[:24]
    folder = cache_dir() / "tasks" / f"{file.name}-{digest}"
    about = _read_about(folder)
    new = about is None
    if about is None:
        try:
            with atomic_folder(folder) as staged:
                about = _write(file, staged)
        except OSError as error:
            raise RunError(
                f"{folder.parent}: the cache cannot be written ({error.strerror}); free disk space, or set "
                "LINKBERT_CACHE_DIR to another folder"
            ) from error
    definition = Definition(
        name=file.name,
        family=file.kind.name,
        title=file.title,
        metric=file.metric,
        recipe=dict(file.recipe),
        **about["definition"],
    )
    return Prepared(folder, definition, tuple(about["remarks"]), new)


def _read_about(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        Definition(name="", family="", title="", metric="", **found["definition"])
        return found if all((folder / f"{split}.json").is_file() for split in SPLITS) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: TaskFile, folder: Path) -> dict[str, Any]:
    """Write the prepared splits into a folder, and return what is kept about them."""
    reader = Reader(file)
    first = WHOLE if WHOLE in file.files else "train"
    rules, labels, negative = _learn_labels(file, reader, first)
    assigned = _divide(file, reader, first, rules)
    definition = {
        "labels": labels,
        "negative": negative,
        "marks": file.marks if file.kind.pairs else None,
        "pairs": sorted(map(list, rules.kinds)) if rules else [],
        "directed": file.directed,
        "reach": rules.reach if rules else 0,
        "by_concept": rules.by_concept if rules else False,
        "wrapped": reader.wrapped,
    }
    task = Definition(name=file.name, family=file.kind.name, title=file.title, metric=file.metric, **definition).task()
    writer = Writer(file, task, folder, labels)
    with writer.opened():
        for split in file.files:
            for where, row in _kept(reader, reader.rows(split, rules)):
                writer.add(assigned[_group(row)] if split == first and assigned else split, where, row)
    if unknown := [name for name in file.ignore if name not in reader.labels]:
        raise RequestError(
            f"{file.path}: ignore names {unknown[0]!r}, which does not occur in the data; "
            f"{nearest(unknown[0], sorted(reader.labels))}"
        )
    writer.check(assigned)
    counts = ", ".join(f"{writer.counts[split]} {split}" for split in SPLITS)
    unit = "document" if writer.documents else "text"
    division = f" (divided with seed {file.splitting.seed}; no {unit} is in two splits)" if assigned else ""
    remarks = [*reader.remarks, *_about_pairs(file, rules, reader), f"{file.name}: {counts}{division}"]
    if labels:
        remarks.append(f"{file.name}: labels {', '.join(labels)}{'' if file.labels else ' (inferred)'}")
    column = file.columns.get("tokens")
    kept = definition | {
        "documents": writer.documents,
        "unanswerable": writer.unanswerable,
        "division": writer.words.division().to_json(),
        "word_column": column if type(column) is int else None,
        "columns": input_columns(file.kind.name, reader.columns),
    }
    about = {"definition": kept, "remarks": remarks}
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
    return about


def _about_pairs(file: TaskFile, rules: PairRules | None, reader: Reader) -> Iterator[str]:
    """Yield how far apart the mentions of a pair may be, and what is left out by that."""
    if rules is not None and not rules.by_concept:
        unit = "passages or lines apart" if rules.reach else "passage or line"
        yield f"{file.name}: pairs of mentions {f'up to {rules.reach}' if rules.reach else 'in the same'} {unit}"
        if far := reader.far.total():
            yield f"{file.name}: {far} relations reach further, and are left out of training and score"


def _learn_labels(file: TaskFile, reader: Reader, first: str) -> tuple[PairRules | None, list[str], str | None]:
    """Return which mentions are pairs, the labels, and the negative class."""
    rules = None
    negative = file.negative
    if (found := reader.look(first)) is not None:
        negative = negative or _NEGATIVE
        kinds = {(one, two) for one, two, _ in found.kinds}
        if not file.directed:
            # Mentions of one type are a pair once, in the order of the text.
            kinds = {
                (one, two) for one, two in kinds if one == two or (two, one) not in kinds or (one, two) < (two, one)
            }
        reach = found.reach if file.reach is None else file.reach
        rules = PairRules(
            kinds,
            negative,
            file.marks,
            directed=file.directed,
            reach=reach,
            by_concept=found.by_concept,
            ignore=file.ignore,
            leaves_far=file.reach is not None,
        )
        relations = file.labels or sorted({kind for _, _, kind in found.kinds})
        # The task file names relations; the label of pairs without one comes first unless it is among them.
        return rules, [negative] * (negative not in relations) + [*relations], negative
    if file.labels is not None or not file.kind.labelled:
        return rules, list(file.labels or ()), negative
    counts: Counter[str] = Counter()
    rows = 0
    for _, row in _kept(reader, reader.rows(first, rules)):
        rows += 1
        counts.update(file.kind.labels_of(row))
    if len(counts) > _MOST_LABELS or (len(counts) > rows / 2 and rows >= 20):
        raise RequestError(
            f"{file.source(first)}: {len(counts)} different labels in {rows} examples: is this the column of the "
            "labels? Name the right one under [columns] of the task file, or write the labels into it"
        )
    if not counts:
        raise RequestError(f"{file.source(first)}: no label in it, so that there is nothing to learn; check the file")
    if len(counts) < file.kind.fewest_labels:
        raise RequestError(
            f"{file.source(first)}: one class only ({next(iter(counts))}) in {rows} examples: there is nothing to "
            "learn; check which column holds the labels, or add examples of another class"
        )
    if negative is not None and negative not in counts:
        raise RequestError(f"{file.path}: the negative class {negative!r} is not among the labels {', '.join(counts)}")
    return rules, sorted(counts), negative


def _kept(reader: Reader, rows: Iterator[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """Leave out what the task file ignores: entity types become `O`, examples of a class are dropped."""
    file = reader.file
    for where, row in rows:
        kept: Row | None = row
        if file.ignore:
            reader.labels.update(file.kind.labels_of(row))
            kept = file.kind.without(row, file.ignore)
        if kept is not None:
            yield where, kept


def _group(row: Row) -> str:
    """Return what must not be in two splits: the document, or else the text."""
    for name in ("document", "group"):
        if row.get(name) is not None:
            return row[name]
    return row.get("context") or row.get("text") or row.get("question") or " ".join(row.get("tokens", ()))


def _divide(file: TaskFile, reader: Reader, first: str, rules: PairRules | None) -> dict[str, str]:
    """Return group -> split for the examples of the file that is divided; empty if every split has a file."""
    shares = {name: getattr(file.splitting, name) for name in ("test", "dev") if getattr(file.splitting, name)}
    if not shares:
        return {}
    groups = (_group(row) for _, row in _kept(reader, reader.rows(first, rules)))
    where = file.dataset or str(file.source(first))
    return assign(groups, shares, file.splitting.seed, where)
