"""The model and the tokenizer with which a pretraining begins."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from ..models.config_checks import read_config
from ..models.loading import set_dropout
from ..models.sources import find_model, weights_sha256
from ..models.tokenizer_loading import load_tokenizer
from .corpus import LinkedCorpus
from .objective import load_for_pretraining, new_model
from .options import SIZES, PretrainOptions

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_log = logging.getLogger(__name__)
_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_POSITIONS = 512
_LETTERS = 1000  # as in the library


@dataclass(frozen=True)
class Start:
    """What a pretraining begins with.

    Attributes:
        name: the model's name, for paths.
        path: its folder; None from scratch.
        config: its configuration.
        tokenizer: its tokenizer.
        weights_sha256: SHA-256 of its weights; None from scratch.
    """

    name: str
    path: Path | None
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerFast
    weights_sha256: str | None

    def model(self) -> PreTrainedModel:
        """Load the model, or make it with weights from torch's generator."""
        return new_model(self.config) if self.path is None else load_for_pretraining(self.path, self.config)

    def identity(self) -> dict[str, Any]:
        """Return what makes two starts the same."""
        config = self.config.to_diff_dict()
        config.pop("transformers_version", None)
        tokenizer = hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        return {"weights": self.weights_sha256, "configuration": config, "tokenizer": tokenizer}

    @property
    def longest(self) -> int:
        """Number of word pieces of the longest sequence that the model accepts."""
        return longest_sequence(self.config)


def longest_sequence(config: PreTrainedConfig) -> int:
    """Return the number of word pieces of the longest sequence that a model accepts."""
    positions = getattr(config, "max_position_embeddings", None) or _POSITIONS
    # RoBERTa counts positions from the padding index + 1.
    return positions - (2 if config.model_type in ("roberta", "camembert", "xlm-roberta") else 0)


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
        return Start(
            source.name, source.path, read_config(source.path), load_tokenizer(source.path, words=False),
            weights_sha256(source.path),
        )  # fmt: skip
    if options.tokenizer is not None:
        tokenizer = load_tokenizer(find_model(str(options.tokenizer)).path, words=False)
    else:
        tokenizer = make_tokenizer(corpus, options.vocabulary_size)
    name = options.config if options.config in SIZES else Path(options.config or "").stem
    return Start(str(name), None, _config(options.config or "", tokenizer), tokenizer, None)


def _config(config: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    from transformers import BertConfig

    size = max(tokenizer.get_vocab().values()) + 1
    if config in SIZES:
        layers, hidden, heads, inner = SIZES[config]
        padding: Any = tokenizer.pad_token_id
        return BertConfig(
            vocab_size=size, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=inner, max_position_embeddings=_POSITIONS, pad_token_id=padding,
        )  # fmt: skip
    file = Path(config)
    if not file.is_file():
        raise RequestError(f"--config {config}: neither {', '.join(SIZES)} nor a file")
    found = read_config(file)
    if found.vocab_size < size:
        raise RequestError(f"{file}: vocab_size is {found.vocab_size}, the tokenizer has {size} word pieces")
    return found


def make_tokenizer(corpus: LinkedCorpus, size: int) -> PreTrainedTokenizerFast:
    """Make a WordPiece tokenizer in lower case, as BERT's, from the texts of a corpus: always the same one.

    The library numbers the pieces of single letters in an order that changes with each process, and with it the choice
    between pairs of pieces that are equally frequent. They are therefore given to it in alphabetical order, as if they
    were special tokens, and the tokenizer is made from the vocabulary afterwards.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    _log.info("making a vocabulary of at most %d word pieces from the corpus", size)
    special: dict[str, Any] = dict(_SPECIAL)
    normalizer, words = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    letters = _letters(corpus, normalizer)
    trained: Any = Tokenizer(models.WordPiece(unk_token=special["unk_token"]))
    trained.normalizer, trained.pre_tokenizer = normalizer, words
    first = [*special.values(), *letters, *(f"##{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=max(size, len(first)), special_tokens=first, limit_alphabet=len(letters), show_progress=False
    )
    trained.train_from_iterator(corpus.texts(), trainer)
    made: Any = Tokenizer(models.WordPiece(vocab=trained.get_vocab(), unk_token=special["unk_token"]))
    made.normalizer, made.pre_tokenizer, made.decoder = normalizer, words, decoders.WordPiece()
    ends = [(special[name], made.token_to_id(special[name])) for name in ("cls_token", "sep_token")]
    made.post_processor = processors.BertProcessing(ends[1], ends[0])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=_POSITIONS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **special,
    )


def _letters(corpus: LinkedCorpus, normalizer: Any) -> list[str]:
    """Return the most frequent characters of a corpus, in the order of their code points."""
    counts: Counter[str] = Counter()
    for text in corpus.texts():
        counts.update(normalizer.normalize_str(text))
    ordered = sorted(
        (letter for letter in counts if not letter.isspace()), key=lambda letter: (-counts[letter], letter)
    )
    return sorted(ordered[:_LETTERS])
