"""MedQA-USMLE as JSON lines, and MMLU-professional-medicine as CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import RequestError
from .json_files import field, read_json_lines
from .lines import MAX_LINE, read_lines
from .sources import Format, Found, Row

_LETTERS = "ABCD"
_SUBJECT = "professional_medicine"
_MAX_PARQUET = 100_000_000  # bytes, unpacked; the real files have a thousandth
_MMLU_SPLITS = {"dev": "dev", "val": "val", "validation": "val", "test": "test"}


def medqa_format() -> Format:
    """`4_options/phrases_no_exclude_{train,dev,test}.jsonl` of the authors' release."""
    return Format("MedQA JSONL", _find_medqa, lambda files, split: read_medqa(files[0], split))


def mmlu_formats() -> tuple[Format, ...]:
    """`professional_medicine_{dev,val,test}.csv`, and the hub's Parquet files."""
    return (
        Format("MMLU CSV", _find_csv, lambda files, split: read_mmlu_csv(files[0], split)),
        Format("MMLU Parquet", _find_parquet, lambda files, split: read_mmlu_parquet(files[0], split)),
    )


def _find_medqa(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        for split in ("train", "dev", "test"):
            if path.name == f"phrases_no_exclude_{split}.jsonl" and path.parent.name == "4_options":
                yield split, (path,)


def _find_csv(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        for split in ("dev", "val", "test"):
            if path.name == f"{_SUBJECT}_{split}.csv":
                yield split, (path,)


def _find_parquet(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        split = _MMLU_SPLITS.get(path.name.split("-")[0])
        if split and path.suffix == ".parquet" and path.parent.name == _SUBJECT:
            yield split, (path,)


def _row(identifier: str, question: str, options: Sequence[str], label: int) -> Row:
    endings = {f"ending{index}": option for index, option in enumerate(options)}
    return {"id": identifier, "sent1": question, "sent2": "", **endings, "label": label}


def read_medqa(path: Path, split: str) -> Iterator[Row]:
    """Yield `id`, `sent1`, `sent2`, `ending0`..`ending3`, `label`; no text is touched."""
    for index, (number, record) in enumerate(read_json_lines(path)):
        where = f"{path}:{number}"
        options = field(record, "options", dict, where)
        if sorted(options) != list(_LETTERS) or not all(isinstance(text, str) for text in options.values()):
            raise RequestError(f"{where}: expected the options A, B, C, D, found {', '.join(map(str, options))}")
        answer = field(record, "answer_idx", str, where)
        label = _answer(answer, where)
        if "answer" in record and record["answer"] != options[answer]:
            raise RequestError(f"{where}: the answer text is not that of option {answer}")
        texts = [options[letter] for letter in _LETTERS]
        yield _row(f"{split}-{index:05d}", field(record, "question", str, where), texts, label)


def read_mmlu_csv(path: Path, split: str) -> Iterator[Row]:
    """Yield rows of the official CSV (no header, answers A to D) or the re-serialised one (header, answers 0 to 3)."""
    columns = ("question", "choice0", "choice1", "choice2", "choice3", "answer")
    letters = True
    index = 0
    for number, cells in _csv_rows(path):
        if len(cells) != len(columns):
            raise RequestError(f"{path}:{number}: expected 6 columns (question, 4 options, answer), found {len(cells)}")
        if number == 1 and tuple(cells) == columns:
            letters = False
            continue
        label = _answer(cells[5] if letters else _letter(cells[5]), f"{path}:{number}")
        yield _row(f"{_SUBJECT}_{split}-{index:05d}", cells[0], cells[1:5], label)
        index += 1


def read_mmlu_parquet(path: Path, split: str) -> Iterator[Row]:
    """Yield rows from the hub's Parquet file: `question`, `choices`, `answer` (0 to 3)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > _MAX_PARQUET:
                raise RequestError(f"{path}: unpacks to more than {_MAX_PARQUET} bytes; refused")
            # One row at a time: a small file can repeat a large text in every row.
            batches = file.iter_batches(batch_size=1, columns=["question", "choices", "answer"])
            for index, batch in enumerate(batches):
                (record,) = batch.to_pylist()
                yield _parquet_row(record, index, f"{path}: row {index + 1}", split)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RequestError(f"{path}: not a Parquet file with question, choices and answer ({error})") from error


def _parquet_row(record: Row, index: int, where: str, split: str) -> Row:
    choices = field(record, "choices", list, where)
    if len(choices) != len(_LETTERS):
        raise RequestError(f"{where}: expected 4 choices, found {len(choices)}")
    options = dict(zip(_LETTERS, choices, strict=True))
    texts = [field(options, letter, str, where) for letter in _LETTERS]
    if sum(map(len, texts)) + len(field(record, "question", str, where)) > MAX_LINE:
        raise RequestError(f"{where}: longer than {MAX_LINE} characters; refused")
    label = _answer(_letter(str(field(record, "answer", int, where))), where)
    return _row(f"{_SUBJECT}_{split}-{index:05d}", record["question"], texts, label)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    # csv wants the line ends that `read_lines` took off; a quoted field may span lines.
    lines = (f"{line}\n" for _, line in read_lines(path))
    reader = csv.reader(lines, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RequestError(f"{path}:{number}: not CSV ({error})") from error
        if cells:
            yield number, cells


def _letter(number: str) -> str:
    return dict(zip("0123", _LETTERS, strict=True)).get(number, number)


def _answer(letter: str, where: str) -> int:
    if letter not in tuple(_LETTERS):
        raise RequestError(f"{where}: expected an answer from A to D, found {letter!r}; correct the line")
    return _LETTERS.index(letter)
