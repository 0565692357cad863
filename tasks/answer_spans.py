"""Questions and contexts: encoding in windows, and the best span of a context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..corpora.sources import Row
from ..errors import RequestError
from ..models.head_functions import ENDS_ANSWER, STARTS_ANSWER, STARTS_SEQUENCE
from .encoding import chunks
from .fitting import sequences_of, shortened
from .task import Task, Truncation

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerFast

# The settings of BERT's scripts for SQuAD (Devlin et al. 2019), in word pieces.
_MAX_QUESTION = 64
_OVERLAP = 128
MAX_ANSWER = 30
_CONTEXT = 1  # `sequence_ids` of the tokens of the context


def encode_answers(
    task: Task,
    tokenizer: PreTrainedTokenizerFast,
    examples: Iterable[Row],
    max_length: int,
    truncation: Truncation,
) -> Iterator[Row]:
    """Encode `[CLS] question [SEP] context [SEP]`. A long context becomes overlapping windows, each with the question.

    The first accepted answer is what is learnt. Windows that do not hold the whole answer, and all windows of a
    question without an answer, are labelled at the first token, as in BERT's scripts for SQuAD. A question of more than
    64 word pieces (or half of `max_length`) is cut, and the pieces are counted.

    Raises:
        RequestError: `max_length` leaves no room for the context.
    """
    longest = min(_MAX_QUESTION, max_length // 2)
    room = max_length - longest - tokenizer.num_special_tokens_to_add(pair=True)
    if room < 1:
        raise RequestError(f"max_length {max_length} leaves no room for a context beside the question; raise it")
    for chunk in chunks(examples):
        questions, cut = shortened(tokenizer, [example["question"].strip() for example in chunk], longest)
        encoded = tokenizer(
            questions,
            [example["context"] for example in chunk],
            truncation="only_second",
            max_length=max_length,
            stride=min(_OVERLAP, (max_length - longest) // 2, room - 1),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        windows: list[list[int]] = [[] for _ in chunk]
        for window, owner in enumerate(encoded["overflow_to_sample_mapping"]):
            windows[owner].append(window)
        for example, indices, pieces in zip(chunk, windows, cut, strict=True):
            row = sequences_of(encoded, indices)
            spans = [_context_spans(encoded, index) for index in indices]
            row["token_spans"] = [[number for span in window for number in span] for window in spans]
            answers = example.get("label")
            starts = example.get("answer_starts") or []
            wanted = (starts[0], starts[0] + len(answers[0])) if answers else None
            row["labels"] = None if answers is None else [_labels(window, wanted) for window in spans]
            truncation.examples += 1
            truncation.examples_cut += pieces > 0
            truncation.tokens_cut += pieces
            truncation.windowed += len(indices) > 1
            truncation.gold_labels_lost += bool(wanted) and not any(_find(window, wanted) for window in spans)
            yield row


def _context_spans(encoded: Any, window: int) -> list[tuple[int, int]]:
    """Return start and end of each token of a window in the context, or (-1, -1)."""
    owners = encoded.sequence_ids(window)
    return [
        span if owner == _CONTEXT else (-1, -1)
        for span, owner in zip(encoded["offset_mapping"][window], owners, strict=True)
    ]


def _labels(window: list[tuple[int, int]], wanted: tuple[int, int] | None) -> list[int]:
    first, last = _find(window, wanted) or (0, 0)
    labels = [0] * len(window)
    labels[0] += STARTS_SEQUENCE
    labels[first] += STARTS_ANSWER
    labels[last] += ENDS_ANSWER
    return labels


def _find(window: list[tuple[int, int]], wanted: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the first and last token of a span of characters, or None if it is not wholly inside the window."""
    if wanted is None:
        return None
    touched = [
        index for index, (start, end) in enumerate(window) if start < wanted[1] and end > wanted[0] >= 0 <= start
    ]
    inside = [span for span in window if span[0] >= 0]
    # A span that begins before the window or ends after it is cut by the window.
    if not touched or inside[0][0] > wanted[0] or inside[-1][1] < wanted[1]:
        return None
    return touched[0], touched[-1]


def decode_answer(task: Task, output: np.ndarray, example: Row) -> tuple[str, dict[str, Any]]:
    """Return the best answer, and where it stands with its probability.

    The best span of all windows has the highest sum of the logits of start and end, and at most `MAX_ANSWER` word
    pieces. Where the task has questions without an answer, the answer is empty if the first token of every window
    scores higher (the rule of BERT's scripts for SQuAD 2.0 with the threshold 0).

    Args:
        task: the task.
        output: shape (tokens, 5), see `models.head_functions.per_token`.
        example: the question with its context.
    """
    import numpy as np

    best: tuple[float, int, int, float] = (-np.inf, 0, 0, 0.0)
    unanswered = (np.inf, 1.0)  # the smallest score of "no answer" over the windows, and its probability
    for number in range(int(output[-1, 0]) + 1):
        window = output[output[:, 0] == number]
        inside = window[:, 3] >= 0
        no_answer = float(window[0, 1] + window[0, 2])
        # Probabilities are those of `pipeline("question-answering")`: over the context and the first token.
        considered = inside.copy()
        considered[0] = True
        scale = float(_log_sum(window[considered, 1]) + _log_sum(window[considered, 2]))
        unanswered = min(unanswered, (no_answer, float(np.exp(no_answer - scale))))
        score, first, last = _best_span(window[inside, 1], window[inside, 2])
        if score > best[0]:
            spans = window[inside, 3:]
            best = (score, int(spans[first, 0]), int(spans[last, 1]), float(np.exp(score - scale)))
    if best[2] <= best[1] or (task.unanswerable and unanswered[0] > best[0]):
        return "", {"start": None, "end": None, "score": round(unanswered[1], 6)}
    return example["context"][best[1] : best[2]], {"start": best[1], "end": best[2], "score": round(best[3], 6)}


def _best_span(starts: np.ndarray, ends: np.ndarray) -> tuple[float, int, int]:
    """Return the highest sum of a start and an end at most `MAX_ANSWER` tokens later, with both positions."""
    best = (float("-inf"), 0, 0)
    for length in range(min(MAX_ANSWER, len(starts))):
        sums = starts[: len(starts) - length] + ends[length:]
        first = int(sums.argmax())
        if sums[first] > best[0]:
            best = (float(sums[first]), first, first + length)
    return best


def _log_sum(values: np.ndarray) -> float:
    import numpy as np

    return float(np.logaddexp.reduce(values))
