"""Every reporter receives the progress, the scores of each epoch and the result of a run."""

import csv
import json

import pytest
from linkbert import Reporter, finetune
from linkbert.errors import RequestError


class Recorder(Reporter):
    def __init__(self):
        self.stages, self.epochs, self.ends = [], [], []

    def on_progress(self, progress):
        self.stages.append(progress.stage)

    def on_epoch(self, epoch, scores):
        self.epochs.append((epoch, dict(scores)))

    def on_end(self, result):
        self.ends.append(result)


class CsvReporter(Reporter):
    """A reporter as a user would write one. It implements only the method that it needs."""

    def __init__(self, file):
        self.writer = csv.writer(file)

    def on_epoch(self, epoch, scores):
        self.writer.writerow([epoch, scores.get("dev_score")])


def test_all_reporters_receive_progress_epochs_and_the_result(data_dir, tiny, tmp_path):
    recorder = Recorder()
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        result = finetune(
            "gad", model=str(tiny), epochs=2, max_length=32, batch_size=4, warmup=0, select="best-dev", precision="fp32",
            data_dir=data_dir, runs_dir=tmp_path / "runs", results_dir=tmp_path / "results",
            reporters=[recorder, CsvReporter(file)],
        )  # fmt: skip
    assert {"trial", "train", "score dev", "score test"} == set(recorder.stages)
    assert [epoch for epoch, _ in recorder.epochs] == [1, 2] and set(recorder.epochs[0][1]) == {"dev_score"}
    assert recorder.ends == [result.to_json()]
    rows = list(csv.reader((tmp_path / "scores.csv").open()))
    log = [json.loads(line) for line in (tmp_path / "runs/gad/tiny-bert/seed-42/training-log.jsonl").open()]
    assert [float(row[1]) for row in rows] == [line["dev_score"] for line in log if "dev_score" in line]


def test_a_reporter_without_a_method_is_refused_before_the_run_starts(data_dir, tiny, tmp_path):
    class OnlyProgress:
        def on_progress(self, progress): ...

    with pytest.raises(
        RequestError,
        match="OnlyProgress lacks on_start, on_epoch, on_end, on_failure; make its class a subclass of linkbert",
    ):
        finetune("gad", model=str(tiny), data_dir=data_dir, runs_dir=tmp_path / "runs", reporters=[OnlyProgress()])
    assert not (tmp_path / "runs").exists()
