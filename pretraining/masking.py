"""Masked language modelling (Devlin et al. 2019): which tokens are predicted, and what stands in their places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE = 0.15
_MASKED, _RANDOM = 0.8, 0.1  # the rest keeps its token


@dataclass(frozen=True)
class Masking:
    """How tokens are masked.

    Attributes:
        mask_id: the id of the mask token.
        ordinary: the ids of all tokens that are not special, int64.
        whole_words: whether all pieces of a word are masked together.
    """

    mask_id: int
    ordinary: np.ndarray
    whole_words: bool = False

    def choose(self, begins: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return the positions of the tokens that are predicted, in ascending order: 15%, and one at least.

        With whole words, words are taken in a random order while they fit into that number. A word that is longer than
        the whole number is taken only if nothing else is.

        Args:
            begins: whether a word begins with each token; bool, shape (tokens,).
            generator: all that is random comes from it.
        """
        wanted = max(1, round(SHARE * len(begins)))
        if not self.whole_words:
            return np.sort(generator.permutation(len(begins))[:wanted])
        starts = np.flatnonzero(np.concatenate([[True], begins[1:]]))
        sizes = np.diff(np.append(starts, len(begins)))
        order = generator.permutation(len(starts))
        chosen: list[int] = []
        left = wanted
        for word in order:
            if sizes[word] <= left:
                chosen.append(int(word))
                left -= sizes[word]
                if not left:
                    break
        inside = np.zeros(len(begins), dtype=bool)
        for word in chosen or order[:1]:
            inside[starts[word] : starts[word] + sizes[word]] = True
        return np.flatnonzero(inside)

    def replace(self, tokens: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return what stands in the place of predicted tokens: the mask, a random token, or the token itself."""
        dice = generator.random(len(tokens))
        random = self.ordinary[generator.integers(len(self.ordinary), size=len(tokens))]
        return np.where(dice < _MASKED, self.mask_id, np.where(dice < _MASKED + _RANDOM, random, tokens))
