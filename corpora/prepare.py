"""Finding corpora in a source folder, and writing them in the prepared format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from ..errors import RequestError
from ..files import atomic_write, require_writable
from .prepared import prepared_line, prepared_path
from .sources import Format, Row, Source, list_files


@dataclass(frozen=True)
class Corpus:
    """What `prepare` needs to know about a dataset.

    Attributes:
        name: the dataset's name.
        release: its folder in the prepared format.
        splits: its splits.
        folders: names of its folder in source layouts, reduced to letters and digits.
        formats: its original formats, the best one first.
        access: how to get it, in one sentence.
    """

    name: str
    release: str
    splits: tuple[str, ...]
    folders: tuple[str, ...]
    formats: tuple[Format, ...]
    access: str = ""


@dataclass
class Prepared:
    """What `prepare` did.

    Attributes:
        written: dataset -> split -> (number of rows written, the sources that agreed on them).
        not_found: dataset -> the splits without a source.
        skipped: files that belong to no dataset.
    """

    written: dict[str, dict[str, tuple[int, tuple[str, ...]]]] = field(default_factory=dict)
    not_found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def find_sources(corpus: Corpus, files: Sequence[Path]) -> dict[str, list[Source]]:
    """Return the sources of each split, in the order of the corpus's formats."""
    found: dict[str, list[Source]] = {split: [] for split in corpus.splits}
    for form in corpus.formats:
        for split, paths in form.find(files, corpus.folders):
            found[split].append(Source(split, form, paths))
    return found


def prepare(corpora: Sequence[Corpus], source: Path, data_dir: Path, *, require_all: bool = False) -> Prepared:
    """Write every split that `source` holds into `data_dir`. Of each dataset, all splits are written or none.

    A split that several files hold is read from all of them, and they must agree row by row.

    Args:
        corpora: the datasets to look for.
        source: a folder with corpora in their original formats.
        data_dir: the folder of prepared corpora.
        require_all: whether a dataset without any file is an error; nothing is written then.

    Raises:
        RequestError: the source is not a folder, nothing in it was recognised, a file is malformed, two sources
            disagree, or `data_dir` cannot be written. Datasets without a problem are still written.
    """
    if not source.is_dir():
        raise RequestError(f"{source}: no such folder; --source names the folder that holds the corpora")
    require_writable(data_dir, "the data folder")
    files = list_files(source)
    used: set[Path] = set()
    found_sources = {corpus.name: find_sources(corpus, files) for corpus in corpora}
    empty = [corpus for corpus in corpora if not any(found_sources[corpus.name].values())]
    if require_all and empty:
        raise RequestError(*(f"{source}: nothing of {corpus.name} was found; {corpus.access}" for corpus in empty))
    if len(empty) == len(corpora):
        raise RequestError(_nothing_found(corpora, source, files))
    report, problems = Prepared(), []
    for corpus in corpora:
        sources = found_sources[corpus.name]
        used.update(path for found in sources.values() for item in found for path in item.files)
        try:
            report.written[corpus.name] = _write(corpus, sources, data_dir)
        except RequestError as error:
            problems += error.problems
        report.not_found[corpus.name] = tuple(split for split, found in sources.items() if not found)
    report.skipped = [path for path in files if path not in used]
    if problems:
        raise RequestError(*problems)
    return report


def _nothing_found(corpora: Sequence[Corpus], source: Path, files: Sequence[Path]) -> str:
    return (
        f"{source}: no corpus was recognised in its {len(files)} files. "
        f"Looked for {', '.join(corpus.name for corpus in corpora)}: "
        "token or TSV files train, dev and test below a folder with the corpus's name (such as ncbi_disease or gad), "
        "ori_pqal.json, 7B1_golden.json, DDIextraction_2013.tar.gz, Hallmarks-of-Cancer-master.zip, "
        "4_options/phrases_no_exclude_test.jsonl, professional_medicine_test.csv, and the folders of the authors' "
        'release (such as seqcls/GAD_hf); see "Getting the data" in the README'
    )


def _write(
    corpus: Corpus, sources: Mapping[str, list[Source]], data_dir: Path
) -> dict[str, tuple[int, tuple[str, ...]]]:
    written = {}
    with ExitStack() as stack:
        for split, found in sources.items():
            if not found:
                continue
            handle = stack.enter_context(atomic_write(prepared_path(data_dir, corpus.release, split)))
            count = 0
            for row in agreeing_rows(found):
                handle.write(prepared_line(row))
                count += 1
            written[split] = (count, tuple(str(item) for item in found))
    return written


def agreeing_rows(sources: Sequence[Source]) -> Iterator[Row]:
    """Yield the rows of the first source, after comparing each with the rows of the other sources.

    Raises:
        RequestError: two sources disagree, an id is repeated, or there is no row. The message names sources and row.
    """
    seen: set[str] = set()
    for number, rows in enumerate(zip_longest(*(item.rows() for item in sources)), start=1):
        for other, row in zip(sources[1:], rows[1:], strict=True):
            if row != rows[0]:
                raise RequestError(
                    f"{sources[0]} and {other} disagree at example {number}: "
                    f"{_short(rows[0])} against {_short(row)}; remove the wrong one"
                )
        if rows[0]["id"] in seen:
            raise RequestError(f"{sources[0]}: the id {rows[0]['id']!r} occurs twice (example {number})")
        seen.add(rows[0]["id"])
        yield rows[0]
    if not seen:
        raise RequestError(f"{sources[0]}: no example in it; get the file again")


def _short(row: Row | None) -> str:
    return "no further example" if row is None else prepared_line(row).decode()[:120].strip()
