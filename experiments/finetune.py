"""Fine-tuning: the run of each seed, from the plan to the stored result."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import filled_folder
from ..models.sources import weights_sha256
from ..tasks.data import Split, count_shared_texts
from ..tasks.registry import is_task_file
from ..tasks.task import Task
from ..training.checkpoints import Checkpoints
from ..training.reporters import Reporter, check_reporters
from .best_epoch import BestEpoch
from .evaluation import score_run
from .model_card import write_card
from .options import RunOptions
from .paths import RunPaths
from .plan import RunPlan, make_plan
from .results import UNSTORED, Result, equal_splits, now, versions
from .run_folder import begin_run, clean_up, finish_clean_up, holding_run, look_up, note_failure
from .run_record import RunRecord, write_run
from .scoring import Predicted, decode_split, predict_split, score_split, scored_fields
from .store import store_result, write_predictions
from .training_log import TrainingLog

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

    from ..training.trainer import Trainer

_TRIAL_BATCHES = 2  # batches of dev that are scored before the first update
_log = logging.getLogger(__name__)


def finetune(task: str | RunOptions, *, reporters: Sequence[Reporter] = (), **values: Any) -> Result | list[Result]:
    """Fine-tune a model on a task, score dev and test, and store the result.

    Args:
        task: the task's name, or all options.
        reporters: are told how the runs proceed.
        **values: if `task` is a name: `model`, `seed`, other fields of `RunOptions` such as `data_dir`, and settings of
            the recipe such as `epochs=3`.

    Returns:
        The result, or a list of results if several seeds ran. A finished run is not repeated; its stored result is
        returned. A run that was stopped continues from its last checkpoint.

    Raises:
        RequestError: the request is wrong or cannot be started.
        RunError: a run failed.
        Stopped: a signal stopped a run, inside of `obeying_signals`.
    """
    check_reporters(reporters)
    plan = make_plan(task if isinstance(task, RunOptions) else RunOptions.of(task, **values))
    results = [_run(plan, seed, reporters) for seed in plan.seeds]
    return results[0] if len(results) == 1 else results


def _run(plan: RunPlan, seed: int, reporters: Sequence[Reporter]) -> Result:
    """Run one seed, unless its result is there, and return its result."""
    from ..training.trainer import Trainer

    paths, options = plan.paths(seed), plan.options
    if (stored := _stored_result(plan, seed)) is not None:
        return stored
    log = TrainingLog(paths.run_dir)
    trainer = Trainer(
        plan.task.head, plan.tokenizer, options.precision, [*reporters, log], deterministic=options.deterministic
    )
    plan.steps()
    trainer.check_batch(plan.recipe, options.per_device_batch_size)
    with holding_run(paths) if trainer.is_main else nullcontext():
        # Another process may have finished the run while this one waited for it.
        if (stored := trainer.share(_stored_result(plan, seed))) is not None:
            return stored
        if trainer.share(look_up(paths, plan.identity(seed), options).trained):
            _log.info("%s: trained already, its result is missing: scoring it", paths.run_dir)
            result = score_run(plan.task, paths.run_dir, "test", options, reporters, replace_result=True)
            if trainer.is_main:
                clean_up(paths)
        else:
            result = _train(plan, seed, trainer, log)
    for reporter in reporters:
        reporter.on_end(result.to_json())
    return result


def _stored_result(plan: RunPlan, seed: int) -> Result | None:
    """Return the result of the same run if it is there."""
    paths = plan.paths(seed)
    result = look_up(paths, plan.identity(seed), plan.options).result
    if result is not None:
        _log.info("%s: finished already; this is its result", paths.result_file)
        finish_clean_up(paths)
    return result


def _train(plan: RunPlan, seed: int, trainer: Trainer, log: TrainingLog) -> Result:
    """Train and score one seed; if that fails, leave the reason in the run folder."""
    paths = plan.paths(seed)
    record = RunRecord(
        task=plan.task.name,
        task_version=plan.task.version,
        model=plan.model_record,
        recipe=plan.settings(),
        seed=seed,
        data={name: split.as_json() for name, split in plan.splits.items()},
        run_dir=str(paths.run_dir),
        definition=None if plan.task.definition is None else dict(plan.task.definition),
        task_file=str(Path(plan.options.task).absolute()) if is_task_file(plan.options.task) else None,
    )
    if trainer.is_main:
        record = begin_run(paths, record, restart=plan.options.restart)
    record = trainer.share(record)
    try:
        with trainer.working(), log.opened() if trainer.is_main else nullcontext():
            return _train_and_score(plan, record, trainer, log)
    except BaseException as error:
        if isinstance(error, Exception):
            note_failure(paths.run_dir, error)
        for reporter in trainer.reporters:
            reporter.on_failure(error)
        raise


def _train_and_score(plan: RunPlan, record: RunRecord, trainer: Trainer, log: TrainingLog) -> Result:
    task, options, seed = plan.task, plan.options, record.seed
    trainer.seed(seed)
    if trainer.is_main:
        for reporter in trainer.reporters:
            reporter.on_start(_announced(plan, record))
    model = load_for_training(plan)
    # The other processes find in the cache what the main process has encoded.
    with trainer.accelerator.main_process_first():
        encoded = plan.encode()
    train = encoded[options.train_split][0].select(plan.training_indices)
    dev = plan.held_out_dev
    trial = dev or plan.splits["test"]
    _try_scoring(task, trainer, model, trial, encoded[trial.name][0], _TRIAL_BATCHES * plan.recipe.batch_size)
    best = BestEpoch(task, trainer, dev, encoded["dev"][0]) if dev and options.select == "best-dev" else None
    model, cost = trainer.fit(
        model,
        train,
        plan.recipe,
        seed=seed,
        max_steps=options.max_steps,
        per_device=options.per_device_batch_size,
        end_of_epoch=best.score_epoch if best else None,
        checkpoints=_checkpoints(plan, seed, trainer),
        parts={"log": log, "best": best} if best else {"log": log},
    )
    if best:
        best.use(model)
    scored = [dev, plan.splits["test"]] if dev else [plan.splits["test"]]
    predicted = {split.name: predict_split(task, trainer, model, split, encoded[split.name][0]) for split in scored}
    if not trainer.is_main:
        return trainer.share(None)
    finished = replace(
        record,
        **trainer.conditions(),
        truncation={name: asdict(truncation) for name, (_, truncation) in encoded.items()},
        departures=plan.departures,
        cost={
            "train": asdict(cost),
            "test": predicted["test"][1],
            "peak_memory_mb": round(trainer.peak_memory_mb, 1),
        },
        finished=now(),
        shared_with_train=count_shared_texts(task, plan.splits[options.train_split], plan.splits["test"]),
        dev=_dev_record(task, predicted["dev"][0], plan.paths(seed), best) if dev else None,
    )
    return trainer.share(_finish(plan, finished, model, predicted["test"][0]))


def _announced(plan: RunPlan, record: RunRecord) -> dict[str, Any]:
    """Return what reporters are told about a run that begins."""
    return {
        "task": plan.task.name,
        "model": plan.model.source.name,
        "seed": record.seed,
        "run_dir": str(plan.paths(record.seed).run_dir),
        "steps": plan.steps().total,
        "recipe": {key: item["value"] for key, item in record.recipe.items()},
    }


def _finish(plan: RunPlan, record: RunRecord, model: PreTrainedModel, predicted: Predicted) -> Result:
    """Save the model, mark the run as finished, and store its result."""
    paths = plan.paths(record.seed)
    digest = _save_model(plan, model, paths.run_dir)
    record = replace(record, status="finished", trained_weights_sha256=digest)
    write_run(paths.run_dir, record)
    result = result_of_run(record, scored_fields(plan.task, predicted))
    # Before the result, whose rename completes the run: every run with a result has a card.
    write_card(paths.run_dir, result)
    result = store_result(paths, result, predicted.lines(), overwrite=plan.options.overwrite)
    clean_up(paths)
    return result


def result_of_run(record: RunRecord, scored: Mapping[str, Any]) -> Result:
    """Return the result of a run on the splits for which it was trained.

    Args:
        record: the finished run.
        scored: the fields that follow from its predictions (`scored_fields`).
    """
    fields = {name: value for name, value in record.to_json().items() if name not in ("status", "task_file")}
    fields |= {**scored, "dev": record.dev, "notes": [*scored["notes"], *equal_splits(record.data)]}
    return Result.from_json(fields | UNSTORED)


def load_for_training(plan: RunPlan) -> PreTrainedModel:
    """Load the model of a plan as its recipe wants it at the beginning of the training."""
    from ..models.layers import freeze_layers, reinitialise_layers
    from ..models.loading import load_model

    recipe = plan.recipe

    def asked_for(key: str) -> float | None:
        # A checkpoint may have different dropout rates in its parts; they are replaced only if the user asks for that.
        return getattr(recipe, key) if recipe.origin[key] != "checkpoint" else None

    model = load_model(
        plan.model.source.path,
        plan.task.head,
        plan.task.labels,
        fine_tuned=False,
        dropout=asked_for("dropout"),
        attention_dropout=asked_for("attention_dropout"),
    )
    reinitialise_layers(model, recipe.reinit_layers)
    freeze_layers(model, recipe.frozen_layers)
    return model


def _checkpoints(plan: RunPlan, seed: int, trainer: Trainer) -> Checkpoints:
    """Return where the run keeps its checkpoints; they depend on its identity and on versions."""
    conditions = {f"version of {package}": number for package, number in versions().items()}
    identity = replace(plan.identity(seed).with_conditions(conditions), precision=trainer.precision)
    return Checkpoints(plan.paths(seed).checkpoints, identity, plan.options.checkpoint_every * 60 or None)


def _dev_record(task: Task, predicted: Predicted, paths: RunPaths, best: BestEpoch | None) -> dict[str, Any]:
    """Score dev, and write its predictions into the run folder."""
    scored = score_split(task, predicted)
    write_predictions(paths.run_dir / "dev.predictions.jsonl", predicted.lines())
    record = {"score": scored.score, "metrics": scored.metrics, "notes": list(scored.notes)}
    return record | ({"selected_epoch": best.epoch} if best else {})


def _try_scoring(
    task: Task, trainer: Trainer, model: PreTrainedModel, split: Split, encoded: Dataset, examples: int
) -> None:
    """Score a few examples before the first update, so that a defect in scoring does not wait for hours of training."""
    few = range(min(examples, len(split.examples)))
    part = replace(split, examples=split.examples.select(few))
    score_split(task, decode_split(task, part, trainer.predict(model, encoded.select(few), stage="trial")))


def _save_model(plan: RunPlan, model: PreTrainedModel, folder: Path) -> str:
    """Save the model into the run folder, each file completely, and return the checksum of its weights."""
    from ..models.loading import save_model

    tokenizer = plan.tokenizer
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = plan.recipe.max_length
    with filled_folder(folder) as staged:
        save_model(model, tokenizer, staged)
    return weights_sha256(folder)
