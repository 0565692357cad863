"""From what lies in a source folder to the prepared format."""

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
    """What `prepare` has to know of a dataset.

    Attributes:
        name: the dataset's slug.
        release: its folder in the prepared format.
        splits: the splits that it has.
        folders: the names (letters and digits) that its folder has in the source layouts.
        formats: the original formats, best first.
        access: how to get it.
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
        written: dataset -> split -> (rows written, the sources that agreed).
        not_found: dataset -> the splits without any source.
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
    """Write every split that `source` holds into `data_dir`; all of a dataset's splits or none.

    A split that several files hold is read from all of them, and they must agree row by row. With `require_all`, a
    dataset without any file is an error, and nothing is written.

    Raises:
        RequestError: the source is no folder, a file is malformed, two sources disagree, or `data_dir` cannot be
            written. Datasets without a problem are written all the same.
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
    """Yield the rows of the first source while the others say the same.

    Raises:
        RequestError: naming the first source and the one that disagrees, the row, and what each has; or a repeated id.
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
