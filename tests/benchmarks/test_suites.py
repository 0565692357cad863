"""The plan of a suite: which runs it has, in which order, and which of them lack data."""

import json
from dataclasses import replace

import pytest
from linkbert.benchmarks.plan import plan_suite
from linkbert.errors import RequestError
from linkbert.experiments.options import RunOptions
from linkbert.tasks.recipe import recipe_seed
from linkbert.tasks.registry import TASKS


@pytest.fixture
def options(data_dir, tmp_path):
    return RunOptions.of(
        "",
        model="",
        data_dir=data_dir,
        runs_dir=tmp_path / "runs",
        results_dir=tmp_path / "results",
        recipe="base",
        max_length=32,
        warmup=0,
    )


def test_a_task_that_is_scored_with_the_model_of_another_task_comes_after_it(tiny, options):
    plan = plan_suite("mmlu", [str(tiny)], 2, (), options)
    actions = [(run.task, run.action) for run in plan]
    assert actions == [("medqa", "train")] * 2 + [("mmlu-professional-medicine", "score")] * 2
    assert [run.seed for run in plan[:2]] == [run.seed for run in plan[2:]], "each score needs the model of its seed"


def test_a_plan_says_how_long_it_takes_from_a_short_training_of_the_model(cli, tiny, data_dir, options):
    command = [
        "benchmark", "blurb", "--task", "gad", "--task", "biosses", "--model", tiny, "--data-dir", data_dir, "--recipe", "base", "--set", "max_length=32", "--set", "warmup=0", "--precision", "fp32", "--dry-run",
    ]  # fmt: skip
    estimate = json.loads(cli(*command, "--json").stdout)["estimate"]
    work = sum(run.work for run in plan_suite("blurb", [str(tiny)], 1, ("gad", "biosses"), options))
    speed = estimate["tokens_per_second"][tiny.name]
    assert estimate["seconds"] == pytest.approx(work / speed / estimate["devices"])
    shown = cli(*command).stdout.splitlines()[-1]
    assert shown.startswith("about ") and " min on " in shown and f"{tiny.name} " in shown


def test_seeds_are_the_seed_of_the_recipe_and_the_numbers_after_it(tiny, options):
    plan = plan_suite("blurb", [str(tiny)], 3, ("gad",), options)
    first = recipe_seed(TASKS["gad"], "base")
    assert [run.seed for run in plan] == [first, first + 1, first + 2]


def test_every_task_of_the_benchmark_is_planned_once_per_model(tiny, make_model, options):
    other = make_model("bert", hidden=32)
    plan = plan_suite("all", [str(tiny), str(other)], 1, (), options)
    assert sorted((run.options.model, run.task) for run in plan) == sorted(
        (str(model), task) for model in (tiny, other) for task in TASKS
    )


def test_missing_data_are_named_in_the_plan_before_anything_runs(tiny, options, tmp_path):
    (tmp_path / "empty").mkdir()
    run = plan_suite("blurb", [str(tiny)], 1, ("gad",), replace(options, data_dir=tmp_path / "empty"))[0]
    assert run.problem is not None and "gad" in run.problem and "linkbert data" in run.problem
    assert plan_suite("blurb", [str(tiny)], 1, ("gad",), options)[0].problem is None


@pytest.mark.parametrize(("seeds", "words"), [(0, "at least 1, found 0"), (10**11, "at most 1000, found 100000000000")])
def test_an_impossible_number_of_seeds_is_refused(tiny, options, seeds, words):
    with pytest.raises(RequestError, match=f"--seeds should be {words}"):
        plan_suite("blurb", [str(tiny)], seeds, (), options)
