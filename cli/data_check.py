"""`linkbert data check`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from ..experiments.options import RunOptions
from . import options
from .console import print_json, print_remark, print_table, print_text, set_up_logging

if TYPE_CHECKING:
    from ..tasks.data_check import DataReport
    from ..tasks.task import Task

_MOST_LABELS = 30  # rows of the table of labels


def command(
    task: options.Task,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="Also check what this model's tokenizer and length would cut."),
    ] = None,
    revision: options.Revision = None,
    max_length: options.MaxLength = None,
    data_dir: options.DataDir = RunOptions.data_dir,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Look through a corpus, a built-in one or your own, for what would make its score wrong.

    A file or folder of data is looked at as `linkbert init` understands it. Exit code 1 means that something would
    make the score wrong.

    Example: linkbert data check my_task.toml --model biolinkbert-base
    """
    set_up_logging(quiet=quiet)
    from ..experiments.plan import length_for
    from ..models.sources import find_model
    from ..tasks.data_check import check_data
    from ..tasks.registry import TASKS, get_task, is_task_file

    if not is_task_file(task) and task not in TASKS and Path(task).exists():
        found = _task_of_data(Path(task), quiet=quiet or json)
    else:
        found = get_task(task)
    source = None if model is None else find_model(model, revision=revision)
    length = None if source is None else max_length or length_for(found, source)
    report = check_data(found, data_dir, None if source is None else source.path, length)
    print_json(report.to_json()) if json else _print(report)
    if report.is_wrong:
        raise typer.Exit(1)


def _task_of_data(path: Path, *, quiet: bool) -> Task:
    """Return the task that data seem to be, without leaving a task file."""
    from ..tasks.custom.suggest import suggest
    from ..tasks.registry import TASKS, get_task

    found = suggest(path, taken=tuple(TASKS))
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{found.name}.toml"
        file.write_text(found.to_toml(file.parent), encoding="utf-8")
        task = get_task(str(file))
    if not quiet:
        for line in found.remarks:
            print_remark(line)
        print_remark(f"looked at as {found.family}; `linkbert init {path}` writes it into a task file, to be changed")
    return task


def _print(report: DataReport) -> None:
    units = list(dict.fromkeys(unit for counts in report.counts.values() for unit in counts))
    print_table(
        ("split", *units),
        [(split, *map(str, counts.values())) for split, counts in report.counts.items()],
        title=report.task,
    )
    names = list(dict.fromkeys(name for counts in report.labels.values() for name in counts))
    names.sort(key=lambda name: -sum(counts.get(name, 0) for counts in report.labels.values()))
    if names:
        print_text("")
        shares = {split: sum(counts.values()) or 1 for split, counts in report.labels.items()}
        print_table(
            ("label", *report.labels),
            [
                (name, *(f"{n} ({n / shares[s]:.0%})" for s, c in report.labels.items() for n in (c.get(name, 0),)))
                for name in names[:_MOST_LABELS]
            ],
        )
        if len(names) > _MOST_LABELS:
            print_text(f"and {len(names) - _MOST_LABELS} more labels")
    print_text("")
    for finding in report.findings:
        print_text(f"{finding.severity}: {finding.message}")
        for place in finding.places:
            print_text(f"    {place}")
    wrong = sum(finding.severity == "wrong" for finding in report.findings)
    look = len(report.findings) - wrong
    print_text(f"{wrong} that would make the score wrong, {look} worth a look" if wrong + look else "nothing found")
