"""`linkbert predict`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError, nearest
from ..escaping import to_json_text
from ..experiments.options import RunOptions
from . import options
from .console import print_remark, set_up_logging
from .lines import input_lines, require_input

if TYPE_CHECKING:
    from ..corpora.annotated import Document
    from ..corpora.sources import Row
    from ..experiments.loaded import LoadedModel

FORMATS = ("jsonl", "text", "conll", "brat", "bioc")
_HEAD = 4096  # bytes by which BioC and PubTator are recognised
_LOSSES = {
    "examples_cut": "inputs were longer than the model's limit and lost their end",
    "gold_labels_lost": "labels were lost",
}
_EVERY = 10_000  # inputs between two lines of progress


def command(
    task: options.Task,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|FOLDER|-",
            help="Raw text, JSON lines, BioC or PubTator, or a BRAT folder; - is standard input.",
        ),
    ],
    model: Annotated[str, typer.Option("--model", metavar="RUN_DIR", help="A run folder of the task.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write to this file, or BRAT folder, instead.", rich_help_panel=options.OUTPUT),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="jsonl, text (one label a line), conll, brat or bioc; by the name of --output by default, else jsonl.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    quiet: options.Quiet = False,
    json_lines: Annotated[
        bool,
        typer.Option("--json", help="The same as --format jsonl.", rich_help_panel=options.OUTPUT),
    ] = False,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Apply a fine-tuned model to raw text (one example per line), JSON lines or documents.

    Example: echo "BRCA1 causes breast cancer." | linkbert predict ncbi-disease - --model RUN_DIR

    Example: linkbert predict my_task.toml notes/ --model RUN_DIR --output annotated/ --format brat
    """
    set_up_logging(quiet=quiet)
    chosen = "jsonl" if json_lines else _format(output_format, output)
    require_input(file)
    reader = _document_reader(file)
    if chosen == "brat" and output is None:
        raise RequestError("--format brat writes a folder; name it with --output")
    if chosen in ("brat", "bioc") and reader is None:
        raise RequestError(f"--format {chosen} writes documents; name a BRAT folder, or a BioC or PubTator file")
    from ..experiments.loaded import LoadedModel

    if reader is None and file != "-":
        _check(task, file, Path(model))
    loaded = LoadedModel(task, Path(model), precision)
    if reader is None:
        from ..experiments.prediction import read_inputs

        with input_lines(file) as lines:
            rows = loaded.predict_inputs(read_inputs(loaded.task, lines, "standard input" if file == "-" else file))
            _write(_counted(rows, quiet), loaded, chosen, output)
    else:
        _write_documents(loaded, reader, Path(file), chosen, output)
    if not quiet:
        _remark(loaded, output)


def _remark(loaded: LoadedModel, output: Path | None) -> None:
    """Say what was written, and what the model could not see."""
    if output is not None:
        print_remark(f"written {output}")
    for name, count in loaded.losses().items():
        if name in _LOSSES:
            print_remark(f"{count} {_LOSSES[name]} ({loaded.record.max_length} word pieces)")


def _format(asked: str | None, output: Path | None) -> str:
    if asked is not None:
        if asked not in FORMATS:
            raise RequestError(f"--format {asked!r}: {nearest(asked, FORMATS)}")
        return asked
    if output is None:
        return "jsonl"
    if output.is_dir() or not output.suffix:
        return "brat"
    return {".xml": "bioc", ".json": "bioc", ".conll": "conll", ".txt": "text"}.get(output.suffix, "jsonl")


def _document_reader(file: str) -> str | None:
    """Return the format of documents, or None if the input consists of lines."""
    path = Path(file)
    if file == "-" or not path.exists():
        return None
    if path.is_dir():
        return "brat"
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
    except OSError as error:
        raise RequestError(f"{path}: the file cannot be read ({error.strerror})") from error
    if re.match(rb"\s*[^\s|]+\|t\|", head):
        return "pubtator"
    is_bioc = path.suffix == ".xml" or (path.suffix == ".json" and re.search(rb'"(passages|documents)"\s*:', head))
    return "bioc" if is_bioc else None


def _check(task: str, file: str, folder: Path) -> None:
    """Check a file to its end before anything is printed; standard input is answered as it comes."""
    from ..experiments.prediction import check_inputs
    from ..experiments.run_record import task_of_run

    found, _ = task_of_run(task, folder)
    with input_lines(file) as lines:
        check_inputs(found, lines, file)


def _counted(rows: Iterator[Row], quiet: bool) -> Iterator[Row]:
    """Pass rows on, with a line of progress now and then."""
    import time

    since = time.monotonic()
    for number, row in enumerate(rows, start=1):
        yield row
        if not quiet and number % _EVERY == 0:
            print_remark(f"{number} predicted, {number / (time.monotonic() - since):.0f} a second")


def _write(rows: Iterable[Row], loaded: LoadedModel, chosen: str, output: Path | None) -> None:
    from ..experiments.prediction_formats import as_text

    if chosen == "jsonl":
        _write_parts((to_json_text(row) + "\n" for row in rows), output)
    else:
        _write_parts((as_text(loaded.task, row, chosen) for row in rows), output)


def _write_documents(loaded: LoadedModel, reader: str, path: Path, chosen: str, output: Path | None) -> None:
    from ..corpora.bioc_files import bioc_json, bioc_xml
    from ..corpora.brat import read_brat, write_brat
    from ..experiments.document_prediction import annotated, needs_mentions, predict_documents
    from ..tasks.custom.reading import DOCUMENTS

    documents: Iterable[Document] = (
        read_brat(path, annotations=needs_mentions(loaded)) if reader == "brat" else DOCUMENTS[reader](path)
    )
    found = predict_documents(loaded, documents)
    if chosen == "brat" and output is not None:
        for document, row in found:
            write_brat(output, annotated(document, row))
    elif chosen == "bioc":
        parts: Any = bioc_xml if output is not None and output.suffix == ".xml" else bioc_json
        _write_parts(parts(annotated(document, row) for document, row in found), output)
    else:
        _write((row for _, row in found), loaded, chosen, output)


def _write_parts(parts: Iterable[str], output: Path | None) -> None:
    """Write texts to standard output as they come, or to a file that appears when it is complete."""
    if output is None:
        for part in parts:
            sys.stdout.write(part)
        return
    from ..files import atomic_write

    try:
        with atomic_write(output) as handle:
            for part in parts:
                handle.write(part.encode())
    except OSError as error:
        raise RequestError(f"--output {output}: cannot be written ({error.strerror}); name another file") from error
