"""The same command is repeated after its run was stopped, killed, damaged or finished."""

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
def stopped_run(cli, command, monkeypatch, tmp_path):
    """The folder of a run that was stopped after its first checkpoint, at the end of the first epoch."""
    write = Checkpoints.write

    def write_then_stop(self, updates, states, epochs):
        write(self, updates, states, epochs)
        raise Stopped(15, at_once=True)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", write_then_stop)
        done = cli(*command)
    assert done.exit_code == 143 and "stopped by SIGTERM; the same command continues" in done.stderr
    assert [path.name for path in (tmp_path / RUN / "checkpoints").iterdir()] == ["update-00000003.0001"]
    assert not (tmp_path / RUN / "failed.json").exists()
    return tmp_path / RUN


def weights_sha256(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_stopped_run_continues_from_its_last_checkpoint(cli, command, stopped_run):
    done = cli(*command)
    assert done.exit_code == 0 and "continuing after update 3 of 6" in done.stderr
    assert not (stopped_run / "checkpoints").exists()
    again = cli(*command, "--json")
    assert "finished already" in again.stderr and json.loads(again.stdout)["deterministic"] is True


def test_restart_trains_from_the_beginning_and_gives_the_same_weights(cli, command, stopped_run):
    begun = json.loads((stopped_run / "run.json").read_text())
    restarted = cli(*command, "--restart")
    assert restarted.exit_code == 0 and "continuing" not in restarted.stderr and "begins anew" in restarted.stderr
    first = weights_sha256(stopped_run)
    assert cli(*command, "--restart").exit_code == 0  # also replaces a finished run
    assert weights_sha256(stopped_run) == first
    assert json.loads((stopped_run / "run.json").read_text())["started"] >= begun["started"]


def test_a_damaged_checkpoint_is_skipped_with_a_warning(cli, command, stopped_run):
    path = stopped_run / "checkpoints" / "update-00000003.0001" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    done = cli(*command)
    assert (
        done.exit_code == 0
        and "warning: " in done.stderr
        and "damaged" in done.stderr
        and "continuing" not in done.stderr
    )


def test_continuing_with_another_recipe_is_refused_and_the_difference_is_named(cli, command, stopped_run):
    done = cli(*command, "--learning-rate", 0.5)
    assert done.exit_code == 2 and "learning_rate is 5e-05 there, 0.5 asked for" in done.stderr.replace(
        "3e-05", "5e-05"
    )
    assert (stopped_run / "checkpoints" / "update-00000003.0001").exists()


def test_continuing_with_another_version_or_precision_is_refused_and_the_difference_is_named(
    cli, command, stopped_run, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune.versions", lambda: {"torch": "1.0"})
        done = cli(*command)
    assert done.exit_code == 2 and "version of torch is 2." in done.stderr and "1.0 asked for" in done.stderr
    done = cli(*command[:-1], "bf16")
    assert (
        done.exit_code == 2 and "precision is fp32 there, bf16 asked for" in done.stderr and "--restart" in done.stderr
    )
    assert cli(*command).exit_code == 0


def test_a_finished_run_is_kept_until_the_run_that_replaces_it_has_finished(
    cli, command, data_dir, tmp_path, monkeypatch
):
    assert cli(*command).exit_code == 0
    first, kept = weights_sha256(tmp_path / RUN), tmp_path / RUN.replace("seed-42", ".seed-42.replaced")
    stored = (tmp_path / "results/gad/tiny-bert/seed-42.json").read_bytes()

    def raise_disk_full(*arguments):
        raise OSError(28, "No space left on device")

    other = (*command, "--learning-rate", 0.01, "--overwrite")
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune._save_model", raise_disk_full)
        failed = cli(*other)
    assert failed.exit_code == 1 and "No space left on device" in failed.stderr
    assert weights_sha256(kept) == first and (tmp_path / "results/gad/tiny-bert/seed-42.json").read_bytes() == stored
    assert cli("results", "check").exit_code == 0
    done = cli(*other)
    assert done.exit_code == 0 and "continuing after update 6 of 6" in done.stderr
    assert not kept.exists() and weights_sha256(tmp_path / RUN) != first


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_a_checkpoint_interval_that_is_negative_or_not_finite_is_refused(cli, command, value):
    done = cli(*command, "--checkpoint-every", value)
    assert done.exit_code == 2 and "--checkpoint-every should be minutes" in done.stderr


def test_deterministic_training_works_on_a_cpu_and_gives_the_same_weights(cli, command, tmp_path):
    assert cli(*command).exit_code == 0
    first = weights_sha256(tmp_path / RUN)
    assert cli(*command, "--deterministic", "--restart").exit_code == 0
    assert weights_sha256(tmp_path / RUN) == first


# --- the next command after a process was killed ------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of a killed process: no `except Exception` catches it."""


def raise_killed(*arguments, **options):
    raise Killed


def kill_before_the_result_is_stored(cli, monkeypatch, command):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.experiments.finetune.store_result", raise_killed)
        with pytest.raises(Killed):
            cli(*command)


RESULT = "results/gad/tiny-bert/seed-42.json"


def test_a_replacing_run_killed_before_its_result_is_stored_is_scored_and_not_trained_again(
    cli, command, tmp_path, monkeypatch
):
    assert cli(*command).exit_code == 0
    other = (*command, "--learning-rate", 0.01, "--overwrite")
    kill_before_the_result_is_stored(cli, monkeypatch, other)
    trained = weights_sha256(tmp_path / RUN)
    done = cli(*other)
    assert done.exit_code == 0 and "trained already" in done.stderr and weights_sha256(tmp_path / RUN) == trained
    assert json.loads((tmp_path / RESULT).read_text())["recipe"]["learning_rate"]["value"] == 0.01
    assert not (tmp_path / RUN.replace("seed-42", ".seed-42.replaced")).exists()
    assert cli("results", "check").exit_code == 0


def test_a_restarted_run_killed_before_its_result_is_stored_replaces_the_old_result(
    cli, command, tmp_path, monkeypatch
):
    assert cli(*command).exit_code == 0
    first = json.loads((tmp_path / RESULT).read_text())
    with monkeypatch.context() as patch:
        # Another seed stands for other hardware, on which the same run would give other weights.
        patch.setattr("linkbert.training.trainer.Trainer.seed", lambda self, seed: set_seed(seed + 1))
        kill_before_the_result_is_stored(cli, monkeypatch, (*command, "--restart"))
    done = cli(*command)
    assert done.exit_code == 0 and "trained already" in done.stderr
    stored = json.loads((tmp_path / RESULT).read_text())
    assert stored["trained_weights_sha256"] == weights_sha256(tmp_path / RUN) != first["trained_weights_sha256"]
    assert cli("results", "check").exit_code == 0


def test_a_restarted_run_that_was_stopped_continues_without_the_restart_option(cli, command, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first = weights_sha256(tmp_path / RUN)
    write = Checkpoints.write

    def write_then_stop(self, *arguments):
        write(self, *arguments)
        raise Stopped(15, at_once=True)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "write", write_then_stop)
        assert cli(*command, "--restart").exit_code == 143
    done = cli(*command)
    assert done.exit_code == 0 and "continuing after update 3 of 6" in done.stderr
    assert weights_sha256(tmp_path / RUN) == first and cli("results", "check").exit_code == 0


def test_a_model_with_a_stored_result_is_kept_when_two_replacing_runs_are_killed(cli, command, tmp_path, monkeypatch):
    assert cli(*command).exit_code == 0
    first, kept = weights_sha256(tmp_path / RUN), tmp_path / RUN.replace("seed-42", ".seed-42.replaced")
    for rate in (0.01, 0.02):
        kill_before_the_result_is_stored(cli, monkeypatch, (*command, "--learning-rate", rate, "--overwrite"))
        assert weights_sha256(kept) == first


def test_a_result_that_another_run_stored_is_not_replaced_and_the_training_is_not_lost(
    cli, command, tmp_path, monkeypatch
):
    """The other run stores its result while this one saves its model."""
    from linkbert.experiments import finetune as run

    save = run._save_model

    def save_after_another_run(*arguments):
        assert cli(*command, "--learning-rate", 0.01, "--runs-dir", "elsewhere").exit_code == 0
        return save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(
            run, "_save_model", lambda *a: (patch.setattr(run, "_save_model", save), save_after_another_run(*a))[1]
        )
        done = cli(*command)
    assert done.exit_code == 2 and "a different result is there by now (learning_rate is 0.01 there" in done.stderr
    assert json.loads((tmp_path / RESULT).read_text())["recipe"]["learning_rate"]["value"] == 0.01
    done = cli(*command, "--overwrite")
    assert done.exit_code == 0 and "trained already" in done.stderr


def test_a_run_killed_while_it_removes_an_unfinished_run_can_be_repeated(cli, command, stopped_run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("linkbert.files.shutil.rmtree", raise_killed)
        with pytest.raises(Killed):
            cli(*command, "--restart")
    assert cli(*command).exit_code == 0
    assert not [path for path in stopped_run.parent.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(("name", "change"), [("config.json", b" "), ("tokenizer.json", b"\n")])
def test_a_changed_configuration_or_tokenizer_counts_as_another_model(cli, command, stopped_run, tiny, name, change):
    content = (tiny / name).read_bytes()
    try:
        (tiny / name).write_bytes(content + change)
        done = cli(*command)
    finally:
        (tiny / name).write_bytes(content)
    assert done.exit_code == 2 and "configuration or tokenizer is" in done.stderr


@pytest.mark.parametrize("path", [RUN + "/run.json", RESULT])
def test_an_unreadable_run_record_or_result_is_replaced_only_with_overwrite(cli, command, tmp_path, path):
    assert cli(*command).exit_code == 0
    (tmp_path / path).write_text("{")
    done = cli(*command)
    assert done.exit_code == 2 and "--overwrite replaces it" in done.stderr
    assert cli(*command, "--overwrite").exit_code == 0
    assert cli("results", "check").exit_code == 0


def test_scoring_again_keeps_the_device_processes_and_determinism_of_the_training(cli, command, tmp_path):
    assert cli(*command).exit_code == 0
    run = json.loads((tmp_path / RUN / "run.json").read_text())
    changes = {"deterministic": False, "device": "a GPU", "processes": 4}
    (tmp_path / RUN / "run.json").write_text(json.dumps(run | changes))
    (tmp_path / RESULT).unlink()
    assert cli(*command).exit_code == 0
    stored = json.loads((tmp_path / RESULT).read_text())
    assert {key: stored[key] for key in changes} == changes
