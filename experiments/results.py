"""The result of a run: one JSON object that validates itself, written whole and never edited."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from typing import Any

from ..tasks.data import SplitRecord
from ..tasks.registry import known_task
from ..tasks.task import Task
from .records import ModelRecord, SettingRecord, check_parts, from_document, to_document

SCHEMA_VERSION = 1
_TOLERANCE = 1e-6  # of a score beside its metric: both are the same number

# Packages whose version may change a score.
_PACKAGES = (
    "linkbert",
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "evaluate",
    "scikit-learn",
    "seqeval",
    "tokenizers",
    "numpy",
)


# The fields of a result that `store.store_result` fills in.
UNSTORED: dict[str, Any] = {"result_file": "", "predictions_file": None, "predictions_sha256": None}


@dataclass(frozen=True)
class Result:
    """The score of one run on one split, with everything that it depends on.

    Attributes:
        schema_version: version of this format.
        task: the task's name.
        task_version: the task's version.
        split: the split that was scored; files hold results of `test` alone.
        suite: the task's suite.
        model: the pretrained model.
        score: the score that the benchmark reports, x100 and unrounded.
        metric: name of the metric.
        metrics: all numbers of the metric by name.
        notes: what a reader must know, such as a score that is undefined, or splits that are equal.
        n_examples: number of examples scored.
        truncation: per split what encoding it lost (`tasks.task.Truncation`).
        dev: score and metrics on dev; None if dev was not scored.
        recipe: every setting of the run, including its limits; empty if predictions from elsewhere were scored.
        departures: in what the run departs from the published protocol.
        seed: the run's seed.
        data: the splits that were used.
        versions: version per package.
        device: the device in words.
        precision: the number format of the computation.
        processes: number of processes.
        deterministic: whether the same command gives the same bits.
        cost: seconds and speed of training and scoring, and the peak memory.
        started: when the run began, in UTC.
        finished: when the score was computed, in UTC.
        run_dir: the run folder.
        result_file: the file of this result; empty if it is not stored.
        predictions_file: the predictions.
        predictions_sha256: SHA-256 of the predictions file.
        trained_weights_sha256: SHA-256 of the trained weights.
        baseline: a trivial constant prediction for the same split, `name` and `score`; None in results of early
            versions.
        shared_with_train: number of test examples whose text is also in the split that was trained on; None where no
            such split was used, and in results of early versions.
        definition: for a task of a user's own, everything about it but its data (`tasks.custom.definition`), else
            None.
        checksum: the checksum as it was stored; None before a result is stored, and in results of early versions.
        stored_score: the score that is stored for the same run, if a run was scored again.
        extra: fields that this version does not know.
    """

    schema_version: int
    task: str
    task_version: int
    split: str
    suite: str
    model: ModelRecord
    score: float
    metric: str
    metrics: dict[str, float]
    notes: list[str]
    n_examples: int
    truncation: dict[str, Any]
    dev: dict[str, Any] | None
    recipe: dict[str, SettingRecord]
    departures: list[str]
    seed: int | None
    data: dict[str, SplitRecord]
    versions: dict[str, str]
    device: str
    precision: str
    processes: int
    deterministic: bool
    cost: dict[str, Any]
    started: str
    finished: str
    run_dir: str | None
    result_file: str
    predictions_file: str | None
    predictions_sha256: str | None
    trained_weights_sha256: str | None = None
    baseline: dict[str, Any] | None = None
    shared_with_train: int | None = None
    definition: dict[str, Any] | None = None
    checksum: str | None = None
    stored_score: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Any) -> Result:
        """Make a result from a JSON object. This is the only validation of results.

        Raises:
            ValueError: the object is not a result of this schema; says why.
        """
        found = document.get("schema_version") if isinstance(document, dict) else SCHEMA_VERSION
        if found != SCHEMA_VERSION:
            raise ValueError(f"schema_version {found!r}, this version reads {SCHEMA_VERSION}")
        result = from_document(cls, document)
        if not -100 <= result.score <= 100:
            raise ValueError(f"the score {result.score} is not between -100 and 100")
        check_parts(result)
        own = result.metrics.get(result.metric)
        if own is not None and abs(own - result.score) > _TOLERANCE:
            raise ValueError(f"the score {result.score} is not that of its metric, {result.metric} {own}")
        return result

    @cached_property
    def known_task(self) -> Task | None:
        """The task: a built-in one, or the one that the result describes; None if this version does not know it."""
        return known_task(self.task, self.definition)

    @property
    def of_task(self) -> Task:
        """The task, where it is known to be known.

        Raises:
            KeyError: it is not.
        """
        if self.known_task is None:
            raise KeyError(self.task)
        return self.known_task

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this result."""
        return to_document(self)

    def to_frame(self) -> Any:
        """Return a data frame of pandas with one row, the score and all metrics, so that results can be joined."""
        import pandas as pd

        about = {"task": self.task, "model": self.name, "seed": self.seed, "split": self.split, "score": self.score}
        return pd.DataFrame([about | self.metrics])

    def _repr_html_(self) -> str:
        """Return the scores as a table, for notebooks."""
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{value:.2f}</td></tr>" for name, value in self.metrics.items())
        title = escape(f"{self.task}, {self.name}, seed {self.seed}: {self.score:.2f} ({self.metric})")
        return f"<table><caption>{title}</caption>{rows}</table>"

    def compute_checksum(self) -> str:
        """Return the SHA-256 of the JSON object without `checksum`, with sorted keys and no white space, as UTF-8."""
        content = {name: value for name, value in self.to_json().items() if name != "checksum"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def intact(self) -> bool | None:
        """Whether the stored checksum fits the content; None if there is no checksum."""
        if self.checksum is None:
            return None
        try:
            return self.checksum == self.compute_checksum()
        except ValueError:  # The content holds text that cannot be written, so that it was never stored like this.
            return False

    @property
    def name(self) -> str:
        """The model's name in paths and on the leaderboard."""
        return self.model.get("name") or ""

    def setting(self, key: str) -> Any:
        """Return the value of a setting, or None if the run had none of this name."""
        return self.recipe.get(key, {}).get("value")

    @property
    def limits(self) -> list[str]:
        """What limited the run (`--max-steps`, a part of the data, another split). Limited runs are not ranked."""
        found = []
        if (steps := self.setting("max_steps")) is not None:
            found.append(f"--max-steps {steps}")
        if (fraction := self.setting("train_fraction")) is not None and fraction != 1:
            found.append(f"--train-fraction {fraction:g}")
        if (split := self.setting("train_split")) not in (None, "train"):
            found.append(f"--train-split {split}")
        return found

    @property
    def unofficial_splits(self) -> list[str]:
        """The splits whose content is not the benchmark's."""
        return [split for split, item in self.data.items() if not item.get("official")]


def versions() -> dict[str, str]:
    """Return the versions of the packages on which a score depends."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def equal_splits(data: dict[str, SplitRecord]) -> list[str]:
    """Return a note for each two splits that are the same file, so that one of them measures nothing."""
    return [
        f"the {second} split is the same file as the {first} split"
        for (first, one), (second, other) in combinations(data.items(), 2)
        if one["sha256"] == other["sha256"]
    ]


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def to_text(document: Any) -> str:
    """Return a document as strict, indented JSON.

    Raises:
        ValueError: it holds a NaN or an infinity.
    """
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
