"""One pretraining, from the request to the saved model."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..experiments.results import now, to_text, versions
from ..experiments.run_folder import FAILED, note_failure
from ..experiments.training_log import TrainingLog
from ..files import atomic_write_text, discard, filled_folder, require_writable
from ..locks import run_lock
from ..models.loading import save_model
from ..training.checkpoints import Checkpoints
from ..training.reporters import Reporter, check_reporters
from .evaluation import evaluate
from .examples import PairExamples, PairFormat
from .objective import PRETRAINING, RELATION_HEAD, PretrainingPatch, take_relation_head
from .options import PretrainOptions
from .pairs import RELATIONS
from .plan import HELD_OUT_PAIRS, Plan, make_plan
from .record import RECORD, read_record

if TYPE_CHECKING:
    from ..training.trainer import Trainer

_log = logging.getLogger(__name__)

_MARGIN = 5.0  # points above chance; a relation head below that after a fifth of the run has learnt nothing so far
_SEED_OF_HELD_OUT = 0


def pretrain(
    corpus: str | Path | PretrainOptions, *, reporters: Sequence[Reporter] = (), **values: Any
) -> dict[str, Any]:
    """Pretrain a model with document links, and save it.

    The run folder then holds a model that opens as `AutoModelForMaskedLM` and as `AutoModel`, the relation head beside
    it, the log, and `pretraining.json`. A finished run is not repeated, and one that was stopped continues.

    Args:
        corpus: the folder that `write_corpus` has written, or all options.
        reporters: are told how the run proceeds.
        **values: if `corpus` is a folder: `start="pubmedbert-base"` or `config="tiny"`, other fields of
            `PretrainOptions` such as `max_steps`, and settings of the optimizer.

    Returns:
        What `pretraining.json` holds.

    Raises:
        RequestError: the request is wrong or cannot be started.
        RunError: the run failed.
        Stopped: a signal stopped it, inside of `obeying_signals`.
    """
    from ..training.trainer import Trainer

    check_reporters(reporters)
    if isinstance(corpus, PretrainOptions) and values:
        raise RequestError(f"{', '.join(values)}: give all options by name, or all in PretrainOptions")
    options = corpus if isinstance(corpus, PretrainOptions) else PretrainOptions.of(corpus, **values)
    plan = make_plan(options)
    folder = plan.folder
    require_writable(folder.parent, "the run folder")
    log = TrainingLog(folder)
    trainer = Trainer(PRETRAINING, plan.start.tokenizer, options.precision, [*reporters, log])
    with run_lock(folder.with_name(f".{folder.name}.lock"), str(folder)) if trainer.is_main else nullcontext():
        stored = _look_up(plan) if trainer.is_main else None
        if (stored := trainer.share(stored)) is not None:
            _log.info("%s: finished already", folder)
            return stored
        try:
            with trainer.working(), log.opened() if trainer.is_main else nullcontext():
                record = _train(plan, trainer, log)
        except BaseException as error:
            if isinstance(error, Exception):
                note_failure(folder, error)
            for reporter in trainer.reporters:
                reporter.on_failure(error)
            raise
    for reporter in reporters:
        reporter.on_end({**record, "split": "held_out", "metrics": record["held_out"]["after"]})
    return record


def _look_up(plan: Plan) -> dict[str, Any] | None:
    """Return the record of the same run if it is finished; else prepare its folder."""
    folder, options, identity = plan.folder, plan.options, plan.identity()
    file = folder / RECORD
    if file.is_file():
        try:
            stored = read_record(folder)
        except RequestError:
            if not options.overwrite:
                raise
            stored = {"status": "damaged", "identity": {}}
        found = identity.differences_from_json(stored["identity"])
        if found and not options.overwrite:
            raise RequestError(
                f"{folder}: a different pretraining is there: {'; '.join(found)}. Use --overwrite to replace it, or "
                "--name to keep both"
            )
        if stored["status"] == "finished" and not found and not options.restart:
            return stored
        if found or options.restart:
            discard(folder)
        (folder / FAILED).unlink(missing_ok=True)
    elif folder.is_dir() and any(folder.iterdir()):
        raise RequestError(f"{folder}: holds something that is not a pretraining; choose another --name or --runs-dir")
    require_writable(folder, "the run folder")
    _write(folder, {"status": "running", "identity": identity.to_json(), "started": now()})
    return None


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    atomic_write_text(folder / RECORD, to_text(record))


def _train(plan: Plan, trainer: Trainer, log: TrainingLog) -> dict[str, Any]:
    options = plan.options
    trainer.seed(options.seed)
    recipe = plan.options.recipe(plan.max_length)
    trainer.check_batch(recipe, options.per_device_batch_size)
    model: Any = trainer.move(plan.start.model())
    if trainer.is_main:
        for reporter in trainer.reporters:
            reporter.on_start(_announced(plan, recipe.values()))
    form = PairFormat.of(plan.start.tokenizer, model.config, trainer.device, whole_words=options.whole_words)
    count = recipe.batch_size * plan.evaluate_every
    parts = (plan.pieces, plan.segments)
    examples = PairExamples(*parts, plan.training, form, count, options.seed)
    held_out = PairExamples(*parts, plan.held_out, form, HELD_OUT_PAIRS, _SEED_OF_HELD_OUT)
    patch = _patch(trainer, plan)
    with patch.applied(model):
        before = evaluate(trainer, model, held_out)
    watch = _Watch(plan, trainer, held_out, patch)
    rounds = math.ceil(plan.steps / plan.evaluate_every)
    model, cost = trainer.fit_examples(
        model,
        examples,
        replace(recipe, epochs=rounds),
        patch,
        seed=options.seed,
        max_steps=plan.steps,
        per_device=options.per_device_batch_size,
        end_of_epoch=watch.after_round,
        checkpoints=_checkpoints(plan, trainer),
        parts={"log": log},
    )
    # A run that was killed after its last round has no scores of that round.
    after = watch.scores or watch.after_round(model, rounds)
    if not trainer.is_main:
        return trainer.share(None)
    record = {
        **json.loads((plan.folder / RECORD).read_text(encoding="utf-8")),
        "status": "finished",
        "model": plan.start.name,
        "corpus": {key: plan.corpus.report[key] for key in ("source", "documents", "links", "link_kind")},
        "relations": dict(zip(RELATIONS, plan.training.shares, strict=True)),
        "recipe": recipe.values(),
        "steps": plan.steps,
        "held_out": {"before": before, "after": after, "pairs": HELD_OUT_PAIRS},
        "cost": {**asdict(cost), "peak_memory_mb": round(trainer.peak_memory_mb, 1)},
        **trainer.conditions(),
        "versions": versions(),
        "finished": now(),
        "run_dir": str(plan.folder),
    }
    _save(plan, model)
    _write(plan.folder, record)
    shutil.rmtree(plan.folder / "checkpoints", ignore_errors=True)
    return trainer.share(record)


class _Watch:
    """Evaluates a model between two rounds, and warns once if its relation head learns nothing."""

    def __init__(self, plan: Plan, trainer: Trainer, held_out: PairExamples, patch: PretrainingPatch) -> None:
        self.plan, self.trainer, self.held_out, self.patch, self.warned = plan, trainer, held_out, patch, False
        self.scores: dict[str, float] = {}

    def after_round(self, model: Any, rounds: int) -> dict[str, float]:
        """Return the scores of the model after a number of rounds of `evaluate_every` updates."""
        with self.patch.applied(model):
            scores = self.scores = evaluate(self.trainer, model, self.held_out)
        chance = 100 * max(self.plan.held_out.shares)
        done = rounds * self.plan.evaluate_every / self.plan.steps
        if done >= 0.2 and not self.warned and chance < 100 and scores["relation_accuracy"] < chance + _MARGIN:
            self.warned = True
            _log.warning(
                "after %.0f%% of the updates, the relation head is right for %.1f%% of held-out pairs, where %.1f%% is "
                "chance; a lower or higher --learning-rate, a larger --batch-size or more --max-steps may help",
                100 * done,
                scores["relation_accuracy"],
                chance,
            )
        elif done >= 0.5 and not self.warned and (both := _apart_from_contiguous(scores)) < 50 + _MARGIN:
            self.warned = True
            _log.warning(
                "after %.0f%% of the updates, linked and random pairs are not told apart (%.1f%% of both are right, "
                "50%% is chance): the relation head knows contiguous pairs alone; more --max-steps or another --seed "
                "may help",
                100 * done,
                both,
            )
        return scores


def _apart_from_contiguous(scores: Mapping[str, float]) -> float:
    """Return the mean accuracy on random and linked pairs; 100 if there are not both."""
    both = [scores.get(f"relation_accuracy_{name}") for name in ("random", "linked")]
    known = [value for value in both if value is not None]
    return sum(known) / 2 if len(known) == 2 else 100.0


def _patch(trainer: Trainer, plan: Plan) -> PretrainingPatch:
    tokens = plan.training.mean_tokens * plan.options.batch_size * plan.steps
    return PretrainingPatch(packed=True, kernels=trainer.kernels_for(int(tokens)), vocabulary=None)


def _announced(plan: Plan, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what reporters are told about a run that begins."""
    return {
        "task": "pretrain",
        "model": plan.start.name,
        "seed": plan.options.seed,
        "run_dir": str(plan.folder),
        "steps": plan.steps,
        "recipe": dict(recipe),
    }


def _checkpoints(plan: Plan, trainer: Trainer) -> Checkpoints:
    conditions = {f"version of {package}": number for package, number in versions().items()}
    identity = plan.identity().with_conditions({**conditions, "precision": trainer.precision})
    return Checkpoints(plan.folder / "checkpoints", identity, plan.options.checkpoint_every * 60 or None)


def _save(plan: Plan, model: Any) -> None:
    """Save the model with its tokenizer, and the relation head beside it."""
    from safetensors.torch import save_file

    tokenizer, folder = plan.start.tokenizer, plan.folder
    tokenizer.model_max_length = plan.max_length
    with filled_folder(folder) as staged:
        save_file(take_relation_head(model), staged / RELATION_HEAD, {"relations": ",".join(RELATIONS)})
        save_model(model, tokenizer, staged)
