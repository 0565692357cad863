"""What the same command does with a run that did not finish, and with one that did."""

import hashlib
import json

import pytest
from linkbert.training.checkpoints import Checkpoints
from linkbert.training.stopping import Stopped
from transformers import set_seed

RUN = "runs/gad/tiny-bert/seed-42"


@pytest.fixture
def command(data_dir, tiny):
    return (
        "finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--epochs", 2, "--max-length", 32, "--batch-size", 4,
        "--set", "warmup=0", "--precision", "fp32",
    )  # fmt: skip


@pytest.fixture
def stopped(cli, command, monkeypatch, tmp_path):
    """A run that was stopped after its first checkpoint, the one at the end of the first epoch."""
    write = Checkpoints.write

    def stop(self, updates, states, epochs):
        write(self, updates, states, epochs)
        raise Stopped(15, at_once=True)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", stop)
        done = cli(*command)
    assert done.exit_code == 143 and "stopped by SIGTERM; the same command continues" in done.stderr
    assert [path.name for path in (tmp_path / RUN / "checkpoints").iterdir()] == ["update-00000003.0001"]
    assert not (tmp_path / RUN / "failed.json").exists()
    return tmp_path / RUN


def weights(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_it_goes_on_by_itself(cli, command, stopped):
    done = cli(*command)
    assert done.exit_code == 0 and "continuing after update 3 of 6" in done.stderr
    assert not (stopped / "checkpoints").exists()
    again = cli(*command, "--json")
    assert "finished already" in again.stderr and json.loads(again.stdout)["deterministic"] is True


def test_restart_begins_anew_and_gives_the_same(cli, command, stopped):
    begun = json.loads((stopped / "run.json").read_text())
    anew = cli(*command, "--restart")
    assert anew.exit_code == 0 and "continuing" not in anew.stderr and "begins anew" in anew.stderr
    first = weights(stopped)
    assert cli(*command, "--restart").exit_code == 0  # a finished one too
    assert weights(stopped) == first
    assert json.loads((stopped / "run.json").read_text())["started"] >= begun["started"]


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(cli, command, stopped):
    path = stopped / "checkpoints" / "update-00000003.0001" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    done = cli(*command)
    assert (
        done.exit_code == 0
        and "warning: " in done.stderr
        and "damaged" in done.stderr
        and "continuing" not in done.stderr
    )


def test_another_recipe_is_refused_and_the_difference_named(cli, command, stopped):
    done = cli(*command, "--learning-rate", 0.5)
    assert done.exit_code == 2 and "learning_rate is 5e-05 there, 0.5 asked for" in done.stderr.replace(
        "3e-05", "5e-05"
    )
    assert (stopped / "checkpoints" / "update-00000003.0001").exists()


def test_another_version_or_precision_is_refused_and_the_difference_named(cli, command, stopped, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune.versions", lambda: {"torch": "1.0"})
        done = cli(*command)
    assert done.exit_code == 2 and "version of torch is 2." in done.stderr and "1.0 asked for" in done.stderr
    done = cli(*command[:-1], "bf16")
    assert (
        done.exit_code == 2 and "precision is fp32 there, bf16 asked for" in done.stderr and "--restart" in done.stderr
    )
    assert cli(*command).exit_code == 0


def test_a_finished_run_is_kept_until_the_one_that_replaces_it_is_done(cli, command, data_dir, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first, kept = weights(tmp_path / RUN), tmp_path / RUN.replace("seed-42", ".seed-42.replaced")
    stored = (tmp_path / "results/gad/tiny-bert/seed-42.json").read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    other = (*command, "--learning-rate", 0.01, "--overwrite")
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune._save_model", full)
        failed = cli(*other)
    assert failed.exit_code == 1 and "No space left on device" in failed.stderr
    assert weights(kept) == first and (tmp_path / "results/gad/tiny-bert/seed-42.json").read_bytes() == stored
    assert cli("results", "check").exit_code == 0
    done = cli(*other)
    assert done.exit_code == 0 and "continuing after update 6 of 6" in done.stderr
    assert not kept.exists() and weights(tmp_path / RUN) != first


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_minutes_between_checkpoints_are_minutes(cli, command, value):
    done = cli(*command, "--checkpoint-every", value)
    assert done.exit_code == 2 and "--checkpoint-every should be minutes" in done.stderr


def test_deterministic_is_possible_on_a_cpu(cli, command, tmp_path):
    assert cli(*command).exit_code == 0
    first = weights(tmp_path / RUN)
    assert cli(*command, "--deterministic", "--restart").exit_code == 0
    assert weights(tmp_path / RUN) == first


# --- what lies in a run's place after a kill, and what the next command makes of it --------------------------------


class Killed(BaseException):
    pass


def killed(*arguments, **options):
    raise Killed


def killed_before_the_result(cli, monkeypatch, command):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune.store_result", killed)
        with pytest.raises(Killed):
            cli(*command)


RESULT = "results/gad/tiny-bert/seed-42.json"


def test_a_run_that_replaces_another_and_is_killed_before_its_result_is_scored_not_trained(
    cli, command, tmp_path, monkeypatch
):
    assert cli(*command).exit_code == 0
    other = (*command, "--learning-rate", 0.01, "--overwrite")
    killed_before_the_result(cli, monkeypatch, other)
    trained = weights(tmp_path / RUN)
    done = cli(*other)
    assert done.exit_code == 0 and "trained already" in done.stderr and weights(tmp_path / RUN) == trained
    assert json.loads((tmp_path / RESULT).read_text())["recipe"]["learning_rate"]["value"] == 0.01
    assert not (tmp_path / RUN.replace("seed-42", ".seed-42.replaced")).exists()
    assert cli("results", "check").exit_code == 0


def test_a_restarted_run_that_is_killed_before_its_result_stores_its_own(cli, command, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first = json.loads((tmp_path / RESULT).read_text())
    with monkeypatch.context() as patch:
        # Other hardware would train other weights.
        patch.setattr("linkbert.training.trainer.Trainer.seed", lambda self, seed: set_seed(seed + 1))
        killed_before_the_result(cli, monkeypatch, (*command, "--restart"))
    done = cli(*command)
    assert done.exit_code == 0 and "trained already" in done.stderr
    stored = json.loads((tmp_path / RESULT).read_text())
    assert stored["trained_weights_sha256"] == weights(tmp_path / RUN) != first["trained_weights_sha256"]
    assert cli("results", "check").exit_code == 0


def test_a_restarted_run_that_was_stopped_goes_on_without_restart(cli, command, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first = weights(tmp_path / RUN)
    write = Checkpoints.write

    def stop(self, *arguments):
        write(self, *arguments)
        raise Stopped(15, at_once=True)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", stop)
        assert cli(*command, "--restart").exit_code == 143
    done = cli(*command)
    assert done.exit_code == 0 and "continuing after update 3 of 6" in done.stderr
    assert weights(tmp_path / RUN) == first and cli("results", "check").exit_code == 0


def test_a_model_whose_result_is_stored_outlives_two_that_were_killed(cli, command, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first, kept = weights(tmp_path / RUN), tmp_path / RUN.replace("seed-42", ".seed-42.replaced")
    for rate in (0.01, 0.02):
        killed_before_the_result(cli, monkeypatch, (*command, "--learning-rate", rate, "--overwrite"))
        assert weights(kept) == first


def test_a_result_that_came_meanwhile_is_not_replaced_and_the_training_is_not_lost(cli, command, tmp_path, monkeypatch):
    from linkbert.experiments import finetune as run

    save = run._save_model

    def and_meanwhile(*arguments):
        assert cli(*command, "--learning-rate", 0.01, "--runs-dir", "elsewhere").exit_code == 0
        return save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "_save_model", lambda *a: (patch.setattr(run, "_save_model", save), and_meanwhile(*a))[1])
        done = cli(*command)
    assert done.exit_code == 2 and "a different result is there by now (learning_rate is 0.01 there" in done.stderr
    assert json.loads((tmp_path / RESULT).read_text())["recipe"]["learning_rate"]["value"] == 0.01
    done = cli(*command, "--overwrite")
    assert done.exit_code == 0 and "trained already" in done.stderr


def test_a_run_that_is_killed_while_an_unfinished_one_is_removed(cli, command, stopped, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.files.shutil.rmtree", killed)
        with pytest.raises(Killed):
            cli(*command, "--restart")
    assert cli(*command).exit_code == 0
    assert not [path for path in stopped.parent.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(("name", "change"), [("config.json", b" "), ("tokenizer.json", b"\n")])
def test_another_configuration_or_tokenizer_is_another_model(cli, command, stopped, tiny, name, change):
    content = (tiny / name).read_bytes()
    try:
        (tiny / name).write_bytes(content + change)
        done = cli(*command)
    finally:
        (tiny / name).write_bytes(content)
    assert done.exit_code == 2 and "configuration or tokenizer is" in done.stderr


@pytest.mark.parametrize("path", [RUN + "/run.json", RESULT])
def test_what_cannot_be_read_is_replaced_when_asked_for(cli, command, tmp_path, path):
    assert cli(*command).exit_code == 0
    (tmp_path / path).write_text("{")
    done = cli(*command)
    assert done.exit_code == 2 and "--overwrite replaces it" in done.stderr
    assert cli(*command, "--overwrite").exit_code == 0
    assert cli("results", "check").exit_code == 0


def test_scoring_again_does_not_make_a_training_deterministic(cli, command, tmp_path):
    assert cli(*command).exit_code == 0
    run = json.loads((tmp_path / RUN / "run.json").read_text())
    changes = {"deterministic": False, "device": "a GPU", "processes": 4}
    (tmp_path / RUN / "run.json").write_text(json.dumps(run | changes))
    (tmp_path / RESULT).unlink()
    assert cli(*command).exit_code == 0
    stored = json.loads((tmp_path / RESULT).read_text())
    assert {key: stored[key] for key in changes} == changes
