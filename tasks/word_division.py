"""Dividing raw text into words in the way in which the training data were divided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Span = tuple[int, int]  # start and end, in code points


@dataclass(frozen=True)
class Division:
    """Which punctuation is a part of words, by where it stands. Other punctuation is a word of its own.

    Attributes:
        inside: between two words, as `-` in `IL-2`.
        before: before a word, as `-` in `-catenin`.
        after: after a word, as `+` in `CD4+`.
    """

    inside: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def from_json(cls, document: Any) -> Division:
        """Make a division from a JSON object that cannot be trusted.

        Raises:
            ValueError: it is not one.
        """
        known = {"inside", "before", "after"}
        if not isinstance(document, Mapping) or not document.keys() <= known:
            raise ValueError("the division of words is malformed")
        if not all(isinstance(value, str) for value in document.values()):
            raise ValueError("the division of words is malformed")
        return cls(**document)

    def to_json(self) -> dict[str, str]:
        """Return this division as a JSON object, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value}


class DivisionCounter:
    """Learns from sentences of words which punctuation is a part of them.

    A character belongs to words in one of the three positions if the sentences have it there as a part of a word more
    often than as a word of its own between (before, after) two others. Whether white space was around the latter is
    unknown, so that characters which stand apart are counted generously: text divided at all punctuation stays so.
    """

    def __init__(self) -> None:
        self._joined: Counter[tuple[str, str]] = Counter()
        self._apart: Counter[tuple[str, str]] = Counter()

    def add(self, words: Sequence[str]) -> None:
        """Count the punctuation of a sentence."""
        for number, word in enumerate(words):
            if word.isalnum():
                continue
            if _is_mark(word):
                before = number > 0 and not _is_mark(words[number - 1])
                after = number + 1 < len(words) and not _is_mark(words[number + 1])
                self._apart["before", word] += after
                self._apart["after", word] += before
                self._apart["inside", word] += before and after
                continue
            parts = split_words(word)
            for position, (start, end) in _placed(word, parts):
                self._joined[position, word[start:end]] += 1

    def division(self) -> Division:
        """Return the division of the sentences so far."""
        found: dict[str, list[str]] = {"inside": [], "before": [], "after": []}
        for (position, mark), count in self._joined.items():
            if count > self._apart[position, mark]:
                found[position].append(mark)
        return Division(**{position: "".join(sorted(marks)) for position, marks in found.items()})


def split_words(raw: str, division: Division | None = None) -> list[Span]:
    """Split a text at white space and punctuation as BERT's basic tokenizer does.

    Args:
        raw: the text.
        division: which punctuation is a part of words nevertheless; none by default.

    Returns:
        The start and end of each word, counted in code points.
    """
    from tokenizers.pre_tokenizers import BertPreTokenizer

    parts = [span for _, span in BertPreTokenizer().pre_tokenize_str(raw)]
    if division is None or division == Division():
        return parts
    glue: set[int] = set()  # where two neighbours are one word
    for position, (start, end) in _placed(raw, parts):
        if raw[start:end] in getattr(division, position):
            if position != "before":
                glue.add(start)
            if position != "after":
                glue.add(end)
    words: list[Span] = []
    for start, end in parts:
        if start in glue and words and words[-1][1] == start:
            words[-1] = (words[-1][0], end)
        else:
            words.append((start, end))
    return words


def _placed(text: str, parts: Sequence[Span]) -> Iterator[tuple[str, Span]]:
    """Yield each punctuation mark that touches a word, with its position: `inside`, `before` or `after`."""
    for number, (start, end) in enumerate(parts):
        if not _is_mark(text[start:end]):
            continue
        left, right = parts[number - 1] if number else None, parts[number + 1] if number + 1 < len(parts) else None
        follows = left is not None and left[1] == start and not _is_mark(text[slice(*left)])
        precedes = right is not None and right[0] == end and not _is_mark(text[slice(*right)])
        if follows or precedes:
            yield "inside" if follows and precedes else "after" if follows else "before", (start, end)


def _is_mark(word: str) -> bool:
    return len(word) == 1 and not word.isalnum()
