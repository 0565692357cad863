"""Looking into one finished pretraining: its settings, losses, and scores as they grew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..experiments.run_folder import refuse_failed
from ..experiments.training_log import read_training_log
from .record import RECORD, read_record


@dataclass(frozen=True)
class InspectedPretraining:
    """A finished pretraining.

    Attributes:
        folder: its run folder.
        record: what its `pretraining.json` says.
        log: the records of its training log; empty without one.
    """

    folder: Path
    record: dict[str, Any]
    log: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """The run in a few words."""
        return f"pretraining {self.folder.name}"

    def evaluations(self) -> list[tuple[int, dict[str, Any]]]:
        """Return (number of updates, scores on held-out pairs) of each evaluation."""
        every, steps = self.record["identity"]["evaluate_every"], self.record["steps"]
        scored = [entry for entry in self.log if "relation_accuracy" in entry]
        return [(min(entry["epochs_done"] * every, steps), entry) for entry in scored]

    def to_json(self) -> dict[str, Any]:
        """Return the run as a JSON object."""
        return {"pretraining": self.record, "log": self.log}


def is_pretraining(path: str | Path) -> bool:
    """Return whether a path is the run folder of a pretraining."""
    return (Path(path) / RECORD).is_file()


def inspect_pretraining(path: str | Path) -> InspectedPretraining:
    """Read a pretraining from its run folder.

    Raises:
        RequestError: it failed or did not finish, or its record is malformed.
    """
    folder = Path(path)
    refuse_failed(folder)
    record = read_record(folder)
    if record["status"] != "finished":
        raise RequestError(f"{folder}: the pretraining did not finish; run the same `linkbert pretrain` again")
    return InspectedPretraining(folder, record, read_training_log(folder))
