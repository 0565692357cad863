"""Masked language modelling plus document relation prediction (Yasunaga et al. 2022, section 4.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.nn import functional

from ..errors import RequestError
from ..models.features import load_encoder, load_whole
from ..models.heads import Batch, Head
from ..models.packed import can_pack
from ..training.model_patch import ModelPatch
from .pairs import RELATIONS

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_log = logging.getLogger(__name__)

RELATION_HEAD = "relation-head.safetensors"  # in a folder that pretraining has written


class RelationHead(torch.nn.Module):
    """Classifies the relation of two segments from the state of the first token.

    Where the encoder has a pooler (a dense layer and a tanh, as BERT's), that is used, so that it is trained and saved
    with the encoder; for other encoders the head has its own.

    Args:
        config: the encoder's configuration.
        pooled: whether the encoder has a pooler.
    """

    def __init__(self, config: Any, *, pooled: bool) -> None:
        super().__init__()
        size, spread = config.hidden_size, getattr(config, "initializer_range", 0.02)
        self.dense = None if pooled else torch.nn.Linear(size, size)
        self.classifier = torch.nn.Linear(size, len(RELATIONS))
        for layer in filter(None, (self.dense, self.classifier)):
            torch.nn.init.normal_(layer.weight, std=spread)
            torch.nn.init.zeros_(layer.bias)

    def forward(self, states: torch.Tensor, pooler: torch.nn.Module | None) -> torch.Tensor:
        """Return the logits of the relations, shape (pairs, 3), for states of first tokens, shape (pairs, hidden)."""
        if self.dense is not None:
            pooled = torch.tanh(self.dense(states))
        else:
            assert pooler is not None
            pooled = pooler(states.unsqueeze(1))
        return self.classifier(pooled)


@dataclass(frozen=True)
class Logits:
    """What the model says of a batch.

    Attributes:
        words: logits of the vocabulary at each token that is predicted, shape (predicted, vocabulary).
        relations: logits of the relations, shape (pairs, 3).
    """

    words: torch.Tensor
    relations: torch.Tensor


def targets_of(words: np.ndarray, relations: np.ndarray, predicted: np.ndarray) -> torch.Tensor:
    """Return the targets of a batch as one tensor: those of the words, then two numbers for each pair.

    Args:
        words: the id of each token that is predicted.
        relations: the class of each pair.
        predicted: the number of tokens of each pair that are predicted.
    """
    return torch.from_numpy(np.concatenate([[len(words)], words, relations, predicted]).astype(np.int64))


def _logits(output: Any, sequences: np.ndarray) -> Any:
    return Logits(output.logits[0], output.relation_logits)


def losses(logits: Logits, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross entropy of each word, and of each pair's relation, in float32."""
    words, pairs = len(logits.words), len(logits.relations)
    of_words = functional.cross_entropy(logits.words.float(), targets[1 : 1 + words], reduction="none")
    relations = targets[1 + words : 1 + words + pairs]
    return of_words, functional.cross_entropy(logits.relations.float(), relations, reduction="none")


def _loss(logits: Any, targets: torch.Tensor) -> torch.Tensor:
    """Return the sum of both losses over the words; the trainer divides it by their number.

    A pair's relation counts as often as the pair has words to predict. So both terms are means with the same weights,
    and do not depend on how a batch is cut into micro-batches.
    """
    of_words, of_pairs = losses(logits, targets)
    predicted = targets[1 + len(of_words) + len(of_pairs) :]
    return of_words.sum() + (of_pairs * predicted).sum()


def _count(targets: torch.Tensor) -> torch.Tensor:
    return targets[0]


def _outputs(logits: Any, batch: Batch) -> list[np.ndarray]:
    raise NotImplementedError("pretraining is evaluated by `evaluation.evaluate`")


def _label_type() -> Any:
    raise NotImplementedError("pairs are not encoded ahead of time")


PRETRAINING = Head(
    "pretraining",
    "AutoModelForMaskedLM",
    "DataCollatorForLanguageModeling",
    _loss,
    _count,
    _outputs,
    _label_type,
    logits=_logits,
    every_token=True,
    default_labels=(),
    pipeline_tag="fill-mask",
)


@contextmanager
def predicting_relations(model: Any) -> Iterator[None]:
    """Let a model that runs packed also return `relation_logits`, while the block runs.

    Enter this before `running_packed`, so that the hook sees the states of all tokens.
    """
    base, found = model.base_model, {}

    def read(module: Any, arguments: tuple, keywords: dict[str, Any], output: Any) -> None:
        starts = keywords["layout"].offsets[:-1].long()
        first = output.last_hidden_state[0].index_select(0, starts)
        found["logits"] = model.relation(first, getattr(module, "pooler", None))
        if output.get("pooler_output") is not None:
            output.pooler_output = None  # it belongs to the first token of the row

    def attach(module: Any, arguments: tuple, output: Any) -> Any:
        output.relation_logits = found.pop("logits")
        return output

    handles = [base.register_forward_hook(read, with_kwargs=True), model.register_forward_hook(attach)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class PretrainingPatch(ModelPatch):
    """The changes of a model while it is pretrained."""

    def _apply(self, model: PreTrainedModel) -> None:
        self._changes.enter_context(predicting_relations(model))
        super()._apply(model)


def load_for_pretraining(path: Path, config: PreTrainedConfig | None = None, *, whole: bool = False) -> PreTrainedModel:
    """Load an encoder with its masked-language head, pooler and relation head; what is not there begins at random.

    Args:
        path: the model folder.
        config: its configuration; that of the folder if None.
        whole: whether the masked-language head must be there.

    Raises:
        RequestError: the weights are unreadable or incomplete, or the architecture cannot be pretrained.
    """
    from safetensors.torch import load_file
    from transformers import AutoModelForMaskedLM

    encoder = load_encoder(path)
    loaded = load_whole(path, AutoModelForMaskedLM, f"{encoder.base_model_prefix}.", config=config)
    model: Any = loaded[0]
    missing = loaded[1]
    if missing and whole:
        raise RequestError(f"{path}: has no head that fills masks, so that it predicts no words; pretrain it first")
    if missing:
        _log.warning("%s: has no head that fills masks; it begins at random", path)
    _add_relation_head(model, getattr(encoder, "pooler", None))
    head = path / RELATION_HEAD
    if head.is_file():
        try:
            model.relation.load_state_dict(load_file(head))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise RequestError(f"{head}: not the relation head of this model ({error})") from error
    return _packable(model, path)


def new_model(config: PreTrainedConfig) -> PreTrainedModel:
    """Return a model of a configuration with random weights."""
    from transformers import AutoModel, AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_config(config, trust_remote_code=False)
    encoder = AutoModel.from_config(config, trust_remote_code=False)
    _add_relation_head(model, getattr(encoder, "pooler", None))
    return _packable(model, config.model_type)


def _add_relation_head(model: Any, pooler: torch.nn.Module | None) -> None:
    base = model.base_model
    if pooler is not None and hasattr(base, "pooler"):
        base.pooler = pooler
    model.relation = RelationHead(model.config, pooled=getattr(base, "pooler", None) is not None)


def _packable(model: Any, where: Path | str) -> Any:
    if not can_pack(model, replace(PRETRAINING, logits=_words)):
        raise RequestError(
            f"{where}: the architecture {model.config.model_type} is not computed without padding, which pretraining "
            "needs; BERT, RoBERTa, ELECTRA, DistilBERT, DeBERTa-v2 and ModernBERT are"
        )
    return model


def _words(output: Any, sequences: np.ndarray) -> torch.Tensor:
    return output.logits


def take_relation_head(model: Any) -> dict[str, torch.Tensor]:
    """Remove the relation head from a model, so that the model is one of `transformers` again; return its weights."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.relation.state_dict().items()}
    del model.relation
    return weights
