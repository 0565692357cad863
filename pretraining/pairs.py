"""Pairs of segments: contiguous, random or linked (Yasunaga et al. 2022, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..errors import RequestError
from .corpus import Links
from .segments import SPECIAL_TOKENS, Segments

# The order of the classes is not stated by the paper; it is that in which the paper names them.
RELATIONS = ("contiguous", "random", "linked")
CONTIGUOUS, RANDOM, LINKED = range(3)
LinkChoice = Literal["inverse-in-degree", "uniform"]
LinkedSegment = Literal["any", "first"]
_TRIES = 20
_MEASURED = 10_000  # pairs


@dataclass(frozen=True)
class PairOptions:
    """What the paper leaves open about pairs, and what it says, as options.

    Attributes:
        shares: share of each of `RELATIONS`, which sum to 1.
        link_choice: how one of several linked documents is drawn: with a probability in proportion to
            1 / its in-degree (the paper), or each with the same.
        linked_segment: which segment of a linked document is B; the paper does not say, `any` is the default.
        random_may_be_linked: whether a random document may be one to which A's document links; False by default,
            because the pair would then be two of the three classes at once. (It is if there are no others.)
    """

    shares: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    link_choice: LinkChoice = "inverse-in-degree"
    linked_segment: LinkedSegment = "any"
    random_may_be_linked: bool = False


@dataclass(frozen=True)
class Pairs:
    """Pairs of segments.

    Attributes:
        first: the number of segment A of each pair, int64.
        second: the number of segment B.
        relation: the class of each pair, an index of `RELATIONS`.
    """

    first: np.ndarray
    second: np.ndarray
    relation: np.ndarray

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first)


class PairSampler:
    """Draws pairs of segments.

    The number of pairs of each relation is its share of all pairs, rounded. Segments A of a relation are those for
    which it is possible: contiguous needs a next segment in the same document, linked needs a link. They are taken in
    a random order, each as often as the others (or once less), also over several draws. So documents without links give
    A of the other two relations, which the paper leaves open, and the shares are exact.

    Args:
        segments: the segments.
        links: the links between documents.
        options: the shares, and how B is drawn.
        firsts: which documents may give A; all if None. B of contiguous pairs are theirs too.
        seconds: which documents may give B of the other relations; all if None.
        if_possible: whether relations that are not possible for any segment are left out, instead of refused.

    Attributes:
        shares: share of each of `RELATIONS`.

    Raises:
        RequestError: a relation with a share above 0 is not possible for any segment, or none is.
    """

    def __init__(
        self,
        segments: Segments,
        links: Links,
        options: PairOptions,
        firsts: np.ndarray | None = None,
        seconds: np.ndarray | None = None,
        *,
        if_possible: bool = False,
    ) -> None:
        self.segments, self.options = segments, options
        there = segments.counts > 0
        firsts = there if firsts is None else firsts & there
        seconds = there if seconds is None else seconds & there
        sources = np.repeat(np.arange(len(there)), np.diff(links.offsets))
        used = firsts[sources] & seconds[links.targets]
        self._sources, self._targets = sources[used], np.asarray(links.targets)[used].astype(np.int64)
        self._offsets = np.searchsorted(self._sources, np.arange(len(there) + 1))
        weights = np.ones(len(self._targets))
        if options.link_choice == "inverse-in-degree":
            weights = 1 / links.in_degrees[self._targets]
        self._sums = np.concatenate([[0.0], np.cumsum(weights)])
        # Both ends of a link as one number; they are in ascending order, as the links are.
        self._known = (self._sources << 32) | self._targets
        self._pool = np.flatnonzero(seconds)
        allowed = firsts[segments.documents]
        last = np.arange(len(segments)) == segments.firsts[segments.documents + 1] - 1
        links_out = np.diff(self._offsets)[segments.documents] > 0
        self._eligible = (
            np.flatnonzero(allowed & ~last),
            np.flatnonzero(allowed) if len(self._pool) > 1 else np.zeros(0, dtype=np.int64),
            np.flatnonzero(allowed & links_out),
        )
        shares = np.array(options.shares)
        if if_possible:
            shares = shares * [len(eligible) > 0 for eligible in self._eligible]
            shares /= shares.sum() or 1
        self.shares = tuple(shares.tolist())
        self._check()

    def _check(self) -> None:
        if not sum(self.shares):
            raise RequestError("no pairs of these documents are possible; hold out more with --held-out")
        remedies = (
            "no document is long enough for two segments; leave contiguous out of --relations",
            "there is no other document that is not held out; use more documents",
            "no document links to another one in the corpus; leave linked out of --relations, or write the corpus with "
            "--links tfidf",
        )
        for name, share, eligible, remedy in zip(RELATIONS, self.shares, self._eligible, remedies, strict=True):
            if share and not len(eligible):
                raise RequestError(f"no pairs of the relation {name!r} are possible: {remedy}")

    def draw(self, count: int, seed: int, number: int = 0) -> Pairs:
        """Draw pairs, those of a relation after the other.

        Args:
            count: number of pairs.
            seed: all that is random follows from it and from `number`.
            number: how many times as many pairs were drawn before; segments A are taken in turn from where those ended.
        """
        generator = np.random.default_rng([seed, number])
        numbers = _rounded(np.array(self.shares) * count)
        relation = np.repeat(np.arange(3), numbers)
        first = np.concatenate(
            [
                _in_turn(eligible, number * wanted, wanted, [seed, index + 1])
                for index, (eligible, wanted) in enumerate(zip(self._eligible, numbers.tolist(), strict=True))
            ]
        )
        contiguous, random, linked = np.split(first, np.cumsum(numbers)[:-1])
        second = np.concatenate([contiguous + 1, self._random(random, generator), self._linked(linked, generator)])
        return Pairs(first, second, relation)

    @cached_property
    def mean_tokens(self) -> float:
        """Mean number of tokens of a pair, special tokens included, over 10,000 pairs.

        It is not twice the mean length of a segment, because segments are not drawn evenly: documents that link or are
        linked to may be longer than others.
        """
        drawn, lengths = self.draw(_MEASURED, seed=0), self.segments.lengths
        return float(lengths[drawn.first].mean() + lengths[drawn.second].mean()) + SPECIAL_TOKENS

    def _random(self, first: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        own = self.segments.documents[first]
        drawn = np.full(len(first), -1)
        missing = np.arange(len(first))
        for _ in range(_TRIES):
            drawn[missing] = self._pool[generator.integers(len(self._pool), size=len(missing))]
            wrong = drawn[missing] == own[missing]
            if not self.options.random_may_be_linked:
                wrong |= self.are_linked(own[missing], drawn[missing])
            missing = missing[wrong]
        # What is left has links to most documents, so that it is looked up which others there are.
        for place in missing:
            others = self._pool[self._pool != own[place]]
            unlinked = others[~self.are_linked(np.full(len(others), own[place]), others)]
            drawn[place] = generator.choice(unlinked if len(unlinked) else others)
        return self._segment_of(drawn, generator)

    def are_linked(self, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return whether each source, a document that may give A, links to the target beside it."""
        wanted = (sources << 32) | targets
        places = np.minimum(np.searchsorted(self._known, wanted), max(0, len(self._known) - 1))
        return self._known[places] == wanted if len(self._known) else np.zeros(len(wanted), dtype=bool)

    def _linked(self, first: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        own = self.segments.documents[first]
        begins, ends = self._offsets[own], self._offsets[own + 1]
        # A point between the cumulative weights of a document's links falls into each in proportion to its weight.
        points = self._sums[begins] + generator.random(len(first)) * (self._sums[ends] - self._sums[begins])
        places = np.clip(np.searchsorted(self._sums, points, side="right") - 1, begins, ends - 1)
        documents = self._targets[places]
        if self.options.linked_segment == "first":
            return self.segments.firsts[documents]
        return self._segment_of(documents, generator)

    def _segment_of(self, documents: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        counts = self.segments.counts[documents]
        return self.segments.firsts[documents] + (generator.random(len(documents)) * counts).astype(np.int64)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    """Round to whole numbers with the same sum: down, and those with the largest remainders up."""
    whole = np.floor(numbers).astype(np.int64)
    missing = round(numbers.sum()) - whole.sum()
    whole[np.argsort(whole - numbers, kind="stable")[:missing]] += 1
    return whole


def _in_turn(values: np.ndarray, start: int, count: int, seed: list[int]) -> np.ndarray:
    """Return `count` values from a place on of an endless row: one permutation of the values after the other."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    size = len(values)
    rounds = range(start // size, (start + count - 1) // size + 1)
    # The number that is added keeps these generators apart from those of `draw`, whose seeds end in zeros.
    parts = [np.random.default_rng([*seed, number + 1]).permutation(values) for number in rounds]
    return np.concatenate(parts)[start - rounds[0] * size :][:count]
