"""Two processes learn what one does."""

import json
import os
import subprocess
import sys

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
