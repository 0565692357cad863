"""From annotated documents to pairs of mentions, with their relation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from ...corpora.annotated import Document, Mention, Relation, paragraphs, require_one_piece, without
from ...errors import RequestError
from .documents import Placed
from .marking import mark


@dataclass(frozen=True)
class PairRules:
    """Which pairs of mentions are examples, and how they are shown to the model.

    Attributes:
        kinds: pairs of types that can be related.
        negative: the label of pairs without a relation.
        marks: `markers` or `masks`.
        directed: whether a pair of mentions of one type is an example in both directions.
        reach: how many passages (or lines) apart two mentions may be.
        by_concept: whether concepts are related, all of whose mentions are marked, and not mentions.
        ignore: types of mentions and relations that are left out.
        leaves_far: whether relations that reach further are left out; they are an error otherwise.
    """

    kinds: Collection[tuple[str, str]]
    negative: str
    marks: str
    directed: bool = False
    reach: int = 0
    by_concept: bool = False
    ignore: Collection[str] = ()
    leaves_far: bool = False

    def join(self, first: str, second: str) -> bool:
        """Return whether mentions of two types, in this order or if it does not matter in the other one, are pairs."""
        return (first, second) in self.kinds or (not self.directed and (second, first) in self.kinds)


@dataclass(frozen=True)
class Related:
    """What the relations of some documents have in common.

    Attributes:
        kinds: (type of the first argument, type of the second one, type of the relation) of each kind of relation.
        reach: how many passages (or lines) apart the arguments are at most.
        by_concept: whether they relate concepts.
    """

    kinds: frozenset[tuple[str, str, str]]
    reach: int
    by_concept: bool


def relations_of(documents: Iterable[Document], ignore: Collection[str]) -> Related:
    """Return what the relations of documents have in common.

    Raises:
        RequestError: a relation names an unknown mention or concept, or some name mentions and some concepts.
    """
    kinds: set[tuple[str, str, str]] = set()
    reach, by_concept = 0, None
    for document in documents:
        document = without(document, ignore)
        names = {mention.key for mention in document.mentions}
        mentions, concepts = (_arguments(document, by_concept=one) for one in (False, True))
        places = _Places(document)
        for relation in document.relations:
            of_concepts = not {relation.first, relation.second} <= names
            if by_concept is not None and of_concepts != by_concept:
                raise RequestError(
                    f"{relation.where}: the relation {relation.kind} of {relation.first} and {relation.second} is one "
                    f"of {'concepts' if of_concepts else 'mentions'}, and earlier ones are not; correct the ids"
                )
            by_concept = of_concepts
            first, second = _both(relation, concepts if by_concept else mentions)
            kinds.add((first[0].kind, second[0].kind, relation.kind))
            if not by_concept:
                reach = max(reach, places.distance(first[0], second[0]))
    return Related(frozenset(kinds), reach, bool(by_concept))


class _Places:
    """In which passage each mention of a document is.

    Passages depend on the text and the mentions alone: were they joined where a relation reaches from one into another,
    the number of pairs would give the relations away.
    """

    def __init__(self, document: Document) -> None:
        self.parts = list(paragraphs(document))
        self._ends = [end for _, end in self.parts]

    def of(self, mention: Mention) -> int:
        """Return the number of a mention's passage."""
        return min(bisect_right(self._ends, mention.start), len(self._ends) - 1)

    def distance(self, one: Mention, other: Mention) -> int:
        """Return how many passages two mentions are apart."""
        return abs(self.of(one) - self.of(other))

    def around(self, one: Mention, other: Mention) -> tuple[int, int]:
        """Return start and end of the passages from one mention to another."""
        first, last = sorted((self.of(one), self.of(other)))
        start, end = self.parts[first][0], self.parts[last][1]
        return min(start, one.start, other.start), max(end, one.end, other.end)


@dataclass(frozen=True)
class Pair:
    """Two arguments whose types can be related.

    Attributes:
        where: the file and line of their relation, or of the first argument.
        first: the key of the first argument.
        second: the key of the second argument.
        text: the text in which both are marked.
        label: their relation.
    """

    where: str
    first: str
    second: str
    text: str
    label: str


def related_rows(document: Document, rules: PairRules) -> Iterator[Placed]:
    """Yield one row with `text` and `label` for each pair of `pairs_of`."""
    for pair in pairs_of(document, rules):
        yield pair.where, {"text": pair.text, "label": pair.label}


def pairs_of(document: Document, rules: PairRules) -> Iterator[Pair]:
    """Yield each pair of arguments whose types can be related.

    Mentions are pairs if their passages are no further apart than the rules say; the passages from one to the other are
    the text. Concepts are pairs in the whole document, with all mentions of both marked. Which pairs there are does not
    depend on the relations of the document.

    Raises:
        RequestError: a relation names an unknown mention or concept, one mention twice, or types that no relation of
            train joins, or reaches too far; or a pair has two relations.
    """
    document = without(document, rules.ignore)
    paired = {kind for kinds in rules.kinds for kind in kinds}
    for mention in document.mentions:
        if mention.kind in paired:
            require_one_piece(mention)
    arguments, places = _arguments(document, rules.by_concept), _Places(document)
    labels: dict[tuple[str, str], Relation] = {}
    for relation in document.relations:
        _require_pair(relation, arguments, rules, places)
        pair, reverse = (relation.first, relation.second), (relation.second, relation.first)
        other = labels.setdefault(pair if rules.directed else min(pair, reverse), relation)
        if other.kind != relation.kind:
            raise RequestError(
                f"{relation.where}: {relation.first} and {relation.second} are related as {other.kind} already; one "
                "label for a pair is possible, so remove one of the two"
            )
    for first, second, relation in _pairs(arguments, labels, rules):
        one, other = arguments[first], arguments[second]
        if rules.by_concept:
            part = (0, len(document.text))
        elif places.distance(one[0], other[0]) <= rules.reach:
            part = places.around(one[0], other[0])
        else:
            continue
        text = mark(document.text, part, one, other, rules.marks)
        where = relation.where if relation else one[0].where
        yield Pair(where, first, second, text, relation.kind if relation else rules.negative)


def far_relations(document: Document, rules: PairRules) -> int:
    """Return the number of relations that `pairs_of` leaves out because they reach further than the rules allow."""
    if rules.by_concept or not rules.leaves_far:
        return 0
    document = without(document, rules.ignore)
    arguments, places = _arguments(document, by_concept=False), _Places(document)
    ends = (_both(relation, arguments) for relation in document.relations)
    return sum(places.distance(first[0], second[0]) > rules.reach for first, second in ends)


def _pairs(
    arguments: Mapping[str, Sequence[Mention]], labels: Mapping[tuple[str, str], Relation], rules: PairRules
) -> Iterator[tuple[str, str, Relation | None]]:
    """Yield (first argument, second argument, their relation) for the pairs of a document."""
    for one, two in combinations(arguments, 2):
        for first, second in permutations((one, two)):
            kinds = arguments[first][0].kind, arguments[second][0].kind
            if kinds not in rules.kinds:
                continue
            if rules.directed:
                yield first, second, labels.get((first, second))
            elif kinds[0] != kinds[1] or (first, second) == (one, two):
                # Which one the annotators put first does not matter then.
                yield first, second, labels.get(min((first, second), (second, first)))


def _require_pair(
    relation: Relation, arguments: Mapping[str, list[Mention]], rules: PairRules, places: _Places
) -> None:
    """Make sure that a relation becomes an example."""
    one, other = (mentions[0] for mentions in _both(relation, arguments))
    if relation.first == relation.second:
        raise RequestError(
            f"{relation.where}: {relation.kind} relates {relation.first} with itself; correct the relation or remove it"
        )
    if not rules.join(one.kind, other.kind):
        raise RequestError(
            f"{relation.where}: {relation.kind} joins {one.kind} and {other.kind}, which no relation in train does, so "
            "it cannot be learnt; correct it, add such a relation to train, or leave it out with ignore = "
            f'["{relation.kind}"] in the task file'
        )
    distance = 0 if rules.by_concept else places.distance(one, other)
    if distance > rules.reach and not rules.leaves_far:
        raise RequestError(
            f"{relation.where}: {relation.kind} relates mentions that are {distance} passages or lines apart, and "
            f"those of train are {rules.reach} apart at most; say in the task file how far pairs may be apart, with "
            f"reach = {distance}, or a smaller number to leave such relations out"
        )


def _arguments(document: Document, by_concept: bool) -> dict[str, list[Mention]]:
    """Return key or concept -> its mentions, in the order of the text."""
    found: dict[str, list[Mention]] = {}
    for mention in document.mentions:
        for key in mention.concepts if by_concept else (mention.key,):
            found.setdefault(key, []).append(mention)
    return found


def _both(relation: Relation, arguments: Mapping[str, list[Mention]]) -> tuple[list[Mention], list[Mention]]:
    for key in (relation.first, relation.second):
        if key not in arguments:
            raise RequestError(
                f"{relation.where}: the relation {relation.kind} names {key}, but no mention in the text has this id; "
                "correct it or leave the relation out"
            )
    return arguments[relation.first], arguments[relation.second]
