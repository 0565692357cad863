"""Examples that are sentences of labelled words: what NER and PICO share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..corpora.json_files import check_text
from ..corpora.prepared import describe, identifier_of
from ..corpora.sources import Row
from .mistakes import Mistake, wrong_spans
from .spans import group_tags
from .task import Task
from .word_division import Span, split_words

if TYPE_CHECKING:
    import pyarrow as pa

_MIN_SHARED_WORDS = 6  # Shorter sentences ("Abstract .") occur in any two corpora, so they say nothing about leaks.


def schema(task: Task) -> pa.Schema:
    """Return the Arrow schema of the examples."""
    import pyarrow as pa

    return pa.schema({"id": pa.string(), "tokens": pa.list_(pa.string()), "label": pa.list_(pa.string())})


def parse(task: Task, row: Row) -> Row:
    """Read `tokens` and `ner_tags` of a prepared row; bare and typed tags become the task's own labels.

    Raises:
        ValueError: the row breaks the rules of the format or of the task.
    """
    tokens = row.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) and token for token in tokens):
        raise ValueError(f"the field 'tokens' should be a list of non-empty strings, found {describe(row, 'tokens')}")
    for token in tokens:
        check_text(token)
    example = {"id": identifier_of(row), "tokens": tokens}
    if "ner_tags" in row:
        example["label"] = task.family.read_label(task, row["ner_tags"], example)
    return example


def read_tags(task: Task, tags: Any, example: Row) -> list[str]:
    """Turn the tags of one sentence into the task's labels.

    Raises:
        ValueError: the tags are not one string per token, or a tag is outside the task's set.
    """
    return [_own_label(task, tag) for tag in checked_tags(tags, example)]


def checked_tags(tags: Any, example: Row) -> list[str]:
    """Return the tags if they are strings, one per token of the example.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("the tags should be a list of strings")
    if len(tags) != len(example["tokens"]):
        raise ValueError(f"{len(example['tokens'])} tokens but {len(tags)} tags")
    return tags


def _own_label(task: Task, tag: str) -> str:
    if tag in task.labels:
        return tag
    types = task.tag_types
    prefix, _, kind = tag.partition("-")
    own = sorted(set(types.values()))
    if prefix in ("B", "I") and kind in types:
        return f"{prefix}-{types[kind]}"
    if tag in ("B", "I"):
        if len(own) == 1:
            return f"{tag}-{own[0]}"
        raise ValueError(
            f"tag {tag!r} names no type, but {task.name} has several: write {tag}-{f' or {tag}-'.join(own)}"
        )
    bare = ("B", "I") if len(own) == 1 else ()
    raise ValueError(f"tag {tag!r} is not in the task's set ({', '.join(('O', *bare, *task.labels[1:]))})")


def text(example: Row) -> str | None:
    """Return the sentence if it is long enough that a repetition means something, else None."""
    return " ".join(example["tokens"]) if len(example["tokens"]) >= _MIN_SHARED_WORDS else None


def mentions(example: Row) -> int:
    """Return the number of mentions: of labels that begin one."""
    return sum(tag.startswith("B-") for tag in example["label"])


def labelled_words(example: Row) -> int:
    """Return the number of words with a label other than `O`."""
    return sum(tag != "O" for tag in example["label"])


def mention_types(task: Task, label: Sequence[str]) -> Iterator[str]:
    """Yield the type of each mention."""
    return (tag.partition("-")[2] for tag in label if tag.startswith("B-"))


def word_types(task: Task, label: Sequence[str]) -> Iterator[str]:
    """Yield the type of each labelled word."""
    return (tag.partition("-")[2] for tag in label if tag != "O")


def from_text(task: Task, raw: str) -> Row:
    """Return a raw text as a row with `tokens`, and with `spans`, their positions in the text."""
    spans = split_words(raw, task.division)
    return {"text": raw, "spans": spans, "tokens": [raw[start:end] for start, end in spans]}


def describe_mentions(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    """Return what `linkbert predict` prints for one sentence, with one entity per mention."""
    return _described(row, example, prediction, scores, join=False)


def describe_spans(task: Task, row: Row, example: Row, prediction: Any, scores: Any) -> Row:
    """Return what `linkbert predict` prints for one sentence, with neighbouring words of one class joined to a span."""
    return _described(row, example, prediction, scores, join=True)


def _described(row: Row, example: Row, prediction: Any, scores: Any, *, join: bool) -> Row:
    raw = row["text"] if "spans" in row else " ".join(example["tokens"])
    entities = list(find_entities(raw, word_spans(row, example), prediction, scores, join=join))
    return {"id": example["id"], "text": raw, "entities": entities}


def word_spans(row: Row, example: Row) -> list[Span]:
    """Return start and end of each word of an example in its text; words without a text are joined by spaces."""
    return row["spans"] if "spans" in row else _joined_spans(example["tokens"])


def _joined_spans(tokens: list[str]) -> list[Span]:
    spans, start = [], 0
    for token in tokens:
        spans.append((start, start + len(token)))
        start += len(token) + 1
    return spans


def mistakes_in_mentions(task: Task, example: Row, gold: Any, prediction: Any, scores: Any) -> Iterator[Mistake]:
    """Yield the mentions that were missed or invented in a sentence."""
    return wrong_spans(example["tokens"], gold, prediction, join=False)


def mistakes_in_spans(task: Task, example: Row, gold: Any, prediction: Any, scores: Any) -> Iterator[Mistake]:
    """Yield the spans that were missed or invented in a sentence, neighbouring words of one class joined."""
    return wrong_spans(example["tokens"], gold, prediction, join=True)


def find_entities(
    raw: str, spans: list[Span], tags: list[str], scores: list[float], *, join: bool
) -> Iterator[dict[str, Any]]:
    """Join tagged words into entities. The score of an entity is the mean of its words' probabilities.

    An `I` tag that does not continue an entity of its type begins one, as in conlleval.

    Args:
        raw: the text.
        spans: start and end of each word in the text.
        tags: the label of each word.
        scores: the probability of each label.
        join: whether neighbouring words of one class are one entity whatever their prefix. PICO tags every word with
            `B`.
    """
    for kind, first, after in group_tags(tags, join=join):
        start, end = spans[first][0], spans[after - 1][1]
        score = sum(scores[first:after]) / (after - first)
        yield {"start": start, "end": end, "label": kind, "score": round(score, 6), "text": raw[start:end]}
