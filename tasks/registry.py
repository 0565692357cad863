"""All tasks by name."""

from __future__ import annotations

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


def get_task(name: str) -> Task:
    """Return the task of this name.

    Raises:
        RequestError: there is no such task; the message names the nearest ones.
    """
    if name not in TASKS:
        raise RequestError(f"unknown task {name!r}; {nearest(name, TASKS)}")
    return TASKS[name]
