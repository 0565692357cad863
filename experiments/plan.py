"""A request resolved: task, model, recipe with the origin of each value, seeds, data and paths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from ..files import require_writable
from ..models.loading import ModelInfo, inspect_model
from ..models.sources import ModelSource, find_model, name_problem, settings_sha256, weights_sha256
from ..tasks.data import Split, encode_split, load_split, require_split
from ..tasks.departures import departures
from ..tasks.recipe import Recipe, default_recipe, read_recipe_file, recipe_seed, resolve_recipe
from ..tasks.registry import get_task
from ..tasks.task import Task, Truncation
from .identity import RunIdentity
from .options import RunOptions, option_flag, setting_flag
from .paths import RunPaths
from .records import ModelRecord, SettingRecord

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from ..training.steps import StepPlan

_SAMPLE_SEED = 0  # A fraction of the training data is the same one for every seed of a run.


@dataclass(frozen=True)
class RunPlan:
    """What `finetune` is going to do. Everything is checked, and weights and data are hashed, once for all seeds.

    Attributes:
        options: the request.
        task: the task.
        model: the model before its weights are read.
        model_record: the model as results and runs describe it.
        recipe: every setting with its origin.
        recipe_name: the recipe with which the settings began.
        seeds: the seeds, in order.
        splits: the splits that are used, by name.
    """

    options: RunOptions
    task: Task
    model: ModelInfo
    model_record: ModelRecord
    recipe: Recipe
    recipe_name: str
    seeds: tuple[int, ...]
    splits: Mapping[str, Split]

    def paths(self, seed: int) -> RunPaths:
        """Return where the run of one seed lies."""
        return RunPaths(self.task.name, self.model.source.name, seed, self.options.runs_dir, self.options.results_dir)

    def identity(self, seed: int) -> RunIdentity:
        """Return what makes another run the same run as that of one seed."""
        precision = self.options.precision
        return RunIdentity(
            task=self.task.name,
            task_version=self.task.version,
            weights_sha256=self.model_record.get("weights_sha256"),
            settings_sha256=self.model_record.get("settings_sha256"),
            recipe={key: item["value"] for key, item in self.settings().items()},
            seed=seed,
            data={name: split.sha256 for name, split in self.splits.items()},
            definition=self.task.definition or {},
            precision=None if precision == "auto" else precision,
        )

    def settings(self) -> dict[str, SettingRecord]:
        """Return the `recipe` object of a result: every setting and limit of the run with its value and origin."""
        used: dict[str, SettingRecord] = {
            key: {"value": value, "origin": self.recipe.origin[key]} for key, value in self.recipe.values().items()
        }
        defaults = {item.name: item.default for item in fields(RunOptions)}
        for key, value in self.options.limits.items():
            used[key] = {"value": value, "origin": "default" if value == defaults[key] else option_flag(key)}
        return used

    @cached_property
    def departures(self) -> list[str]:
        """In what the run departs from the published protocol."""
        published = default_recipe(self.task, self.model.hidden_size)
        found = departures(self.recipe, self.task, self.recipe_name, published, self.model.dropouts)
        if self.options.select != "last":
            found.append(f"select {self.options.select} instead of last")
        return found

    @property
    def held_out_dev(self) -> Split | None:
        """The dev split if it can be scored; None if the run trains on it."""
        return None if self.options.train_split == "dev" else self.splits["dev"]

    @cached_property
    def training_indices(self) -> list[int]:
        """The indices of the examples that are trained on, in the order of the corpus."""
        examples, fraction = len(self.splits[self.options.train_split].examples), self.options.train_fraction
        if fraction == 1:
            return list(range(examples))
        chosen = np.random.default_rng(_SAMPLE_SEED).permutation(examples)[: math.ceil(fraction * examples)]
        return sorted(int(index) for index in chosen)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The model's tokenizer."""
        from ..models.tokenizer_loading import load_tokenizer

        return load_tokenizer(self.model.source.path, words=self.task.head.per_word)

    def steps(self) -> StepPlan:
        """Count the updates of each run.

        Raises:
            RequestError: the warm-up is longer than the run.
        """
        from ..training.steps import plan_steps

        return plan_steps(self.recipe, len(self.training_indices), self.options.max_steps)

    def encode(self) -> dict[str, tuple[Dataset, Truncation]]:
        """Encode all splits; encodings are cached, so that a second call is cheap."""
        return {
            name: encode_split(self.task, split, self.tokenizer, self.recipe.max_length, self.recipe.long_inputs)
            for name, split in self.splits.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object, with the number of updates and what encoding would cut.

        Raises:
            RequestError: the warm-up is longer than the run.
        """
        steps = self.steps()
        return {
            "task": self.task.name,
            "suite": self.task.suite,
            "labels": list(self.task.labels),
            "model": self.model_record,
            "seeds": list(self.seeds),
            "recipe_name": self.recipe_name,
            "recipe": self.settings(),
            "departures": self.departures,
            "train_examples": len(self.training_indices),
            "steps_per_epoch": steps.per_epoch,
            "steps": steps.total,
            "warmup_steps": steps.warmup,
            "truncation": {name: asdict(truncation) for name, (_, truncation) in self.encode().items()},
            "data": {name: split.as_json() for name, split in self.splits.items()},
            "run_dirs": [str(self.paths(seed).run_dir) for seed in self.seeds],
            "result_files": [str(self.paths(seed).result_file) for seed in self.seeds],
        }


def plan_finetune(task: str | RunOptions, **values: Any) -> RunPlan:
    """Return what `finetune` would do with the same arguments. Nothing is trained or written.

    Args:
        task: the task's name, or all options.
        **values: see `RunOptions.of`.

    Raises:
        RequestError: the request is wrong or cannot be started.
    """
    return make_plan(task if isinstance(task, RunOptions) else RunOptions.of(task, **values), writes=False)


def length_for(task: Task, source: ModelSource) -> int:
    """Return the maximum length of the recipe for a task and a model, or the model's own if that is shorter."""
    model = inspect_model(source)
    recipe = resolve_recipe(task, default_recipe(task, model.hidden_size), {}, model.dropouts)
    return min(recipe.max_length, model.max_positions or recipe.max_length)


def make_plan(options: RunOptions, *, writes: bool = True, splits: Sequence[str] | None = None) -> RunPlan:
    """Check a request and resolve it.

    Args:
        options: the request.
        splits: the splits that are read; all that a run needs if None.
        writes: whether the folders of runs and results must be writable.

    Raises:
        RequestError: something is wrong. All problems are reported together, and a model is downloaded only if nothing
            else is wrong.
    """
    task = get_task(options.task)
    if task.trained_on is not None:
        raise RequestError(
            f"{task.name} is never trained on: it is evaluated with a model fine-tuned on {task.trained_on}. Run "
            f"`linkbert finetune {task.trained_on} --model {options.model}`, then `linkbert eval {task.name} "
            "--model RUN_DIR`"
        )
    splits = options.splits if splits is None else splits
    source = _checked_source(options, task, writes, splits)
    model = inspect_model(source)
    recipe_name = options.recipe or default_recipe(task, model.hidden_size)
    overrides = {} if options.recipe_file is None else read_recipe_file(options.recipe_file, task.recipe_section)
    overrides |= {key: (value, setting_flag(key)) for key, value in options.settings.items()}
    recipe = resolve_recipe(task, recipe_name, overrides, model.dropouts)
    if model.max_positions is not None and recipe.max_length > model.max_positions:
        raise RequestError(
            f"maximum length {recipe.max_length} ({recipe.origin['max_length']}) is beyond the {model.max_positions} "
            f"positions of {options.model}; use --max-length {model.max_positions} or less"
        )
    for key in ("frozen_layers", "reinit_layers"):
        if model.layers is not None and (count := getattr(recipe, key)) > model.layers:
            raise RequestError(f"{setting_flag(key)} {count}: {options.model} has {model.layers} layers")
    return RunPlan(
        options=options,
        task=task,
        model=model,
        model_record=describe_model(model),
        recipe=recipe,
        recipe_name=recipe_name,
        seeds=options.seeds or (recipe_seed(task, recipe_name),),
        splits={name: load_split(task, name, options.data_dir) for name in splits},
    )


def _checked_source(options: RunOptions, task: Task, writes: bool, splits: Sequence[str]) -> ModelSource:
    """Check options, data, folders and model, and report all problems together."""
    problems = options.problems()

    def collect(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RequestError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            return None

    for split in splits:
        collect(partial(require_split, task, split, options.data_dir))
    if writes:
        for folder, what in ((options.runs_dir, "the folder of runs"), (options.results_dir, "the folder of results")):
            collect(partial(require_writable, folder, what, create=False))
    name = None if name_problem(options.name) else options.name  # That problem is in the list already.
    source = collect(lambda: find_model(options.model, name, revision=options.revision, download=not problems))
    if problems or source is None:
        raise RequestError(*dict.fromkeys(problems))
    return source


def describe_model(model: ModelInfo) -> ModelRecord:
    """Return a model as results and runs describe it. Its weights are hashed, which takes seconds for a large one."""
    return {
        "name": model.source.name,
        "source": model.source.source,
        "revision": model.source.revision,
        "weights_sha256": weights_sha256(model.source.path),
        "settings_sha256": settings_sha256(model.source.path),
        "parameters": model.parameters,
    }
