"""Task files: what a user says about data of their own, in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import RequestError, nearest
from ...models.sources import safe_name
from ..recipe import problem_with
from .kinds import KINDS, Kind

SPLITS = ("train", "dev", "test")
WHOLE = "data"  # in place of splits: one file, which is split
FORMATS = ("conll", "brat", "bioc", "pubtator", "csv", "json", "parquet", "squad", "hub")
MARKS = ("markers", "masks")
# In tables of a task file: key -> types of its value.
_TOP: dict[str, tuple[type, ...]] = {
    "name": (str,), "title": (str,), "family": (str,), "labels": (list, str), "negative": (str,), "metric": (str,),
    "ignore": (list,), "marks": (str,), "directed": (bool,), "files": (dict,), "split": (dict,), "columns": (dict,),
    "recipe": (dict,),
}  # fmt: skip
_FILES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*SPLITS, WHOLE), (str,)), "format": (str,), "delimiter": (str,), "quote": (str,),
    "encoding": (str,), "dataset": (str,), "config": (str,),
}  # fmt: skip
_SPLIT: dict[str, tuple[type, ...]] = {"dev": (int, float), "test": (int, float), "seed": (int,), "by": (str,)}
_SHARE, _SEED = 0.1, 42


@dataclass(frozen=True)
class Splitting:
    """How examples are divided among splits that have no file.

    Attributes:
        dev: share of the examples for dev.
        test: share of the examples for test.
        seed: seed of the order in which documents are taken.
        by: the column whose values must not be in two splits; None for the document, or else the text.
    """

    dev: float = _SHARE
    test: float = _SHARE
    seed: int = _SEED
    by: str | None = None


@dataclass(frozen=True)
class TaskFile:
    """The content of a task file, checked.

    Attributes:
        path: the file.
        name: the task's name.
        kind: its family.
        title: its name in print.
        labels: its labels; None if they are inferred from the data.
        negative: the class that F1 leaves out.
        metric: its metric.
        ignore: labels or entity types that are left out.
        marks: how the two mentions of a relation are shown to the model: `markers` or `masks`.
        directed: whether each pair of mentions of one type is an example in both directions.
        files: split (or `data`) -> its file or folder; for a dataset of the hub, the name of its split there.
        format: the format of the files; None to recognise it.
        dialect: `delimiter`, `quote` and `encoding` of a table, where the file says them.
        dataset: the name of a dataset of the Hugging Face hub.
        config: its configuration.
        splitting: how examples are divided among splits that have no file.
        columns: what a column holds -> its name or number, or a list of them.
        recipe: settings that replace those of the recipe.
    """

    path: Path
    name: str
    kind: Kind
    title: str
    labels: tuple[str, ...] | None
    negative: str | None
    metric: str
    ignore: tuple[str, ...]
    marks: str
    directed: bool
    files: Mapping[str, str]
    format: str | None
    dialect: Mapping[str, str]
    dataset: str | None
    config: str | None
    splitting: Splitting
    columns: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def source(self, split: str) -> Path:
        """Return the file or folder of a split; relative paths start at the task file."""
        return self.path.parent / Path(self.files[split]).expanduser()


def read_task_file(path: Path, taken: tuple[str, ...] = ()) -> TaskFile:
    """Read and check a task file.

    Args:
        path: the file.
        taken: names that the task cannot have.

    Raises:
        RequestError: the file is not TOML, or something in it is wrong; all problems are reported together, each with
            the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such task file; `linkbert init FILE|FOLDER` writes one") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 (at byte {error.start}); convert the file to UTF-8") from error
    except OSError as error:
        raise RequestError(f"{path}: the task file cannot be read ({error.strerror})") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path}: not TOML: {error}; texts need quotes, and tables are written [files]") from error
    problems = [f"{path}:{_line_of(text, table, key)}: {problem}" for table, key, problem in _problems(content, taken)]
    if problems:
        raise RequestError(*problems)
    return _task_file(path, content)


def _task_file(path: Path, content: dict[str, Any]) -> TaskFile:
    kind, files, split = KINDS[content["family"]], content["files"], content.get("split", {})
    labels = content.get("labels", "infer")
    # A split that has no file takes a tenth, unless the task file says another share.
    shares = {name: 0.0 if name in files else float(split.get(name, _SHARE)) for name in ("dev", "test")}
    return TaskFile(
        path=path,
        name=content["name"],
        kind=kind,
        title=content.get("title", content["name"]),
        labels=None if labels == "infer" or not kind.labelled else tuple(labels),
        negative=content.get("negative"),
        metric=content.get("metric", kind.metrics[0]),
        ignore=tuple(content.get("ignore", ())),
        marks=content.get("marks", MARKS[0]),
        directed=content.get("directed", False),
        files={name: files[name] for name in (*SPLITS, WHOLE) if name in files} or {name: name for name in SPLITS},
        format="hub" if "dataset" in files else files.get("format"),
        dialect={key: files[key] for key in ("delimiter", "quote", "encoding") if key in files},
        dataset=files.get("dataset"),
        config=files.get("config"),
        splitting=Splitting(**shares, seed=split.get("seed", _SEED), by=split.get("by")),
        columns=content.get("columns", {}),
        recipe=content.get("recipe", {}),
    )


def _problems(content: dict[str, Any], taken: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield (table, key, what is wrong) for everything that is wrong in a task file."""
    wrong = list(_wrong_types("", content, _TOP))
    for table, keys in (("files", _FILES), ("split", _SPLIT)):
        if isinstance(content.get(table), dict):
            wrong += _wrong_types(table, content[table], keys)
    yield from wrong
    if "name" not in content:
        yield "", "", 'the name is missing; add a line such as name = "my-task"'
    if "family" not in content:
        yield "", "", f'the family is missing; add a line such as family = "ner" (there are {", ".join(KINDS)})'
    if "files" not in content:
        yield "", "", "the table [files] is missing; it names the files of train, dev and test, or one file as data"
    # What follows would repeat the problems so far in other words.
    if wrong or not {"name", "family", "files"} <= content.keys():
        return
    name, kind = content["name"], KINDS.get(content["family"])
    if not safe_name(name) or name.endswith(".toml"):
        yield "", "name", f"the name {name!r} should consist of letters, digits, '.', '_' and '-'"
    if name in taken:
        yield "", "name", f"the name {name!r} is that of a built-in task; choose another one"
    if kind is None:
        yield "", "family", f"unknown family {content['family']!r}; {nearest(content['family'], KINDS)}"
        return
    yield from _problems_of_labels(content, kind)
    yield from _problems_of_files(content)
    if content.get("metric", kind.metrics[0]) not in kind.metrics:
        yield "", "metric", f"{kind.name} has no metric {content['metric']!r}; it has {', '.join(kind.metrics)}"
    if content.get("marks", MARKS[0]) not in MARKS:
        yield "", "marks", f"unknown marks {content['marks']!r}; there are {' and '.join(MARKS)}"
    for key, value in content.get("columns", {}).items():
        if key not in kind.columns and key not in ("separator", "first_answer"):
            yield "columns", key, f"{kind.name} has no column {key!r}; {nearest(key, kind.columns)}"
        elif not isinstance(value, str | int | list) or isinstance(value, bool):
            yield "columns", key, f"a column is named by its name or its number, found {value!r}"
    for key, value in content.get("recipe", {}).items():
        if key != "seed" and (problem := problem_with(key, value)):
            yield "recipe", key, problem


def _problems_of_labels(content: dict[str, Any], kind: Kind) -> Iterator[tuple[str, str, str]]:
    labels = content.get("labels", "infer")
    if isinstance(labels, str) and labels != "infer":
        yield "", "labels", f'labels should be a list such as ["yes", "no"], or "infer", found {labels!r}'
    elif isinstance(labels, list):
        if not all(isinstance(label, str) and label.strip() for label in labels) or not labels:
            yield "", "labels", "labels should be texts that are not empty"
        elif len(set(labels)) < len(labels):
            yield "", "labels", "a label stands twice"
        elif not kind.labelled:
            yield "", "labels", f"{kind.name} has no labels; remove the line"
        elif len(labels) < kind.fewest_labels:
            yield "", "labels", f"one class only ({labels[0]}): there is nothing to learn; name at least two"
        if kind.negative and content.get("negative") is not None and content["negative"] not in labels:
            yield "", "negative", f"the negative class {content['negative']!r} is not among the labels"
    if content.get("negative") is not None and not kind.negative:
        yield "", "negative", f"{kind.name} has no negative class; remove the line"


def _problems_of_files(content: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    files, split = content["files"], content.get("split", {})
    there = [name for name in SPLITS if name in files]
    if files.get("format") not in (None, *FORMATS):
        yield "files", "format", f"unknown format {files['format']!r}; {nearest(files['format'], FORMATS)}"
    if WHOLE in files and there:
        yield "files", WHOLE, f"name either one file as {WHOLE}, or files of splits, not both ({', '.join(there)})"
    elif not there and WHOLE not in files and "dataset" not in files:
        yield "", "files", f"the table [files] names no file; name train, dev and test, or one file as {WHOLE}"
    elif there and "train" not in there:
        yield "", "files", "the table [files] names no file for train; dev and test can be split off, train cannot"
    for name in ("dev", "test"):
        if name in split and name in there:
            yield "split", name, f"{name} has a file of its own, so that no share is split off; remove one of the two"
        elif name in split and not 0 < split[name] < 1:
            yield "split", name, f"the share of {name} should be between 0 and 1, found {split[name]}"
    if sum(split.get(name, _SHARE) for name in ("dev", "test") if name not in there) >= 1:
        yield "", "split", "the shares of dev and test leave nothing for train"
    if not 0 <= split.get("seed", 0) < 2**32:
        yield "split", "seed", "the seed should be from 0 to 4294967295"
    if len(files.get("delimiter", ",")) != 1:
        yield "files", "delimiter", "the delimiter should be one character"
    if len(files.get("quote", "")) > 1:
        yield "files", "quote", "the quote should be one character, or empty"


def _wrong_types(
    table: str, values: Mapping[str, Any], known: Mapping[str, tuple[type, ...]]
) -> Iterator[tuple[str, str, str]]:
    names = {str: "a text", list: "a list", dict: "a table", int: "a number", float: "a number", bool: "true or false"}
    for key, value in values.items():
        if key not in known:
            yield table, key, f"unknown key {key!r}; {nearest(key, known)}"
        elif not isinstance(value, known[key]) or (isinstance(value, bool) and bool not in known[key]):
            kinds = " or ".join(dict.fromkeys(names[kind] for kind in known[key]))
            yield table, key, f"{key} should be {kinds}, found {value!r}"


def _line_of(text: str, table: str, key: str) -> int:
    """Return the number of the line where a key of a table stands, or that of the table, or 1."""
    inside, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        if header:
            inside = header[1]
            if inside in (table, key):
                found = number
        elif key and inside == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return found
