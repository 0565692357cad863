"""The training loop for every task, to be read from top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..errors import RequestError, RunError
from ..models.heads import Head
from ..models.kernels import Kernels, usable
from ..models.vocabulary import Vocabulary
from ..tasks.recipe import Recipe
from .checkpoints import Checkpoints
from .data_loader import Update, UpdateLoader
from .device import device_name, is_out_of_memory, memory_mb, token_budget
from .encoded_rows import lengths_of, token_ids_of
from .examples import EncodedExamples, Examples
from .host_memory import HostMemory, trim_function
from .meter import Cost, Meter
from .model_patch import ModelPatch, frozen_garbage
from .optimization import make_optimizer, make_scheduler
from .predictor import Predictor
from .reporters import Reporter
from .resuming import Resumable, TrainingState
from .sampling import MicroBatchSize, epoch_batches
from .state import Stateful
from .steps import StepPlan, plan_steps
from .stopping import Stopped, between_updates

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Compiling the passes of `Kernels` takes some 20 seconds and then saves about 40 microseconds per token.
TOKENS_WORTH_COMPILING = 500_000

EndOfEpoch = Callable[["PreTrainedModel", int], Mapping[str, float]]


class Trainer(Predictor):
    """Trains models with one kind of head, and predicts with them.

    Args:
        head: the kind of head.
        tokenizer: the model's tokenizer.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        reporters: are told how training and scoring proceed.
        compile_passes: whether elementwise passes of training on CPUs are compiled; None for long trainings only.
        deterministic: whether algorithms that sum in any order are refused (see `Predictor.working`).
    """

    def __init__(
        self,
        head: Head,
        tokenizer: PreTrainedTokenizerFast,
        precision: str = "auto",
        reporters: Sequence[Reporter] = (),
        *,
        compile_passes: bool | None = None,
        deterministic: bool = False,
    ) -> None:
        super().__init__(head, tokenizer, precision, reporters, deterministic=deterministic)
        self.compile_passes = compile_passes
        self.host_memory = HostMemory(trim_function() if self.device.type == "cpu" else None)

    def fit(
        self,
        model: PreTrainedModel,
        dataset: Dataset,
        recipe: Recipe,
        *,
        max_steps: int | None = None,
        per_device: int | None = None,
        **further: Any,
    ) -> tuple[PreTrainedModel, Cost]:
        """Train `model` on encoded rows. For `further` arguments, and what is returned, see `fit_examples`."""
        steps = plan_steps(recipe, len(dataset), max_steps)
        self.check_batch(recipe, per_device)
        self.move(model)
        lengths = lengths_of(dataset)
        patch = self._patch_for(model, dataset, recipe, tokens=int(lengths.mean() * recipe.batch_size * steps.total))
        collate = self.collator(model, packed=patch.packed, vocabulary=patch.vocabulary)
        examples = EncodedExamples(dataset, lengths, collate)
        return self.fit_examples(model, examples, recipe, patch, max_steps=max_steps, per_device=per_device, **further)

    def fit_examples(
        self,
        model: PreTrainedModel,
        examples: Examples,
        recipe: Recipe,
        patch: ModelPatch,
        *,
        seed: int,
        max_steps: int | None = None,
        per_device: int | None = None,
        end_of_epoch: EndOfEpoch | None = None,
        checkpoints: Checkpoints | None = None,
        parts: Mapping[str, Stateful] | None = None,
    ) -> tuple[PreTrainedModel, Cost]:
        """Train `model`; return it with what the training cost.

        The loss of an update is the sum over its labelled words or examples divided by their number, however it is cut.

        Args:
            model: the model with a head, on this trainer's device.
            examples: what it is trained on.
            recipe: the settings.
            patch: changes of the model while it is trained.
            seed: with the number of the epoch, it determines the order of examples.
            max_steps: ends the run, and its schedule, after this many updates, unless None.
            per_device: examples per micro-batch; chosen by memory if None.
            end_of_epoch: called with the model and the number of epochs done; returns scores by name.
            checkpoints: where the state is kept, and where an earlier training continues; None to keep nothing.
            parts: further state that belongs into the checkpoints, by name.

        Raises:
            RequestError: the last checkpoint belongs to another run.
            RunError: the loss is not finite, memory is exhausted, or a checkpoint cannot be written.
            Stopped: a signal asked for it; a checkpoint was written.
        """
        steps = plan_steps(recipe, len(examples), max_steps)
        loader = self._loader(model, examples, per_device)
        with patch.applied(model):
            state = self._state(model, recipe, steps, loader, parts or {})
            resumable = Resumable(state, checkpoints, steps.total)
            resumable.begin(patch.conditions())
            try:
                for epoch in range(state.epochs, steps.epochs):
                    lengths = loader.begin(epoch)
                    by_length = lengths if recipe.group_by_length else None
                    batches = epoch_batches(len(examples), recipe.batch_size, seed, epoch, by_length)
                    first = epoch * steps.per_epoch
                    self._train_epoch(
                        state, resumable, patch, recipe, batches[state.updates - first : steps.total - first]
                    )
                    self._end_epoch(state, resumable, patch, epoch + 1, end_of_epoch)
            except Stopped as stopped:
                if not stopped.at_once:
                    resumable.save()
                raise
        self.exact = state.exact
        if self.processes > 1:
            self.accelerator.unwrap_model(state.wrapped, keep_fp32_wrapper=False)
        return model, state.meter.cost(micro_batch=str(loader.size), halvings=loader.halvings)

    def _train_epoch(
        self,
        state: TrainingState,
        resumable: Resumable,
        patch: ModelPatch,
        recipe: Recipe,
        batches: list[np.ndarray],
    ) -> None:
        state.model.train()
        with frozen_garbage(), between_updates(alone=self.processes == 1):
            for update in state.loader.updates(batches):
                loss = self._update_within_memory(state, patch, update, recipe.max_grad_norm)
                rate = float(state.scheduler.get_last_lr()[0])
                # With fp16, an update whose gradients overflow is skipped, and does not count for the schedule.
                if not self.accelerator.optimizer_step_was_skipped:
                    state.scheduler.step()
                state.updates += 1
                state.meter.add(loss, update, state.updates, rate)
                self.host_memory.after_update()
                resumable.after_update()

    def _end_epoch(
        self,
        state: TrainingState,
        resumable: Resumable,
        patch: ModelPatch,
        epoch: int,
        end_of_epoch: EndOfEpoch | None,
    ) -> None:
        state.meter.pause()
        # None of several processes may stop alone: the others would wait for its share of the predictions.
        with nullcontext() if self.processes == 1 else between_updates(alone=False):
            scores: Mapping[str, float] = {}
            if end_of_epoch is not None:
                with patch.suspended(state.model):
                    scores = end_of_epoch(state.model, epoch)
            for reporter in self.reporters:
                reporter.on_epoch(epoch, scores)
            state.epochs = epoch
            resumable.after_epoch()
        state.meter.resume()

    def _update_within_memory(
        self, state: TrainingState, patch: ModelPatch, update: Update, max_grad_norm: float
    ) -> torch.Tensor:
        """Make one update, in smaller micro-batches if memory runs out, and return its loss."""
        while True:
            stepping = False
            try:
                loss = self._backward(state.wrapped, update)
                stepping = True
                self.accelerator.clip_grad_norm_(state.wrapped.parameters(), max_grad_norm)
                state.optimizer.step()
                patch.clear_gradients(state.optimizer)
                return loss
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                # A step cannot be taken twice, and other processes would wait for this one's gradients.
                smaller = None if stepping or self.processes > 1 else state.loader.shrink(update)
                if smaller is None:
                    raise RunError(
                        f"out of memory on {device_name(self.device)} with micro-batches of {update.size}; use "
                        "--per-device-batch-size with a smaller number (the batch stays the recipe's)"
                    ) from error
                update = smaller
            patch.clear_gradients(state.optimizer)

    def _backward(self, model: PreTrainedModel, update: Update) -> torch.Tensor:
        """Accumulate the gradients of one update, and return its loss, still on the device."""
        count: Any = max(update.count, 1)
        if self.processes > 1:
            shared: Any = self.accelerator.reduce(torch.tensor(update.count, device=self.device), reduction="sum")
            count = shared.clamp(min=1)
        total = torch.zeros((), device=self.device)
        for number, (batch, weight) in enumerate(update.parts, start=1):
            if batch.labels is None:
                raise ValueError("training needs labels")
            with nullcontext() if number == len(update.parts) else self.accelerator.no_sync(model):
                with self.accelerator.autocast():
                    logits = self.head.logits(model(**batch.inputs), batch.sequences)
                loss = self.head.loss(logits, batch.labels) * (weight / count)
                # Gradients are averaged over processes, so that a sum needs the factor.
                self.accelerator.backward(loss * self.processes)
            total += loss.detach()
        return total

    def _loader(self, model: PreTrainedModel, examples: Examples, per_device: int | None) -> UpdateLoader:
        return UpdateLoader(
            examples,
            self.head,
            MicroBatchSize(token_budget(self.device, model.config), per_device),
            self.device,
            self.accelerator.process_index,
            self.processes,
        )

    def _state(
        self,
        model: PreTrainedModel,
        recipe: Recipe,
        steps: StepPlan,
        loader: UpdateLoader,
        parts: Mapping[str, Stateful],
    ) -> TrainingState:
        optimizer = self.accelerator.prepare_optimizer(make_optimizer(model, recipe, self.device))
        return TrainingState(
            accelerator=self.accelerator,
            model=model,
            wrapped=self.accelerator.prepare_model(model) if self.processes > 1 else model,
            optimizer=optimizer,
            scheduler=make_scheduler(recipe, optimizer, steps),
            loader=loader,
            meter=Meter(self.accelerator, steps, self.report, partial(memory_mb, self.device)),
            parts=parts,
            deterministic=self.deterministic,
        )

    def _patch_for(self, model: PreTrainedModel, dataset: Dataset, recipe: Recipe, tokens: int) -> ModelPatch:
        """Decide how to train a model on `tokens` tokens, counted over all epochs."""
        vocabulary = None
        packed, on_cpu = self.packs(model), self.device.type == "cpu"
        # Weight decay changes all rows of the embeddings, and in padded batches a model may recognise padding by its
        # id.
        trains_words = model.get_input_embeddings().weight.requires_grad
        if packed and recipe.weight_decay == 0 and trains_words:
            # Several processes exchange whole gradients, so that only a single one can keep a gradient in memory.
            vocabulary = Vocabulary(model, token_ids_of(dataset), keep_gradient=on_cpu and self.processes == 1)
        return ModelPatch(packed, self.kernels_for(tokens), vocabulary)

    def kernels_for(self, tokens: int) -> Kernels | None:
        """Return the operations for CPUs with which a model is trained on `tokens` tokens; None on other devices."""
        if self.device.type != "cpu":
            return None
        wanted = tokens >= TOKENS_WORTH_COMPILING if self.compile_passes is None else self.compile_passes
        return Kernels(fused=wanted and usable())

    def check_batch(self, recipe: Recipe, requested: int | None) -> None:
        """Make sure that the recipe's batch can be divided over processes and micro-batches.

        Raises:
            RequestError: it cannot.
        """
        if recipe.batch_size % self.processes:
            raise RequestError(f"a batch of {recipe.batch_size} cannot be shared by {self.processes} processes")
        share = recipe.batch_size // self.processes
        if requested is not None and share % requested:
            raise RequestError(
                f"--per-device-batch-size {requested} does not divide the {share} examples of a batch per process"
            )
