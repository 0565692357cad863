"""Fitting texts into the maximum length: cutting their ends, keeping both mentions of a relation, or windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..corpora.sources import Row
from ..errors import RequestError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# How the two mentions of a relation are shown to a model (see `tasks.custom.documents.mark`), and how they are found.
_MENTION = re.compile(r"@[A-Z]+(?:-[A-Z]+)*\$|@ \* .+? \* .+? @|# \^ .+? \^ .+? #", re.DOTALL)


class Fitted(NamedTuple):
    """A text or pair that fits.

    Attributes:
        row: `input_ids` and `token_type_ids`, one list per sequence.
        cut: word pieces that were cut.
        mention_lost: whether a marked mention was cut, wholly or in part.
    """

    row: Row
    cut: int = 0
    mention_lost: bool = False


# (tokenizer, first and second text, maximum length, whether mentions are marked) -> the text or pair, which is too
# long as it is.
Fit = Callable[["PreTrainedTokenizerFast", str, str | None, int, bool], Fitted]


def fit_texts(
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[tuple[str, str | None]],
    max_length: int,
    marked: bool,
    fit: Fit,
) -> Iterator[Fitted]:
    """Encode texts or pairs. Those of more than `max_length` word pieces are made to fit by `fit`.

    Args:
        tokenizer: the tokenizer.
        texts: first and second text; the second one is None in all of them, or in none.
        max_length: word pieces per sequence, special tokens included.
        marked: whether the texts show the mentions of a relation.
        fit: one of `cut_end`, `keep_mentions` and `windows`.
    """
    encoded = tokenizer(
        [first for first, _ in texts],
        [second for _, second in texts if second is not None] or None,
        return_attention_mask=False,
        verbose=False,
    )
    for index, (first, second) in enumerate(texts):
        if len(encoded["input_ids"][index]) <= max_length:
            yield Fitted(sequences_of(encoded, [index]))
        else:
            yield fit(tokenizer, first, second, max_length, marked)


def cut_end(
    tokenizer: PreTrainedTokenizerFast, first: str, second: str | None, max_length: int, marked: bool
) -> Fitted:
    """Cut the ends, those of the longer text first, as the authors' scripts do."""
    whole = _encode(tokenizer, first, second)
    cut = _encode(tokenizer, first, second, truncation="longest_first", max_length=max_length)
    kept = max((end for (_, end), owner in _tokens(cut) if owner == 0), default=0)
    lost = any(end > kept for _, end in _mentions(first, marked))
    return Fitted(sequences_of(cut, [0]), len(whole["input_ids"][0]) - max_length, lost)


def keep_mentions(
    tokenizer: PreTrainedTokenizerFast, first: str, second: str | None, max_length: int, marked: bool
) -> Fitted:
    """Keep the part of the text that has both mentions in its middle; if they are too far apart, cut between them.

    A text without marked mentions, and a pair, lose their ends (see `cut_end`).
    """
    mentions = _mentions(first, marked)
    if not mentions or second is not None:
        return cut_end(tokenizer, first, second, max_length, marked)
    encoded = _encode(tokenizer, first, None)
    tokens = list(_tokens(encoded))
    content = [position for position, (_, owner) in enumerate(tokens) if owner == 0]
    offset, count = content[0], len(content)
    room = max_length - (len(tokens) - count)
    spans = [_touched(tokens, span, offset) for span in mentions]
    start, end = spans[0][0], spans[-1][1]
    if end - start <= room:
        low = min(max(0, (start + end - room) // 2), count - room)
        kept = [*range(low, low + room)]
    else:
        half = room // 2
        kept = [*range(start, start + half), *range(end - (room - half), end)]
    positions = [*range(offset), *(offset + piece for piece in kept), *range(offset + count, len(tokens))]
    row = {key: [[values[position] for position in positions] if values else [] for values in sequences]
           for key, sequences in sequences_of(encoded, [0]).items()}  # fmt: skip
    lost = any(not set(range(*span)) <= set(kept) for span in spans)
    return Fitted(row, count - room, lost)


def windows(
    tokenizer: PreTrainedTokenizerFast, first: str, second: str | None, max_length: int, marked: bool
) -> Fitted:
    """Split a text into windows that overlap by a quarter. Of a pair, the longer text is split.

    Each window has the whole shorter text, of which at most half of the maximum length is kept.

    Raises:
        RequestError: `max_length` leaves no room for the windows.
    """
    pieces = [0 if text is None else len(_encode(tokenizer, text, None, add_special_tokens=False)["input_ids"][0])
              for text in (first, second)]  # fmt: skip
    capacity = max_length - tokenizer.num_special_tokens_to_add(pair=second is not None)
    split_first = pieces[0] >= pieces[1]
    cut = kept = 0
    if second is not None:
        limit = capacity // 2
        (shorter,), (cut,) = shortened(tokenizer, [second if split_first else first], limit)
        first, second = (first, shorter) if split_first else (shorter, second)
        kept = min(limit, min(pieces))
    room = capacity - kept
    if room < 1:
        raise RequestError(f"max_length {max_length} leaves no room for windows; raise it")
    encoded = _encode(
        tokenizer,
        first,
        second,
        truncation="only_first" if split_first else "only_second",
        max_length=max_length,
        stride=room // 4,
        return_overflowing_tokens=True,
    )
    return Fitted(sequences_of(encoded, list(range(len(encoded["input_ids"])))), cut)


def shortened(tokenizer: PreTrainedTokenizerFast, texts: list[str], longest: int) -> tuple[list[str], list[int]]:
    """Return texts of at most `longest` word pieces, and how many pieces each of them lost."""
    encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    kept, cut = [], []
    for text, offsets in zip(texts, encoded["offset_mapping"], strict=True):
        lost = max(0, len(offsets) - longest)
        kept.append(text[: offsets[longest - 1][1] if longest else 0] if lost else text)
        cut.append(lost)
    return kept, cut


def sequences_of(encoded: Any, indices: list[int]) -> Row:
    """Collect sequences of one example; a model without token types gets empty lists."""
    types = encoded.get("token_type_ids")
    return {
        "input_ids": [encoded["input_ids"][index] for index in indices],
        "token_type_ids": [types[index] if types is not None else [] for index in indices],
    }


def _encode(tokenizer: PreTrainedTokenizerFast, first: str, second: str | None, **options: Any) -> Any:
    return tokenizer(
        [first],
        None if second is None else [second],
        return_attention_mask=False,
        return_offsets_mapping=True,
        verbose=False,
        **options,
    )


def _tokens(encoded: Any) -> Iterator[tuple[tuple[int, int], int | None]]:
    """Yield start and end of each token of the first sequence, with the number of its text (None: special tokens)."""
    return zip(encoded["offset_mapping"][0], encoded.sequence_ids(0), strict=True)


def shows_mentions(text: str) -> bool:
    """Return whether a text marks the mentions of a relation, by masks or markers."""
    return _MENTION.search(text) is not None


def _mentions(text: str, marked: bool) -> list[tuple[int, int]]:
    return [match.span() for match in _MENTION.finditer(text)] if marked else []


def _touched(tokens: list[tuple[tuple[int, int], int | None]], span: tuple[int, int], offset: int) -> tuple[int, int]:
    """Return the first token of a span of characters and the one after its last, counted from the token `offset`."""
    inside = [
        position - offset
        for position, ((start, end), owner) in enumerate(tokens)
        if owner == 0 and start < span[1] and end > span[0]
    ]
    return inside[0], inside[-1] + 1
