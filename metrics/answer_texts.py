"""Comparison of one predicted answer with the accepted ones, by the rules of SQuAD's official script."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Return an answer in lower case, without ASCII punctuation, articles and repeated white space.

    Source: `normalize_answer` of the evaluation scripts of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction equals one of the accepted answers after normalisation, else 0.

    Args:
        prediction: the predicted text; empty for "no answer".
        answers: the accepted texts; empty for a question without an answer.
    """
    return float(any(normalise(prediction) == normalise(answer) for answer in _accepted(answers)))


def word_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the F1 of the words shared with the best of the accepted answers, from 0 to 1.

    Where prediction or answer has no word after normalisation, it is 1 if neither has any, else 0.

    Args:
        prediction: the predicted text; empty for "no answer".
        answers: the accepted texts; empty for a question without an answer.
    """
    return max(_f1(normalise(prediction).split(), normalise(answer).split()) for answer in _accepted(answers))


def _accepted(answers: Sequence[str]) -> Sequence[str]:
    """Return the answers that have a word; the empty answer if none has, as in the script of SQuAD 2.0."""
    return [answer for answer in answers if normalise(answer)] or [""]


def _f1(given: list[str], true: list[str]) -> float:
    if not given or not true:
        return float(given == true)
    shared = sum((Counter(given) & Counter(true)).values())
    # Precision is shared / given and recall shared / true; this is their harmonic mean.
    return 2 * shared / (len(given) + len(true))
