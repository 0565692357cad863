"""A search tries what its grid says, counts each point once, continues, and never reads the test split."""

import json
import os
import shutil
import signal
import time
import tomllib
from dataclasses import replace
from multiprocessing import get_context

import pytest
from linkbert.benchmarks import trial_storage
from linkbert.benchmarks.inline import InlineEngine
from linkbert.benchmarks.search import GU, grid_of, search
from linkbert.benchmarks.study import try_once
from linkbert.benchmarks.trial_storage import Search, open_study
from linkbert.errors import RequestError, RunError
from linkbert.experiments.options import RunOptions
from linkbert.experiments.plan import make_plan, plan_finetune
from linkbert.experiments.trial import SPLITS
from linkbert.tasks.registry import TASKS
from linkbert.training.stopping import Stopped

SPACE = {"learning_rate": [1e-4, 2e-4, 4e-4], "batch_size": [2, 4]}


@pytest.fixture
def options(data_dir, tiny, tmp_path):
    """A request on data without a test split."""
    release = TASKS["biosses"].release
    shutil.copytree(data_dir / release, tmp_path / "data" / release)
    (tmp_path / "data" / release / "test.json").unlink()
    return RunOptions.of(
        "biosses", model=str(tiny), data_dir=tmp_path / "data", runs_dir=tmp_path / "runs", precision="fp32",
        max_length=32, warmup=0, epochs=2,
    )  # fmt: skip


@pytest.fixture
def run(options, tmp_path):
    def start(trials, values=SPACE, **arguments):
        ends = []
        found = search(
            options, trials=trials, engine=lambda missing: InlineEngine(), values=values,
            output=tmp_path / "found.toml", on_trial=ends.append, **arguments,
        )  # fmt: skip
        return found, ends

    return start


@pytest.fixture
def scored(monkeypatch):
    """Replace the training by a function of its settings, and return the settings that were tried."""
    tried = []

    def pretend(options, judge, reporters):
        tried.append({key: options.settings[key] for key in SPACE})
        if options.settings["batch_size"] == 4:
            raise RunError("out of memory")
        score = 1e4 * options.settings["learning_rate"]
        judge(0.5, score / 2)
        judge(1.0, score)
        return score

    monkeypatch.setattr("linkbert.experiments.trial.try_settings", pretend)
    return tried


def test_a_search_trains_scores_dev_and_writes_a_recipe_file(run, options, data_dir, tmp_path):
    found, ends = run(2)
    assert len(found.trials) == len(ends) == 2 and found.best.score == max(trial.score for trial in found.trials)
    recipe = tomllib.loads((tmp_path / "found.toml").read_text())
    assert recipe["about"] == "the best of 2 trials on dev"
    assert recipe["biosses"] == {"max_length": 32, "warmup": 0, "epochs": 2, **found.best.settings}
    plan = plan_finetune("biosses", model=options.model, data_dir=data_dir, recipe_file=tmp_path / "found.toml")
    assert plan.recipe.batch_size == found.best.settings["batch_size"]
    assert plan.recipe.origin["batch_size"] == "recipe file found.toml (the best of 2 trials on dev)"
    assert f"batch_size {plan.recipe.batch_size} instead of 16" in plan.departures
    assert json.loads(json.dumps(found.to_json()))["recipe_file"] == str(tmp_path / "found.toml")


def test_each_point_is_tried_once_and_failures_do_not_count(run, scored):
    found, ends = run(99)
    rates = {trial.settings["learning_rate"]: trial for trial in found.trials if not trial.failed}
    assert sorted(rates) == [1e-4, 2e-4, 4e-4]
    assert found.best.settings == {"learning_rate": 4e-4, "batch_size": 2}
    for failed in ([trial for trial in ends if trial.failed], [trial for trial in found.trials if trial.failed]):
        assert failed and all((trial.error, trial.settings["batch_size"]) == ("out of memory", 4) for trial in failed)
    points = [tuple(settings.values()) for settings in scored if settings["batch_size"] == 2]
    assert len(points) == len(set(points)) == 3


def test_a_search_that_was_interrupted_repeats_what_was_under_way_and_no_more(run, scored, monkeypatch):
    values = {"learning_rate": [1e-4, 2e-4, 4e-4, 8e-4], "batch_size": [2]}

    def killed(*arguments):
        scored.append("killed")
        raise KeyboardInterrupt

    run(2, values)
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.trial.try_settings", killed)
        with pytest.raises(KeyboardInterrupt):
            run(4, values)
    found, ends = run(4, values)
    assert len(found.trials) == 4 and len(ends) == 2 and len(scored) == 5
    assert run(4, values)[1] == [], "a search that is complete only writes its recipe file again"


def _in_processes(count, work):
    """Start so many processes at once, each of which calls `work` with its number, and return their exit codes."""
    processes = [get_context("fork").Process(target=work, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def test_trials_that_begin_at_the_same_moment_are_of_different_points(options, scored, tmp_path):
    study = Search("all", str(tmp_path / "all.journal"), {**SPACE, "batch_size": (2, 8)}, {})
    assert _in_processes(6, lambda number: try_once(study, 0, options, ())) == [0] * 6
    done = [trial.params for trial in open_study(study).trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert sorted(map(str, done)) == sorted(map(str, study.combinations))


def test_a_trial_whose_machine_is_gone_is_repeated_by_the_others(run, options, monkeypatch, tmp_path):
    """The storage is a database, which several machines can use."""
    monkeypatch.setattr(trial_storage, "_BEATS", 1)
    values, storage = {"learning_rate": [1e-4, 2e-4]}, f"sqlite:///{tmp_path / 'trials.db'}"
    monkeypatch.setattr("linkbert.experiments.trial.try_settings", lambda options, judge, reporters: os._exit(9))
    assert _in_processes(1, lambda number: run(2, values, storage=storage)) == [9]
    time.sleep(3)
    monkeypatch.setattr("linkbert.experiments.trial.try_settings", lambda options, judge, reporters: 50.0)
    found, ends = run(2, values, storage=storage)
    assert sorted(trial.settings["learning_rate"] for trial in found.trials) == [1e-4, 2e-4] and len(ends) == 2
    assert found.trials[0].number == 1, "trial 0 was lost, and its settings are those of the next one"


def test_a_trial_that_a_signal_stopped_is_tried_again_with_a_database_too(run, options, monkeypatch, tmp_path):
    values, storage = {"learning_rate": [1e-4, 2e-4]}, f"sqlite:///{tmp_path / 'trials.db'}"

    def stopped(options, judge, reporters):
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr("linkbert.experiments.trial.try_settings", stopped)
    with pytest.raises(Stopped):
        run(2, values, storage=storage)
    monkeypatch.setattr("linkbert.experiments.trial.try_settings", lambda options, judge, reporters: 50.0)
    found, ends = run(2, values, storage=storage)
    assert len(found.trials) == len(ends) == 2 and found.trials[0].number == 1


def test_a_journal_that_ends_within_a_line_is_mended(run, scored, tmp_path):
    values, storage = {"learning_rate": [1e-4, 2e-4], "batch_size": [2]}, tmp_path / "trials.journal"
    run(1, values, storage=str(storage))
    whole = storage.read_bytes()
    storage.write_bytes(whole + b'{"op_code":6,"worke')
    found, ends = run(2, values, storage=str(storage))
    assert len(found.trials) == 2 and len(ends) == 1 and storage.read_bytes().startswith(whole)


def test_a_storage_that_cannot_be_written_any_more_ends_the_search(run, monkeypatch, tmp_path):
    from optuna.storages.journal import JournalFileBackend

    append = JournalFileBackend.append_logs

    def full(self, logs):
        with open(self._file_path, "ab") as file:
            file.write(b'{"op_code')
        raise OSError(28, "No space left on device")

    def pretend(options, judge, reporters):
        monkeypatch.setattr(JournalFileBackend, "append_logs", full)
        judge(1.0, 50.0)

    values, storage = {"learning_rate": [1e-4, 2e-4]}, tmp_path / "trials.journal"
    monkeypatch.setattr("linkbert.experiments.trial.try_settings", pretend)
    with pytest.raises(RunError, match=r"trials\.journal: the trials cannot be written .*No space left"):
        run(2, values, storage=str(storage))
    assert storage.read_bytes().endswith(b"\n")
    monkeypatch.setattr(JournalFileBackend, "append_logs", append)
    monkeypatch.setattr("linkbert.experiments.trial.try_settings", lambda options, judge, reporters: 50.0)
    assert len(run(2, values, storage=str(storage))[0].trials) == 2


def test_the_recipe_file_holds_all_that_was_trained_with(options, tmp_path, scored):
    base = tmp_path / "base.toml"
    base.write_text("[biosses]\nweight_decay = 0.05\n")
    values, output = {"learning_rate": [1e-4], "batch_size": [2]}, tmp_path / "found.toml"
    request = replace(options, recipe_file=base)
    search(request, trials=1, engine=lambda missing: InlineEngine(), values=values, output=output)
    found = tomllib.loads(output.read_text())["biosses"]
    assert found == {
        "weight_decay": 0.05,
        "max_length": 32,
        "warmup": 0,
        "epochs": 2,
        "learning_rate": 1e-4,
        "batch_size": 2,
    }
    small = replace(options, recipe="small", settings={"max_length": 32})
    search(
        small,
        trials=1,
        engine=lambda missing: InlineEngine(),
        values=values,
        output=output,
        storage=str(tmp_path / "b"),
    )
    found = tomllib.loads(output.read_text())["biosses"]
    assert found == {"learning_rate": 1e-4, "batch_size": 2, "epochs": 60, "max_length": 32, "warmup": 0.1}


def test_another_search_is_not_mixed_with_the_one_that_is_there(run, scored):
    run(1, {"learning_rate": [1e-4], "batch_size": [2]})
    with pytest.raises(RequestError, match=r"the study biosses-tiny-bert is of another search \(grid differ\)"):
        run(1, {"learning_rate": [2e-4], "batch_size": [2]})


def test_nothing_to_choose_from_is_an_error(run, scored, tmp_path):
    with pytest.raises(RunError, match="no trial was completed"):
        run(1, {"learning_rate": [1e-4], "batch_size": [4]})
    assert not (tmp_path / "found.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trials": 0}, "--trials should be at least 1, found 0"),
        ({"trials": 1, "grid": "gus"}, "--grid 'gus': there is gu"),
        ({"trials": 1, "values": {"learning_rate": [7.0]}}, "--space learning_rate: .* at most 1, found 7"),
        ({"trials": 1, "values": {"rate": [7.0]}}, "--space rate: unknown setting"),
        ({"trials": 1, "values": {"epochs": [3]}}, "--space epochs: --set names it too"),
        ({"trials": 1, "values": SPACE, "storage": "nosql://x"}, "--storage nosql://x: it cannot be opened"),
    ],
)
def test_wrong_requests_are_refused(options, arguments, message):
    with pytest.raises(RequestError, match=message):
        search(options, engine=lambda missing: InlineEngine(), **arguments)


def test_a_search_is_not_started_by_a_launcher(options, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RequestError, match="without a launcher"):
        search(options, trials=1, engine=lambda missing: InlineEngine())


def test_the_default_grid_follows_the_size_of_the_encoder_and_its_recipe(options, make_model):
    small = make_plan(replace(options, settings={"max_length": 32}), splits=SPLITS)
    grid = grid_of(small, {}, None)
    assert grid["learning_rate"] == (1e-4, 2e-4, 3e-4, 5e-4, 8e-4) and grid["epochs"] == (15, 30, 60)
    assert grid_of(small, {}, "gu") == GU
    assert grid_of(small, {"batch_size": [8, 8]}, None) == {"batch_size": (8,)}


def test_a_trial_that_is_behind_ends_early(options, monkeypatch, tmp_path):
    """The median rule begins after four trials, at a quarter of the training."""
    scores = iter([50.0, 50.0, 50.0, 50.0, 1.0])

    def pretend(options, judge, reporters):
        score = next(scores)
        for part in range(1, 21):
            judge(part / 20, score)
        return score

    monkeypatch.setattr("linkbert.experiments.trial.try_settings", pretend)
    values = {"learning_rate": [1e-4, 2e-4, 3e-4, 4e-4, 5e-4]}
    found = search(options, trials=5, engine=lambda n: InlineEngine(), values=values, output=tmp_path / "x.toml")
    assert [trial.state for trial in found.trials] == ["complete"] * 4 + ["pruned"]


def test_a_missing_package_is_named_with_its_extra(options, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(RequestError, match=r"pip install 'linkbert\[search\]'"):
        trial_storage.load_optuna()


def test_the_command_line(cli, options, tmp_path):
    space = ("--space", "batch_size=2,4", "--set", "max_length=32", "--set", "warmup=0", "--set", "epochs=1")
    command = ("search", "biosses", "--model", options.model, "--data-dir", tmp_path / "data", "--precision", "fp32")
    done = cli(*command, "--trials", 2, *space)
    assert done.exit_code == 0, done.stderr
    assert "recipe recipe-biosses-tiny-bert.toml" in done.stdout and "[2/2] batch_size" in done.stderr
    for wrong, said in (("batch_size", "expected KEY=V1,V2"), ("epochs=1,a", "--space epochs=a"),
                        ("batch_size=8", "--space batch_size: given twice")):  # fmt: skip
        refused = cli(*command, *space, "--space", wrong)
        assert refused.exit_code == 2 and said in refused.stderr
