"""Loading the tokenizer of a model folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from .config_checks import read_config
from .library import reading_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# A text with words, digits and signs, which a damaged tokenizer fails to encode.
_PROBE = "Mutations of BRCA1, 5.2% of them (p < 0.05)."


def load_tokenizer(path: Path, *, words: bool) -> PreTrainedTokenizerFast:
    """Load the fast tokenizer of a model folder.

    Args:
        path: the model folder.
        words: whether the tokenizer will be given lists of words instead of texts. Byte-level tokenizers then need a
            space before each word.

    Raises:
        RequestError: there is no tokenizer, it has no fast version, or it does not belong to the model.
    """
    from transformers import AutoTokenizer

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    with reading_model(path):
        tokenizer = AutoTokenizer.from_pretrained(path, **options)
        if words and getattr(tokenizer, "is_fast", False) and _needs_prefix_space(tokenizer):
            tokenizer = AutoTokenizer.from_pretrained(path, add_prefix_space=True, **options)
            _add_prefix_space(tokenizer.backend_tokenizer.pre_tokenizer)
        # When a tokenizer is saved, the names of its chat templates become file names.
        tokenizer.chat_template = None
        tokenizer(_PROBE)
    if not getattr(tokenizer, "is_fast", False):
        raise RequestError(f"{path}: its tokenizer has no fast version, which the alignment of words needs")
    if tokenizer.pad_token_id is None:
        raise RequestError(f"{path}: its tokenizer has no padding token; add one to tokenizer_config.json")
    # Without the vocabulary file, transformers makes a tokenizer that encodes every word as unknown.
    if not tokenizer.get_vocab().keys() - set(tokenizer.all_special_tokens):
        raise RequestError(f"{path}: its tokenizer has no words; tokenizer.json or the vocabulary file is missing")
    size = read_config(path).vocab_size
    # This check comes before the vocabulary is ever saved: saving reserves memory for each id up to the largest one.
    if (largest := max(tokenizer.get_vocab().values(), default=0)) >= size:
        raise RequestError(
            f"{path}: its tokenizer has ids up to {largest}, its embeddings {size} rows: they do not belong together"
        )
    # Some tokenizer files carry a truncation and padding of their own; here the recipe decides about lengths.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def _byte_levels(pre_tokenizer: Any) -> Iterator[Any]:
    from tokenizers.pre_tokenizers import ByteLevel, Sequence

    if isinstance(pre_tokenizer, ByteLevel):
        yield pre_tokenizer
    elif isinstance(pre_tokenizer, Sequence):
        for part in pre_tokenizer:  # type: ignore[attr-defined]
            yield from _byte_levels(part)


def _needs_prefix_space(tokenizer: Any) -> bool:
    return any(not part.add_prefix_space for part in _byte_levels(tokenizer.backend_tokenizer.pre_tokenizer))


def _add_prefix_space(pre_tokenizer: Any) -> None:
    # Some tokenizer classes ignore the option `add_prefix_space`; their pre-tokenizer is changed directly.
    for part in _byte_levels(pre_tokenizer):
        part.add_prefix_space = True
