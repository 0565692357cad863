"""Runs in processes of this machine: their share of the devices, their ends, and the end of the command."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from linkbert.benchmarks import local
from linkbert.benchmarks.local import make_slots


@pytest.fixture
def machine(monkeypatch):
    def pretend(cores, gpus=0, visible=None):
        monkeypatch.setattr(local, "usable_cores", lambda: list(range(cores)))
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return pretend


@pytest.mark.parametrize(
    ("cores", "asked", "jobs", "expected"),
    [
        (2, None, 4, [(0,), (1,)]),
        (2, None, 1, [(0, 1)]),
        (8, 2, 9, [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (5, 2, 9, [(0, 1), (2, 3)]),
        (2, 7, 9, [(0,), (1,)]),
        (1, None, 9, [(0,)]),
        (4, None, 0, [(0, 1, 2, 3)]),
    ],
)
def test_cores_are_divided_and_never_shared(machine, cores, asked, jobs, expected):
    machine(cores)
    assert [slot.cores for slot in make_slots(asked, jobs)] == expected


def test_fewer_runs_than_asked_for_are_told(machine, caplog):
    machine(2)
    make_slots(2, 9)
    assert not caplog.records
    make_slots(8, 9)
    assert caplog.messages == ["--runs-per-device 8: each run needs a core, so that 2 are done at a time"]


def test_each_gpu_has_one_run_unless_more_are_asked_for(machine):
    machine(8, gpus=2)
    assert [(slot.device, len(slot.cores)) for slot in make_slots(None, 9)] == [("0", 4), ("1", 4)]
    assert [slot.device for slot in make_slots(2, 9)] == ["0", "1", "0", "1"]
    assert [slot.device for slot in make_slots(2, 2)] == ["0", "1"]
    machine(8, gpus=2, visible="3,GPU-x")
    assert [slot.device for slot in make_slots(None, 9)] == ["3", "GPU-x"]
    machine(1, gpus=2)
    assert [slot.cores for slot in make_slots(None, 9)] == [(0,), (0,)], "more GPUs than cores"


def start(folder, data_dir, tiny, *options):
    """Start a suite of three runs in a process group of its own, as a terminal does."""
    command = [sys.executable, "-m", "linkbert", "benchmark", "blurb", "--task", "biosses", "--seeds", "3",
               "--model", tiny, "--data-dir", data_dir, "--precision", "fp32", "--set", "max_length=32",
               "--set", "warmup=0", *options]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)), cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        process_group=0,
    )  # fmt: skip


def processes_of_runs(folder, count):
    """Wait until runs have made updates, and return the ids of their processes by seed."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        logs = [path for path in folder.glob("runs/biosses/*/*/training-log.jsonl") if path.stat().st_size]
        if len(logs) >= count:
            folders = [path.parent for path in logs]
            locks = {int(path.name[5:]): path.with_name(f".{path.name}.lock") for path in folders}
            return {seed: json.loads(path.read_text())["process"] for seed, path in locks.items()}
        time.sleep(0.05)
    raise AssertionError("no run began")


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_ctrl_c_lets_all_runs_write_a_checkpoint_and_the_same_command_continues(cli, data_dir, tiny, tmp_path):
    options = ("--set", "epochs=20000", "--runs-per-device", 2)
    suite = start(tmp_path, data_dir, tiny, *options)
    processes = processes_of_runs(tmp_path, 2)
    os.killpg(suite.pid, signal.SIGINT)
    _, errors = suite.communicate(timeout=60)
    assert suite.returncode == 130 and "the same command continues from the last checkpoint" in errors
    assert not any(map(is_alive, processes.values()))
    assert len({path.parent for path in tmp_path.glob("runs/biosses/*/*/checkpoints/update-*")}) == 2
    plan = cli("benchmark", *suite.args[4:], "--dry-run").stdout
    assert [line.split()[5:] for line in plan.splitlines()[1:]] == [["train", "(continues)"]] * 2 + [["train"]]


@pytest.mark.slow
def test_a_run_that_is_killed_fails_alone(data_dir, tiny, tmp_path):
    suite = start(tmp_path, data_dir, tiny, "--set", "epochs=300", "--runs-per-device", 2, "--json")
    processes = processes_of_runs(tmp_path, 2)
    os.kill(processes[5], signal.SIGKILL)
    output, errors = suite.communicate(timeout=120)
    runs = json.loads(output)["runs"]
    assert suite.returncode == 1 and ["error" in run for run in runs] == [True, False, False]
    assert "its process was killed" in runs[0]["error"] and "seed 5 failed" in errors
    again = start(tmp_path, data_dir, tiny, "--set", "epochs=300", "--json")
    assert all("score" in run for run in json.loads(again.communicate(timeout=120)[0])["runs"])


@pytest.mark.slow
def test_no_run_outlives_a_command_that_is_killed(data_dir, tiny, tmp_path):
    suite = start(tmp_path, data_dir, tiny, "--set", "epochs=20000", "--runs-per-device", 2)
    processes = processes_of_runs(tmp_path, 2)
    suite.kill()
    suite.communicate(timeout=30)
    until = time.monotonic() + 30
    while any(map(is_alive, processes.values())) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(is_alive, processes.values()))
    assert len({path.parent for path in tmp_path.glob("runs/biosses/*/*/checkpoints/update-*")}) == 2
