"""What a model got wrong in one example, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..corpora.sources import Row
from ..metrics.answer_texts import exact_match
from .spans import group_tags

_AROUND = 4  # words shown on each side of a wrong span
_SHOWN = 300  # characters of a text
_TEXTS = ("text", "text_pair", "question", "context")  # the fields that hold the text of an example


@dataclass(frozen=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        severity: mistakes with a higher one are shown first: the confidence in a wrong answer, the size of an error, or
            the number of words concerned.
        what: the mistake in one line.
        details: further lines, such as the text.
    """

    severity: float
    what: str
    details: tuple[str, ...] = ()


def wrong_label(example: Row, gold: Any, prediction: Any, scores: Any) -> Iterator[Mistake]:
    """Yield the mistake if a label is wrong; the most confident ones are the worst."""
    if gold == prediction:
        return
    confidence = _confidence(scores, prediction)
    sure = "" if confidence is None else f" ({confidence:.0%} sure)"
    yield Mistake(confidence or 0.0, f"{prediction} instead of {gold}{sure}", tuple(_texts(example)))


def wrong_answer(example: Row, gold: Sequence[str], prediction: str, scores: Any) -> Iterator[Mistake]:
    """Yield the mistake if a predicted answer has other words than all accepted ones; the most confident are worst."""
    if exact_match(prediction, gold):
        return
    confidence = scores.get("score") if isinstance(scores, Mapping) else None
    true = " or ".join(dict.fromkeys(gold)) or "no answer"
    what = f"{prediction or 'no answer'} instead of {true}"
    yield Mistake(confidence or 0.0, what, tuple(_texts(example)))


def wrong_flags(labels: Sequence[str], gold: Sequence[int], prediction: Sequence[int], example: Row) -> list[Mistake]:
    """Return the mistake if labels of a document are missing or too many."""
    missed = [label for label, true, given in zip(labels, gold, prediction, strict=True) if true and not given]
    invented = [label for label, true, given in zip(labels, gold, prediction, strict=True) if given and not true]
    if not missed and not invented:
        return []
    parts = [f"missed: {', '.join(missed)}"] if missed else []
    parts += [f"invented: {', '.join(invented)}"] if invented else []
    return [Mistake(len(missed) + len(invented), "; ".join(parts), tuple(_texts(example)))]


def wrong_number(example: Row, gold: float, prediction: float) -> Iterator[Mistake]:
    """Yield the error of a number."""
    if gold != prediction:
        yield Mistake(abs(prediction - gold), f"{prediction:.2f} instead of {gold:.2f}", tuple(_texts(example)))


def wrong_spans(
    tokens: Sequence[str], gold: Sequence[str], prediction: Sequence[str], *, join: bool
) -> Iterator[Mistake]:
    """Yield each entity that was missed, and each that was invented, with its words beside both labels.

    Args:
        tokens: the words.
        gold: the gold label of each word.
        prediction: the predicted label of each word.
        join: whether neighbouring words of one class are one span whatever their prefix.
    """
    true, given = (set(group_tags(tags, join=join)) for tags in (gold, prediction))
    for what, spans in (("missed", true - given), ("invented", given - true)):
        for kind, start, end in sorted(spans, key=lambda span: span[1:]):
            text = " ".join(tokens[start:end])
            window = slice(max(0, start - _AROUND), end + _AROUND)
            details = tuple(aligned([tokens[window], gold[window], prediction[window]], ("", "gold", "predicted")))
            yield Mistake(end - start, f"{what} {kind}: {text}", details)


def aligned(lines: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[str]:
    """Yield lines of words, each word below its counterpart."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first = max(map(len, names))
    for name, words in zip(names, lines, strict=True):
        cells = (word.ljust(width) for word, width in zip(words, widths, strict=True))
        yield f"{name.ljust(first)}  {' '.join(cells)}".rstrip()


def _confidence(scores: Any, prediction: Any) -> float | None:
    """Return the probability of the predicted label, where the predictions file has it."""
    if isinstance(scores, Mapping):
        found = scores.get(str(prediction))
    elif isinstance(scores, Sequence) and isinstance(prediction, int) and 0 <= prediction < len(scores):
        found = scores[prediction]
    else:
        found = None
    return float(found) if isinstance(found, int | float) else None


def _texts(example: Row) -> Iterator[str]:
    """Yield the texts of an example, shortened."""
    options = example.get("options")
    for value in (*(example.get(name) for name in _TEXTS), *(options or ())):
        if isinstance(value, str) and value:
            line = " ".join(value.split())
            yield line if len(line) <= _SHOWN else f"{line[:_SHOWN]} [...]"
