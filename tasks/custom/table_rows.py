"""From records of tables to rows: one function for each family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...corpora.annotated import Mention, checked_mention
from ...corpora.conll import bio_tags
from ...corpora.sources import Row
from ...errors import RequestError
from ..word_division import split_words
from .cells import Cells, Columns, shown
from .documents import inside_words, tag_words
from .families import FEWEST_OPTIONS, MOST_OPTIONS
from .marking import mark

_SEPARATORS = (";", "|", ",")
# A PMID, or a document of DDI, with more behind it.
DOCUMENT_IN_ID = re.compile(r"\d{5,9}(?=[^0-9A-Za-z])|.+\.d\d+(?=\.s\d)")


def rows_of_table(
    convert: Callable[[Cells], Row], records: Iterable[tuple[str, Row]], columns: Columns
) -> Iterator[tuple[str, Row]]:
    """Yield (place, row) for each record. A row has the fields of the prepared format, with names instead of flags.

    Its id and document are under `id` and `document`, where the table has them, and `group` is the text as it was
    before mentions were marked.

    Raises:
        RequestError: a cell is malformed; the message names file, line and column.
    """
    for where, record in records:
        cells = Cells(where, record, columns)
        row = convert(cells)
        for role in ("id", "document"):
            if role in columns.names:
                row[role] = cells.label(role)
        if columns.document_in_id and (match := DOCUMENT_IN_ID.match(row["id"])):
            row["document"] = match[0]
        yield where, row


def ids_tell_documents(ids: Iterable[Any]) -> bool:
    """Return whether ids begin with that of a document, and several have the same: `10064839.T56.T49`."""
    found = [DOCUMENT_IN_ID.match(str(one)) for one in ids]
    documents = [match[0] for match in found if match]
    return bool(documents) and len(documents) == len(found) and len(set(documents)) < 0.8 * len(documents)


def tagged_words(cells: Cells) -> Row:
    """Read a sentence of words with tags, or a text with spans."""
    if "tokens" in cells.columns.names and "tags" in cells.columns.names:
        tokens, tags = cells.texts("tokens"), cells.texts("tags")
        if len(tokens) != len(tags):
            raise cells.wrong("tags", f"has {len(tags)} tags for {len(tokens)} tokens; correct the row")
        try:
            return {"tokens": tokens, "ner_tags": bio_tags(tags)}
        except ValueError as error:
            raise RequestError(f"{cells.where}: {error.args[0]}") from error
    text = cells.text("text")
    words = split_words(text)
    mentions = [_span(cells, "entities", item, text, number) for number, item in enumerate(_list(cells, "entities"), 1)]
    mentions.sort(key=lambda mention: (mention.start, -mention.end))
    return {
        "tokens": [text[start:end] for start, end in words],
        "ner_tags": tag_words(words, mentions),
        "notes": list(inside_words(words, mentions)),
    }


def _list(cells: Cells, role: str) -> list[Any]:
    value = cells.value(role)
    if not isinstance(value, list):
        raise cells.wrong(role, f"should be a list of spans, found {shown(value)}; correct the row")
    return value


def _span(cells: Cells, role: str, item: Any, text: str, number: int = 1) -> Mention:
    """Read `{"start", "end", "label"}` or `[start, end, label]`."""
    if isinstance(item, dict):
        start, end = item.get("start", item.get("start_offset")), item.get("end", item.get("end_offset"))
        parts = start, end, item.get("label", item.get("type", ""))
        quoted = item.get("text")
    else:
        parts, quoted = tuple(item) if isinstance(item, list) and len(item) in (2, 3) else (None, None, ""), None
    start, end, kind = (*parts, "entity")[:3]
    if type(start) is not int or type(end) is not int or not isinstance(kind, str) or not kind:
        raise cells.wrong(
            role, f"holds {shown(item)}, expected {{start, end, label}} or [start, end, label]; correct the row"
        )
    mention = Mention(f"span {number}", kind, start, end, cells.where)
    return checked_mention(mention, text, quoted if isinstance(quoted, str) else None)


def relation(cells: Cells) -> Row:
    """Read a text with the relation of two mentions, which are marked where their spans are given."""
    if "first" in cells.columns.names and "second" in cells.columns.names:
        # Pairs of one sentence have different marks; they must all be in one split.
        return {"text": marked_text(cells), "label": cells.label(), "group": cells.text("text")}
    return {"text": cells.text("text"), "label": cells.label()}


def marked_text(cells: Cells) -> str:
    """Read a text, and mark the two mentions whose spans are `first` and `second`."""
    text = cells.text("text")
    spans = [_span(cells, role, cells.value(role), text) for role in ("first", "second")]
    return mark(text, (0, len(text)), spans[:1], spans[1:], cells.columns.marks)


def text_with_class(cells: Cells) -> Row:
    """Read a text with its class."""
    return {"text": cells.text("text"), "label": cells.label()}


def separator_of(values: Iterable[Any]) -> str:
    """Return what separates labels in the cells of a column: `;` or `|` if it is there, else `,` if that is."""
    texts = [value for value in values if isinstance(value, str) and not value.lstrip().startswith("[")]
    return next((item for item in _SEPARATORS if any(item in text for text in texts)), _SEPARATORS[0])


def text_with_labels(cells: Cells) -> Row:
    """Read a text with its labels: a list, a text with separators, or one column of 0 and 1 for each label."""
    columns = cells.columns.names["labels"]
    if isinstance(columns, list):
        chosen = []
        for name in columns:
            value = str(cells.record.get(name)).strip().lower()
            if value not in ("0", "1", "true", "false", "0.0", "1.0"):
                raise cells.wrong("labels", f"should hold 0 or 1 in {name!r}, found {shown(cells.record.get(name))}")
            if value in ("1", "true", "1.0"):
                chosen.append(str(name))
        return {"text": cells.text("text"), "label": chosen}
    value = cells.value("labels")
    if isinstance(value, str) and not value.lstrip().startswith("["):
        separator = cells.columns.separator or separator_of([value])
        value = [part.strip() for part in value.split(separator) if part.strip()]
        return {"text": cells.text("text"), "label": list(dict.fromkeys(value))}
    labels = [label.strip() for label in (cells.texts("labels") if value else [])]
    return {"text": cells.text("text"), "label": list(dict.fromkeys(filter(None, labels)))}


def pair_with_class(cells: Cells) -> Row:
    """Read a pair of texts with its class."""
    return {"text": cells.text("text"), "text_pair": cells.text("text_pair"), "label": cells.label()}


def pair_with_number(cells: Cells) -> Row:
    """Read a pair of texts with a number."""
    return {"text": cells.text("text"), "text_pair": cells.text("text_pair"), "label": cells.number("label")}


def question_with_options(cells: Cells) -> Row:
    """Read a question with its options and the number, letter or text of the right one."""
    choices = cells.choices("options")
    options = list(choices.values())
    if not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS:
        raise cells.wrong(
            "options", f"has {len(options)} options, expected {FEWEST_OPTIONS} to {MOST_OPTIONS}; correct the row"
        )
    return {"question": cells.text("question"), "options": options, "label": _answer_number(cells, choices)}


def _answer_number(cells: Cells, choices: dict[str, str]) -> int:
    """Return the number of the right option, which is given as a number, by its name (a letter), or as its text.

    Raises:
        RequestError: it is none of these, or can be read in two ways (`A` where an option is called `A` but stands
            elsewhere) and the task file does not say which one is right.
    """
    answer, first = cells.label("answer"), cells.columns.first_answer
    options, letters = list(choices.values()), [name.upper() for name in choices]
    lowest = first if isinstance(first, int) else 0
    number = int(answer) - lowest if re.fullmatch(r"[0-9]{1,4}", answer) else -1
    # An empty column is no option, and the places of those after it are still counted from the first column.
    lettered = all(len(name) == 1 and name.isascii() and name.isalpha() for name in letters)
    places = [ord(name) - ord("A") for name in letters] if lettered else list(range(len(options)))
    by_number = places.index(number) if number in places else None
    by_letter = letters.index(answer.upper()) if answer.upper() in letters else None
    by_text = next((place for place, option in enumerate(options) if option.strip() == answer), None)
    if first == "A" or (not lettered and by_letter is not None):
        readings = [by_letter]
    elif first is not None or not isinstance(cells.value("answer"), str):
        readings = [by_number]  # A number in JSON or Parquet is not a text.
    else:
        readings = [by_letter, by_number, by_text]
    found = list(dict.fromkeys(item for item in readings if item is not None)) or [by_text]
    if len(found) == 1 and found[0] is not None:
        return found[0]
    if len(found) > 1:
        raise cells.wrong(
            "answer",
            f"holds {answer!r}, which stands for one option and is the text of another; say under [columns] how "
            'answers are given: first_answer = "A" for letters, or the number of the first option',
        )
    raise cells.wrong(
        "answer",
        f"should be a letter A to {letters[-1]}, a number {lowest} to {lowest + max(places)}, or the text of an "
        f"option, found {shown(answer)}; correct the row, or set first_answer = 1 under [columns] if options are "
        "counted from 1",
    )


def question_with_context(cells: Cells) -> Row:
    """Read a question with its context and accepted answers."""
    row = {"question": cells.text("question"), "context": cells.text("context")}
    value = cells.value("answers")
    if isinstance(value, dict):
        return row | {"answers": value}
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        texts, starts = ([item.get(key) for item in value] for key in ("text", "answer_start"))
        return row | {"answers": {"text": texts, "answer_start": starts}}
    if value in (None, ""):
        return row | {"answers": {"text": [], "answer_start": []}}
    text = cells.text("answers")
    if "answer_start" in cells.columns.names:
        start = cells.position("answer_start")
    else:
        start, count = row["context"].find(text), row["context"].count(text)
        if count != 1:
            raise cells.wrong(
                "answers",
                f"{shown(text)} stands {count} times in the context, expected once; name the column of its position "
                "with answer_start under [columns]",
            )
    return row | {"answers": {"text": [text], "answer_start": [start]}}
