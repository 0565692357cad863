"""The vocabulary of a model that begins from scratch, made from its corpus."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from .cached import cached_folder
from .corpus import LinkedCorpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_log = logging.getLogger(__name__)

POSITIONS = 512  # of the longest sequence
_VERSION = 1  # of how a vocabulary is made
_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_LETTERS = 1000  # as in the library


def tokenizer_of(corpus: LinkedCorpus, size: int) -> PreTrainedTokenizerFast:
    """Return a WordPiece tokenizer in lower case, as BERT's, from the texts of a corpus.

    It is made once, and kept in linkbert's cache.

    Args:
        corpus: the corpus.
        size: number of word pieces, special tokens included; more if the corpus has so many letters.
    """
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    made_of = f"{_VERSION} {tokenizers.__version__} {corpus.report['texts_sha256']} {size}"
    folder = cached_folder(
        "vocabulary-", made_of, lambda staged: make_vocabulary(corpus, size).save(str(staged / "tokenizer.json"))
    )
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        model_max_length=POSITIONS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **_SPECIAL,
    )


def make_vocabulary(corpus: LinkedCorpus, size: int) -> Any:
    """Make the tokenizer of a corpus: always the same one.

    The library numbers the pieces of single letters in an order that changes with each process, and with it the choice
    between pairs of pieces that are equally frequent. They are therefore given to it in alphabetical order, as if they
    were special tokens, and the tokenizer is made from the vocabulary afterwards.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    _log.info("making a vocabulary of at most %d word pieces from the corpus", size)
    special: Any = _SPECIAL
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
    return made


def _letters(corpus: LinkedCorpus, normalizer: Any) -> list[str]:
    """Return the most frequent characters of a corpus, in the order of their code points."""
    counts: Counter[str] = Counter()
    for text in corpus.texts():
        counts.update(normalizer.normalize_str(text))
    ordered = sorted(
        (letter for letter in counts if not letter.isspace()), key=lambda letter: (-counts[letter], letter)
    )
    return sorted(ordered[:_LETTERS])
