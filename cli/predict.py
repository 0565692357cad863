"""`linkbert predict`."""

from __future__ import annotations

import sys
from collections import Counter
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
_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text", ".conll": "conll", ".xml": "bioc", ".json": "bioc"}
_LOSSES = {
    "examples_cut": "inputs were longer than the model's limit of {} word pieces and lost their end",
    "unmarked": "inputs mark no mentions, and their predictions mean nothing; README.md in the run folder shows how",
}
_Found = tuple[Any, "Row"]  # an input or document, and what was found in it
_EVERY = 10_000  # inputs between two lines of progress


_File = Annotated[
    str,
    typer.Argument(
        metavar="FILE|FOLDER|-",
        help="Raw text (an example a line, blank lines are left out), JSON lines, BioC, PubTator, CoNLL or SQuAD, or a "
        "BRAT folder; - is standard input.",
    ),
]
_RunDir = Annotated[str, typer.Option("--model", metavar="RUN_DIR", help="A run folder of the task.")]
_Output = Annotated[
    Path | None,
    typer.Option("--output", help="Write to this file, or BRAT folder, instead.", rich_help_panel=options.OUTPUT),
]
_Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="jsonl, text (one label a line), conll, brat or bioc; by the name of --output by default, else jsonl.",
        rich_help_panel=options.OUTPUT,
    ),
]
_Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace what --output names.", rich_help_panel=options.OUTPUT)
]
_JsonLines = Annotated[bool, typer.Option("--json", help="The same as --format jsonl.", rich_help_panel=options.OUTPUT)]


def command(
    task: options.Task,
    file: _File,
    model: _RunDir,
    output: _Output = None,
    output_format: _Format = None,
    overwrite: _Overwrite = False,
    quiet: options.Quiet = False,
    json_lines: _JsonLines = False,
    precision: options.Precision = RunOptions.precision,
) -> None:
    """Apply a fine-tuned model to raw text (one example per line), JSON lines or documents.

    Example: echo "BRCA1 causes breast cancer." | linkbert predict ncbi-disease - --model RUN_DIR

    Example: linkbert predict my_task.toml notes/ --model RUN_DIR --output annotated/ --format brat
    """
    set_up_logging(quiet=quiet)
    from ..experiments.prediction import LINES, check_inputs, input_format
    from ..experiments.prediction_formats import require_tagged
    from ..experiments.run_record import task_of_run

    chosen = "jsonl" if json_lines else _format(output_format, output)
    require_input(file)
    form = input_format(Path(file)) if file != "-" else LINES
    _check_formats(chosen, form, output, asked=output_format is not None)
    if output is not None:
        _check_output(output, file, overwrite=overwrite)
    found, _ = task_of_run(task, Path(model))
    if chosen == "conll":
        require_tagged(found)
    if form == LINES and Path(file).is_file():
        # To its end before anything is printed; standard input is answered as it comes.
        with input_lines(file) as lines:
            check_inputs(found, lines, file)
    from ..experiments.loaded import LoadedModel

    loaded = LoadedModel(task, Path(model), precision)
    _predict(loaded, file, form, chosen, output, quiet=quiet)
    if not quiet:
        _remark(loaded, output)


def _check_formats(chosen: str, form: str, output: Path | None, *, asked: bool) -> None:
    from ..experiments.prediction import DOCUMENTS

    if chosen == "brat" and output is None:
        raise RequestError("--format brat writes a folder; name it with --output")
    if chosen in ("brat", "bioc") and form not in DOCUMENTS:
        why = "" if asked else f" (by the name of --output {output})"
        raise RequestError(
            f"--format {chosen}{why} writes documents; name a BRAT folder, or a BioC or PubTator file, as input"
        )


def _predict(loaded: LoadedModel, file: str, form: str, chosen: str, output: Path | None, *, quiet: bool) -> None:
    from ..experiments.prediction import DOCUMENTS, LINES, file_inputs, read_inputs

    if form in DOCUMENTS:
        _write_documents(loaded, _documents(loaded, form, Path(file)), chosen, output, quiet=quiet)
    elif form == LINES:
        with input_lines(file) as lines:
            left_out: Counter[str] = Counter()
            inputs = read_inputs(loaded.task, lines, "standard input" if file == "-" else file, left_out)
            _write(_counted(loaded.described(inputs), quiet), chosen, output)
            if left_out["blank"] and not quiet:
                print_remark(f"{left_out['blank']} inputs whose text is blank were left out")
    else:
        inputs = file_inputs(loaded.task, form, Path(file))
        _write(_counted(loaded.described(inputs), quiet), chosen, output)


def _remark(loaded: LoadedModel, output: Path | None) -> None:
    """Say what was written, and what the model could not see."""
    if output is not None:
        print_remark(f"written {output}")
    for name, count in loaded.losses().items():
        if name in _LOSSES:
            print_remark(f"{count} {_LOSSES[name].format(loaded.record.max_length)}")


def _format(asked: str | None, output: Path | None) -> str:
    if asked is not None:
        if asked not in FORMATS:
            raise RequestError(f"--format {asked!r}: {nearest(asked, FORMATS)}")
        return asked
    if output is None:
        return "jsonl"
    if output.is_dir() or not output.suffix:
        return "brat"
    if output.suffix not in _SUFFIXES:
        raise RequestError(
            f"--output {output}: no format is known by {output.suffix!r}; use a name that ends in "
            f"{', '.join(_SUFFIXES)}, or --format"
        )
    return _SUFFIXES[output.suffix]


def _check_output(output: Path, file: str, *, overwrite: bool) -> None:
    """Make sure that no annotations or predictions are replaced, unless the user wants that."""
    if output.is_dir() and Path(file).is_dir() and output.samefile(file):
        raise RequestError(f"--output {output}: it is the folder of the input, whose annotations would be lost")
    documents = (path for path in output.rglob("*") if path.suffix in (".ann", ".txt"))
    there = any(documents) if output.is_dir() else output.is_file()
    if there and not overwrite:
        what = "it holds documents already" if output.is_dir() else "it is there already"
        raise RequestError(f"--output {output}: {what}; name another one, or use --overwrite")


def _counted(found: Iterable[_Found], quiet: bool) -> Iterator[_Found]:
    """Pass predictions on, with a line of progress now and then."""
    import time

    since = time.monotonic()
    for number, item in enumerate(found, start=1):
        yield item
        if not quiet and number % _EVERY == 0:
            print_remark(f"{number} predicted, {number / (time.monotonic() - since):.0f} a second")


def _write(found: Iterable[_Found], chosen: str, output: Path | None) -> None:
    from ..experiments.prediction_formats import as_conll, as_line

    if chosen == "jsonl":
        _write_parts((to_json_text(row) + "\n" for _, row in found), output)
    elif chosen == "conll":
        _write_parts(as_conll(found), output)
    else:
        _write_parts((as_line(row) for _, row in found), output)


def _documents(loaded: LoadedModel, form: str, path: Path) -> Iterator[Document]:
    from ..corpora.brat import read_brat
    from ..experiments.document_prediction import needs_mentions
    from ..tasks.custom.data_formats import DOCUMENTS

    return read_brat(path, annotations=needs_mentions(loaded)) if form == "brat" else DOCUMENTS[form](path)


def _write_documents(
    loaded: LoadedModel, documents: Iterator[Document], chosen: str, output: Path | None, *, quiet: bool
) -> None:
    from ..corpora.bioc_writing import bioc_json, bioc_xml
    from ..corpora.brat import write_brat
    from ..experiments.document_prediction import annotated, passages_of, predict_documents

    if chosen == "conll":
        _write(_counted(loaded.described(passages_of(loaded, documents)), quiet), chosen, output)
        return
    found = predict_documents(loaded, documents)
    if chosen == "brat" and output is not None:
        written: set[str] = set()
        for document, row in found:
            if document.key in written:
                raise RequestError(f"{document.where}: the id {document.key!r} comes again, and would be the same file")
            written.add(document.key)
            write_brat(output, annotated(document, row))
    elif chosen == "bioc":
        parts: Any = bioc_xml if output is not None and output.suffix == ".xml" else bioc_json
        _write_parts(parts(annotated(document, row) for document, row in found), output)
    else:
        _write(_counted(found, quiet), chosen, output)


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
