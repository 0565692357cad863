"""The checks of task files: every problem with its table and key, and the line where that stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import nearest
from ...models.sources import safe_name
from ..recipe import problem_with, problem_with_family
from .kinds import KINDS, Kind
from .marking import MARKS

SPLITS = ("train", "dev", "test")
WHOLE = "data"  # in place of splits: one file, which is split
FORMATS = ("conll", "brat", "bioc", "pubtator", "csv", "json", "parquet", "squad", "hub")
# In tables of a task file: key -> types of its value.
_TOP: dict[str, tuple[type, ...]] = {
    "name": (str,), "title": (str,), "family": (str,), "labels": (list, str), "negative": (str,), "metric": (str,),
    "ignore": (list,), "marks": (str,), "directed": (bool,), "reach": (int,), "files": (dict,), "split": (dict,),
    "columns": (dict,), "recipe": (dict,),
}  # fmt: skip
_FILES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*SPLITS, WHOLE), (str,)), "format": (str,), "delimiter": (str,), "quote": (str,),
    "encoding": (str,), "dataset": (str,), "config": (str,),
}  # fmt: skip
_SPLIT: dict[str, tuple[type, ...]] = {"dev": (int, float), "test": (int, float), "seed": (int,), "by": (str,)}
SHARE = 0.1  # of the examples that a split without a file takes


def problems_of(content: dict[str, Any], taken: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
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
    if not all(isinstance(label, str) for label in content.get("ignore", ())):
        yield "", "ignore", "what is ignored should be texts"
    yield from _problems_of_labels(content, kind)
    yield from _problems_of_files(content)
    if content.get("metric", kind.metrics[0]) not in kind.metrics:
        yield "", "metric", f"{kind.name} has no metric {content['metric']!r}; it has {', '.join(kind.metrics)}"
    if content.get("marks", MARKS[0]) not in MARKS:
        yield "", "marks", f"unknown marks {content['marks']!r}; there are {' and '.join(MARKS)}"
    if "reach" in content and (content["reach"] < 0 or not kind.pairs):
        yield "", "reach", f"reach is a number from 0 for relations, found {content['reach']} for {kind.name}"
    for key, value in content.get("columns", {}).items():
        if problem := _problem_of_column(key, value, kind):
            yield "columns", key, problem
    for key, value in content.get("recipe", {}).items():
        problem = _problem_of_seed(value) if key == "seed" else problem_with(key, value)
        if key == "long_inputs":
            problem = problem or problem_with_family(kind.family, value)
        if problem:
            yield "recipe", key, problem


def _problem_of_column(key: str, value: Any, kind: Kind) -> str | None:
    if key == "separator":
        return None if isinstance(value, str) and value else f"the separator should be a text, found {value!r}"
    if key == "first_answer":
        return None if value == "A" or type(value) is int else f'first_answer should be 0, 1 or "A", found {value!r}'
    if key not in kind.columns:
        return f"{kind.name} has no column {key!r}; {nearest(key, kind.columns)}"
    if isinstance(value, list) and key not in kind.spread:
        return f"{key} is in one column, found a list; name one column"
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) or type(name) is int for name in names):
        return f"a column is named by its name or its number, found {value!r}"
    return None


def _problem_of_seed(value: Any) -> str | None:
    fine = type(value) is int and 0 <= value < 2**32
    return None if fine else f"the seed should be a whole number from 0 to 4294967295, found {value!r}"


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
    if "config" in files and "dataset" not in files:
        yield "files", "config", "a configuration goes with a dataset of the hub; remove the line"
    for name in ("dev", "test"):
        if name in split and name in there:
            yield "split", name, f"{name} has a file of its own, so that no share is split off; remove one of the two"
        elif name in split and not 0 < split[name] < 1:
            yield "split", name, f"the share of {name} should be between 0 and 1, found {split[name]}"
    if sum(split.get(name, SHARE) for name in ("dev", "test") if name not in there) >= 1:
        yield "", "split", "the shares of dev and test leave nothing for train"
    if problem := _problem_of_seed(split.get("seed", 0)):
        yield "split", "seed", problem
    if "by" in split and split["by"] != content.get("columns", {}).get("document", split["by"]):
        yield "split", "by", "examples are kept together by the column document already; remove one of the two"
    delimiter, quote = files.get("delimiter", ","), files.get("quote", '"')
    if len(delimiter) != 1 or delimiter in "\r\n\0" or delimiter == quote:
        yield "files", "delimiter", "the delimiter should be one character, not a line end and not the quote"
    if len(quote) > 1 or (quote and quote in "\r\n\0"):
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


def line_of(text: str, table: str, key: str) -> int:
    """Return the number of the line where a key of a table stands, or that of the table, or 1."""
    inside, found = "", 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        if header:
            inside = header[1]
            if inside in (table, key):
                found = number
        elif not inside and table and re.match(rf"""\s*{table}\s*(\.\s*["']?{re.escape(key)}["']?\s*)?=""", line):
            return number  # `files.data = "..."` or `files = {data = "..."}`
        elif key and inside == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return found
