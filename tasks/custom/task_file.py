"""Task files: what a user says about data of their own, in TOML."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import RequestError
from .kinds import KINDS, Kind
from .marking import MARKS
from .task_file_checks import SHARE, SPLITS, WHOLE, line_of, problems_of

_SEED = 42
_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}  # what most datasets of the hub call them


@dataclass(frozen=True)
class Splitting:
    """How examples are divided among splits that have no file.

    Attributes:
        dev: share of the examples for dev.
        test: share of the examples for test.
        seed: seed of the order in which documents are taken.
        by: the column whose values must not be in two splits; None for the document, or else the text.
    """

    dev: float = SHARE
    test: float = SHARE
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
        reach: how many passages (or lines) apart the mentions of a pair may be; None for as many as in train.
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
    reach: int | None
    files: Mapping[str, str]
    format: str | None
    dialect: Mapping[str, str]
    dataset: str | None
    config: str | None
    splitting: Splitting
    columns: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def source(self, split: str) -> Path:
        """Return the file or folder of a split, or its pattern; relative paths start at the task file."""
        return self.path.parent / Path(self.files[split]).expanduser()

    def sources(self, split: str) -> list[Path]:
        """Return the file or folder of a split, or the files that its pattern (`train-*.parquet`) describes, in order.

        Raises:
            RequestError: there is none of this pattern.
        """
        path = self.source(split)
        if "*" not in path.name:
            return [path]
        found = sorted(path.parent.glob(path.name))
        if not found:
            raise RequestError(f"{path}: no file has a name like this; paths in a task file start at its folder")
        return found


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
    except FileNotFoundError as error:
        raise RequestError(f"{path}: no such task file; `linkbert init FILE|FOLDER` writes one") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"{path}:{line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); convert the file to UTF-8"
        ) from error
    except OSError as error:
        raise RequestError(f"{path}: the task file cannot be read ({error.strerror})") from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        raise RequestError(
            f"{path}:{line}: not TOML ({error}); texts need quotes, and tables are written [files]"
        ) from error
    problems = [f"{path}:{line_of(text, table, key)}: {problem}" for table, key, problem in problems_of(content, taken)]
    if problems:
        raise RequestError(*problems)
    return _task_file(path, content)


def _task_file(path: Path, content: dict[str, Any]) -> TaskFile:
    kind, files, split = KINDS[content["family"]], content["files"], content.get("split", {})
    labels = content.get("labels", "infer")
    # A split that has no file takes a tenth, unless the task file says another share.
    chosen = {name: files[name] for name in (*SPLITS, WHOLE) if name in files} or dict(_HUB_SPLITS)
    shares = {name: 0.0 if name in chosen else float(split.get(name, SHARE)) for name in ("dev", "test")}
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
        reach=content.get("reach"),
        files=chosen,
        format="hub" if "dataset" in files else files.get("format"),
        dialect={key: files[key] for key in ("delimiter", "quote", "encoding") if key in files},
        dataset=files.get("dataset"),
        config=files.get("config"),
        splitting=Splitting(**shares, seed=split.get("seed", _SEED), by=split.get("by")),
        columns=content.get("columns", {}),
        recipe=content.get("recipe", {}),
    )
