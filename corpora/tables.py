"""BLURB's tab-separated outputs: relations, GAD, BIOSSES, HoC and BioASQ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import RequestError
from .lines import read_lines, split_columns
from .sources import Format, Row, named_files

_FILES = {split: (f"{split}.tsv", f"{split}.tsv.gz") for split in ("train", "dev", "test")}

_MAX_SENTENCES = 10_000  # of an abstract


def _format(read: Callable[[Path], Iterator[Row]]) -> Format:
    return Format("BLURB TSV", named_files(_FILES), lambda files, split: read(files[0]))


def relation_format(labels: tuple[str, ...], negative: str, header: tuple[str, ...] | None = None) -> Format:
    """ChemProt, DDI and (with a header line) GAD: id, sentence, label; a label with `false` in it is `negative`."""
    return _format(lambda path: read_relations(path, labels, negative, header))


def biosses_format() -> Format:
    """BIOSSES: pair_id, sent1, sent2, score, with a header line."""
    return _format(read_biosses)


def hoc_format(labels: int) -> Format:
    """HoC: one line a sentence, joined into abstracts."""
    return _format(lambda path: read_hoc(path, labels))


def bioasq_format(labels: tuple[str, ...]) -> Format:
    """BioASQ yes/no: id, question, snippets, answer, without a header line."""
    return _format(lambda path: read_bioasq(path, labels))


def check_label(path: Path | str, number: int, label: str, labels: tuple[str, ...]) -> str:
    """Return `label` when it is in the task's set.

    Raises:
        RequestError: naming file, line and the labels that are.
    """
    if label not in labels:
        raise RequestError(
            f"{path}:{number}: label {label!r} is not in the task's set ({', '.join(labels)}); correct the line"
        )
    return label


def read_relations(
    path: Path, labels: tuple[str, ...], negative: str, header: tuple[str, ...] | None = None
) -> Iterator[Row]:
    """Yield `id`, `sentence`, `label`. Lines are stripped as a whole, fields are not."""
    for number, line in read_lines(path):
        fields = split_columns(path, number, line.strip(), header or ("id", "sentence", "label"))
        if header and number == 1:
            _check_header(path, fields, header)
            continue
        identifier, sentence, label = fields
        label = negative if "false" in label else label
        yield {"id": identifier, "sentence": sentence, "label": check_label(path, number, label, labels)}


def read_biosses(path: Path) -> Iterator[Row]:
    """Yield `sentence1`, `sentence2`, `label` (a float from 0 to 4), `id`."""
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
    """Yield one row an abstract: `sentence` (its sentences joined by a space), `label` (0/1, or-ed), `id` (PMID)."""
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
            raise RequestError(f"{path}:{number}: expected an index like 22239943_s0, found {fields[2]!r}")
        if current is None or current.pmid != pmid:
            if current is not None:
                yield current.row()
            current = Abstract(pmid, [0] * labels)
        current.add(fields[1], flags)
        if len(current.sentences) > _MAX_SENTENCES:
            raise RequestError(f"{path}:{number}: more than {_MAX_SENTENCES} sentences of {pmid}; this is no abstract")
    if current is not None:
        yield current.row()


@dataclass
class Abstract:
    """An HoC abstract, sentence by sentence.

    Attributes:
        pmid: its id.
        flags: the labels of its sentences, or-ed.
        sentences: their texts.
    """

    pmid: str
    flags: list[int]
    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str, flags: list[int]) -> None:
        """Append a sentence with its labels."""
        self.sentences.append(sentence)
        self.flags = [old | new for old, new in zip(self.flags, flags, strict=True)]

    def row(self) -> Row:
        """The abstract in the prepared format."""
        text = " ".join(sentence.rstrip() for sentence in self.sentences if sentence.strip())
        return {"sentence": text.strip(), "label": self.flags, "id": self.pmid}


def read_bioasq(path: Path, labels: tuple[str, ...]) -> Iterator[Row]:
    """Yield `id`, `sentence1` (question), `sentence2` (snippets), `label`; fields stripped."""
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
        raise RequestError(f"{path}:1: expected the header line {' '.join(header)}, found {' '.join(fields)[:80]!r}")


def _number(path: Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 4:
        raise RequestError(f"{path}:{number}: expected a score from 0 to 4, found {text!r}; correct the line")
    return value


def _hoc_labels(path: Path, number: int, text: str, labels: int) -> list[int]:
    flags = []
    for position, item in enumerate(text.split(",")):
        if item not in (f"{position}_0", f"{position}_1"):
            raise RequestError(f"{path}:{number}: expected {position}_0 or {position}_1 in the labels, found {item!r}")
        flags.append(int(item[-1]))
    if len(flags) != labels:
        raise RequestError(f"{path}:{number}: expected {labels} labels, found {len(flags)}")
    return flags
