"""Models from the Hugging Face hub are found again without a network, and a failing hub is reported with its reason."""

import json
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from linkbert.errors import RequestError
from linkbert.experiments.reproduction import command_of
from linkbert.experiments.results import Result
from linkbert.models.sources import find_model, weights_sha256
from safetensors.torch import load_file, save_file

from .hub_server import COMMIT, Hub

TAGGED = "89abcdef0123456789abcdef0123456789abcdef"
PROPOSED = "fedcba9876543210fedcba9876543210fedcba98"
SMALL = ("--max-steps", "1", "--max-length", "32", "--batch-size", "4", "--precision", "fp32", "-q")


@pytest.fixture(scope="module")
def repository(make_model, tmp_path_factory):
    """A folder like BioLinkBERT's repository: a configuration, a vocabulary and pickled weights, nothing else."""
    source, folder = make_model("bert", positions=65), tmp_path_factory.mktemp("repository")
    torch.save(load_file(source / "model.safetensors"), folder / "pytorch_model.bin")
    for name in ("config.json", "vocab.txt"):
        shutil.copy(source / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def revisions(repository, tmp_path_factory):
    """Other revisions of the repository: a tag, and a proposed change with safetensors and without a vocabulary."""
    tagged, proposed = tmp_path_factory.mktemp("tagged"), tmp_path_factory.mktemp("proposed")
    for name in ("config.json", "vocab.txt"):
        shutil.copy(repository / name, tagged / name)
    weights = torch.load(repository / "pytorch_model.bin")
    torch.save({name: weight + 1 for name, weight in weights.items()}, tagged / "pytorch_model.bin")
    shutil.copy(repository / "config.json", proposed / "config.json")
    save_file(weights, proposed / "model.safetensors")
    return {"v1": (TAGGED, tagged), "refs/pr/1": (PROPOSED, proposed)}


@pytest.fixture
def hub(repository, revisions, tmp_path, monkeypatch):
    """A local hub server, and an empty cache, for this process. Repeated requests do not wait."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    for module in (_http, file_download):
        impatient = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
        monkeypatch.setattr(module, "time", impatient)

    with Hub(repository, revisions) as server:
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


@pytest.mark.parametrize(
    ("revision", "commit", "name", "files"),
    [
        ("v1", TAGGED, "someone--some-bert--v1", {"config.json", "vocab.txt", "pytorch_model.bin"}),
        (TAGGED, TAGGED, "someone--some-bert--89abcdef", {"config.json", "vocab.txt", "pytorch_model.bin"}),
        ("refs/pr/1", PROPOSED, "someone--some-bert--refs--pr--1", {"config.json", "model.safetensors"}),
        ("main", COMMIT, "someone--some-bert", {"config.json", "vocab.txt", "pytorch_model.bin"}),
    ],
)
def test_a_revision_is_downloaded_and_found_again_offline(hub, revision, commit, name, files):
    find_model("someone/some-bert")  # the default branch lies beside it in the cache
    found = find_model("someone/some-bert", revision=revision)
    assert (found.name, found.source, found.revision) == (name, "someone/some-bert", commit)
    assert {file.name for file in found.path.iterdir()} == files
    asked = len(hub.requests)
    hub.server.shutdown()  # no answer any more: what follows is offline
    assert find_model(f"someone/some-bert@{revision}") == found
    assert find_model("someone/some-bert", revision=commit).path == found.path
    assert find_model("someone/some-bert").revision == COMMIT and len(hub.requests) == asked


def test_two_revisions_have_their_own_weights(hub):
    paths = [find_model("biobert", revision=revision).path for revision in (None, "v1")]
    assert weights_sha256(paths[0]) != weights_sha256(paths[1])


@pytest.mark.parametrize("model", ["someone/some-bert", "biobert"])
@pytest.mark.parametrize("revision", ["v9", "0" * 40])
def test_an_unknown_revision_is_reported_by_name(hub, tmp_path, model, revision):
    with pytest.raises(RequestError, match=f"HTTP 404: the model has no revision '{revision}'") as refused:
        find_model(f"{model}@{revision}")
    assert f"at revision '{revision}'" in str(refused.value) and f"--revision {revision}`" in str(refused.value)
    assert not list((tmp_path / "hub").rglob("snapshots/*/*"))


def test_a_run_of_a_revision_records_the_commit_and_its_command_names_it(hub, data_dir, cli):
    arguments = ["finetune", "gad", "--model", "biobert", "--data-dir", data_dir, "--seed", 1, *SMALL]
    done = cli(*arguments, "--revision", "v1", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["model"]["name"], result["model"]["revision"]) == ("biobert--v1", TAGGED)
    command = command_of(Result.from_json(result))
    assert "--model biobert " in command and f"--revision {TAGGED} --name biobert--v1" in command
    hub.server.shutdown()
    again = cli(*arguments[:3], "biobert@v1", *arguments[4:])
    assert again.exit_code == 0 and "results/gad/biobert--v1/seed-1.json" in again.stdout


@pytest.mark.slow
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
        pytest.param("stalled", "no answer within 1 seconds; .*HF_HUB_DOWNLOAD_TIMEOUT", marks=pytest.mark.slow),
        ("cut", "the connection broke off: .*; try again"),
    ],
)
def test_a_failing_hub_is_reported_with_the_reason_and_leaves_no_partial_file(hub, tmp_path, owner, words):
    with pytest.raises(RequestError, match=words) as refused:
        find_model(f"{owner}/some-bert")
    assert "the folder of a model in its place" in str(refused.value)
    assert not list((tmp_path / "hub").rglob("snapshots/*/pytorch_model.bin")), "no part of a file passes for a file"
