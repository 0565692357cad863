"""Read MedQA-USMLE from JSON lines, and MMLU-professional-medicine from CSV or Parquet."""

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
_MAX_PARQUET = 100_000_000  # bytes, uncompressed; the test split, the largest, has 0.2 MB as CSV
# The first word of a Parquet file's name -> the split; the hub says "validation" where the original files say "val".
_MMLU_SPLITS = {"dev": "dev", "val": "val", "validation": "val", "test": "test"}


def medqa_format() -> Format:
    """Return the format of `4_options/phrases_no_exclude_{train,dev,test}.jsonl`, as MedQA's authors publish it."""
    return Format("MedQA JSONL", _find_medqa, lambda files, split: read_medqa(files[0], split))


def mmlu_formats() -> tuple[Format, ...]:
    """Return the formats of `professional_medicine_{dev,val,test}.csv` and of the Hugging Face hub's Parquet files."""
    return (
        Format("MMLU CSV", _find_csv, lambda files, split: read_mmlu_csv(files[0], split)),
        Format("MMLU Parquet", _find_parquet, lambda files, split: read_mmlu_parquet(files[0], split)),
    )


def _find_medqa(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        for split in ("train", "dev", "test"):
            # The name of the file does not say that the questions have 4 options; the name of the folder does.
            if path.name == f"phrases_no_exclude_{split}.jsonl" and path.parent.name == "4_options":
                yield split, (path,)


def _find_csv(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        for split in ("dev", "val", "test"):
            if path.name == f"{_SUBJECT}_{split}.csv":
                yield split, (path,)


def _find_parquet(files: Sequence[Path], folders: tuple[str, ...]) -> Found:
    for path in files:
        # The hub's names look like `validation-00000-of-00001.parquet`.
        split = _MMLU_SPLITS.get(path.name.split("-")[0])
        if split and path.suffix == ".parquet" and path.parent.name == _SUBJECT:
            yield split, (path,)


def _row(identifier: str, question: str, options: Sequence[str], label: int) -> Row:
    endings = {f"ending{index}": option for index, option in enumerate(options)}
    return {"id": identifier, "sent1": question, "sent2": "", **endings, "label": label}


def read_medqa(path: Path, split: str) -> Iterator[Row]:
    """Yield one row per question: `id`, `sent1`, `sent2`, `ending0` to `ending3`, `label`; texts stay unchanged.

    Args:
        path: a file of JSON lines with 4 options per question.
        split: the name of the split, with which the ids start.

    Raises:
        RequestError: a line is not a question with the options A to D and an answer among them.
    """
    for index, (number, record) in enumerate(read_json_lines(path)):
        where = f"{path}:{number}"
        options = field(record, "options", dict, where)
        if sorted(options) != list(_LETTERS) or not all(isinstance(text, str) for text in options.values()):
            raise RequestError(
                f"{where}: expected the options A, B, C, D, each a string, found {', '.join(map(str, options))}; "
                "correct the line"
            )
        answer = field(record, "answer_idx", str, where)
        label = _answer(answer, where)
        # The file states the answer twice, as a letter and as a text, and the two must agree.
        if "answer" in record and record["answer"] != options[answer]:
            raise RequestError(f"{where}: the answer text is not that of option {answer}; correct the line")
        # The options are an object, whose order is not guaranteed, so they are taken by letter.
        texts = [options[letter] for letter in _LETTERS]
        yield _row(f"{split}-{index:05d}", field(record, "question", str, where), texts, label)


def read_mmlu_csv(path: Path, split: str) -> Iterator[Row]:
    """Yield one row per question of a CSV file; the fields are those of `read_medqa`.

    Args:
        path: the official file (no header line, answers A to D) or a re-serialised one (header line, answers 0 to 3).
        split: the name of the split, a part of the ids.

    Raises:
        RequestError: the file is not CSV with 6 columns, or an answer is not one of the four.
    """
    columns = ("question", "choice0", "choice1", "choice2", "choice3", "answer")
    letters = True
    index = 0
    for number, cells in _csv_rows(path):
        if len(cells) != len(columns):
            raise RequestError(
                f"{path}:{number}: expected 6 columns (question, 4 options, answer), found {len(cells)}; "
                "correct the line or get the file again"
            )
        if number == 1 and tuple(cells) == columns:
            letters = False
            continue
        label = _answer(cells[5] if letters else _letter(cells[5]), f"{path}:{number}")
        yield _row(f"{_SUBJECT}_{split}-{index:05d}", cells[0], cells[1:5], label)
        index += 1


def read_mmlu_parquet(path: Path, split: str) -> Iterator[Row]:
    """Yield one row per question of a Parquet file of the hub; the fields are those of `read_medqa`.

    Args:
        path: a file with the columns `question`, `choices` (4 strings) and `answer` (0 to 3).
        split: the name of the split, a part of the ids.

    Raises:
        RequestError: the file is not such a Parquet file, or it is too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > _MAX_PARQUET:
                raise RequestError(f"{path}: the file unpacks to more than {_MAX_PARQUET} bytes and is refused")
            # One row is read at a time, because a small file can repeat a large text in every row (dictionary
            # encoding).
            batches = file.iter_batches(batch_size=1, columns=["question", "choices", "answer"])
            for index, batch in enumerate(batches):
                (record,) = batch.to_pylist()
                yield _parquet_row(record, index, f"{path}: row {index + 1}", split)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RequestError(
            f"{path}: not a Parquet file with question, choices and answer ({error}); get the file again"
        ) from error


def _parquet_row(record: Row, index: int, where: str, split: str) -> Row:
    choices = field(record, "choices", list, where)
    if len(choices) != len(_LETTERS):
        raise RequestError(f"{where}: expected 4 choices, found {len(choices)}; get the file again")
    options = dict(zip(_LETTERS, choices, strict=True))
    texts = [field(options, letter, str, where) for letter in _LETTERS]
    if sum(map(len, texts)) + len(field(record, "question", str, where)) > MAX_LINE:
        raise RequestError(f"{where}: longer than {MAX_LINE} characters and therefore refused")
    label = _answer(_letter(str(field(record, "answer", int, where))), where)
    return _row(f"{_SUBJECT}_{split}-{index:05d}", record["question"], texts, label)


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, cells) for each row that is not blank."""
    # `read_lines` removes line ends, but `csv` needs them: a quoted field may contain some.
    lines = (f"{line}\n" for _, line in read_lines(path))
    reader = csv.reader(lines, strict=True)
    # A `for` loop would not know the line on which the row starts, only the one on which it ends.
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RequestError(f"{path}:{number}: not CSV ({error}); correct the line or get the file again") from error
        if cells:
            yield number, cells


def _letter(number: str) -> str:
    # Anything but 0 to 3 is returned as it is, so that the message of `_answer` quotes what the file holds.
    return dict(zip("0123", _LETTERS, strict=True)).get(number, number)


def _answer(letter: str, where: str) -> int:
    # The tuple matters: "" and "AB" are in the string "ABCD", but they are not answers.
    if letter not in tuple(_LETTERS):
        raise RequestError(f"{where}: expected an answer from A to D, found {letter!r}; correct the line")
    return _LETTERS.index(letter)
