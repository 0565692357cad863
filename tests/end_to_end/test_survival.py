"""Runs that are killed, stopped or run out of disk space lose nothing, and end with the same bytes."""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

RUN = Path("runs/ncbi-disease/tiny-bert/seed-1")
RESULT = Path("results/ncbi-disease/tiny-bert/seed-1.json")
# Fields with timing, memory and dates, and the checksum that follows from them.
VARYING = ("cost", "started", "finished", "checksum")


@pytest.fixture(scope="module")
def command(data_dir, tiny):
    return [
        "finetune", "ncbi-disease", "--model", tiny, "--data-dir", data_dir, "--seed", 1, "--epochs", 2, "--batch-size", 3,
        "--max-length", 32, "--set", "warmup=0", "--learning-rate", "0.001", "--precision", "fp32", "--select", "best-dev",
        "--checkpoint-every", "0.00001", "-q",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(server, command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "whole"
    done = server.run(folder, command)
    assert done["code"] == 0, server.log_of(folder).read_text()
    return folder, done


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def result_of(folder):
    result = json.loads((folder / RESULT).read_text())
    padding = result["cost"]["train"]["padding"]
    return {key: value for key, value in result.items() if key not in VARYING} | {"padding": padding}


def assert_same(folder, undisturbed):
    whole, _ = undisturbed
    assert result_of(folder) == result_of(whole)
    for path in (RUN / "model.safetensors", RUN / "dev.predictions.jsonl", Path(result_of(whole)["predictions_file"])):
        assert digest(folder / path) == digest(whole / path), path

    def names(root):
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    assert names(folder) == names(whole), "something was left behind"
    steps = [
        [json.loads(line).get("step") for line in (root / RUN / "training-log.jsonl").open()]
        for root in (folder, whole)
    ]
    assert steps[0] == steps[1]


def errors_in(path):
    return [line for line in path.read_text().splitlines() if line.startswith("error: ")]


def assert_its_model_is_there(folder):
    """Assert that the model of the stored result is in the run folder or kept beside it."""
    stored = json.loads((folder / RESULT).read_text())["trained_weights_sha256"]
    models = [folder / RUN / "model.safetensors", folder / RUN.with_name(".seed-1.replaced") / "model.safetensors"]
    assert stored in [digest(path) for path in models if path.exists()]


def survive(server, command, undisturbed, tmp_path, kills, seed, begin=None):
    """Kill runs until `kills` of them were hit; every run that finishes must equal the undisturbed one.

    With `begin`, each run replaces the finished run in that folder, whose model must not be lost before that.
    """
    chance, hit, finished, number = random.Random(seed), 0, 0, 0
    _, whole = undisturbed
    while hit < kills or not finished:
        folder = tmp_path / str(number)
        if begin and not folder.exists():
            shutil.copytree(begin, folder)
        if hit >= kills:
            disturbance = {}
        elif chance.random() < 0.6:
            disturbance = {"kill_at": chance.randint(1, whole["operations"])}
        else:
            disturbance = {"after": chance.uniform(0, whole["seconds"])}
        done = server.run(folder, command, **disturbance)
        if done["signal"] == signal.SIGKILL:
            hit += 1
            if begin:
                assert_its_model_is_there(folder)
            continue
        assert done["code"] == 0, server.log_of(folder).read_text()
        again = server.run(folder, command)
        assert again["code"] == 0, server.log_of(folder).read_text()
        assert_same(folder, undisturbed)
        finished, number = finished + 1, number + 1
    return hit, finished


def test_killed_runs_end_with_the_same_bytes(server, command, undisturbed, tmp_path):
    survive(server, command, undisturbed, tmp_path, kills=5, seed=0)


@pytest.mark.slow
def test_sixty_kills(server, command, undisturbed, tmp_path, capsys):
    hit, finished = survive(server, command, undisturbed, tmp_path, kills=60, seed=1)
    with capsys.disabled():
        print(f"\n{hit} runs killed, {finished} finished, all with the same bytes")


@pytest.fixture(scope="module")
def another(server, command, tmp_path_factory):
    """A finished run of another recipe in the same place."""
    folder = tmp_path_factory.mktemp("another") / "run"
    done = server.run(folder, [*command, "--set", "eps=1e-6"])
    assert done["code"] == 0, server.log_of(folder).read_text()
    return folder


def test_killed_runs_that_replace_another_lose_neither(server, command, undisturbed, another, tmp_path):
    survive(server, [*command, "--overwrite"], undisturbed, tmp_path, kills=4, seed=2, begin=another)


@pytest.mark.slow
def test_forty_kills_of_runs_that_replace_another(server, command, undisturbed, another, tmp_path, capsys):
    hit, finished = survive(server, [*command, "--overwrite"], undisturbed, tmp_path, kills=40, seed=3, begin=another)
    with capsys.disabled():
        print(f"\n{hit} runs that replaced another killed, {finished} finished, no model lost")


def fail_operations(server, command, undisturbed, tmp_path, places):
    for place in places:
        folder = tmp_path / str(place)
        failed = server.run(folder, command, fail_at=place)
        if failed["code"] == 0:
            continue  # The operation was not essential, e.g. it removed a file that is no longer needed.
        text = server.log_of(folder).read_text()
        assert failed["code"] in (1, 2), text
        assert len(errors_in(server.log_of(folder))) == 1 and "Traceback" not in text and "defect" not in text, text
        result = folder / RESULT
        assert not result.exists() or json.loads(result.read_text())["score"] == result_of(undisturbed[0])["score"]
        done = server.run(folder, command)
        assert done["code"] == 0, server.log_of(folder).read_text()
        assert_same(folder, undisturbed)


def test_every_so_often_a_file_operation_fails(server, command, undisturbed, tmp_path):
    operations = undisturbed[1]["operations"]
    fail_operations(server, command, undisturbed, tmp_path, range(1, operations + 1, max(1, operations // 5)))


@pytest.mark.slow
def test_every_file_operation_fails_once(server, command, undisturbed, tmp_path, capsys):
    operations = undisturbed[1]["operations"]
    fail_operations(server, command, undisturbed, tmp_path, range(1, operations + 1))
    with capsys.disabled():
        print(f"\neach of {operations} file operations failed once")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here; failing file operations are tested all the same")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill_up(server, command, undisturbed, disk, sizes):
    failures = 0
    for number, size in enumerate(sizes):
        folder, ballast = disk / str(number), disk / "ballast"
        space = os.statvfs(disk)
        ballast.write_bytes(b"0" * max(0, space.f_bavail * space.f_frsize - size))
        failed = server.run(folder, command)
        text = server.log_of(folder).read_text()
        ballast.unlink()
        if failed["code"] != 0:
            failures += 1
            assert failed["code"] in (1, 2) and len(errors_in(server.log_of(folder))) == 1 and "defect" not in text, (
                text
            )
            assert "No space left" in text or "os error 28" in text, text
            assert not (folder / RESULT).exists()
            done = server.run(folder, command)
            assert done["code"] == 0, server.log_of(folder).read_text()
        assert_same(folder, undisturbed)
        subprocess.run(["rm", "-r", str(folder)], check=True)
    return failures


def test_a_full_disk(server, command, undisturbed, small_disk):
    assert fill_up(server, command, undisturbed, small_disk, (0, 20_000, 150_000)) == 3


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment(server, command, undisturbed, small_disk, capsys):
    failures = fill_up(server, command, undisturbed, small_disk, range(0, 1_000_000, 25_000))
    with capsys.disabled():
        print(f"\nthe disk was full in {failures} runs")


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_after_a_checkpoint_and_the_run_goes_on(server, command, undisturbed, tmp_path, number):
    """Whichever file is being written at that moment."""
    operations, stops = undisturbed[1]["operations"], 0
    for place in range(operations // 5 + number, operations, operations // 5):
        folder = tmp_path / str(place)
        stopped = server.run(folder, command, signal_at=place, signal=int(number))
        if stopped["code"] == 128 + number:
            stops += 1
            errors = errors_in(server.log_of(folder))
            assert errors == [
                f"error: stopped by {number.name}; the same command continues from the last checkpoint (leave --restart out)"
            ]
        else:
            assert stopped["code"] == 0 and (folder / RESULT).exists(), server.log_of(folder).read_text()
        done = server.run(folder, command)
        assert done["code"] == 0, server.log_of(folder).read_text()
        assert_same(folder, undisturbed)
    assert stops >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_writes_a_checkpoint_where_none_was_due(server, command, undisturbed, tmp_path, number):
    """In the middle of an epoch; started by a script in the background, so that SIGINT is ignored."""
    folder, checkpoints = tmp_path / "x", RUN / "checkpoints"
    seldom = [*command[:-2], "0", "-q"]  # at the ends of epochs alone
    stopped = server.run(folder, seldom, signal_at_update=6, signal=int(number), ignored=int(signal.SIGINT))
    assert stopped["code"] == 128 + number, server.log_of(folder).read_text()
    assert [path.name for path in (folder / checkpoints).glob("update-00000006.*")] == ["update-00000006.0001"]
    assert server.run(folder, seldom)["code"] == 0
    assert_same(folder, undisturbed)


def test_a_run_that_is_running_is_not_started_twice(server, command, undisturbed, tmp_path):
    from linkbert.locks import run_lock

    folder = tmp_path / "x"
    with run_lock(folder / RUN.with_name(".seed-1.lock"), "x"):
        second = server.run(folder, command)
    assert second["code"] == 2
    (error,) = errors_in(server.log_of(folder))
    assert (
        error.startswith(f"error: {RUN}: another process runs it (host ") and f"process {os.getpid()}, since" in error
    )
    assert server.run(folder, command)["code"] == 0
    assert_same(folder, undisturbed)


def test_a_limit_on_file_sizes_is_a_plain_error(server, command, undisturbed, tmp_path):
    """The limit acts like a quota: writing a file fails half way."""
    folder = tmp_path / "x"
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        failed = server.run(folder, command)
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert failed["code"] == 1, failed
    (error,) = errors_in(server.log_of(folder))
    assert "File too large" in error and "defect" not in error
    assert server.run(folder, command)["code"] == 0
    assert_same(folder, undisturbed)
