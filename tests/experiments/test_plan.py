"""The options of a run are checked and resolved once for all seeds."""

import pytest
from linkbert import RunOptions, finetune
from linkbert.errors import RequestError
from linkbert.experiments import plan as plan_module
from linkbert.experiments.plan import plan_finetune

SMALL = {"max_steps": 1, "max_length": 32, "batch_size": 4, "warmup": 0, "precision": "fp32"}


@pytest.fixture
def options(data_dir, tiny, tmp_path):
    folders = {"data_dir": data_dir, "runs_dir": tmp_path / "runs", "results_dir": tmp_path / "results"}
    return RunOptions.of("gad", model=str(tiny), seed=[1, 2, 1], **SMALL, **folders)


def test_keyword_arguments_become_options_and_recipe_settings(options):
    assert options.seeds == (1, 2) and options.max_steps == 1 and options.train_fraction == 1
    assert options.settings == {"max_length": 32, "batch_size": 4, "warmup": 0}
    assert RunOptions.of("gad", model="m", seed=None, name=None, epochs=None) == RunOptions("gad", "m")


def test_all_problems_of_a_request_are_reported_together(data_dir):
    with pytest.raises(RequestError) as refused:
        plan_finetune(
            "gad", model="nowhere/at/all", data_dir=data_dir, seed=-1, epochs=0, colour=1, train_fraction=2, recipe="bas",
            precision="fp8", checkpoint_every=-1, select="best", name="../x", max_steps=0, per_device_batch_size=0,
        )  # fmt: skip
    text = str(refused.value)
    for words in (
        "--seed should be", "--epochs: epochs should be", "unknown setting 'colour'", "--train-fraction should be",
        "--recipe 'bas'", "--precision 'fp8'", "--checkpoint-every should be", "--select 'best'", "--name '../x'",
        "--max-steps should be", "--per-device-batch-size", "nowhere/at/all: no such folder",
    ):  # fmt: skip
        assert words in text, words
    assert len(refused.value.problems) == 12


def test_a_plan_describes_the_runs_and_writes_nothing(options, tmp_path):
    plan = plan_finetune(options)
    assert plan.seeds == (1, 2) and plan.steps().total == 1 and plan.recipe.origin["batch_size"] == "--batch-size"
    assert plan.settings()["max_steps"] == {"value": 1, "origin": "--max-steps"}
    assert plan.settings()["train_split"] == {"value": "train", "origin": "default"}
    assert plan.paths(2).result_file == tmp_path / "results" / "gad" / "tiny-bert" / "seed-2.json"
    assert plan.to_json()["truncation"]["test"]["examples"] == 8
    assert not list(tmp_path.iterdir())


def test_weights_are_hashed_and_data_are_loaded_once_for_all_seeds(options, monkeypatch):
    hashed = []
    for name in ("weights_sha256", "settings_sha256"):
        original = getattr(plan_module, name)
        monkeypatch.setattr(plan_module, name, lambda path, original=original: hashed.append(path) or original(path))
    loaded = []
    load = plan_module.load_split
    monkeypatch.setattr(
        plan_module, "load_split", lambda task, name, folder: loaded.append(name) or load(task, name, folder)
    )
    results = finetune(options)
    assert [result.seed for result in results] == [1, 2]
    assert len(hashed) == 2 and loaded == ["train", "dev", "test"]


def test_another_schedule_is_a_departure_and_makes_a_different_run(options):
    from dataclasses import replace

    cosine_options = replace(options, seeds=(1,), settings={**options.settings, "schedule": "cosine"})
    plan = plan_finetune(cosine_options)
    assert "schedule cosine instead of linear" in plan.departures
    assert plan.identity(1).differences(plan_finetune(options).identity(1)) == [
        "schedule is linear there, cosine asked for"
    ]
    assert finetune(cosine_options).setting("schedule") == "cosine"
