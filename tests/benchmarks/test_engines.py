"""The engines by name, their options, and what all of them share."""

import logging
import time

import pytest
from linkbert.benchmarks.engines import EngineOptions
from linkbert.benchmarks.inline import InlineEngine
from linkbert.benchmarks.jobs import Event, Job, work_on
from linkbert.errors import RequestError
from linkbert.locks import HeldError
from linkbert.training.reporters import Progress
from linkbert.training.stopping import Stopped


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "slrum"}, "--engine 'slrum': did you mean slurm?"),
        ({"partition": "gpu"}, "--partition goes with --engine slurm"),
        ({"slurm": ("qos=long",)}, "--slurm goes with --engine slurm"),
        ({"engine": "ray", "runs_per_device": 2}, "--runs-per-device goes with --engine local"),
        ({"engine": "slurm", "address": "auto"}, "--address goes with --engine ray"),
        ({"gpus_per_run": 1.0}, "--gpus-per-run goes with --engine ray or slurm"),
        ({"engine": "ray", "cpus_per_run": 0}, "--cpus-per-run should be at least 1, found 0"),
        (
            {"engine": "ray", "gpus_per_run": 1.5},
            "--gpus-per-run should be a whole number, or a part of one, found 1.5",
        ),
        ({"engine": "ray", "gpus_per_run": -1.0}, "--gpus-per-run should be"),
        ({"engine": "slurm", "gpus_per_run": 0.5}, "--gpus-per-run should be a whole number, found 0.5"),
    ],
)
def test_options_of_another_engine_and_impossible_ones_are_refused(options, words):
    with pytest.raises(RequestError, match=words.replace("?", r"\?")):
        EngineOptions(**options).require_valid()


def test_a_cluster_is_not_used_from_within_a_launcher(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert isinstance(EngineOptions().make(3, tmp_path), InlineEngine)
    with pytest.raises(RequestError, match="without a launcher"):
        EngineOptions(engine="ray").make(3, tmp_path)


@pytest.mark.parametrize(("engine", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_an_engine_without_its_package_says_what_to_install(monkeypatch, tmp_path, engine, package):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(RequestError, match=rf"pip install 'linkbert\[{engine}\]'"):
        EngineOptions(engine=engine).make(1, tmp_path)


def succeeds(reporters):
    logging.getLogger("linkbert.training").warning("careful")
    for done in range(1, 6):
        reporters[0].on_progress(Progress("train", done, 5))
    return {"score": 1.0}


def fails(reporters):
    raise ValueError("no luck")


def is_stopped(reporters):
    raise Stopped(10)


@pytest.fixture
def own_logger():
    logger = logging.getLogger("linkbert")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.parametrize(
    ("work", "last"),
    [
        (succeeds, Event(3, result={"score": 1.0})),
        (fails, Event(3, error="ValueError: no luck")),
        (is_stopped, Event(3, stopped=10)),
    ],
)
def test_a_job_says_that_it_begins_how_far_it_is_and_how_it_ends(own_logger, work, last):
    told = []
    assert work_on(Job(3, "three", work), told.append) == last
    assert told[0] == Event(3, began=True)
    if work is succeeds:
        assert told[1] == Event(3, log=(30, "careful"))
        assert [event.progress.done for event in told[2:]] == [1, 5], "at most twice a second, and the end"


def test_a_run_that_a_lost_machine_still_seems_to_hold_is_waited_for(own_logger, monkeypatch):
    monkeypatch.setattr("linkbert.benchmarks.jobs._HELD_PAUSE", 0.01)
    until = time.monotonic() + 0.1

    def held_for_a_while(reporters):
        if time.monotonic() < until:
            raise HeldError("another process runs it")
        return {}

    job = Job(0, "held", held_for_a_while)
    assert work_on(job, lambda event: None).error == "another process runs it"
    assert work_on(job, lambda event: None, patience=10.0).result == {}
