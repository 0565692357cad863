"""The encoder without a head: its last hidden states, pooled or not, by the same code that scores heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from ..errors import RequestError
from .head_functions import Batch, class_index, per_example
from .heads import Head
from .library import reading_model
from .sources import weight_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Pooling = Literal["cls", "mean", "none"]
POOLINGS: tuple[str, ...] = get_args(Pooling)


def features_head(pooling: Pooling) -> Head:
    """Return what predicts the features of texts.

    Args:
        pooling: `cls` for the state of the first token, `mean` for the mean over all tokens of a text (special tokens
            included, as in sentence-transformers), `none` for the states of all tokens.
    """
    return Head(
        "features",
        "AutoModel",
        "DataCollatorWithPadding",
        _no_loss,
        _no_loss,
        {"cls": per_example, "mean": _mean, "none": _all}[pooling],
        class_index,
        logits=_first_states if pooling == "cls" else _states,
        every_token=pooling != "cls",
        default_labels=(),
        pipeline_tag="feature-extraction",
    )


def load_encoder(path: Path) -> PreTrainedModel:
    """Load a model without its head, in float32 and without a pooler.

    Raises:
        RequestError: the weights are unreadable, or parts of the encoder are missing.
    """
    from transformers import AutoModel

    return load_whole(path, AutoModel)[0]


def load_whole(
    path: Path, auto_class: Any, prefix: str = "", *, config: Any = None
) -> tuple[PreTrainedModel, list[str]]:
    """Load a model in float32, all of whose encoder but the pooler must be in the weights.

    Args:
        path: the model folder.
        auto_class: the class of `transformers` that loads it.
        prefix: with which the names of the encoder's weights begin, if the model has more than an encoder.
        config: its configuration; that of the folder if None.

    Returns:
        The model, and the names of further weights that are missing, and therefore random.

    Raises:
        RequestError: the weights are unreadable, or parts of the encoder are missing.
    """
    import torch

    weight_files(path)
    with reading_model(path):
        model, loaded = auto_class.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            trust_remote_code=False,
            local_files_only=True,
            weights_only=True,
            output_loading_info=True,
        )
    missing = [key for key in loaded["missing_keys"] if key.startswith(prefix) and "pooler" not in key]
    if missing:
        raise RequestError(f"{path}: not a whole encoder: missing from its weights: {', '.join(sorted(missing)[:5])}")
    return model, [key for key in loaded["missing_keys"] if not key.startswith(prefix)]


def _no_loss(*arguments: Any) -> torch.Tensor:
    raise NotImplementedError("features are not trained")


def _states(output: Any, sequences: np.ndarray) -> torch.Tensor:
    return output.last_hidden_state


def _first_states(output: Any, sequences: np.ndarray) -> torch.Tensor:
    return output.last_hidden_state[:, 0]


def _all(states: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    values = states.float().cpu().numpy().reshape(-1, states.shape[-1])[batch.token_positions]
    return np.split(values, np.cumsum(batch.lengths)[:-1])


def _mean(states: torch.Tensor, batch: Batch) -> list[np.ndarray]:
    return [values.mean(axis=0) for values in _all(states, batch)]
