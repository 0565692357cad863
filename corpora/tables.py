"""Read the tab-separated files of BLURB's scripts: ChemProt, DDI, GAD, BIOSSES, HoC and BioASQ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RequestError
from .lines import read_lines, split_columns
from .sources import Format, Row, named_files

_FILES = {split: (f"{split}.tsv", f"{split}.tsv.gz") for split in ("train", "dev", "test")}

# The largest number of sentences of an abstract: a file in which all lines have the same PMID must not fill the memory.
_MAX_SENTENCES = 10_000


def _format(read: Callable[[Path], Iterator[Row]]) -> Format:
    return Format("BLURB TSV", named_files(_FILES), lambda files, split: read(files[0]))


def relation_format(labels: tuple[str, ...], negative: str, header: tuple[str, ...] | None = None) -> Format:
    """Return the format of ChemProt, DDI and GAD: the columns id, sentence and label.

    Args:
        labels: the labels of the task.
        negative: the label of the negative class; it replaces every label that contains `false`.
        header: the column names on the first line, or None for a file without a header line.
    """
    return _format(lambda path: read_relations(path, labels, negative, header))


def biosses_format() -> Format:
    """Return the format of BIOSSES: a header line and the columns pair_id, sent1, sent2 and score."""
    return _format(read_biosses)


def hoc_format(labels: int) -> Format:
    """Return the format of HoC: one line per sentence, which the reader joins into abstracts.

    Args:
        labels: the number of labels.
    """
    return _format(lambda path: read_hoc(path, labels))


def bioasq_format(labels: tuple[str, ...]) -> Format:
    """Return the format of BioASQ: no header line and the columns id, question, snippets and answer.

    Args:
        labels: the answers that the task allows.
    """
    return _format(lambda path: read_bioasq(path, labels))


def check_label(path: Path | str, number: int, label: str, labels: tuple[str, ...]) -> str:
    """Return `label` unchanged after checking that it is one of the task's labels.

    Args:
        path: the file, for the error message.
        number: the line number, for the error message.
        label: the label to check.
        labels: the labels of the task.

    Raises:
        RequestError: the label is not one of them.
    """
    if label not in labels:
        raise RequestError(
            f"{path}:{number}: label {label!r} is not in the task's set ({', '.join(labels)}); correct the line"
        )
    return label


def read_relations(
    path: Path, labels: tuple[str, ...], negative: str, header: tuple[str, ...] | None = None
) -> Iterator[Row]:
    """Yield one row per line: `id`, `sentence`, `label`.

    Args:
        path: the file.
        labels: the labels of the task.
        negative: the label that replaces every label that contains `false`.
        header: the column names on the first line, or None for a file without a header line.

    Raises:
        RequestError: the header line, the number of columns or a label is wrong.
    """
    for number, line in read_lines(path):
        # As in the authors' preprocessing, the line is stripped but its fields are not: spaces at the
        # end of a DDI sentence stay.
        fields = split_columns(path, number, line.strip(), header or ("id", "sentence", "label"))
        if header and number == 1:
            _check_header(path, fields, header)
            continue
        identifier, sentence, label = fields
        # The negative class is `false` in ChemProt and `DDI-false` in DDI; some copies write `CPR:false`.
        label = negative if "false" in label else label
        yield {"id": identifier, "sentence": sentence, "label": check_label(path, number, label, labels)}


def read_biosses(path: Path) -> Iterator[Row]:
    """Yield one row per line after the header: `sentence1`, `sentence2`, `label` (a float from 0 to 4), `id`.

    Raises:
        RequestError: the header line, the number of columns or a score is wrong.
    """
    header = ("pair_id", "sent1", "sent2", "score")
    for number, line in read_lines(path):
        fields = split_columns(path, number, line.strip(), header)
        if number == 1:
            _check_header(path, fields, header)
            continue
        identifier, first, second, score = fields
        yield {
            "sentence1": first,
            "sentence2": second,
            "label": _number(path, number, score),
            "id": identifier,
        }


def read_hoc(path: Path, labels: int) -> Iterator[Row]:
    """Yield one row per abstract: `sentence` (the whole text), `label` (a list of 0 and 1), `id` (PMID).

    Args:
        path: a file with one sentence per line; the sentences of an abstract are consecutive.
        labels: the number of labels.

    Raises:
        RequestError: the header line, the number of columns, a label or an index is wrong, or an abstract is too long.
    """
    header = ("labels", "sentence", "index")
    current: Abstract | None = None
    for number, line in read_lines(path):
        fields = split_columns(path, number, line.strip(), header)
        if number == 1:
            _check_header(path, fields, header)
            continue
        flags = _hoc_labels(path, number, fields[0], labels)
        pmid, mark, sentence_number = fields[2].partition("_s")
        if not mark or not sentence_number.isdigit():
            raise RequestError(
                f"{path}:{number}: expected an index like 22239943_s0, found {fields[2]!r}; correct the line"
            )
        if current is None or current.pmid != pmid:
            if current is not None:
                yield current.row()
            current = Abstract(pmid, [0] * labels)
        current.add(fields[1], flags)
        if len(current.sentences) > _MAX_SENTENCES:
            raise RequestError(
                f"{path}:{number}: more than {_MAX_SENTENCES} sentences of {pmid}, too many for an abstract; "
                "get the file again"
            )
    if current is not None:
        yield current.row()


@dataclass
class Abstract:
    """An HoC abstract to which sentences are added one by one.

    Attributes:
        pmid: the PubMed id.
        flags: one 0 or 1 per label; 1 if any sentence so far has the label.
        sentences: the texts of the sentences so far.
    """

    pmid: str
    flags: list[int]
    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str, flags: list[int]) -> None:
        """Append a sentence, and merge its labels into those of the abstract."""
        self.sentences.append(sentence)
        self.flags = [old | new for old, new in zip(self.flags, flags, strict=True)]

    def row(self) -> Row:
        """Return the abstract in the prepared format, its sentences joined by a space."""
        text = " ".join(sentence.rstrip() for sentence in self.sentences if sentence.strip())
        return {"sentence": text.strip(), "label": self.flags, "id": self.pmid}


def read_bioasq(path: Path, labels: tuple[str, ...]) -> Iterator[Row]:
    """Yield one row per line: `id`, `sentence1` (the question), `sentence2` (the snippets), `label`; all stripped.

    Args:
        path: the file, which has no header line.
        labels: the answers that the task allows.

    Raises:
        RequestError: the number of columns or an answer is wrong.
    """
    for number, line in read_lines(path):
        fields = split_columns(path, number, line, ("id", "question", "snippets", "answer"))
        identifier, question, context, label = (field.strip() for field in fields)
        yield {
            "id": identifier,
            "sentence1": question,
            "sentence2": context,
            "label": check_label(path, number, label, labels),
        }


def _check_header(path: Path, fields: list[str], header: tuple[str, ...]) -> None:
    if tuple(fields) != header:
        raise RequestError(
            f"{path}:1: expected the header line {' '.join(header)}, found {' '.join(fields)[:80]!r}; "
            "get the file again"
        )


def _number(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        # NaN fails the next check, so that a text and a number out of range give the same message.
        value = float("nan")
    if not 0 <= value <= 4:
        raise RequestError(f"{path}:{number}: expected a score from 0 to 4, found {text!r}; correct the line")
    return value


def _hoc_labels(path: Path, number: int, text: str, labels: int) -> list[int]:
    """Return one 0 or 1 per label from a text like `0_0,1_1,2_0`, where each item is POSITION_FLAG."""
    flags = []
    for position, item in enumerate(text.split(",")):
        if item not in (f"{position}_0", f"{position}_1"):
            raise RequestError(
                f"{path}:{number}: expected {position}_0 or {position}_1 in the labels, found {item!r}; "
                "correct the line"
            )
        flags.append(int(item[-1]))
    if len(flags) != labels:
        raise RequestError(f"{path}:{number}: expected {labels} labels, found {len(flags)}; correct the line")
    return flags
