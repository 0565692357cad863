"""From examples to token ids: words in windows, texts and pairs, and multiple choice. What is cut is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from ..corpora.sources import Row
from ..models.heads import IGNORED, UNSCORED
from .task import Task, Truncation

VERSION = 1  # part of the cache key: raise it when encoding changes
_CHUNK, _CHARACTERS = 256, 1_000_000  # encoded at a time
_TEXTS = ("tokens", "text", "text_pair", "question", "options")
_MASK = re.compile(r"@[A-Z]+(?:-[A-Z]+)*\$")


def _chunks(examples: Iterable[Row]) -> Iterator[list[Row]]:
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
    task: Task, tokenizer: Any, examples: Iterable[Row], max_length: int, truncation: Truncation
) -> Iterator[Row]:
    """Encode sentences of words; what is longer than `max_length` pieces becomes overlapping windows.

    Windows start every `max_length // 2` pieces. Each word is labelled, and later predicted, on its first piece in
    the window where it has most context (ties: the earlier window); its other occurrences are ignored.
    """
    numbers = {label: index for index, label in enumerate(task.labels)}
    capacity = max_length - tokenizer.num_special_tokens_to_add(pair=False)
    step = max(1, min(max_length // 2, capacity))
    for chunk in _chunks(examples):
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
        windows: list[list[int]] = [[] for _ in chunk]
        for window, owner in enumerate(encoded["overflow_to_sample_mapping"]):
            windows[owner].append(window)
        for example, indices in zip(chunk, windows, strict=True):
            row = _sequences(encoded, indices)
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
    """Choose for each word the window, and there the first piece, at which it is predicted.

    Args:
        windows: per window, the word of each position (None for special tokens).
        step: pieces from one window's start to the next one's.

    Returns:
        Per window and position the word predicted there, or `UNSCORED`. Every word that has a piece stands once.
    """
    placed = [[UNSCORED] * len(window) for window in windows]
    spans: list[tuple[int, int, int]] = []  # per window: first piece, piece after the last, position of the first
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
    capacity = spans[0][1]  # no window is longer than the first
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
    task: Task, tokenizer: Any, examples: Iterable[Row], max_length: int, truncation: Truncation
) -> Iterator[Row]:
    """Encode `[CLS] text [SEP]` or `[CLS] text [SEP] text_pair [SEP]`, cut "longest first" to `max_length`."""
    target = _target(task)
    for chunk in _chunks(examples):
        texts = [(example["text"], example["text_pair"]) for example in chunk]
        for example, (row, cut, lost) in zip(chunk, _encode_pairs(tokenizer, texts, max_length), strict=True):
            truncation.examples += 1
            truncation.examples_cut += cut > 0
            truncation.tokens_cut += cut
            truncation.masks_lost += lost if task.masks else 0
            label = example.get("label")
            yield row | {"labels": target(label) if label is not None else None}


def encode_choices(
    task: Task, tokenizer: Any, examples: Iterable[Row], max_length: int, truncation: Truncation
) -> Iterator[Row]:
    """Encode each (question, option) as a pair, four sequences an example, each cut "longest first"."""
    for chunk in _chunks(examples):
        pairs = [(example["question"], option) for example in chunk for option in example["options"]]
        encoded = iter(list(_encode_pairs(tokenizer, pairs, max_length)))
        for example in chunk:
            parts = list(islice(encoded, len(example["options"])))
            cut = sum(part[1] for part in parts)
            truncation.examples += 1
            truncation.examples_cut += cut > 0
            truncation.tokens_cut += cut
            yield {
                "input_ids": [part[0]["input_ids"][0] for part in parts],
                "token_type_ids": [part[0]["token_type_ids"][0] for part in parts],
                "labels": example.get("label"),
            }


def _target(task: Task) -> Callable[[Any], Any]:
    if task.head != "sequence":
        return lambda label: label
    numbers = {label: index for index, label in enumerate(task.labels)}
    return lambda label: numbers[label]


def _encode_pairs(
    tokenizer: Any, texts: list[tuple[str, str | None]], max_length: int
) -> Iterator[tuple[Row, int, bool]]:
    """Yield (row of one sequence, pieces cut, whether an entity mask was cut) per text or pair."""
    paired = texts[0][1] is not None
    encoded = tokenizer(
        [first for first, _ in texts],
        [second for _, second in texts] if paired else None,
        return_attention_mask=False,
        verbose=False,
    )
    for index, (first, second) in enumerate(texts):
        length = len(encoded["input_ids"][index])
        if length <= max_length:
            yield _sequences(encoded, [index]), 0, False
            continue
        cut = tokenizer(
            [first],
            [second] if paired else None,
            truncation="longest_first",
            max_length=max_length,
            return_attention_mask=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        offsets, owners = cut["offset_mapping"][0], cut.sequence_ids(0)
        kept = max((end for (_, end), owner in zip(offsets, owners, strict=True) if owner == 0), default=0)
        yield _sequences(cut, [0]), length - max_length, any(m.end() > kept for m in _MASK.finditer(first))


def _sequences(encoded: Any, indices: list[int]) -> Row:
    """Collect sequences of one example; a model without token types gets empty lists."""
    types = encoded.get("token_type_ids")
    return {
        "input_ids": [encoded["input_ids"][index] for index in indices],
        "token_type_ids": [types[index] if types is not None else [] for index in indices],
    }
