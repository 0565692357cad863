"""The `Trainer` of transformers, used as its example scripts use it, to compare this package's trainer with."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any

import torch
import transformers

from ..models.head_functions import ENDS_ANSWER, STARTS_ANSWER
from ..models.heads import Head
from ..tasks.recipe import Recipe
from ..training.device import resolve_precision

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset


def arguments(options: dict[str, Any], **settings: Any) -> transformers.TrainingArguments:
    """Return training arguments that save and report nothing; `options` take precedence over `settings`."""
    return transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.accelerator.is_available(),
        **(settings | options),
    )


def recipe_arguments(recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return a recipe as training arguments."""
    return {
        "per_device_train_batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "num_train_epochs": recipe.epochs,
        "warmup_steps": recipe.warmup,
        "weight_decay": recipe.weight_decay,
        "adam_beta1": recipe.beta1,
        "adam_beta2": recipe.beta2,
        "adam_epsilon": recipe.eps,
        "max_grad_norm": recipe.max_grad_norm,
        "lr_scheduler_type": recipe.schedule,
        "seed": seed,
    }


def best_options(precision: str, batch_size: int) -> dict[str, Any]:
    """Return the flags that make the `Trainer` fastest: half precision, rows sorted by length, and larger batches."""
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    resolved = resolve_precision(precision, device)
    return {
        "bf16": resolved == "bf16",
        "fp16": resolved == "fp16",
        "train_sampling_strategy": "sequential",  # the rows are in the order of `group_by_length` already
        "per_device_eval_batch_size": batch_size,
    }


class CountingCollator:
    """Collates rows, and counts the computed tokens.

    Args:
        inner: a collator of transformers.
    """

    def __init__(self, inner: Any) -> None:
        self.inner, self.computed = inner, 0

    def __call__(self, features: list[dict[str, Any]]) -> Any:
        """Collate rows."""
        batch = self.inner(features)
        self.computed += batch["input_ids"].numel()
        return batch


class Collator(CountingCollator):
    """Pads each batch to its longest sequence, as the collators of transformers do, and counts the computed tokens.

    Args:
        head: the kind of head.
        tokenizer: the tokenizer, which knows how to pad.
    """

    def __init__(self, head: Head, tokenizer: Any) -> None:
        super().__init__(getattr(transformers, head.data_collator)(tokenizer))


def plain_rows(head: Head, tokenizer: Any, encoded: Dataset) -> Dataset:
    """Return encoded rows as the example scripts hold them: one row per sequence, with its length.

    Each window of a long sentence is a row of its own; the options of a question stay together in one row. As the
    collator of transformers takes questions with equally many options only, missing ones are filled with one token.
    """
    from datasets import Dataset

    names = ["input_ids"] + ["token_type_ids"] * ("token_type_ids" in tokenizer.model_input_names)
    targets = ("start_positions", "end_positions") if head.finds_spans else ("labels",)
    columns: dict[str, list[Any]] = {name: [] for name in (*names, *targets, "length")}
    items: list[Any] = list(encoded)
    options = max(len(item["input_ids"]) for item in items)
    for item in items:
        whole = head.per_option
        for name in names:
            missing = [item[name][0][:1]] * (options - len(item[name]))
            columns[name] += [item[name] + missing] if whole else item[name]
        if head.finds_spans:
            for name, flag in zip(targets, (STARTS_ANSWER, ENDS_ANSWER), strict=True):
                columns[name] += [[bool(label & flag) for label in window].index(True) for window in item["labels"]]
        else:
            columns["labels"] += item["labels"] if head.per_word else [item["labels"]]
        lengths = [len(sequence) for sequence in item["input_ids"]]
        columns["length"] += [max(lengths)] if whole else lengths
    return Dataset.from_dict(columns)


def train(model: Any, settings: transformers.TrainingArguments, collate: CountingCollator, rows: Dataset) -> float:
    """Train a model, and return the seconds from the first batch to the last."""
    clock = _Clock()
    _trainer(model, settings, collate, rows, [clock]).train()
    return clock.seconds


def predict(model: Any, settings: transformers.TrainingArguments, collate: Collator, rows: Dataset) -> np.ndarray:
    """Return the logits of all rows, padded with -100 to one width (a pair of arrays for a head that finds spans)."""
    found: Any = _trainer(model, settings, collate, rows, []).predict(rows)  # type: ignore[arg-type]
    return found.predictions


def _trainer(model: Any, settings: Any, collate: CountingCollator, rows: Dataset, callbacks: list[Any]) -> Any:
    trainer = transformers.Trainer(
        model=model, args=settings, train_dataset=rows, data_collator=collate, callbacks=callbacks
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


class _Clock(transformers.TrainerCallback):
    """Measures the time of a training without its preparation."""

    seconds = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.seconds = -time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.seconds += time.perf_counter()
