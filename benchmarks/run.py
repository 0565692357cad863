"""A run: the join of task, trainer and result."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import atomic_folder, sync_folder
from ..tasks.data import Split, encode_split, load_split
from ..tasks.task import Task
from ..training.checkpoints import CHECKPOINT_EVERY, Checkpoints
from ..training.state import State
from .evaluation import evaluate_run
from .results import Place, Result, commit_result, now, versions, write_predictions
from .run_folder import (
    TrainingLog,
    begin_run,
    checkpoints_folder,
    clean_up,
    clean_up_after_stop,
    finish_run,
    holding_run,
    identity_of,
    look_up,
    note_failure,
)
from .scoring import Predicted, decode_split, predict_split, score_split, scored_fields
from .settings import Folders, Limits, Settings, resolve_settings, splits_needed

if TYPE_CHECKING:
    from datasets import Dataset

    from ..tasks.task import Truncation
    from ..training.trainer import Trainer
    from .scoring import Report

_TRIAL_BATCHES = 2  # batches of dev that are scored before the first update
_SAMPLE_SEED = 0  # a fraction of the data is the same one for every seed of a run
_log = logging.getLogger(__name__)


def finetune(
    task: str,
    *,
    model: str,
    seed: int | Sequence[int] | None = None,
    name: str | None = None,
    recipe_name: str | None = None,
    max_steps: int | None = None,
    train_fraction: float | None = None,
    train_split: str | None = None,
    select: str | None = None,
    data_dir: str | Path = "data",
    runs_dir: str | Path = "runs",
    results_dir: str | Path = "results",
    precision: str = "auto",
    per_device_batch_size: int | None = None,
    overwrite: bool = False,
    restart: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY,
    deterministic: bool = False,
    dry_run: bool = False,
    report: Report | None = None,
    **recipe: Any,
) -> Result | list[Result]:
    """Fine-tune a model on a task, score dev and test, and store the result.

    Args:
        task: the task's name.
        model: a preset, a folder or a hub id.
        seed: one or several; the recipe's own when None.
        name: the model's name in paths and on the leaderboard.
        recipe_name: `base`, `large` or `small`; the published one of the model's size when None.
        max_steps: ends the run and its schedule after this many updates (such a run is not ranked).
        train_fraction: share of the training examples used (not ranked below 1).
        train_split: `train` or `dev` (the latter is not ranked).
        select: `last` scores the last model, `best-dev` the best epoch on dev.
        data_dir: prepared corpora.
        runs_dir: models and logs.
        results_dir: scored runs.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        per_device_batch_size: examples per micro-batch; chosen by memory when None.
        overwrite: replace a different run that lies in the same place.
        restart: begin anew, whatever is there of the same run; else an unfinished one goes on from its last checkpoint.
        checkpoint_every: minutes between checkpoints, besides the ends of epochs; 0 for those alone.
        deterministic: use only algorithms that give the same bits each time, also on GPUs.
        dry_run: train nothing, write nothing, and return what would be done.
        report: called with signs of life.
        **recipe: settings of the recipe to override, e.g. `epochs=3`.

    Returns:
        The result object, or a list of them when several seeds ran. A finished run is not repeated, one that was
        stopped goes on.

    Raises:
        RequestError: the request is wrong or cannot be started.
        RunError: it failed while running.
        Stopped: a signal stopped it, inside of `obeying_signals`.
    """
    asked = {
        "max_steps": max_steps,
        "train_fraction": train_fraction,
        "train_split": train_split,
        "select": select,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    settings = resolve_settings(
        task,
        model,
        name=name,
        seeds=() if seed is None else (seed,) if isinstance(seed, int) else tuple(seed),
        recipe_name=recipe_name,
        overrides={key: (value, _flag(key)) for key, value in recipe.items() if value is not None},
        limits=replace(Limits(), **given),
        given=tuple(given),
        folders=Folders(Path(data_dir), Path(runs_dir), Path(results_dir)),
        precision=precision,
        per_device=per_device_batch_size,
        overwrite=overwrite,
        restart=restart,
        checkpoint_every=checkpoint_every,
        deterministic=deterministic,
        write=not dry_run,
    )
    if dry_run:
        return _plan(settings)
    results = [_run_once(settings, one, report) for one in settings.seeds]
    return results[0] if len(results) == 1 else results


def _flag(key: str) -> str:
    own = ("epochs", "batch_size", "learning_rate", "max_length")
    return f"--{key.replace('_', '-')}" if key in own else f"--set {key}"


def _plan(settings: Settings) -> dict[str, Any]:
    """Say what `finetune` would do: the resolved recipe, the updates, and what would be cut."""
    from ..models.loading import load_tokenizer
    from ..training.progress import plan_run

    task = settings.task
    tokenizer = load_tokenizer(settings.model.source.path, words=task.head == "token")
    splits = _load_splits(settings)
    truncation = {name: asdict(_encode(settings, split, tokenizer)[1]) for name, split in splits.items()}
    examples = len(_sample(settings, splits[settings.limits.train_split]))
    plan = plan_run(settings.recipe, examples, settings.limits.max_steps)
    return {
        "task": task.name,
        "model": settings.model.as_result(),
        "seeds": list(settings.seeds),
        "recipe_name": settings.recipe_name,
        "recipe": settings.recipe_as_used(),
        "departures": settings.departures(),
        "train_examples": examples,
        "steps_per_epoch": plan.steps_per_epoch,
        "steps": plan.steps,
        "warmup_steps": plan.warmup,
        "truncation": truncation,
        "data": {name: split.as_result() for name, split in splits.items()},
        "run_dirs": [str(settings.place(seed).run_dir) for seed in settings.seeds],
        "result_files": [str(settings.place(seed).result_file) for seed in settings.seeds],
    }


def _run_once(settings: Settings, seed: int, report: Report | None) -> Result:
    from ..models.loading import load_tokenizer
    from ..training.progress import plan_run
    from ..training.trainer import Trainer

    task, place = settings.task, settings.place(seed)
    splits = _load_splits(settings)
    identity = identity_of(settings, seed, splits)
    if (stored := _stored(settings, place, identity)) is not None:
        return stored
    tokenizer = load_tokenizer(settings.model.source.path, words=task.head == "token")
    trainer = Trainer(task.head, tokenizer, settings.precision, report, deterministic=settings.deterministic)
    sample = _sample(settings, splits[settings.limits.train_split])
    plan_run(settings.recipe, len(sample), settings.limits.max_steps)
    trainer.check_batch(settings.recipe, settings.per_device)
    with holding_run(place) if trainer.is_main else nullcontext():
        # Whoever held the run before may have finished it.
        if (stored := trainer.share(_stored(settings, place, identity))) is not None:
            return stored
        if trainer.share(look_up(settings, place, identity).finished):
            _log.info("%s: trained already, its result is missing: scoring it", place.run_dir)
            result = evaluate_run(
                task,
                place.run_dir,
                "test",
                settings.folders,
                settings.precision,
                report,
                replace=True,
                overwrite=settings.overwrite,
            )
            if trainer.is_main:
                clean_up(place)
            return result
        started = trainer.share(begin_run(place, identity, restart=settings.restart) if trainer.is_main else None)
        try:
            with trainer.working():
                return _train_and_score(settings, seed, splits, identity, tokenizer, trainer, started)
        except Exception as error:
            if trainer.is_main:
                note_failure(place.run_dir, error)
            raise


def _stored(settings: Settings, place: Place, identity: dict[str, Any]) -> Result | None:
    """The result of the same run, if it is there."""
    result = look_up(settings, place, identity).result
    if result is not None:
        _log.info("%s: finished already; this is its result", place.result_file)
        clean_up_after_stop(place)
    return result


def _train_and_score(
    settings: Settings,
    seed: int,
    splits: dict[str, Split],
    identity: dict[str, Any],
    tokenizer: Any,
    trainer: Trainer,
    started: str,
) -> Result:
    from ..models.loading import load_model

    task, place, recipe, limits = settings.task, settings.place(seed), settings.recipe, settings.limits
    trainer.seed(seed)
    model = load_model(
        settings.model.source.path,
        task.head,
        task.labels,
        fine_tuned=False,
        # The checkpoint's own may differ from part to part; only what was asked for replaces them.
        dropout=recipe.dropout if recipe.origin["dropout"] != "checkpoint" else None,
        attention_dropout=recipe.attention_dropout if recipe.origin["attention_dropout"] != "checkpoint" else None,
    )
    with trainer.accelerator.main_process_first():
        encoded = {name: _encode(settings, split, tokenizer) for name, split in splits.items()}
    train = encoded[limits.train_split][0].select(_sample(settings, splits[limits.train_split]))
    dev = splits["dev"] if settings.dev_is_held_out else None
    held_out = dev or splits["test"]
    few = min(_TRIAL_BATCHES * recipe.batch_size, len(held_out.examples))
    _trial(task, trainer, model, held_out, encoded[held_out.name][0], range(few))
    best = _BestDev(task, trainer, dev, encoded["dev"][0]) if dev and limits.select == "best-dev" else None
    checkpoints = _checkpoints(settings, place, identity, trainer)
    with TrainingLog(place.run_dir, trainer) as log:
        model, cost = trainer.fit(
            model,
            train,
            recipe,
            seed=seed,
            max_steps=limits.max_steps,
            per_device=settings.per_device,
            end_of_epoch=lambda model, epoch: log.epoch(epoch, best.look(model, epoch) if best else None),
            checkpoints=checkpoints,
            parts={"log": log, "best": best} if best else {"log": log},
        )
    if best:
        best.use(model)
    predicted = {
        name: predict_split(task, trainer, model, splits[name], encoded[name][0])
        for name in (["dev"] if dev else []) + ["test"]
    }
    stored: Result | None = None
    if trainer.is_main:
        run = identity | {
            **trainer.conditions(),
            "truncation": {name: asdict(truncation) for name, (_, truncation) in encoded.items()},
            "departures": settings.departures(),
            "cost": {
                "train": asdict(cost),
                "test": predicted["test"][1],
                "peak_memory_mb": round(trainer.peak_memory_mb, 1),
            },
            "started": started,
            "finished": now(),
            "dev": _dev_result(task, predicted["dev"][0], place, best) if dev else None,
            "trained_weights_sha256": _save_model(model, tokenizer, settings, place.run_dir),
        }
        finish_run(place.run_dir, run)
        test = predicted["test"][0]
        fields = run | scored_fields(task, test)
        stored = commit_result(place, fields, test.lines(), overwrite=settings.overwrite)
        clean_up(place)
    return trainer.share(stored)


def _checkpoints(settings: Settings, place: Place, identity: dict[str, Any], trainer: Trainer) -> Checkpoints:
    """Where the run keeps its checkpoints, and what they depend on: the run's identity, versions and processes."""
    conditions = {
        "task version": identity["task_version"],
        "model": identity["model"]["weights_sha256"],
        "configuration or tokenizer": identity["model"]["settings_sha256"],
        "seed": identity["seed"],
        **{key: item["value"] for key, item in identity["recipe"].items()},
        **{f"{split} data": item["sha256"] for split, item in identity["data"].items()},
        **{f"version of {package}": number for package, number in versions().items()},
        "precision": trainer.precision,
        "processes": trainer.processes,
    }
    every = settings.checkpoint_every * 60
    return Checkpoints(checkpoints_folder(place), conditions, every or None)


def _dev_result(task: Task, predicted: Predicted, place: Place, best: _BestDev | None) -> dict[str, Any]:
    """Score dev, and leave its predictions in the run folder."""
    scored = score_split(task, predicted)
    write_predictions(place.run_dir / "dev.predictions.jsonl", predicted.lines())
    result = {"score": scored.score, "metrics": scored.metrics, "notes": list(scored.notes)}
    return result | ({"selected_epoch": best.epoch} if best else {})


def _load_splits(settings: Settings) -> dict[str, Split]:
    return {name: load_split(settings.task, name, settings.folders.data) for name in splits_needed(settings.limits)}


def _encode(settings: Settings, split: Split, tokenizer: Any) -> tuple[Dataset, Truncation]:
    return encode_split(settings.task, split, tokenizer, settings.recipe.max_length)


def _sample(settings: Settings, split: Split) -> list[int]:
    """Indices of the examples that are trained on, in the order of the corpus."""
    examples, fraction = len(split.examples), settings.limits.train_fraction
    if fraction == 1:
        return list(range(examples))
    chosen = np.random.default_rng(_SAMPLE_SEED).permutation(examples)[: math.ceil(fraction * examples)]
    return sorted(int(index) for index in chosen)


def _trial(task: Task, trainer: Trainer, model: Any, split: Split, encoded: Dataset, few: range) -> None:
    """Score a few examples before the first update: a bug in scoring must not wait for the end of training."""
    part = replace(split, examples=split.examples.select(few))
    score_split(task, decode_split(task, part, trainer.predict(model, encoded.select(few), stage="trial")))


def _save_model(model: Any, tokenizer: Any, settings: Settings, folder: Path) -> str:
    """Save the model into the run folder, each file whole, and return the checksum of its weights."""
    from ..models.loading import save_model
    from ..models.sources import weights_sha256

    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = settings.recipe.max_length
    saved = folder / "saved"
    with atomic_folder(saved) as staged:
        save_model(model, tokenizer, staged)
    for path in sorted(saved.iterdir()):
        path.replace(folder / path.name)
    saved.rmdir()
    sync_folder(folder)
    return weights_sha256(folder)


class _BestDev:
    """Keeps the weights of the best epoch on dev; the earlier one of equals."""

    def __init__(self, task: Task, trainer: Trainer, split: Split, encoded: Dataset) -> None:
        self.task, self.trainer, self.split, self.encoded = task, trainer, split, encoded
        self.score, self.epoch, self.weights = -math.inf, 0, {}

    def look(self, model: Any, epoch: int) -> float:
        """Score dev and keep the weights if they are the best so far."""
        score = score_split(self.task, predict_split(self.task, self.trainer, model, self.split, self.encoded)[0]).score
        if score > self.score:
            weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            self.score, self.epoch, self.weights = score, epoch, weights
        return score

    def use(self, model: Any) -> None:
        """Put the best weights into the model."""
        model.load_state_dict(self.weights)

    def state(self) -> State:
        """The best epoch so far, with its weights."""
        return State(self.weights, {"score": self.score, "epoch": self.epoch} if self.epoch else {})

    def restore(self, state: State) -> None:
        """Go on from there; from nothing if no epoch was scored."""
        self.score, self.epoch = state.values.get("score", -math.inf), state.values.get("epoch", 0)
        self.weights = dict(state.tensors)
