"""The model and the tokenizer with which a pretraining begins."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..models.config_checks import read_config
from ..models.library import reading_model
from ..models.loading import max_positions, set_dropout
from ..models.sources import find_model, weights_sha256
from ..models.tokenizer_loading import load_tokenizer
from .corpus import LinkedCorpus
from .objective import load_for_pretraining, new_model
from .options import INITIAL_SPREAD, SIZES, SMALLEST_LENGTH, PretrainOptions
from .vocabulary import POSITIONS, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast


# Ids in a configuration, and those of the tokenizer that take their place: [CLS] begins a sequence, [SEP] ends it.
_SPECIAL_IDS = {
    "bos_token_id": "cls_token_id",
    "cls_token_id": "cls_token_id",
    "eos_token_id": "sep_token_id",
    "sep_token_id": "sep_token_id",
    "mask_token_id": "mask_token_id",
}


@dataclass(frozen=True)
class Start:
    """What a pretraining begins with.

    Attributes:
        name: the model's name, for paths.
        path: its folder; None from scratch.
        config: its configuration.
        tokenizer: its tokenizer.
        weights_sha256: SHA-256 of its weights; None from scratch.
        longest: number of word pieces of the longest sequence that it accepts.
    """

    name: str
    path: Path | None
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerFast
    weights_sha256: str | None
    longest: int

    def model(self) -> PreTrainedModel:
        """Load the model, or make it with weights from torch's generator."""
        return new_model(self.config) if self.path is None else load_for_pretraining(self.path, self.config)

    def identity(self) -> dict[str, Any]:
        """Return what makes two starts the same."""
        config = self.config.to_diff_dict()
        config.pop("transformers_version", None)
        tokenizer = hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        return {"weights": self.weights_sha256, "configuration": config, "tokenizer": tokenizer}


def _longest(config: PreTrainedConfig, where: Path) -> int:
    """Return the length of the longest sequence that a model for filling masks accepts, read from its shape.

    Raises:
        RequestError: no such model can be made of the configuration, or its sequences are too short.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    with reading_model(where), torch.device("meta"):
        longest = longest_sequence(AutoModelForMaskedLM.from_config(config, trust_remote_code=False))
    if longest < SMALLEST_LENGTH:
        raise RequestError(f"{where}: leaves {longest} positions for a sequence; {SMALLEST_LENGTH} are needed at least")
    return longest


def longest_sequence(model: Any) -> int:
    """Return the number of word pieces of the longest sequence that a model with a head accepts."""
    return max_positions(model.base_model, model.config) or POSITIONS


def find_start(options: PretrainOptions, corpus: LinkedCorpus) -> Start:
    """Return the model of a request.

    Raises:
        RequestError: there is no such model or configuration, or it does not fit to the tokenizer.
    """
    start = _find_start(options, corpus)
    set_dropout(start.config, options.settings.get("dropout"), options.settings.get("attention_dropout"))
    return start


def _find_start(options: PretrainOptions, corpus: LinkedCorpus) -> Start:
    if options.start is not None:
        source = find_model(str(options.start))
        config = read_config(source.path)
        return Start(
            source.name, source.path, config, load_tokenizer(source.path, words=False), weights_sha256(source.path),
            _longest(config, source.path),
        )  # fmt: skip
    if options.tokenizer is not None:
        tokenizer = load_tokenizer(find_model(str(options.tokenizer)).path, words=False)
    else:
        tokenizer = tokenizer_of(corpus, options.vocabulary_size)
    name = options.config if options.config in SIZES else Path(options.config or "").stem
    config = _config(options.config or "", tokenizer)
    return Start(str(name), None, config, tokenizer, None, _longest(config, Path(options.config or "")))


def _config(config: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    from transformers import BertConfig

    size = max(tokenizer.get_vocab().values()) + 1
    if config in SIZES:
        layers, hidden, heads, inner = SIZES[config]
        padding: Any = tokenizer.pad_token_id
        return BertConfig(
            vocab_size=size, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=inner, max_position_embeddings=POSITIONS, pad_token_id=padding,
            initializer_range=INITIAL_SPREAD[config],
        )  # fmt: skip
    file = Path(config)
    if not file.is_file():
        raise RequestError(f"--config {config}: neither {', '.join(SIZES)} nor a file")
    found = read_config(file)
    if found.vocab_size < size:
        raise RequestError(f"{file}: vocab_size is {found.vocab_size}, the tokenizer has {size} word pieces")
    # The file was written for another tokenizer, whose special tokens may have other ids.
    found.pad_token_id = tokenizer.pad_token_id
    for name, token in _SPECIAL_IDS.items():
        if getattr(found, name, None) is not None:
            setattr(found, name, getattr(tokenizer, token))
    return found
