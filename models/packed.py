"""Run a model of `transformers` on rows of concatenated sequences, so that no token is padding."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, PreTrainedModel

from .first_tokens import narrowed_last_layer
from .heads import Head
from .kernels import Dropout, Kernels
from .loading import position_offset
from .packed_attention import NAME, KeysAndValues, packed_attention
from .packed_disentangled import DisentangledRows, packed_disentangled_attention
from .packed_row import PackedRow, pack, packed_inputs

_log = logging.getLogger(__name__)

_PROBE_LENGTHS = (7, 3, 11, 2)
_PROBE_OPTIONS = 2
# Float32 sums in another order differ by about 1e-6 of their size; a wrong mask or position changes them by far more.
_PROBE_TOLERANCE = 1e-4


@contextmanager
def running_packed(model: PreTrainedModel, kernels: Kernels | None = None) -> Iterator[None]:
    """Let a model accept `packed_inputs` while the block runs; afterwards the model is unchanged.

    Three things are changed for that time: the attention function, two hooks on the encoder (one replaces its inputs by
    the packed row, the other picks the positions that the head reads), and, with `kernels`, the dropout layers. The
    model's own code is untouched, so that this works for every architecture whose attention goes through the
    attention interface of `transformers`.

    Args:
        model: a model of `transformers` with a head.
        kernels: elementwise passes that replace the model's dropout layers (for training on CPUs), or None.
    """
    AttentionInterface.register(NAME, packed_attention)
    base, implementation = model.base_model, model.config._attn_implementation or "eager"
    # A head that reads the mean of all tokens needs all of them from the last layer.
    averaged = getattr(model.config, "classifier_pooling", None) == "mean" and base is not model
    with ExitStack() as undo:
        disentangled = undo.enter_context(packed_disentangled_attention(base))
        if disentangled is None:
            undo.callback(model.set_attn_implementation, implementation)
            model.set_attn_implementation(NAME)
        hooks = _Hooks(position_offset(base), kernels, disentangled, averaged)
        undo.callback(model.register_forward_pre_hook(hooks.note, with_kwargs=True).remove)
        undo.callback(base.register_forward_pre_hook(hooks.unfold, with_kwargs=True).remove)
        undo.callback(base.register_forward_hook(hooks.gather, with_kwargs=True).remove)
        hooks.narrowed = not averaged and undo.enter_context(narrowed_last_layer(base))
        if kernels is not None:
            undo.enter_context(_own_dropout(model, kernels))
        yield


@dataclass
class _Hooks:
    """The hooks of a model that runs packed.

    Attributes:
        first_position: the number of a sequence's first position.
        kernels: elementwise passes for CPUs, or None.
        disentangled: where DeBERTa's attention layers look for the layout; None for other architectures.
        averaged: whether the head reads the mean of all tokens.
        narrowed: whether the last layer computes first tokens alone.
        row: the row that is being computed.
    """

    first_position: int
    kernels: Kernels | None
    disentangled: DisentangledRows | None
    averaged: bool
    narrowed: bool = False
    row: PackedRow | None = None

    def note(self, module: Any, arguments: tuple, keywords: dict[str, Any]) -> None:
        """Keep the row before the model runs: some models do not pass unknown keywords on to their encoder."""
        self.row = keywords["packed"]

    def unfold(self, module: Any, arguments: tuple, keywords: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Replace the inputs of the encoder by the packed row."""
        row = self.row
        assert row is not None
        if self.disentangled is not None:
            self.disentangled.layout = row.layout
        inputs = {"input_ids": row.input_ids, "position_ids": row.position_ids + self.first_position}
        if row.token_type_ids is not None:
            inputs["token_type_ids"] = row.token_type_ids
        return (), inputs | {
            "return_dict": True,
            "layout": row.layout,
            "kernels": self.kernels,
            "every_token": row.every_token,
            "full_sequence": KeysAndValues(),
        }

    def gather(self, module: Any, arguments: tuple, keywords: dict[str, Any], output: Any) -> Any:
        """Pick the positions that the head reads from the output of the encoder."""
        if keywords["every_token"]:
            if self.row is not None and self.row.read is not None:
                output.last_hidden_state = output.last_hidden_state.index_select(1, self.row.read)
            return output
        states, layout = output.last_hidden_state[0], keywords["layout"]
        if self.averaged:
            lengths = layout.offsets.diff().long()
            states = torch.segment_reduce(states[: layout.lengths.sum()], "mean", lengths=lengths)
        elif not self.narrowed:
            states = states.index_select(0, layout.offsets[:-1].long())
        output.last_hidden_state = states.unsqueeze(1)
        if output.get("pooler_output") is not None:
            output.pooler_output = module.pooler(output.last_hidden_state)
        return output


@contextmanager
def _own_dropout(model: torch.nn.Module, kernels: Kernels) -> Iterator[None]:
    replaced = [
        (parent, name, child)
        for parent in list(model.modules())
        for name, child in parent.named_children()
        if type(child) is torch.nn.Dropout
    ]
    for parent, name, child in replaced:
        setattr(parent, name, Dropout(child.p, kernels).train(child.training))
    try:
        yield
    finally:
        for parent, name, child in replaced:
            setattr(parent, name, child.train(parent.training))


def can_pack(model: PreTrainedModel, head: Head) -> bool:
    """Return whether the model gives the same logits for a few sequences packed as for the same sequences padded.

    Some architectures ignore position ids or apply masks of their own. Instead of a list of names, each model is tried.

    Args:
        model: a model with a head, in float32.
        head: the kind of its head.
    """
    lengths = np.array((*_PROBE_LENGTHS, *_beyond_window(model.config)))
    generator = np.random.default_rng(0)
    ids = generator.integers(0, model.config.vocab_size, int(lengths.sum()))
    # Inside a padded batch, the padding token would be masked, and some models would shift positions after it.
    ids = np.where(ids == model.config.pad_token_id, (ids + 1) % model.config.vocab_size, ids)
    options = _PROBE_OPTIONS if head.per_option else None
    sequences = np.full(len(lengths) // (options or 1), options or 1)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast(model.device.type, enabled=False):
            padded = head.logits(_probe_padded(model, ids, lengths, options), sequences)
            with running_packed(model):
                row = pack(ids, None, lengths, model.config.num_attention_heads, every_token=head.every_token)
                packed = head.logits(model(**packed_inputs(row.to(model.device), options)), sequences)
    except (NotImplementedError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        _log.debug("%s cannot run packed: %s", model.config.model_type, error)
        return False
    finally:
        model.train(training)
    if head.every_token:
        packed = packed[0, : len(ids)]
        padded = torch.cat([rows[:length] for rows, length in zip(padded, lengths, strict=True)])
    difference = (packed.flatten() - padded.flatten()).abs().max()
    return bool(difference <= _PROBE_TOLERANCE * padded.abs().max().clamp(min=1))


def _beyond_window(config: Any) -> tuple[int, ...]:
    """Return the lengths of two more sequences that are longer than the attention window of a model, if it has one."""
    window = getattr(config, "sliding_window", None)
    longest = getattr(config, "max_position_embeddings", None)
    if not isinstance(window, int):
        return ()
    length = 2 * window + 5
    return (length, length - 3) if longest is None or length <= longest else (longest, longest - 1)


def _probe_padded(model: PreTrainedModel, ids: np.ndarray, lengths: np.ndarray, options: int | None) -> Any:
    shape = (len(lengths), int(lengths.max()))
    inside = np.arange(shape[1]) < lengths[:, None]
    padded = np.full(shape, model.config.pad_token_id or 0)
    padded[inside] = ids
    inputs = {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(inside).long()}
    if options:
        inputs = {name: tensor.view(-1, options, shape[1]) for name, tensor in inputs.items()}
    return model(**{name: tensor.to(model.device) for name, tensor in inputs.items()})
