"""Models from the Hugging Face hub are found again without a network, and a failing hub is reported with its reason."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.models.sources import find_model
from safetensors.torch import load_file

from .hub_server import COMMIT, Hub

SMALL = ("--max-steps", "1", "--max-length", "32", "--batch-size", "4", "--precision", "fp32", "-q")


@pytest.fixture(scope="module")
def repository(make_model, tmp_path_factory):
    """A folder like BioLinkBERT's repository: a configuration, a vocabulary and pickled weights, nothing else."""
    source, folder = make_model("bert", positions=65), tmp_path_factory.mktemp("repository")
    torch.save(load_file(source / "model.safetensors"), folder / "pytorch_model.bin")
    for name in ("config.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    return folder


@pytest.fixture
def hub(repository, tmp_path, monkeypatch):
    """A local hub server, and an empty cache, for this process."""
    from huggingface_hub import constants

    with Hub(repository) as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
        yield server


def test_a_downloaded_model_is_found_again_without_a_request_to_the_hub(hub, monkeypatch):
    first = find_model("someone/some-bert")
    assert first.revision == COMMIT and (first.path / "pytorch_model.bin").is_file()
    asked = len(hub.requests)
    again = find_model("someone/some-bert")
    assert again == first and len(hub.requests) == asked, "a cached model needs no request"


def test_a_run_after_a_download_needs_no_network(repository, data_dir, tmp_path):
    """On a cluster, users often download on a machine with a network and run on one without."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "linkbert", "finetune", "gad", "--model", "biolinkbert-base", *SMALL]
    command += ["--data-dir", str(data_dir)]

    def run(seed, **changes):
        return subprocess.run(
            [*command, "--seed", seed],
            cwd=tmp_path,
            env=environment | changes,
            capture_output=True,
            text=True,
            check=False,
        )

    with Hub(repository) as server:
        online = run("1", HF_ENDPOINT=server.address)
        assert online.returncode == 0, online.stderr
    unreachable = run("2", HF_ENDPOINT=server.address)
    assert unreachable.returncode == 0, unreachable.stderr
    assert "results/gad/biolinkbert-base/seed-2.json" in unreachable.stdout


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("gated", "HTTP 401: the model is private or gated.*hf auth login"),
        ("missing", "HTTP 404: there is no such model|HTTP 401"),
        ("failing", "HTTP 500: the hub has a problem; try again later"),
        ("stalled", "no answer within 1 seconds; .*HF_HUB_DOWNLOAD_TIMEOUT"),
        ("cut", "the connection broke off: .*; try again"),
    ],
)
def test_a_failing_hub_is_reported_with_the_reason_and_leaves_no_partial_file(hub, tmp_path, owner, words):
    with pytest.raises(RequestError, match=words) as refused:
        find_model(f"{owner}/some-bert")
    assert "--model FOLDER" in str(refused.value)
    assert not list((tmp_path / "hub").rglob("snapshots/*/pytorch_model.bin")), "no part of a file passes for a file"
