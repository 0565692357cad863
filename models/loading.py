"""Loading and saving of models: no custom code, no unrestricted pickles, always float32 weights."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError, RunError, first_of
from .config_checks import read_config, require_weights_of_size
from .heads import Head
from .layers import initialise_anew
from .library import quiet_transformers, reading_model
from .sources import ModelSource, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_log = logging.getLogger(__name__)

# The names that the supported architectures give to their dropout rates.
_DROPOUT = ("hidden_dropout_prob", "dropout", "embedding_dropout", "mlp_dropout")
_ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
_HEAD_DROPOUT = ("classifier_dropout", "seq_classif_dropout", "pooler_dropout", "summary_last_dropout")


@dataclass(frozen=True)
class ModelInfo:
    """The facts about a model that are known before its weights are read.

    Attributes:
        source: where the model lies.
        model_type: the architecture, e.g. `bert`.
        hidden_size: width of the encoder.
        max_positions: length of the longest sequence that the model accepts, special tokens included; None if
            unlimited.
        layers: number of layers; None if the configuration does not say it.
        parameters: number of parameters of the encoder without a head.
        dropout: hidden dropout rate of its configuration.
        attention_dropout: attention dropout rate of its configuration.
    """

    source: ModelSource
    model_type: str
    hidden_size: int
    max_positions: int | None
    layers: int | None
    parameters: int
    dropout: float
    attention_dropout: float

    @property
    def dropouts(self) -> dict[str, float]:
        """The checkpoint's own values of the two dropout settings of a recipe."""
        return {"dropout": self.dropout, "attention_dropout": self.attention_dropout}


def inspect_model(source: ModelSource) -> ModelInfo:
    """Read a model's configuration and shape, without its weights.

    Raises:
        RequestError: the configuration cannot be used, or the architecture needs custom code.
    """
    import torch
    from transformers import AutoModel

    config = read_config(source.path)
    with reading_model(source.path), torch.device("meta"):
        encoder = AutoModel.from_config(config, trust_remote_code=False)
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    require_weights_of_size(source.path, parameters)
    return ModelInfo(
        source=source,
        model_type=config.model_type,
        hidden_size=int(config.hidden_size),
        max_positions=max_positions(encoder, config),
        layers=getattr(config, "num_hidden_layers", None),
        parameters=parameters,
        dropout=_first(config, _DROPOUT),
        attention_dropout=_first(config, _ATTENTION_DROPOUT),
    )


def load_model(
    path: Path,
    head: Head,
    labels: tuple[str, ...],
    *,
    fine_tuned: bool,
    dropout: float | None = None,
    attention_dropout: float | None = None,
) -> PreTrainedModel:
    """Load a model with a head. Its parameters are float32, whatever the files hold.

    Args:
        path: the model folder.
        head: the kind of head.
        labels: names of the labels, which are saved in the configuration; empty if the task has no label set.
        fine_tuned: True if the weights must hold the head too; False if the head starts at random, unless the weights
            hold one with the same labels, which is kept and said in the log.
        dropout: replaces all hidden dropout rates of the configuration, unless None.
        attention_dropout: replaces the attention dropout rate of the configuration, unless None.

    Raises:
        RequestError: the architecture lacks this head, the weights are unreadable, or weights are missing or of another
            shape. Before fine-tuning, the weights of the head and of the pooler may be missing.
    """
    import torch
    import transformers

    config = read_config(path)
    before = tuple((config.id2label or {}).values())
    if not fine_tuned:
        _describe_head(config, head, labels)
    set_dropout(config, dropout, attention_dropout)
    weight_files(path)
    with reading_model(path):
        model, loaded = getattr(transformers, head.auto_class).from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=True,
            weights_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    _check_keys(path, model, loaded, fine_tuned=fine_tuned)
    if not fine_tuned:
        _begin_head(path, model, loaded, same_labels=not labels or before == labels)
    if fine_tuned and labels and tuple(model.config.id2label[index] for index in range(len(labels))) != labels:
        raise RequestError(f"{path}: its labels are not those of the task ({', '.join(labels)})")
    return model


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save a model as safetensors with its configuration and tokenizer, so that `transformers` alone can open it.

    Raises:
        RunError: the files cannot be written.
        OSError: the files cannot be written.
    """
    try:
        with quiet_transformers():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:
        # Libraries written in Rust report a full disk by an exception of their own, whose text quotes the system's
        # error.
        if "os error" not in str(error):
            raise
        raise RunError(f"{folder}: the model cannot be saved ({error})") from error


def _describe_head(config: PreTrainedConfig, head: Head, labels: tuple[str, ...]) -> None:
    if names := labels or head.default_labels:
        config.id2label = dict(enumerate(names))
        config.label2id = {name: index for index, name in enumerate(names)}
    config.problem_type = head.problem_type


def _begin_head(path: Path, model: Any, loaded: dict[str, Any], *, same_labels: bool) -> None:
    """Keep the head of a checkpoint that was fine-tuned before only if its outputs mean the same."""
    absent = {*loaded["missing_keys"], *(item[0] for item in loaded["mismatched_keys"])}
    own = [name for name, _ in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")]
    if not own or absent & set(own):
        return  # The head, or a part of it, has been drawn at random.
    if same_labels:
        _log.warning("%s: its weights hold a head for these labels, with which the training begins", path)
        return
    _log.warning("%s: its weights hold a head for other labels; the head begins at random", path)
    for name, child in model.named_children():
        if name != model.base_model_prefix:
            initialise_anew(model, child)


def set_dropout(config: Any, dropout: float | None, attention_dropout: float | None) -> None:
    """Replace the hidden dropout rates of a configuration and that of attention, unless None."""
    for names, value in ((_DROPOUT + _HEAD_DROPOUT, dropout), (_ATTENTION_DROPOUT, attention_dropout)):
        for name in names:
            if value is not None and hasattr(config, name):
                setattr(config, name, value)


def _first(config: Any, names: tuple[str, ...]) -> float:
    return next((float(value) for name in names if (value := getattr(config, name, None)) is not None), 0.0)


def position_offset(encoder: Any) -> int:
    """Return the number of a sequence's first position. RoBERTa and its relatives count from the padding index + 1."""
    table = _position_table(encoder)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def _position_table(encoder: Any) -> Any:
    tables = (module for name, module in encoder.named_modules() if name.endswith("position_embeddings"))
    return next((table for table in tables if hasattr(table, "num_embeddings")), None)


def max_positions(encoder: Any, config: Any) -> int | None:
    """Return the number of tokens of the longest sequence that an encoder accepts, or None if nothing limits it."""
    table = _position_table(encoder)
    if table is not None:
        return table.num_embeddings - position_offset(encoder)
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else None


def _check_keys(path: Path, model: Any, loaded: dict[str, Any], *, fine_tuned: bool) -> None:
    mismatched = [item[0] if isinstance(item, tuple | list) else str(item) for item in loaded["mismatched_keys"]]
    absent = sorted({*loaded["missing_keys"], *mismatched})
    if fine_tuned:
        refused = absent
    else:
        prefix = f"{model.base_model_prefix}."
        refused = [key for key in absent if key.startswith(prefix) and ".pooler." not in key]
        for key in absent:
            if ".pooler." in key:
                _log.warning("%s: %s is not in the weights and starts at random", path, key)
    if refused:
        what = "not a fine-tuned model of this task" if fine_tuned else "not a whole encoder"
        raise RequestError(f"{path}: {what}: missing from its weights or of another shape: {first_of(refused)}")
