"""Two processes learn what one does."""

import json
import os
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
def test_two_processes_learn_what_one_does(data_dir, tiny, tmp_path):
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
    # Sums in another order, over six updates of 1e-3.
    assert max((found[0][name] - found[1][name]).abs().max() for name in found[0]) < 2e-5


@pytest.mark.slow
def test_two_processes_that_were_stopped_go_on(data_dir, tiny, tmp_path):
    from safetensors.torch import load_file

    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "linkbert", "finetune", "gad", "--model",
        str(tiny), "--data-dir", str(data_dir), "--epochs", "30", "--max-length", "32", "--batch-size", "2", "--precision", "fp32",
        "--checkpoint-every", "0.00001",
    ]  # fmt: skip
    weights = []
    for name in ("whole", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        options = {"cwd": folder, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True, "stderr": subprocess.PIPE}
        if name == "stopped":
            run = subprocess.Popen(command, **options)
            while not list(folder.glob("runs/gad/*/seed-42/checkpoints/update-*")):
                assert run.poll() is None, run.stderr.read()
                time.sleep(0.05)
            run.terminate()
            run.communicate()
            assert run.returncode != 0 and list(folder.glob("runs/gad/*/seed-42/checkpoints/update-*"))
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stderr
        assert ("going on after update" in done.stderr) == (name == "stopped")
        weights.append(load_file(next(folder.glob("runs/gad/*/seed-42/model.safetensors"))))
    # What two processes add up comes in any order.
    assert max((weights[0][name] - weights[1][name]).abs().max() for name in weights[0]) < 1e-5


@pytest.mark.slow
def test_two_processes_stop_at_any_moment_also_while_they_score_dev(data_dir, tiny, tmp_path):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "linkbert", "finetune", "gad", "--model",
        str(tiny), "--data-dir", str(data_dir), "--epochs", "400", "--max-length", "32", "--batch-size", "4", "--precision", "fp32",
        "--select", "best-dev",
    ]  # fmt: skip
    options = {"cwd": tmp_path, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "text": True, "stderr": subprocess.PIPE}
    log = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42" / "training-log.jsonl"
    done = 0
    for delay in (0.0, 0.05, 0.11, 0.19):
        run = subprocess.Popen(command, **options)
        while not log.exists() or log.read_text().count("epochs_done") < done + 3:
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.02)
        time.sleep(delay)
        asked = time.monotonic()
        run.terminate()
        _, said = run.communicate()
        # The launcher kills after 30 seconds those that do not end.
        assert time.monotonic() - asked < 20, said
        positions = [path.name for path in log.parent.glob("checkpoints/update-*")]
        assert positions, said
        done = log.read_text().count("epochs_done")
