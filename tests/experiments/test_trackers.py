"""Curves reach the trackers: TensorBoard and MLflow are read back from their own files."""

import json
import sys

import pytest
from linkbert.errors import RequestError
from linkbert.experiments import trackers
from linkbert.training.reporters import Progress

RUN = {
    "task": "gad",
    "model": "tiny",
    "seed": 1,
    "steps": 20,
    "recipe": {"learning_rate": 0.1, "schedule": "linear", "dropout": None},
}
RESULT = {"split": "test", "metrics": {"micro_f1": 80.0, "f1/1": 80.0}, "dev": {"metrics": {"micro_f1": 70.0}}}


def tell(reporter, run_dir):
    reporter.on_start({**RUN, "run_dir": str(run_dir)})
    for done in range(1, 21):
        loss = 1 / done if done % 10 == 0 else None
        reporter.on_progress(
            Progress("train", done, 20, loss=loss, learning_rate=0.1, memory_mb=100.0 if loss else None)
        )
    reporter.on_progress(Progress("score dev", 5, 5, examples_per_second=3.0))
    reporter.on_epoch(1, {"dev_score": 71.0})


@pytest.fixture
def state():
    from accelerate import PartialState

    return PartialState(cpu=True)


def test_tensorboard_holds_the_curves_of_the_run(tmp_path, state, capsys):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (reporter,) = trackers.make_trackers(["tensorboard", "tensorboard"])
    tell(reporter, tmp_path)
    reporter.on_end(RESULT)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(item.step, round(item.value, 3)) for item in events.Scalars("train/loss")] == [(10, 0.1), (20, 0.05)]
    assert [item.value for item in events.Scalars("dev/score")] == [71]
    assert [item.value for item in events.Scalars("test/micro_f1")] == [80]
    assert capsys.readouterr().out == "", "standard output holds the result alone"


def test_mlflow_holds_settings_and_curves(tmp_path, state, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    (reporter,) = trackers.make_trackers(["mlflow"])
    tell(reporter, tmp_path)
    reporter.on_end(RESULT)
    (run,) = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("linkbert").experiment_id])
    assert run.info.run_name == "gad/tiny/seed-1" and run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.1" and run.data.params["seed"] == "1"
    assert run.data.metrics["train/loss"] == pytest.approx(0.05) and run.data.metrics["test/micro_f1"] == 80


def test_a_run_that_fails_closes_its_tracker(tmp_path, state):
    (reporter,) = trackers.make_trackers(["tensorboard"])
    tell(reporter, tmp_path)
    reporter.on_failure(ValueError("no"))
    reporter.on_end(RESULT)  # nothing is open any more, so that nothing happens
    assert list((tmp_path / "tensorboard").rglob("events*"))


def test_an_unknown_tracker_and_a_missing_package_are_refused_before_the_run(cli, tiny, data_dir, monkeypatch):
    arguments = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-length", 32)
    assert "did you mean tensorboard" in cli(*arguments, "--track", "tensorbord").stderr
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    done = cli(*arguments, "--track", "wandb")
    assert done.exit_code == 2 and "pip install 'linkbert[wandb]'" in done.stderr


def test_a_tracker_that_cannot_start_is_one_error_with_its_reason(tmp_path, state, monkeypatch):
    from accelerate.tracking import TensorBoardTracker

    def refuse(self):
        raise ConnectionError("no server at this address\nand more")

    monkeypatch.setattr(TensorBoardTracker, "start", refuse)
    (reporter,) = trackers.make_trackers(["tensorboard"])
    with pytest.raises(RequestError, match=r"--track tensorboard: it cannot start \(no server at this address\)"):
        reporter.on_start({**RUN, "run_dir": str(tmp_path)})


def test_a_run_reports_start_every_update_and_its_end(cli, tiny, data_dir, tmp_path):
    """Losses, tokens per second and memory are in the log of the run, every tenth update."""
    from linkbert import Reporter, finetune

    class Listener(Reporter):
        def __init__(self):
            self.seen = []

        def on_start(self, run):
            self.seen.append(("start", run["steps"], run["seed"]))

        def on_progress(self, progress):
            if progress.stage == "train":
                self.seen.append((progress.done, progress.loss is not None))

        def on_end(self, result):
            self.seen.append("end")

    listener = Listener()
    result = finetune(
        "gad", model=str(tiny), data_dir=data_dir, runs_dir=tmp_path / "runs", results_dir=tmp_path / "results", seed=4,
        max_steps=12, max_length=32, batch_size=4, reporters=[listener], precision="fp32",
    )  # fmt: skip
    assert listener.seen[0] == ("start", 12, 4) and listener.seen[-1] == "end"
    assert listener.seen[1:-1] == [(done, done in (10, 12)) for done in range(1, 13)]
    lines = (tmp_path / "runs/gad" / result.name / "seed-4/training-log.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert [line["step"] for line in logged if "step" in line] == [10, 12]
    assert all(line["memory_mb"] > 50 and line["tokens_per_second"] > 0 for line in logged if "step" in line)
    assert sys.stdout is not sys.stderr
