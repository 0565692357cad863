"""Pairs as the examples of a training: drawn anew in each epoch, and masked anew at each visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RequestError
from ..models.packed_row import pack, packed_inputs
from ..training.collation import Batch
from .masking import Masking
from .objective import targets_of
from .pairs import Pairs, PairSampler
from .segments import SPECIAL_TOKENS, Segments, WordPieces

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedTokenizerFast


@dataclass(frozen=True)
class PairFormat:
    """How pairs of segments become what a model reads.

    Attributes:
        first: id of the token before segment A.
        separator: id of the token after each segment.
        masking: how tokens are masked.
        types: whether the model tells the two segments apart by token types.
        heads: number of attention heads if batches are computed on a CPU, else None (see `packed_row.pack`).
    """

    first: int
    separator: int
    masking: Masking
    types: bool
    heads: int | None

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerFast,
        config: PreTrainedConfig,
        device: torch.device,
        *,
        whole_words: bool = False,
    ) -> PairFormat:
        """Return the format for a model.

        Args:
            tokenizer: its tokenizer.
            config: its configuration.
            device: the device on which it computes.
            whole_words: whether all pieces of a word are masked together.

        Raises:
            RequestError: the tokenizer lacks a special token.
        """
        names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        ids = [getattr(tokenizer, f"{name}_id") for name in names]
        if missing := [shown for shown, found in zip(names.values(), ids, strict=True) if found is None]:
            raise RequestError(f"the tokenizer has no {' and no '.join(missing)}, which pretraining needs")
        ordinary = np.setdiff1d(sorted(tokenizer.get_vocab().values()), tokenizer.all_special_ids)
        types = getattr(config, "type_vocab_size", 0) > 1 and "token_type_ids" in tokenizer.model_input_names
        heads = config.num_attention_heads if device.type == "cpu" else None
        return cls(ids[0], ids[1], Masking(ids[2], ordinary, whole_words), types, heads)


class PairExamples:
    """Draws pairs for each epoch, and makes batches of them. All of it follows from the seed and the epoch's number.

    Args:
        pieces: the word pieces of the corpus.
        segments: its segments.
        sampler: draws pairs of segments.
        form: how they become what the model reads.
        count: number of pairs of an epoch.
        seed: the run's seed.
        first_only: whether tokens of segment A alone are masked.
    """

    def __init__(
        self,
        pieces: WordPieces,
        segments: Segments,
        sampler: PairSampler,
        form: PairFormat,
        count: int,
        seed: int,
        *,
        first_only: bool = False,
    ) -> None:
        self.pieces, self.segments, self.sampler, self.form = pieces, segments, sampler, form
        self.count, self.seed, self.epoch = count, seed, 0
        self.first_only = first_only
        self.pairs = Pairs(*(np.zeros(0, dtype=np.int64) for _ in range(3)))

    def __len__(self) -> int:
        """Return the number of pairs of an epoch."""
        return self.count

    def begin(self, epoch: int) -> np.ndarray:
        """Draw the pairs of an epoch, and return the number of tokens of each."""
        self.epoch = epoch
        self.pairs = self.sampler.draw(self.count, self.seed, epoch)
        return self._lengths()

    def swap_second(self) -> np.ndarray:
        """Give each pair the segment B of the one before it, and return the number of tokens of each pair."""
        self.pairs = replace(self.pairs, second=np.roll(self.pairs.second, 1))
        return self._lengths()

    def may_be_random(self) -> np.ndarray:
        """Return whether the documents of each pair are two, of which that of A does not link to that of B."""
        own, other = (self.segments.documents[which] for which in (self.pairs.first, self.pairs.second))
        return (own != other) & ~self.sampler.are_linked(own, other)

    def _lengths(self) -> np.ndarray:
        return self.segments.lengths[self.pairs.first] + self.segments.lengths[self.pairs.second] + SPECIAL_TOKENS

    def batch(self, indices: np.ndarray) -> Batch:
        """Return pairs as one packed row, with the places of the tokens that are predicted."""
        parts = [self.pair(int(index)) for index in indices]
        ids, types, read, words = zip(*parts, strict=True)
        lengths = np.array([len(row) for row in ids])
        starts = np.cumsum(lengths) - lengths
        places = np.concatenate([chosen + start for chosen, start in zip(read, starts, strict=True)])
        row = pack(
            np.concatenate(ids),
            np.concatenate(types) if self.form.types else None,
            lengths,
            self.form.heads,
            every_token=True,
            read=places,
        )
        predicted = np.array([len(chosen) for chosen in read])
        targets = targets_of(np.concatenate(words), self.pairs.relation[indices], predicted)
        sequences = np.ones(len(indices), dtype=np.int64)
        computed, tokens = row.input_ids.numel(), int(lengths.sum())
        nothing: Any = None
        return Batch(
            packed_inputs(row, None), targets, nothing, nothing, sequences, lengths, np.arange(tokens), nothing,
            len(indices), tokens, computed,
        )  # fmt: skip

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the tokens of a pair as the model sees them, their types, which are predicted, and what they were."""
        generator = np.random.default_rng([self.seed, self.epoch, index])
        form = self.form
        first, second = (self._segment(int(pairs[index])) for pairs in (self.pairs.first, self.pairs.second))
        # Positions among the tokens of both segments become positions in the sequence behind one or two special tokens.
        begins = first[1] if self.first_only else np.concatenate([first[1], [True], second[1][1:]])
        chosen = form.masking.choose(begins, generator)
        places = chosen + np.where(chosen < len(first[0]), 1, 2)
        ids = np.concatenate([[form.first], first[0], [form.separator], second[0], [form.separator]]).astype(np.int64)
        originals = ids[places]
        ids[places] = form.masking.replace(originals, generator)
        types = np.repeat([0, 1], [len(first[0]) + 2, len(second[0]) + 1])
        return ids, types, places, originals

    def _segment(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        start = int(self.segments.starts[number])
        part = slice(start, start + int(self.segments.lengths[number]))
        return self.pieces.ids[part], self.pieces.begins[part]
