"""What makes two runs the same run, and the only comparison of runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from ..tasks.recipe import Recipe
from .results import Result
from .run_record import RunRecord

# Parts of a definition that are compared with the settings of the run, or follow from its data.
_COMPARED_ELSEWHERE = ("recipe", "division", "word_column", "columns")
_SHOWN = 12  # characters of a checksum in a message
# A file that was written before a setting existed was made with the setting's default.
_DEFAULTS = {item.name: item.default for item in fields(Recipe) if item.default is not MISSING}


@dataclass(frozen=True)
class RunIdentity:
    """Everything that makes two runs the same run.

    Attributes:
        task: the task's name.
        task_version: the task's version.
        weights_sha256: SHA-256 of the pretrained weights.
        settings_sha256: SHA-256 of the model's configuration and tokenizer; None in files that do not record it.
        recipe: setting -> value, including the limits of the run; empty if predictions from elsewhere were scored.
        seed: the run's seed.
        data: split -> SHA-256 of its prepared file.
        definition: for a task of a user's own, what its task file says; empty for the built-in tasks.
        precision: the number format; None to accept any.
        predictions_sha256: SHA-256 of the predictions, which identify a result that no run made.
        conditions: what a checkpoint depends on beyond the run, such as versions and number of processes.
    """

    task: str = ""
    task_version: int = 1
    weights_sha256: str | None = None
    settings_sha256: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)
    precision: str | None = None
    predictions_sha256: str | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Result | RunRecord) -> RunIdentity:
        """Return the identity of the run that a result or a run folder describes."""
        return cls(
            task=record.task,
            task_version=record.task_version,
            weights_sha256=record.model.get("weights_sha256"),
            settings_sha256=record.model.get("settings_sha256"),
            recipe={key: item.get("value") for key, item in record.recipe.items()},
            seed=record.seed,
            data={split: str(item.get("sha256")) for split, item in record.data.items()},
            definition=record.definition or {},
            precision=record.precision,
            predictions_sha256=record.predictions_sha256 if isinstance(record, Result) else None,
        )

    def differences(self, other: RunIdentity) -> list[str]:
        """Return in what another run, which is there already, differs from this one, which is asked for.

        What one of the two does not record (`settings_sha256`, `precision`, `conditions`) is not compared.
        """
        if bool(self.recipe) != bool(other.recipe):
            kinds = ("a run", "predictions from elsewhere")
            there, asked = kinds if other.recipe else reversed(kinds)
            return [f"the result is of {there} there, of {asked} asked for"]
        families = self.definition.get("family"), other.definition.get("family")
        if all(families) and families[0] != families[1]:
            return [f"a task of the same name but of the family {families[1]} is there, {families[0]} asked for"]
        return [
            f"{name} is {_short(there)} there, {_short(asked)} asked for"
            for name, asked, there in self.compared(other)
            if asked != there
        ]

    def compared(self, other: RunIdentity) -> Iterator[tuple[str, Any, Any]]:
        """Yield (name, value of this identity, value of the other one) of everything that is compared."""
        yield "task", self.task, other.task
        yield "task version", self.task_version, other.task_version
        yield "seed", self.seed, other.seed
        yield "weights", self.weights_sha256, other.weights_sha256
        if self.settings_sha256 is not None and other.settings_sha256 is not None:
            yield "configuration or tokenizer", self.settings_sha256, other.settings_sha256
        for key in {**self.recipe, **other.recipe}:
            default = _DEFAULTS.get(key)
            yield key, self.recipe.get(key, default), other.recipe.get(key, default)
        for key in {**self.definition, **other.definition}:
            if key not in _COMPARED_ELSEWHERE:
                yield f"{key} of the task", self.definition.get(key), other.definition.get(key)
        for split in {**self.data, **other.data}:
            yield f"{split} data", self.data.get(split), other.data.get(split)
        if self.precision is not None and other.precision is not None:
            yield "precision", self.precision, other.precision
        if not self.recipe:
            yield "predictions", self.predictions_sha256, other.predictions_sha256
        if self.conditions and other.conditions:
            for name in sorted({**self.conditions, **other.conditions}):
                yield name, self.conditions.get(name), other.conditions.get(name)

    def with_conditions(self, conditions: Mapping[str, Any]) -> RunIdentity:
        """Return this identity with further conditions of a checkpoint."""
        return replace(self, conditions={**self.conditions, **conditions})

    def to_json(self) -> dict[str, Any]:
        """Return this identity as a JSON object."""
        return asdict(self)

    def differences_from_json(self, document: Mapping[str, Any]) -> list[str]:
        """Return in what an identity that was stored by `to_json` differs (see `differences`)."""
        known = {item.name for item in fields(self)}
        return self.differences(RunIdentity(**{key: value for key, value in document.items() if key in known}))


def _short(value: Any) -> Any:
    """Return the beginning of a checksum, and any other value as it is."""
    return value[:_SHOWN] if isinstance(value, str) and len(value) == 64 else value
