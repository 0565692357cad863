"""The plan of a suite: which runs it has, in which order, and which of them lack data."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
from linkbert.benchmarks import plan as plans
from linkbert.benchmarks.plan import plan_suite
from linkbert.errors import RequestError
from linkbert.experiments.options import RunOptions
from linkbert.tasks.data import load_split
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


def test_every_task_of_the_benchmark_is_planned_once_per_model(tiny, options, tmp_path):
    other = shutil.copytree(tiny, tmp_path / "other")
    plan = plan_suite("all", [str(tiny), str(other)], 1, (), options)
    assert sorted((run.options.model, run.task) for run in plan) == sorted(
        (str(model), task) for model in (tiny, other) for task in TASKS
    )


def test_a_task_may_be_named_in_another_spelling(tiny, options):
    assert [run.task for run in plan_suite("blurb", [str(tiny)], 1, ("GAD", "ncbi_disease"), options)] == [
        "ncbi-disease",
        "gad",
    ]


def test_a_model_counts_once_and_two_of_one_name_are_refused(tiny, options, tmp_path):
    plan = plan_suite("blurb", [str(tiny), f"{tiny}/"], 1, ("gad",), options)
    assert [run.options.model for run in plan] == [str(tiny)]
    other = shutil.copytree(tiny, tmp_path / "other" / tiny.name)
    with pytest.raises(RequestError, match=f"have the same name, {tiny.name}, .* rename one"):
        plan_suite("blurb", [str(tiny), str(other)], 1, ("gad",), options)


def test_tasks_without_a_section_in_the_recipe_file_keep_their_recipe(tiny, options, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("[gad]\nbatch_size = 4\n")
    plan = plan_suite("blurb", [str(tiny)], 1, ("gad", "biosses"), replace(options, recipe_file=file))
    files = {run.task: (run.options.recipe_file, run.problem) for run in plan}
    assert files == {"gad": (file, None), "biosses": (None, None)}
    with pytest.raises(RequestError, match="no section for any task of the suite; it has gad"):
        plan_suite("blurb", [str(tiny)], 1, ("biosses",), replace(options, recipe_file=file))


@pytest.mark.parametrize(
    ("change", "said"),
    [({}, None), ({"trained_weights_sha256": "b"}, "another model than that of"), ({"data": "x"}, "other data"),
     ({"task_version": 99}, "another version of the task")],
)  # fmt: skip
def test_a_score_with_the_model_of_another_task_is_of_that_model_and_these_data(
    tiny, options, monkeypatch, change, said
):
    task = TASKS["mmlu-professional-medicine"]
    data = load_split(task, "test", options.data_dir).sha256
    stored = {"trained_weights_sha256": "a", "task_version": task.version, "data": data} | change
    scored = SimpleNamespace(**stored | {"data": {"test": {"sha256": stored["data"]}}})
    trained = SimpleNamespace(trained_weights_sha256="a")
    monkeypatch.setattr(plans, "read_result", lambda file: scored if task.name in str(file) else trained)
    monkeypatch.setattr(plans, "_training_runs", lambda task, name, options: [
        plans.PlannedRun(task.name, name, seed, options, done=seed == first) for seed in options.seeds])  # fmt: skip
    first = recipe_seed(TASKS["medqa"], "base")
    request = replace(options, results_dir=options.results_dir)
    file = plan_suite("mmlu", [str(tiny)], 1, (), request)[1].paths.result_file
    file.parent.mkdir(parents=True)
    file.touch()
    run, later = plan_suite("mmlu", [str(tiny)], 2, (), request)[2:]
    assert run.done == (said is None) and (said is None or said in run.problem)
    assert not later.done and later.problem is None, "its model is not trained yet"


def test_a_plan_that_cannot_run_is_told_by_the_exit_code(cli, tiny, data_dir, tmp_path):
    suite = ("benchmark", "blurb", "--task", "gad", "--model", tiny, "--recipe", "base", "--dry-run", "--json")
    (tmp_path / "empty").mkdir()
    wrong = cli(*suite, "--data-dir", tmp_path / "empty")
    assert wrong.exit_code == 1 and "linkbert data" in json.loads(wrong.stdout)["plan"][0]["problem"]
    right = cli(*suite, "--data-dir", data_dir, "--set", "max_length=32", "--set", "warmup=0")
    planned = json.loads(right.stdout)["plan"][0]
    assert right.exit_code == 0 and planned["task"] == "gad" and planned["updates"] > 0 and not planned["done"]


def test_missing_data_are_named_in_the_plan_before_anything_runs(tiny, options, tmp_path):
    (tmp_path / "empty").mkdir()
    run = plan_suite("blurb", [str(tiny)], 1, ("gad",), replace(options, data_dir=tmp_path / "empty"))[0]
    assert run.problem is not None and "gad" in run.problem and "linkbert data" in run.problem
    assert plan_suite("blurb", [str(tiny)], 1, ("gad",), options)[0].problem is None


@pytest.mark.parametrize(("seeds", "words"), [(0, "at least 1, found 0"), (10**11, "at most 1000, found 100000000000")])
def test_an_impossible_number_of_seeds_is_refused(tiny, options, seeds, words):
    with pytest.raises(RequestError, match=f"--seeds should be {words}"):
        plan_suite("blurb", [str(tiny)], seeds, (), options)
