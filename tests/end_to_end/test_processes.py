"""Training with several processes gives the same weights as with one, and stops cleanly at any moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.fixture(scope="module")
def shared_run(data_dir, tiny):
    """The command of a run of eight updates whose batch one, two and three processes can share, without dropout."""
    return [
        "finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--seed", "1", "--epochs", "4", "--batch-size", "6",
        "--max-length", "32", "--precision", "fp32", "--learning-rate", "0.001", "--checkpoint-every", "0", "--set", "warmup=0",
        "--set", "dropout=0", "--set", "attention_dropout=0", "--set", "eps=1e-5",
    ]  # fmt: skip


RUN_DIR = Path("runs/gad/tiny-bert/seed-1")


def weights_of(folder):
    from safetensors.torch import load_file

    return load_file(folder / RUN_DIR / "model.safetensors")


def losses_of(folder):
    lines = (folder / RUN_DIR / "training-log.jsonl").read_text().splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line.get("loss") is not None]


@pytest.fixture(scope="module")
def alone(server, shared_run, tmp_path_factory):
    """The folder of the run with one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert server.run(folder, shared_run)["code"] == 0, server.log_of(folder).read_text()
    return folder


def assert_close(folder, other, tolerance=2e-5):
    """Processes add in another order, and eight updates of up to 1e-3 amplify the rounding errors."""
    one, two = weights_of(folder), weights_of(other)
    assert max((one[name] - two[name]).abs().max() for name in one) < tolerance


def test_three_processes_train_the_same_weights_as_one_and_score_the_same(server, shared_run, alone, tmp_path):
    ended = server.run(tmp_path, shared_run, processes=3)
    assert ended["codes"] == [0, 0, 0], server.log_of(tmp_path).read_text()
    assert_close(tmp_path, alone)
    assert losses_of(tmp_path) == pytest.approx(losses_of(alone), rel=1e-4)
    assert server.log_of(tmp_path).read_text().count("result results/") == 1, "only the main process prints"
    evaluate = ["eval", "gad", "--model", alone / RUN_DIR, *shared_run[4:6], "--split", "dev", "--json", "-q"]
    found = []
    for processes in (None, 2, 3):
        folder = tmp_path / f"scored-{processes}"
        server.run(folder, evaluate, **({} if processes is None else {"processes": processes}))
        result = json.loads(server.log_of(folder).read_text())
        found.append((result["score"], result["metrics"], result["predictions_sha256"]))
    assert found[0] == found[1] == found[2]


def test_a_run_continues_with_another_number_of_processes(server, shared_run, alone, tmp_path):
    for processes, update in ((3, 3), (2, 3)):
        ended = server.run(tmp_path, shared_run, processes=processes, signal_at_update=update, signal=signal.SIGTERM)
        assert set(ended["codes"]) == {143}, server.log_of(tmp_path).read_text()
        assert list((tmp_path / RUN_DIR).glob("checkpoints/update-*"))
    assert server.run(tmp_path, shared_run)["code"] == 0
    output = server.log_of(tmp_path).read_text()
    assert output.count("continuing after update") == 2 and output.count("another number of processes") == 2
    assert_close(tmp_path, alone)
    result = json.loads((tmp_path / "results/gad/tiny-bert/seed-1.json").read_text())
    assert result["processes"] == 1 and result["deterministic"] is False
    whole = json.loads((alone / "results/gad/tiny-bert/seed-1.json").read_text())
    assert result["cost"]["train"]["padding"] == pytest.approx(whole["cost"]["train"]["padding"], abs=0.15)


@pytest.mark.parametrize(
    ("rank", "disturbance", "reason"),
    [
        (0, {"error_at_update": 3}, "something broke"),
        (1, {"error_at_update": 3}, "something broke"),
        (1, {"signal_at_update": 3, "signal": signal.SIGKILL}, "another of the 2 processes of this run has ended"),
    ],
)
def test_an_error_or_a_kill_in_one_process_ends_the_other_with_the_reason(
    server, shared_run, tmp_path, rank, disturbance, reason
):
    ended = server.run(tmp_path, shared_run, processes=2, rank=rank, **disturbance)
    assert 0 not in ended["codes"] and ended["seconds"] < 30
    assert json.loads((tmp_path / RUN_DIR / "failed.json").read_text())["error"].startswith(reason)
    if ended["signals"][1]:
        assert reason in server.log_of(tmp_path).read_text()


def test_an_error_of_the_first_process_alone_is_printed_once(server, tiny, tmp_path):
    from linkbert.pretraining.writing import write_corpus

    records = [{"id": str(number), "text": f"w{number} " * 30, "links": [str(number - 1)]} for number in range(20)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    write_corpus(tmp_path / "d.jsonl", tmp_path / "corpus")
    (tmp_path / "runs" / "pretrain" / "mine-seed-42").mkdir(parents=True)
    (tmp_path / "runs" / "pretrain" / "mine-seed-42" / "notes").touch()
    ended = server.run(tmp_path, ["pretrain", tmp_path / "corpus", "--from", tiny, "--max-length", "32", "--batch-size",
                                  "4", "--name", "mine"], processes=2)  # fmt: skip
    assert ended["codes"] == [2, 1]
    said = server.log_of(tmp_path).read_text()
    assert said.count("error: ") == 1 and "holds something that is not a pretraining" in said, said


@pytest.mark.slow
def test_two_processes_train_the_same_weights_as_one(data_dir, tiny, tmp_path):
    from safetensors.torch import load_file

    command = [
        "-m", "linkbert", "finetune", "ncbi-disease", "--model", str(tiny), "--data-dir", str(data_dir), "--epochs", "2",
        "--max-length", "32", "--batch-size", "8", "--set", "warmup=0", "--set", "dropout=0", "--set", "attention_dropout=0",
        "--set", "eps=1e-5", "--learning-rate", "0.001", "--precision", "fp32", "-q", "--json",
    ]  # fmt: skip
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2"]
    found = []
    for number, prefix in enumerate(([], launch)):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, *prefix, *command], capture_output=True, text=True, check=False, cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["processes"] == number + 1
        found.append(load_file(folder / result["run_dir"] / "model.safetensors"))
    # Two processes add in another order, and six updates of up to 1e-3 amplify the rounding errors.
    assert max((found[0][name] - found[1][name]).abs().max() for name in found[0]) < 2e-5


LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "linkbert", "finetune", "gad"]
SMALL = ["--max-length", "32", "--precision", "fp32"]


def subprocess_options(folder):
    return {"cwd": folder, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True, "stderr": subprocess.PIPE}


def stop(command, folder, ready, delay=0.0):
    """Start a command, and send it SIGTERM `delay` seconds after `ready()` is true.

    Returns the process, the seconds that it took to stop, and its standard error.
    """
    run = subprocess.Popen(command, **subprocess_options(folder))
    while not ready():
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.02)
    time.sleep(delay)
    signalled = time.monotonic()
    run.terminate()
    _, error_output = run.communicate()
    return run, time.monotonic() - signalled, error_output


@pytest.mark.slow
def test_two_stopped_processes_continue_from_their_last_checkpoint(data_dir, tiny, tmp_path):
    from safetensors.torch import load_file

    command = [
        *LAUNCH, "--model", str(tiny), "--data-dir", str(data_dir), *SMALL, "--epochs", "30", "--batch-size", "2",
        "--checkpoint-every", "0.00001",
    ]  # fmt: skip
    weights = []
    for name in ("whole", "stopped"):
        folder = tmp_path / name
        folder.mkdir()

        def checkpoints(folder=folder):
            return list(folder.glob("runs/gad/*/seed-42/checkpoints/update-*"))

        if name == "stopped":
            run, _, _ = stop(command, folder, checkpoints)
            assert run.returncode != 0 and checkpoints()
        done = subprocess.run(command, check=False, **subprocess_options(folder))
        assert done.returncode == 0, done.stderr
        assert ("continuing after update" in done.stderr) == (name == "stopped")
        weights.append(load_file(next(folder.glob("runs/gad/*/seed-42/model.safetensors"))))
    # The order in which the gradients of two processes are added is not fixed.
    assert max((weights[0][name] - weights[1][name]).abs().max() for name in weights[0]) < 1e-5


@pytest.mark.slow
def test_two_processes_stop_at_any_moment_even_while_they_score_dev(data_dir, tiny, tmp_path):
    command = [
        *LAUNCH, "--model", str(tiny), "--data-dir", str(data_dir), *SMALL, "--epochs", "400", "--batch-size", "4",
        "--select", "best-dev",
    ]  # fmt: skip
    log = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42" / "training-log.jsonl"

    def epochs_in_log():
        return log.read_text().count("epochs_done") if log.exists() else 0

    for delay in (0.0, 0.05, 0.11, 0.19):
        begun = epochs_in_log()
        _, seconds, error_output = stop(command, tmp_path, lambda begun=begun: epochs_in_log() >= begun + 3, delay)
        # The launcher kills processes that have not ended after 30 seconds.
        assert seconds < 20, error_output
        assert list(log.parent.glob("checkpoints/update-*")), error_output


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_all_of_them(data_dir, tiny, tmp_path, rank):
    command = [*LAUNCH, "--model", str(tiny), "--data-dir", str(data_dir), *SMALL, "--epochs", "20000"]
    run = subprocess.Popen(command, **subprocess_options(tmp_path), stdout=subprocess.PIPE)
    log = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42" / "training-log.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and log.stat().st_size):
        assert run.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    of_rank = {}
    for process in psutil.Process(run.pid).children(recursive=True):
        of_rank[process.environ().get("RANK")] = process
    since = time.monotonic()
    of_rank[str(rank)].kill()
    _, errors = run.communicate(timeout=60)
    assert run.returncode != 0 and time.monotonic() - since < 30 and "SIGKILL" in errors
    assert not any(process.is_running() for process in of_rank.values())
