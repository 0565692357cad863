"""A run has a model card that the hub understands, and is uploaded without its predictions."""

import base64
import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from huggingface_hub import ModelCard
from linkbert.errors import RequestError, RunError
from linkbert.experiments.publishing import push_run
from linkbert.tasks.registry import TASKS


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return lambda task: tmp_path / "runs" / task / "tiny" / "seed-1"


def test_every_run_has_a_card_that_is_true_to_its_result(run, tmp_path):
    folders = list((tmp_path / "runs").glob("*/*/seed-*"))
    assert folders
    for folder in folders:
        task = folder.parts[-3]
        result = json.loads((tmp_path / "results" / task / "tiny" / "seed-1.json").read_text())
        card = ModelCard.load(folder / "README.md")
        first = card.data.eval_results[0]
        assert (first.dataset_type, first.dataset_name) == (task, TASKS[task].title)
        assert first.metric_value == result["score"] and first.dataset_split == "test"
        assert card.data.pipeline_tag in ("token-classification", "text-classification", "multiple-choice")
        assert f"{result['score']:.2f}" in card.text and f"linkbert finetune {task}" in card.text


def test_hostile_text_in_a_result_stays_text_in_the_card(run, tmp_path):
    from linkbert.experiments.model_card import model_card
    from linkbert.experiments.results import Result

    document = json.loads((tmp_path / "results/gad/tiny/seed-1.json").read_text())
    document["model"]["source"] = "x\n---\nlicense: evil\n<script>"
    document["notes"] = ["| <img> |"]
    text = model_card(Result.from_json(document))
    lines = [line for line in text.splitlines() if "<script>" in line]
    assert all(line.startswith("    ") for line in lines) and "<img>" not in text  # indented: code, as it is
    assert ModelCard(text).data.license is None


class Hub:
    """A stand-in for the hub that takes one upload. It answers with `status` where that is not 200."""

    def __init__(self, status=200):
        self.files, self.created, self.paths = {}, [], []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.paths.append(self.path)
                self.reply({"id": "me/x", "sha": "a" * 40, "siblings": [], "tags": [], "downloads": 0})

            def do_POST(self):
                hub.paths.append(self.path)
                body = self.body()
                if status != 200:
                    return self.reply({"error": "no"}, status)
                if self.path == "/api/repos/create":
                    hub.created.append(json.loads(body))
                    return self.reply({"url": hub.address + "/me/x"})
                if "/preupload/" in self.path:
                    asked = json.loads(body)["files"]
                    return self.reply(
                        {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]}
                    )
                if "/commit/" in self.path:
                    for line in body.splitlines():
                        entry = json.loads(line)
                        if entry["key"] == "file":
                            hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                    return self.reply(
                        {
                            "commitUrl": f"{hub.address}/me/x/commit/{'a' * 40}",
                            "commitOid": "a" * 40,
                            "pullRequestUrl": None,
                        }
                    )
                return self.reply({})

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    parts = []
                    while size := int(self.rfile.readline(), 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def reply(self, document, code=200):
                content = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint(monkeypatch):
    def set_to(address):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", address)
        monkeypatch.setenv("HF_TOKEN", "hf_test")

    return set_to


def test_a_run_is_uploaded_without_predictions(run, endpoint):
    (run("gad") / "gold.predictions.jsonl").write_text("{}")
    with Hub() as hub:
        endpoint(hub.address)
        found = push_run(run("gad"), "me/x", private=True)
    assert hub.created and hub.created[0]["name"] == "x"
    assert set(hub.files) == set(found.files) >= {"README.md", "config.json", "model.safetensors", "run.json"}
    assert not [name for name in hub.files if "predictions" in name]
    assert hub.files["model.safetensors"] == (run("gad") / "model.safetensors").read_bytes()
    assert found.url == f"{hub.address}/me/x"


def test_a_dry_run_tells_what_would_be_uploaded_and_sends_nothing(run, endpoint, cli):
    with Hub() as hub:
        endpoint(hub.address)
        done = cli("push", run("gad"), "--repo", "me/x", "--dry-run", "--json")
    document = json.loads(done.stdout)
    assert hub.paths == [] and document["url"] is None and document["files"]["model.safetensors"] > 0


@pytest.mark.parametrize(
    ("status", "error", "message"), [(401, RequestError, "hf auth login"), (500, RunError, "HTTP 500")]
)
def test_a_refusal_of_the_hub_is_explained(run, endpoint, status, error, message):
    with Hub(status) as hub:
        endpoint(hub.address)
        with pytest.raises(error, match=message):
            push_run(run("gad"), "me/x")


@pytest.mark.parametrize("repo", ["x", "a/b/c", "me/..", "me/ü x"])
def test_a_malformed_repository_is_refused(run, repo):
    with pytest.raises(RequestError, match="owner/name"):
        push_run(run("gad"), repo, dry_run=True)


def test_a_folder_without_a_finished_run_is_refused(run, tmp_path):
    with pytest.raises(RequestError, match="not a run folder"):
        push_run(tmp_path, "me/x", dry_run=True)
    (run("gad") / "model.safetensors").unlink()
    with pytest.raises(RequestError, match="no weights"):
        push_run(run("gad"), "me/x", dry_run=True)
