"""From annotated documents to rows: sentences of tagged words, and pairs of mentions with their relation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from ...corpora.annotated import Document, Mention, Relation, paragraphs, require_one_piece, without
from ...corpora.sources import Row
from ...errors import RequestError
from ..word_division import split_words
from .marking import mark

Placed = tuple[str, Row]  # the place of a row in its file, and the row


def tagged_rows(document: Document, ignore: Collection[str] = ()) -> Iterator[Placed]:
    """Yield one row of words and BIO tags for each passage (or line) of a document.

    Words are split as `linkbert predict` splits raw text. A mention that begins or ends inside of a word is extended to
    the whole word.

    Args:
        document: the document.
        ignore: types of mentions that are left out.

    Raises:
        RequestError: two mentions share a word, which tags on words cannot express.
    """
    document = without(document, ignore)
    for mention in document.mentions:
        require_one_piece(mention)
    for start, end in paragraphs(document):
        words = [(start + first, start + after) for first, after in split_words(document.text[start:end])]
        inside = [mention for mention in document.mentions if mention.start < end and mention.end > start]
        tokens = [document.text[first:after] for first, after in words]
        if tokens:
            where = inside[0].where if inside else document.where
            notes = list(inside_words(words, inside))
            yield where, {"tokens": tokens, "ner_tags": tag_words(words, inside), "notes": notes}


def tag_words(words: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> list[str]:
    """Return the BIO tag of each word.

    Args:
        words: start and end of each word.
        mentions: the mentions in the same text.

    Raises:
        RequestError: two mentions share a word.
    """
    tags = ["O"] * len(words)
    owners: list[Mention | None] = [None] * len(words)
    for mention in mentions:
        touched = [index for index, (start, end) in enumerate(words) if start < mention.end and end > mention.start]
        for number, index in enumerate(touched):
            other = owners[index]
            if other is not None and (other.start, other.end, other.kind) != (mention.start, mention.end, mention.kind):
                raise RequestError(
                    f"{mention.where}: {mention.kind} {mention.key} ({mention.start} to {mention.end}) "
                    f"{_how(mention, other)} {other.kind} {other.key} ({other.start} to {other.end}): tags on words "
                    f'cannot express both; remove one, or name a type to leave out with ignore = ["{mention.kind}"] in '
                    "the task file"
                )
            owners[index] = mention
            tags[index] = f"{'I' if number else 'B'}-{mention.kind}"
    return tags


def _how(mention: Mention, other: Mention) -> str:
    """Return how a mention meets one that begins earlier or is longer."""
    if other.end <= mention.start:
        return "is in the same word as"
    return "is nested in" if other.start <= mention.start and mention.end <= other.end else "overlaps with"


def inside_words(words: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> Iterator[str]:
    """Yield a note for each mention that begins or ends inside of a word, and is therefore extended."""
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    for mention in mentions:
        if mention.start not in starts or mention.end not in ends:
            what = " and ".join(
                name for name, fine in (("begins", mention.start in starts), ("ends", mention.end in ends)) if not fine
            )
            place = f"{mention.kind} {mention.key} ({mention.start} to {mention.end})"
            yield f"{mention.where}: {place} {what} inside a word"


@dataclass(frozen=True)
class PairRules:
    """Which pairs of mentions are examples, and how they are shown to the model.

    Attributes:
        kinds: pairs of types that can be related.
        negative: the label of pairs without a relation.
        marks: `markers` or `masks`.
        directed: whether a pair of mentions of one type is an example in both directions.
        ignore: types of mentions and relations that are left out.
    """

    kinds: Collection[tuple[str, str]]
    negative: str
    marks: str
    directed: bool = False
    ignore: Collection[str] = ()

    def join(self, first: str, second: str) -> bool:
        """Return whether mentions of two types, in this order or if it does not matter in the other one, are pairs."""
        return (first, second) in self.kinds or (not self.directed and (second, first) in self.kinds)


def kinds_of_relations(document: Document, ignore: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (type of the first argument, type of the second one, type of the relation) of each relation."""
    document = without(document, ignore)
    arguments = _arguments(document)
    for relation in document.relations:
        first, second = _both(relation, arguments)
        yield first[0].kind, second[0].kind, relation.kind


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

    Relations between mentions are looked for in a passage (passages with a relation from one into the other are
    joined). Relations between concepts, as in PubTator files, are looked for in the whole document, with all mentions
    of both concepts marked.

    Raises:
        RequestError: a relation names an unknown mention or concept, one mention twice, or types that no relation of
            train joins; or a pair has two relations.
    """
    document = without(document, rules.ignore)
    paired = {kind for kinds in rules.kinds for kind in kinds}
    for mention in document.mentions:
        if mention.kind in paired:
            require_one_piece(mention)
    arguments = _arguments(document)
    by_concept = _by_concept(document)
    labels: dict[tuple[str, str], Relation] = {}
    for relation in document.relations:
        _require_pair(relation, arguments, rules)
        pair, reverse = (relation.first, relation.second), (relation.second, relation.first)
        other = labels.setdefault(pair if rules.directed else min(pair, reverse), relation)
        if other.kind != relation.kind:
            raise RequestError(
                f"{relation.where}: {relation.first} and {relation.second} are related as {other.kind} already; one "
                "label for a pair is possible, so remove one of the two"
            )
    if by_concept:
        parts = [(0, len(document.text))]
    else:
        hulls = [_hull(arguments[item.first] + arguments[item.second]) for item in document.relations]
        parts = list(paragraphs(document, whole=hulls))
    for start, end in parts:
        inside = {
            key: mentions
            for key, mentions in arguments.items()
            if all(start <= mention.start and mention.end <= end for mention in mentions)
        }
        for first, second, relation in _pairs(inside, labels, rules):
            text = mark(document.text, (start, end), inside[first], inside[second], rules.marks)
            where = relation.where if relation else inside[first][0].where
            yield Pair(where, first, second, text, relation.kind if relation else rules.negative)


def _pairs(
    inside: Mapping[str, Sequence[Mention]], labels: Mapping[tuple[str, str], Relation], rules: PairRules
) -> Iterator[tuple[str, str, Relation | None]]:
    """Yield (first argument, second argument, their relation) for the pairs of a passage."""
    for one, two in combinations(inside, 2):
        for first, second in permutations((one, two)):
            kinds = inside[first][0].kind, inside[second][0].kind
            if kinds not in rules.kinds:
                continue
            if rules.directed:
                yield first, second, labels.get((first, second))
            elif kinds[0] != kinds[1] or (first, second) == (one, two):
                # Which one the annotators put first does not matter then.
                yield first, second, labels.get(min((first, second), (second, first)))


def _require_pair(relation: Relation, arguments: Mapping[str, list[Mention]], rules: PairRules) -> None:
    """Make sure that a relation becomes an example."""
    first, second = (mentions[0].kind for mentions in _both(relation, arguments))
    if relation.first == relation.second:
        raise RequestError(
            f"{relation.where}: {relation.kind} relates {relation.first} with itself; correct the relation or remove it"
        )
    if not rules.join(first, second):
        raise RequestError(
            f"{relation.where}: {relation.kind} joins {first} and {second}, which no relation in train does, so it "
            "cannot be learnt; correct it, add such a relation to train, or leave it out with ignore = "
            f'["{relation.kind}"] in the task file'
        )


def _by_concept(document: Document) -> bool:
    known = {mention.key for mention in document.mentions}
    return any(relation.first not in known for relation in document.relations) or any(
        mention.concepts for mention in document.mentions
    )


def _arguments(document: Document) -> dict[str, list[Mention]]:
    """Return key or concept -> its mentions, in the order of the text."""
    found: dict[str, list[Mention]] = {}
    concepts = _by_concept(document)
    for mention in document.mentions:
        for key in mention.concepts if concepts else (mention.key,):
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


def _hull(mentions: Sequence[Mention]) -> tuple[int, int]:
    return min(mention.start for mention in mentions), max(mention.end for mention in mentions)
