"""Downloads from a local test server are complete or discarded, verified, and never leave the target folder."""

import contextlib
import errno
import gzip
import http.server
import io
import json
import threading
import zipfile

import pytest
from linkbert.corpora import download
from linkbert.corpora.download import RELEASE_URL, Remote, check_mirror, fetch, unpack_release
from linkbert.errors import RequestError, RunError
from linkbert.tasks.registry import TASKS

REMOTE = Remote("https://raw.githubusercontent.com/x/y/file.txt", "sub/file.txt")


class Server:
    """A local HTTP server that answers from `content`, which maps paths to replies.

    A reply is bytes (the body), a number (an error status), a string (the target of a redirect), or a list of replies
    that are given one after the other.
    """

    def __init__(self):
        self.content, self.asked, self.headers = {}, [], {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                reply = outer.content.get(self.path, 404)
                reply = reply.pop(0) if isinstance(reply, list) and len(reply) > 1 else reply
                reply = reply[0] if isinstance(reply, list) else reply
                if isinstance(reply, int):
                    self.send_error(reply)
                elif isinstance(reply, str):
                    self.send_response(302)
                    self.send_header("Location", reply)
                    self.end_headers()
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(reply)))
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(reply)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_a_file_is_downloaded_once_and_its_checksum_is_stored(server, tmp_path):
    server.content["/x/y/file.txt"] = b"hello"
    (path,) = fetch([REMOTE], tmp_path, server.url)
    assert path.read_bytes() == b"hello" and path == tmp_path / "sub" / "file.txt"
    known = json.loads((tmp_path / "checksums.json").read_text())
    assert len(known["sub/file.txt"]) == 64
    fetch([REMOTE], tmp_path, server.url)
    assert len(server.asked) == 1


def test_a_file_that_has_changed_on_the_server_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.content["/x/y/file.txt"] = b"hello"
    (path,) = fetch([REMOTE], tmp_path, server.url)
    path.unlink()
    server.content["/x/y/file.txt"] = b"changed"
    with pytest.raises(RunError, match="has changed since it was first downloaded"):
        fetch([REMOTE], tmp_path, server.url)
    assert not path.exists()


def test_a_damaged_local_file_is_downloaded_again(server, tmp_path):
    server.content["/x/y/file.txt"] = b"hello"
    (path,) = fetch([REMOTE], tmp_path, server.url)
    path.write_bytes(b"hel")
    assert fetch([REMOTE], tmp_path, server.url)[0].read_bytes() == b"hello"


def test_a_download_is_repeated_after_a_temporary_failure(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.content["/x/y/file.txt"] = [500, b"hello"]
    assert fetch([REMOTE], tmp_path, server.url)[0].read_bytes() == b"hello"


def test_a_file_that_the_server_does_not_have_is_a_plain_error_and_leaves_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(RunError, match="the download failed"):
        fetch([REMOTE], tmp_path, server.url)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "target",
    [
        "http://example.org/file",
        "https://example.org/file",
        "http://raw.githubusercontent.com/f",
        "ftp://127.0.0.1/f",
        "https://example.org\\@127.0.0.1/f",
        "https://user:word@huggingface.co/f",
    ],
)
def test_redirects_to_an_unlisted_host_or_without_tls_are_refused(server, tmp_path, target):
    server.content["/x/y/file.txt"] = target
    with pytest.raises(RunError, match="not a listed host over TLS"):
        fetch([REMOTE], tmp_path, server.url)


def test_a_redirect_to_an_invalid_address_is_refused(server, tmp_path):
    server.content["/x/y/file.txt"] = "https://[::1/x"
    with pytest.raises(RunError, match="file.txt"):
        fetch([REMOTE], tmp_path, server.url)


def test_a_response_beyond_the_size_limit_is_refused_even_if_it_is_compressed(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LIMIT", 1000)
    server.content["/x/y/file.txt"] = gzip.compress(b"a" * 1_000_000)
    server.headers["Content-Encoding"] = "gzip"
    with pytest.raises(RunError, match="sends more than 1000 bytes"):
        fetch([REMOTE], tmp_path, server.url)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "mirror", ["http://example.org\\@127.0.0.1", "https://user:s3cret@example.org", "http://[::1", "https://a\nb.org"]
)
def test_an_ambiguous_mirror_address_is_refused_and_its_password_is_not_shown(mirror):
    with pytest.raises(RequestError, match="--mirror: an address without") as caught:
        check_mirror(mirror)
    assert "s3cret" not in str(caught.value)


def test_redirects_within_the_mirror_are_followed(server, tmp_path):
    server.content["/x/y/file.txt"] = f"{server.url}/elsewhere"
    server.content["/elsewhere"] = b"hello"
    assert fetch([REMOTE], tmp_path, server.url)[0].read_bytes() == b"hello"


@pytest.mark.parametrize("mirror", ["http://example.org", "ftp://127.0.0.1", "http://10.0.0.1", "file:///etc", "x"])
def test_a_mirror_without_tls_is_refused_unless_it_is_on_this_machine(mirror):
    with pytest.raises(RequestError, match="--mirror"):
        check_mirror(mirror)


@pytest.mark.parametrize(
    "mirror", [None, "https://example.org/m", "http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8"]
)
def test_mirrors_with_tls_or_on_this_machine_are_accepted(mirror):
    check_mirror(mirror)


def test_all_download_addresses_use_tls_and_listed_hosts():
    for remote in [Remote(RELEASE_URL, ""), *(remote for task in TASKS.values() for remote in task.remotes)]:
        assert remote.url.startswith(
            ("https://nlp.stanford.edu/", "https://raw.githubusercontent.com/", "https://huggingface.co/datasets/")
        )


def test_the_download_addresses_are_those_of_the_repositories():
    """JNLPBA's folder has no `-IOB` in its name, unlike those of the other corpora."""
    urls = {name: [remote.url for remote in task.remotes] for name, task in TASKS.items()}
    mtl = "https://raw.githubusercontent.com/cambridgeltl/MTL-Bioinformatics-2016/master/data"
    folders = {
        "bc5-chem": "BC5CDR-chem-IOB", "bc5-disease": "BC5CDR-disease-IOB", "ncbi-disease": "NCBI-disease-IOB",
        "bc2gm": "BC2GM-IOB", "jnlpba": "JNLPBA",
    }  # fmt: skip
    for name, folder in folders.items():
        assert urls[name] == [f"{mtl}/{folder}/{split}.tsv" for split in ("train", "devel", "test")]
    assert urls["medqa"][1].endswith("/GBaker/MedQA-USMLE-4-options-hf/resolve/main/dev.json")
    assert urls["mmlu-professional-medicine"][1].endswith(
        "/cais/mmlu/resolve/main/professional_medicine/validation-00000-of-00001.parquet"
    )


def make_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_unpacking_writes_the_wanted_files_and_nothing_else(tmp_path):
    archive = make_zip(
        tmp_path / "data.zip",
        {"data/seqcls/GAD_hf/test.json": "{}\n", "../evil": "x", "/etc/evil": "x", "data/other.txt": "x"},
    )
    target = tmp_path / "out"
    assert unpack_release(archive, {"seqcls/GAD_hf": ("test",)}, target) == [target / "seqcls" / "GAD_hf" / "test.json"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()].count("evil") == 0


def test_archives_that_are_broken_or_hold_links_or_duplicates_are_refused(tmp_path):
    link = zipfile.ZipInfo("data/seqcls/GAD_hf/test.json")
    link.external_attr = 0o120777 << 16
    archive = make_zip(tmp_path / "data.zip", {link: "/etc/passwd"})
    with pytest.raises(RunError, match="is a link"):
        unpack_release(archive, {"seqcls/GAD_hf": ("test",)}, tmp_path / "out")
    archive.write_bytes(b"PK no more")
    with pytest.raises(RunError, match="not a whole zip"):
        unpack_release(archive, {"seqcls/GAD_hf": ("test",)}, tmp_path / "out")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as twice:
        for _ in range(2):
            twice.writestr("data/seqcls/GAD_hf/test.json", "{}\n")
    with pytest.raises(RunError, match="twice there"):
        unpack_release(tmp_path / "twice.zip", {"seqcls/GAD_hf": ("test",)}, tmp_path / "out")
    empty = make_zip(tmp_path / "empty.zip", {"x": "y"})
    with pytest.raises(RunError, match="none of the expected files"):
        unpack_release(empty, {"seqcls/GAD_hf": ("test",)}, tmp_path / "out")


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_LIMIT", 1000)
    archive = make_zip(
        tmp_path / "data.zip", {f"data/seqcls/GAD_hf/{name}.json": "x" * 600 for name in ("dev", "test")}
    )
    with pytest.raises(RunError, match="unpacks to more than 1000 bytes"):
        unpack_release(archive, {"seqcls/GAD_hf": ("dev", "test")}, tmp_path / "out")


def test_a_full_disk_is_not_reported_as_a_broken_archive(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "data.zip", {"data/seqcls/GAD_hf/test.json": "{}\n"})

    @contextlib.contextmanager
    def raise_disk_full(path):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(download, "atomic_write", raise_disk_full)
    with pytest.raises(OSError, match="No space left"):
        unpack_release(archive, {"seqcls/GAD_hf": ("test",)}, tmp_path / "out")


def test_data_download_writes_the_prepared_corpus(server, cli, sources, data_dir, tmp_path):
    whole = (sources / "pubmedqa" / "data" / "ori_pqal.json").read_bytes()
    server.content["/pubmedqa/pubmedqa/master/data/ori_pqal.json"] = whole
    done = cli("data", "download", "pubmedqa", "--mirror", server.url, "-q")
    assert done.exit_code == 0, done.stderr
    release = TASKS["pubmedqa"].release
    for split in ("train", "dev", "test"):
        made = (tmp_path / "data" / release / f"{split}.json").read_bytes()
        assert made == (data_dir / release / f"{split}.json").read_bytes()


def test_the_release_is_downloaded_only_if_its_terms_are_accepted(server, cli, data_dir, tmp_path):
    refused = cli("data", "download", "gad", "--mirror", server.url)
    assert (
        refused.exit_code == 2
        and "--accept-terms" in refused.stderr
        and "research" in refused.stderr
        and refused.stdout == ""
    )
    assert not server.asked
    buffer = io.BytesIO()
    release = TASKS["gad"].release
    with zipfile.ZipFile(buffer, "w") as archive:
        for split in ("train", "dev", "test"):
            archive.writestr(f"data/{release}/{split}.json", (data_dir / release / f"{split}.json").read_bytes())
    server.content["/projects/myasu/LinkBERT/data.zip"] = buffer.getvalue()
    done = cli("data", "download", "gad", "--mirror", server.url, "--accept-terms", "-q")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "data" / release / "dev.json").read_bytes() == (data_dir / release / "dev.json").read_bytes()


def test_a_web_page_in_place_of_the_corpus_is_not_kept(server, cli, sources):
    address = "/pubmedqa/pubmedqa/master/data/ori_pqal.json"
    server.content[address] = b"<html>sign in</html>"
    failed = cli("data", "download", "pubmedqa", "--mirror", server.url, "-q")
    assert failed.exit_code == 1 and "not the corpus" in failed.stderr
    server.content[address] = (sources / "pubmedqa" / "data" / "ori_pqal.json").read_bytes()
    assert cli("data", "download", "pubmedqa", "--mirror", server.url, "-q").exit_code == 0


def test_a_release_with_a_broken_file_writes_nothing(server, cli, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"data/{TASKS['gad'].release}/dev.json", "not json at all")
    server.content["/projects/myasu/LinkBERT/data.zip"] = buffer.getvalue()
    failed = cli("data", "download", "gad", "--mirror", server.url, "--accept-terms", "-q")
    assert failed.exit_code == 1 and "dev.json:1" in failed.stderr
    assert not (tmp_path / "data" / TASKS["gad"].release / "dev.json").exists()


def test_a_malformed_file_of_checksums_is_refused(server, tmp_path):
    (tmp_path / "checksums.json").write_text("[]", encoding="utf-8")
    with pytest.raises(RequestError, match="checksums.json"):
        fetch([REMOTE], tmp_path, server.url)


def test_a_corpus_that_needs_registration_is_answered_with_the_steps(cli):
    refused = cli("data", "download", "bioasq")
    assert refused.exit_code == 2 and "participants-area.bioasq.org" in refused.stderr


def test_a_failed_download_exits_with_code_1(server, cli, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    failed = cli("data", "download", "pubmedqa", "--mirror", server.url, "-q")
    assert failed.exit_code == 1 and failed.stderr.startswith("error: ") and "download failed" in failed.stderr


def test_files_of_the_hugging_face_hub_are_downloaded_and_prepared(server, cli, data_dir, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split in ("train", "dev", "test"):
        path = data_dir / TASKS["medqa"].release / f"{split}.json"
        server.content[f"/datasets/GBaker/MedQA-USMLE-4-options-hf/resolve/main/{split}.json"] = path.read_bytes()
    for part in ("dev", "validation", "test"):
        buffer = io.BytesIO()
        pq.write_table(pa.table({"question": ["q"], "choices": [["a", "b", "c", "d"]], "answer": [3]}), buffer)
        name = f"/datasets/cais/mmlu/resolve/main/professional_medicine/{part}-00000-of-00001.parquet"
        server.content[name] = buffer.getvalue()
    done = cli("data", "download", "medqa", "mmlu-professional-medicine", "--mirror", server.url, "-q")
    assert done.exit_code == 0, done.stderr
    made = tmp_path / "data" / TASKS["medqa"].release / "test.json"
    assert made.read_bytes() == (data_dir / TASKS["medqa"].release / "test.json").read_bytes()
    val = json.loads((tmp_path / "data" / TASKS["mmlu-professional-medicine"].release / "val.json").read_text())
    assert val["id"] == "professional_medicine_val-00000" and val["label"] == 3
