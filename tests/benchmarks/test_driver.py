"""The driver starts what may start, goes on after failures, and leaves nothing running."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from linkbert.benchmarks.driver import Driver, Watcher
from linkbert.benchmarks.jobs import Event
from linkbert.benchmarks.plan import PlannedRun
from linkbert.experiments.options import RunOptions
from linkbert.experiments.results import Result
from linkbert.training.reporters import Progress

OPTIONS = RunOptions("gad", model="m")


def planned(task, seed=1, **fields):
    return PlannedRun(task, "m", seed, replace(OPTIONS, task=task, seeds=(seed,)), **fields)


class Told(Watcher):
    def __init__(self):
        self.told = []

    def on_start(self, number):
        self.told.append(("start", number))

    def on_progress(self, number, progress):
        self.told.append(("progress", number, progress.done))

    def on_log(self, number, level, text):
        self.told.append(("log", number, text))

    def on_end(self, number, outcome):
        self.told.append(("end", number, outcome if isinstance(outcome, str) else "done"))


class FakeEngine:
    """Ends one job at each poll, the last one first."""

    def __init__(self, slots, ends=None):
        self.slots, self.ends, self.under_way, self.most, self.closed = slots, ends or {}, [], 0, False
        self.begun = []

    def start(self, job):
        self.under_way.append(job.number)
        self.begun.append(job.number)
        self.most = max(self.most, len(self.under_way))

    def poll(self, seconds):
        if self.begun:
            return [Event(self.begun.pop(0), began=True)]
        number = self.under_way.pop()
        return self.ends.get(number, [Event(number, result={"a": "result"})])

    def close(self):
        self.closed = True


@pytest.fixture(autouse=True)
def results(monkeypatch):
    monkeypatch.setattr(Result, "from_json", classmethod(lambda cls, document: SimpleNamespace(**document)))


def drive(plan, engine):
    watcher = Told()
    outcomes = Driver(plan, engine, watcher).run()
    assert engine.closed and len(outcomes) == len(plan)
    return [outcome if isinstance(outcome, str) else "done" for outcome in outcomes], watcher.told


def test_no_more_runs_at_a_time_than_there_are_slots():
    engine = FakeEngine(3)
    outcomes, told = drive([planned("gad", seed) for seed in range(8)], engine)
    assert outcomes == ["done"] * 8 and engine.most == 3
    assert [number for kind, number, *_ in told if kind == "start"] == list(range(8))


def test_a_run_waits_for_the_model_that_it_needs_and_others_do_not():
    plan = [planned("medqa"), planned("mmlu", needs="medqa"), planned("mmlu", 2, needs="medqa"), planned("gad")]
    engine = FakeEngine(2)
    outcomes, told = drive(plan, engine)
    assert outcomes == ["done"] * 4
    order = [number for kind, number, *_ in told if kind == "start"]
    assert order.index(0) < told.index(("end", 0, "done")) < told.index(("start", 1))
    assert told.index(("start", 2)) < told.index(("end", 0, "done")), "it needs a model that is not in the plan"


def test_what_needs_a_failed_run_fails_and_the_rest_goes_on():
    plan = [planned("medqa"), planned("mmlu", needs="medqa"), planned("gad")]
    outcomes, _ = drive(plan, FakeEngine(1, {0: [Event(0, error="out of memory")]}))
    assert outcomes == ["out of memory", "it needs the model of medqa m seed 1, which failed", "done"]


def test_what_cannot_run_is_never_started():
    outcomes, told = drive([planned("gad", problem="no data"), planned("hoc")], FakeEngine(2))
    assert outcomes == ["no data", "done"] and ("start", 0) not in told


def test_progress_and_messages_are_passed_on():
    events = [Event(0, progress=Progress("train", 3, 9)), Event(0, log=(30, "hm")), Event(0, result={"a": "result"})]
    _, told = drive([planned("gad")], FakeEngine(1, {0: events}))
    assert told == [("start", 0), ("progress", 0, 3), ("log", 0, "hm"), ("end", 0, "done")]


def test_a_run_that_was_stopped_from_outside_fails_alone():
    outcomes, _ = drive([planned("gad"), planned("hoc")], FakeEngine(1, {0: [Event(0, stopped=15)]}))
    assert outcomes == ["stopped by SIGTERM; the same command continues it", "done"]
