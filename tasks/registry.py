"""All tasks by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import RequestError, nearest
from . import (
    bioasq,
    document_classification,
    medqa,
    ner,
    pico,
    pubmedqa,
    relation_extraction,
    sentence_similarity,
)
from .task import Task

_MODULES = (
    ner,
    pico,
    relation_extraction,
    sentence_similarity,
    document_classification,
    pubmedqa,
    bioasq,
    medqa,
)


def _register() -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for module in _MODULES:
        for task in module.TASKS:
            if task.name in tasks:
                raise ValueError(f"two tasks are called {task.name!r}")
            tasks[task.name] = task
    return tasks


TASKS = _register()


def is_task_file(name: str) -> bool:
    """Return whether a name stands for a task file, not for a built-in task."""
    return name.endswith(".toml")


def get_task(name: str) -> Task:
    """Return the built-in task of this name, or the task of a task file, whose data are then prepared.

    Capitals, and `_` for `-`, are forgiven.

    Raises:
        RequestError: there is no such task, and the message names the nearest ones; or the task file or its data are
            wrong.
    """
    if not isinstance(name, str):  # Python callers may give anything.
        raise RequestError(f"a task is named by a text, found {type(name).__name__}")
    if is_task_file(name):
        from .custom.prepare import load_task_file

        return load_task_file(Path(name), tuple(TASKS))
    plain = name.lower().replace("_", "-")
    if plain not in TASKS:
        raise RequestError(_unknown(name, plain))
    return TASKS[plain]


def _unknown(name: str, plain: str) -> str:
    path = Path(name)
    if path.suffix.startswith(".t") and path.with_suffix(".toml").exists():
        return f"{name}: no such task file; did you mean {path.with_suffix('.toml')}?"
    if not path.suffix and path.with_suffix(".toml").exists():
        return f"unknown task {name!r}; did you mean the task file {path.with_suffix('.toml')}?"
    if not path.exists() and (path.suffix or len(path.parts) > 1):
        return f"{name}: no such file, and no task of this name; {nearest(plain, TASKS)}"
    if path.exists():
        return f"{name} is no task file, whose name ends in .toml; if it holds data, `linkbert init {name}` writes one"
    return (
        f"unknown task {name!r}; {nearest(plain, TASKS)} (a task of your own is named by its task file, which ends in "
        ".toml; `linkbert init FILE|FOLDER` writes one)"
    )


def known_task(name: str, definition: Any) -> Task | None:
    """Return the task of a run or result: a built-in one, or the one that its definition describes.

    Args:
        name: the task's name.
        definition: what the run or result says about a task of a user's own, else None.

    Returns:
        The task; None if it is neither built in nor described.
    """
    if definition is None:
        return TASKS.get(name)
    from .custom.definition import Definition

    try:
        return Definition.from_json(definition).task()
    except ValueError:
        return None
