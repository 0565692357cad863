"""What a run folder says about its run: the content of `run.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..corpora.json_files import OWN_LIMIT, read_json
from ..errors import RequestError
from ..files import atomic_write_text
from ..models.sources import safe_name
from ..tasks.data import SplitRecord
from ..tasks.recipe import problem_with
from ..tasks.registry import get_task, is_task_file, known_task
from ..tasks.task import CUT, Task
from .options import seed_is_valid
from .records import ModelRecord, SettingRecord, check_parts, from_document, to_document
from .results import to_text

RUN_FILE = "run.json"
# Parts of the definition of a task of a user's own that its fine-tuned model depends on.
_SAME_FOR_A_MODEL = ("family", "labels", "negative", "marks", "pairs", "directed")
# The fields that a finished run has, and that scoring it again reads.
_OF_FINISHED = ("departures", "truncation", "cost", "precision")


@dataclass(frozen=True)
class RunRecord:
    """A run as its folder describes it.

    Attributes:
        task: the task's name.
        task_version: the task's version.
        model: the pretrained model.
        recipe: every setting of the run, including its limits.
        seed: the run's seed.
        data: the splits that the run uses.
        run_dir: the run folder when the run began.
        status: `running`, or `finished` once the trained model is saved.
        started: when the run began, in UTC.
        finished: when it finished, in UTC.
        precision: the number format of the training.
        processes: number of processes.
        device: the device in words.
        deterministic: whether the same command gives the same bits.
        truncation: what encoding lost, per split.
        departures: in what the run departs from the published protocol.
        cost: seconds and speed of training and scoring.
        dev: score and metrics on dev.
        trained_weights_sha256: SHA-256 of the trained weights.
        shared_with_train: number of test examples whose text is also in the split that was trained on.
        definition: for a task of a user's own, everything about it but its data (`tasks.custom.definition`).
        task_file: the absolute path of the task file of such a task when the run began.
        extra: fields that this version does not know.
    """

    task: str
    task_version: int
    model: ModelRecord
    recipe: dict[str, SettingRecord]
    seed: int
    data: dict[str, SplitRecord]
    run_dir: str
    status: str = "running"
    started: str | None = None
    finished: str | None = None
    precision: str | None = None
    processes: int | None = None
    device: str | None = None
    deterministic: bool | None = None
    truncation: dict[str, Any] | None = None
    departures: list[str] | None = None
    cost: dict[str, Any] | None = None
    dev: dict[str, Any] | None = None
    trained_weights_sha256: str | None = None
    shared_with_train: int | None = None
    definition: dict[str, Any] | None = None
    task_file: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, document: Any) -> RunRecord:
        """Make a record from a JSON object.

        Raises:
            ValueError: the object does not describe a run; says why. Its names become paths, so they are checked as
                well.
        """
        record = from_document(cls, document)
        name = record.model.get("name")
        if not isinstance(name, str) or not safe_name(name):
            raise ValueError(f"{name!r} cannot name a model")
        if not seed_is_valid(record.seed):
            raise ValueError(f"{record.seed!r} is not a valid seed")
        check_parts(record)
        if not all("value" in item for item in record.recipe.values()):
            raise ValueError("a setting of the recipe has no value")
        if not all({"sha256", "official"} <= item.keys() for item in record.data.values()):
            raise ValueError("a split of the data has no checksum")
        if record.is_finished:
            record._check_finished()
        return record

    def _check_finished(self) -> None:
        missing = [name for name in _OF_FINISHED if getattr(self, name) is None]
        if missing or self.started is None:
            raise ValueError(f"a finished run without {', '.join(missing) or 'started'}")
        if type(self.max_length) is not int or problem_with("max_length", self.max_length):
            raise ValueError(f"{self.max_length!r} is not a maximum length")
        if problem := problem_with("long_inputs", self.long_inputs):
            raise ValueError(problem)
        if not isinstance((self.cost or {}).get("train"), dict):
            raise ValueError("no cost of training")

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of this record."""
        return to_document(self)

    @property
    def is_finished(self) -> bool:
        """Whether the trained model is saved."""
        return self.status == "finished"

    @property
    def max_length(self) -> Any:
        """The maximum length of the run's recipe, in word pieces."""
        return self.recipe.get("max_length", {}).get("value")

    @property
    def long_inputs(self) -> Any:
        """What the run's recipe does with inputs that are too long; runs of earlier versions cut them."""
        return self.recipe.get("long_inputs", {"value": CUT})["value"]

    @property
    def known_task(self) -> Task | None:
        """The task of the run; None if this version does not know it."""
        return known_task(self.task, self.definition)

    def scoring_precision(self, requested: str) -> str:
        """Return the number format in which the run is scored again.

        Args:
            requested: the user's choice; `auto` means the run's own format. fp16 needs a GPU, which scoring may not
                have, so that `auto` then chooses by the device.
        """
        own = self.precision or "auto"
        return own if requested == "auto" and own != "fp16" else requested


def read_run(folder: Path) -> RunRecord:
    """Read what a run folder says about its run.

    Raises:
        RequestError: the folder is not a run folder, or its `run.json` is damaged.
    """
    path = folder / RUN_FILE
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such run folder; `linkbert finetune` makes RUNS/TASK/MODEL/seed-N")
    if not path.is_file():
        raise RequestError(f"{folder}: not a run folder, it has no {RUN_FILE}; name one that `linkbert finetune` made")
    try:
        return RunRecord.from_json(read_json(path, OWN_LIMIT))
    except ValueError as error:
        raise RequestError(f"{path}: not what `linkbert finetune` wrote ({error}); run it again") from error


def write_run(folder: Path, record: RunRecord) -> None:
    """Write `run.json` in one step."""
    atomic_write_text(folder / RUN_FILE, to_text(record.to_json()))


def finished_run(folder: Path, task: Task) -> RunRecord:
    """Read a finished run whose model is valid for a task.

    Raises:
        RequestError: the folder is not a run folder, the run belongs to another task, or it did not finish.
    """
    record = read_run(folder)
    if record.task not in (task.name, task.trained_on):
        wanted = task.trained_on or task.name
        raise RequestError(f"{folder}: a run of {record.task}, not of {wanted}; name a run folder of {wanted}")
    own, asked = record.definition or {}, task.definition or {}
    if wrong := [key for key in _SAME_FOR_A_MODEL if own.get(key) != asked.get(key)]:
        key = wrong[0]
        raise RequestError(
            f"{folder}: its model was trained for another {task.name}: {key} {own.get(key)}, now {asked.get(key)}; "
            "train anew, or name the task file of the run"
        )
    if not record.is_finished:
        raise RequestError(f"{folder}: the run did not finish; run the same `linkbert finetune` again")
    return record


def task_of_run(name: str, folder: Path) -> tuple[Task, RunRecord]:
    """Return the task for which a finished run was trained, and the run.

    A task of a user's own is made from what the run says about it, so that its task file and data need not be there.

    Args:
        name: the task as the user named it: the name of a task, or a task file.
        folder: the run folder.

    Raises:
        RequestError: there is no such task file, or see `finished_run`.
    """
    record = read_run(folder)
    own = record.known_task if record.definition is not None else None
    if own is None:
        task = get_task(name)
        return task, finished_run(folder, task)
    if is_task_file(name):
        from ..tasks.custom.task_file import read_task_file

        name = read_task_file(Path(name)).name
    if name != own.name:
        raise RequestError(f"{folder}: a run of {own.name}, not of {name}; name a run folder of {name}")
    return own, finished_run(folder, own)
