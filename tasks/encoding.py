"""From examples to token ids: words in windows, texts and pairs, and multiple choice. Lost tokens are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from ..corpora.sources import Row
from ..models.heads import IGNORED, UNSCORED
from .fitting import Fit, cut_end, fit_texts, keep_mentions, sequences_of, windows
from .task import Encode, Task, Truncation

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast

VERSION = 1  # part of the cache key; raise it when encoding changes
_CHUNK, _CHARACTERS = 256, 1_000_000  # examples and characters that are encoded at a time
_TEXTS = ("tokens", "text", "text_pair", "question", "options", "context")


def encoded_schema(task: Task) -> pa.Schema:
    """Return the Arrow schema of a task's encoded rows: a list of sequences, and labels as the head needs them."""
    import pyarrow as pa

    fields = {
        "input_ids": pa.list_(pa.list_(pa.int32())),
        "token_type_ids": pa.list_(pa.list_(pa.int8())),
        "labels": task.head.encoded_label(),
    }
    if task.head.per_word:
        fields |= {"word_index": pa.list_(pa.list_(pa.int32())), "n_words": pa.int32()}
    if task.head.finds_spans:
        fields["token_spans"] = pa.list_(pa.list_(pa.int32()))  # start and end of each token, one after the other
    return pa.schema(fields)


def chunks(examples: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield lists of some hundred examples, fewer where their texts are long."""
    chunk: list[Row] = []
    size = 0
    for example in examples:
        chunk.append(example)
        size += sum(len(value) if isinstance(value, str) else sum(map(len, value)) for value in _texts(example))
        if len(chunk) == _CHUNK or size > _CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _texts(example: Row) -> Iterator[str | list[str]]:
    return (example[key] for key in _TEXTS if example.get(key))


def encode_words(
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterable[Row],
    max_length: int,
    truncation: Truncation,
) -> Iterator[Row]:
    """Encode sentences of words. A sentence of more than `max_length` word pieces becomes overlapping windows.

    A window starts every `max_length // 2` pieces. Each word is labelled, and later predicted, on its first piece in
    the window where it has most context (the earlier window if two are equal). Its other occurrences are ignored.
    """
    numbers = {label: index for index, label in enumerate(task.labels)}
    capacity = max_length - tokenizer.num_special_tokens_to_add(pair=False)
    step = max(1, min(max_length // 2, capacity))
    for chunk in chunks(examples):
        encoded = tokenizer(
            [example["tokens"] for example in chunk],
            is_split_into_words=True,
            truncation=True,
            max_length=max_length,
            stride=capacity - step,
            return_overflowing_tokens=True,
            return_attention_mask=False,
            verbose=False,
        )
        of_example: list[list[int]] = [[] for _ in chunk]
        for window, owner in enumerate(encoded["overflow_to_sample_mapping"]):
            of_example[owner].append(window)
        for example, indices in zip(chunk, of_example, strict=True):
            row = sequences_of(encoded, indices)
            row["word_index"] = place_words([encoded.word_ids(index) for index in indices], step)
            row["n_words"] = len(example["tokens"])
            tags = example.get("label")
            row["labels"] = [
                [IGNORED if word == UNSCORED or tags is None else numbers[tags[word]] for word in window]
                for window in row["word_index"]
            ]
            placed = {word for window in row["word_index"] for word in window}
            truncation.examples += 1
            truncation.windowed += len(indices) > 1
            truncation.gold_labels_lost += sum(tag != "O" and word not in placed for word, tag in enumerate(tags or ()))
            yield row


def place_words(windows: list[list[int | None]], step: int) -> list[list[int]]:
    """Choose for each word the window in which it is predicted, at its first piece there.

    Args:
        windows: for each window, the word at each position (None for special tokens).
        step: number of pieces between the starts of two windows.

    Returns:
        For each window and position the word that is predicted there, or `UNSCORED`. Every word that has a piece occurs
        exactly once.
    """
    placed = [[UNSCORED] * len(window) for window in windows]
    spans: list[tuple[int, int, int]] = []  # for each window: first piece, piece after the last, position of the first
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, window in enumerate(windows):
        content = [position for position, word in enumerate(window) if word is not None]
        offset = content[0] if content else 0
        spans.append((number * step, number * step + len(content), offset))
        for position in content:
            word, piece = window[position], number * step + position - offset
            if word is not None:
                first.setdefault(word, piece)
                last[word] = piece
    capacity = spans[0][1]  # No window is longer than the first one.
    for word, piece in first.items():
        _, best = max(
            (min(piece - spans[number][0], spans[number][1] - 1 - last[word]), -number)
            for number in range(max(0, (piece - capacity) // step), min(piece // step + 1, len(spans)))
            if piece < spans[number][1]
        )
        start, _, offset = spans[-best]
        placed[-best][piece - start + offset] = word
    return placed


def encode_texts(
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterable[Row],
    max_length: int,
    truncation: Truncation,
    *,
    fit: Fit = cut_end,
) -> Iterator[Row]:
    """Encode `[CLS] text [SEP]` or `[CLS] text [SEP] text_pair [SEP]`; `fit` says what is done where that is too long.

    The label is stored as it is (a number, or one flag per label); `encode_classes` replaces a label by its index.
    """
    for chunk in chunks(examples):
        texts = [(example["text"], example["text_pair"]) for example in chunk]
        for example, fitted in zip(chunk, fit_texts(tokenizer, texts, max_length, task.marked, fit), strict=True):
            truncation.examples += 1
            truncation.examples_cut += fitted.cut > 0
            truncation.tokens_cut += fitted.cut
            truncation.masks_lost += fitted.mention_lost
            truncation.windowed += len(fitted.row["input_ids"]) > 1
            yield fitted.row | {"labels": example.get("label")}


def encode_classes(
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterable[Row],
    max_length: int,
    truncation: Truncation,
    *,
    fit: Fit = cut_end,
) -> Iterator[Row]:
    """Encode texts or pairs (see `encode_texts`) whose label is one of the task's labels."""
    numbers = {label: index for index, label in enumerate(task.labels)}
    for row in encode_texts(task, tokenizer, examples, max_length, truncation, fit=fit):
        yield row | {"labels": None if row["labels"] is None else numbers[row["labels"]]}


def encode_choices(
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterable[Row],
    max_length: int,
    truncation: Truncation,
) -> Iterator[Row]:
    """Encode each (question, option) as a pair: one sequence per option, each truncated "longest first"."""
    for chunk in chunks(examples):
        pairs = [(example["question"], option) for example in chunk for option in example["options"]]
        encoded = iter(list(fit_texts(tokenizer, pairs, max_length, False, cut_end)))
        for example in chunk:
            parts = list(islice(encoded, len(example["options"])))
            cut = sum(part.cut for part in parts)
            truncation.examples += 1
            truncation.examples_cut += cut > 0
            truncation.tokens_cut += cut
            yield {
                "input_ids": [part.row["input_ids"][0] for part in parts],
                "token_type_ids": [part.row["token_type_ids"][0] for part in parts],
                "labels": example.get("label"),
            }


# What can be done with long inputs, for the families that encode with `encode_texts` and `encode_classes`.
WINDOWED_TEXTS: Mapping[str, Encode] = {"windows": partial(encode_texts, fit=windows)}
WINDOWED_CLASSES: Mapping[str, Encode] = {"windows": partial(encode_classes, fit=windows)}
KEEPING_MENTIONS: Mapping[str, Encode] = {"keep-mentions": partial(encode_classes, fit=keep_mentions)}
