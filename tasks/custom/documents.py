"""From annotated documents to sentences of tagged words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ...corpora.annotated import Document, Mention, paragraphs, require_one_piece, without
from ...corpora.sources import Row
from ...errors import RequestError
from ..word_division import split_words

Placed = tuple[str, Row]  # the place of a row in its file, and the row


def are_wrapped(documents: Iterable[Document], ignore: Collection[str]) -> bool:
    """Return whether mentions reach over line ends, so that lines end in the middle of sentences."""
    return any(
        "\n" in document.text[mention.start : mention.end].strip("\n")
        for document in documents
        if not document.passages
        for mention in document.mentions
        if mention.kind not in ignore
    )


def tagged_rows(document: Document, ignore: Collection[str] = (), *, wrapped: bool = False) -> Iterator[Placed]:
    """Yield one row of words and BIO tags for each passage (or line) of a document.

    Words are split as `linkbert predict` splits raw text. A mention that begins or ends inside of a word is extended to
    the whole word.

    Args:
        document: the document.
        ignore: types of mentions that are left out.
        wrapped: see `annotated.paragraphs`.

    Raises:
        RequestError: two mentions share a word, which tags on words cannot express.
    """
    document = without(document, ignore)
    for mention in document.mentions:
        require_one_piece(mention)
    for start, end in paragraphs(document, wrapped=wrapped):
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
