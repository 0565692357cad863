"""The speed benchmark: this trainer beside the `Trainer` of transformers, in turns, on the same examples."""

from __future__ import annotations

import logging
import multiprocessing
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RequestError, RunError
from ..models.loading import inspect_model
from ..models.sources import find_model
from ..tasks.data import require_split
from ..tasks.recipe import default_recipe, resolve_recipe
from ..tasks.registry import get_task
from ..tasks.task import Task
from .worker import CONTENDERS, OURS, Job, Round, Work, serve

_log = logging.getLogger(__name__)

WORKS = ("train", "train_no_attention_dropout", "score")
_CHOICE_BATCH = 4  # The authors' scripts compute four questions at a time, each of four options.
_SPLITS = ("train", "dev", "test")
_SECONDS = 3600.0  # A round that takes longer counts as hung.


@dataclass(frozen=True)
class Measured:
    """The rounds of one contender at one kind of work, in order."""

    rounds: tuple[Round, ...]

    def median(self, value: Callable[[Round], float]) -> float:
        """Return the median of a figure over the rounds."""
        return statistics.median(map(value, self.rounds))

    def spread(self, value: Callable[[Round], float]) -> tuple[float, float]:
        """Return the smallest and the largest value of a figure over the rounds."""
        values = [value(item) for item in self.rounds]
        return min(values), max(values)


@dataclass(frozen=True)
class Comparison:
    """One kind of work on one task, by all contenders.

    Attributes:
        task: the task's name.
        split: the split whose examples were used.
        work: one of `WORKS`.
        batch_size: examples per update.
        measured: contender -> its rounds.
    """

    task: str
    split: str
    work: str
    batch_size: int
    measured: dict[str, Measured]

    def ratio(self, peer: str) -> float:
        """Return how many times faster this trainer is: the ratio of the medians of tokens per second."""
        ours, theirs = (self.measured[name].median(tokens_per_second) for name in (OURS, peer))
        return ours / theirs

    def as_json(self) -> dict[str, Any]:
        """Return the figures of all contenders as a JSON object."""
        ours = self.measured[OURS]
        return {
            "examples_per_second": ours.median(examples_per_second),
            "tokens_per_second": ours.median(tokens_per_second),
            "vs_default": self.ratio(CONTENDERS[1]),
            "vs_best": self.ratio(CONTENDERS[2]),
            "utilisation": ours.median(utilisation),
            "peak_memory_mb": ours.median(peak_memory),
            "batch_size": self.batch_size,
            "contenders": {
                name: {
                    "examples_per_second": measured.median(examples_per_second),
                    "tokens_per_second": measured.median(tokens_per_second),
                    "tokens_per_second_spread": list(measured.spread(tokens_per_second)),
                    "utilisation": measured.median(utilisation),
                    "padding": measured.rounds[-1].padding,
                    "peak_memory_mb": measured.median(peak_memory),
                    "rounds": len(measured.rounds),
                }
                for name, measured in self.measured.items()
            },
        }


def examples_per_second(item: Round) -> float:
    """Return examples per second."""
    return item.examples / item.seconds


def tokens_per_second(item: Round) -> float:
    """Return real tokens per second."""
    return item.tokens / item.seconds


def utilisation(item: Round) -> float:
    """Return the share of the machine's peak in matrix multiplication that useful arithmetic reaches."""
    return item.flops / item.seconds / item.peak_flops


def peak_memory(item: Round) -> float:
    """Return the peak memory in MB."""
    return item.peak_memory_mb


def measure_speed(
    tasks: tuple[str, ...],
    *,
    model: str,
    revision: str | None = None,
    data_dir: str | Path = "data",
    precision: str = "auto",
    tokens: int = 40_000,
    rounds: int = 3,
    works: tuple[str, ...] = WORKS,
    on_round: Callable[[str, str, str, Round], None] | None = None,
) -> Iterator[Comparison]:
    """Measure training and scoring, task by task. `speed/README.md` describes the method.

    Args:
        tasks: names of tasks.
        model: a preset, a folder or a hub id.
        revision: a branch, tag or commit hash of a model from the hub.
        data_dir: the folder of prepared corpora.
        precision: number format of this trainer, and of the `Trainer` at its best flags; at its defaults it uses
            float32.
        tokens: approximate number of tokens per round (padding not counted).
        rounds: number of rounds of each contender.
        works: which of `WORKS` to measure.
        on_round: called with task, work, contender and figures after each round.

    Yields:
        One comparison per task and kind of work.

    Raises:
        RequestError: a task is unknown, or data or model are missing.
        RunError: a contender failed.
    """
    source = find_model(model, revision=revision)
    info = inspect_model(source)
    found = [(name, get_task(name)) for name in tasks]
    splits = {name: _split_of(task, Path(data_dir)) for name, task in found}
    unknown = set(works) - set(WORKS)
    if unknown or rounds < 1 or tokens < 1:
        raise RequestError(f"expected works among {', '.join(WORKS)}, and rounds and tokens of at least 1")
    for request, task in found:
        split, score_split = splits[request]
        recipe = resolve_recipe(task, default_recipe(task, info.hidden_size), {}, info.dropouts)
        for work in works:
            job = Job(
                task=request,
                work=work,
                model=str(source.path),
                data_dir=str(data_dir),
                split=score_split if work == "score" else split,
                max_length=min(recipe.max_length, info.max_positions or recipe.max_length),
                batch_size=_CHOICE_BATCH if task.head.per_option else recipe.batch_size,
                learning_rate=recipe.learning_rate,
                precision=precision,
                tokens=tokens,
            )
            _log.info("%s, %s: each contender warms up with one round first", task.name, work)
            yield Comparison(task.name, job.split, work, job.batch_size, in_turns(job, rounds, on_round))


def _split_of(task: Task, data_dir: Path) -> tuple[str, str]:
    """Return the splits to train on and to score: the first and the last of train, dev and test that are there."""
    there = []
    problem: RequestError | None = None
    for split in _SPLITS:
        try:
            require_split(task, split, data_dir)
            there.append(split)
        except RequestError as error:
            problem = error
    if not there and problem is not None:
        raise problem
    return there[0], there[-1]


def in_turns(job: Work, rounds: int, on_round: Callable[[str, str, str, Round], None] | None) -> dict[str, Measured]:
    """Let the contenders, each in a process of its own, run one after the other, round by round."""
    taken: dict[str, list[Round]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        turns = {name: stack.enter_context(_contender(name, job)) for name in CONTENDERS}
        for _ in range(rounds):
            for name, turn in turns.items():
                taken[name].append(turn())
                if on_round is not None:
                    on_round(job.task, job.work, name, taken[name][-1])
    return {name: Measured(tuple(items)) for name, items in taken.items()}


@contextmanager
def _contender(name: str, job: Work) -> Iterator[Callable[[], Round]]:
    # Each contender has a process of its own, so that the peak memory is its own and library settings stay separate.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(name, job, there), daemon=True)
    process.start()
    there.close()

    def answer() -> Any:
        try:
            found = here.recv() if here.poll(_SECONDS) else "it did not answer"
        except EOFError:
            found = "its process died, perhaps for want of memory"
        if isinstance(found, str):
            raise RunError(f"{job.task}, {job.work}, {name}: {found}")
        return found

    def turn() -> Round:
        here.send("go")
        return answer()

    try:
        answer()  # The contender has warmed up: it must not do so while another one is measured.
        yield turn
    finally:
        here.close()
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
            process.join()
