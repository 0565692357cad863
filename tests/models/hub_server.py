"""A small Hugging Face hub on 127.0.0.1 that answers correctly, with errors, or not at all."""

import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of one folder under any repository id. The owner's name selects the kind of answer.

    `revisions` maps the names of branches and tags to a commit and the folder of its files; `main` is `folder` at
    `COMMIT` unless it says otherwise. Another revision is answered as the hub does, with 404 and its own error code.

    `gated`, `missing` and `failing` answer 401, 404 and 500. `cut` closes the connection in the middle of each large
    file, and `stalled` stops sending there.
    """

    def __init__(self, folder, revisions=()):
        self.revisions = {"main": (COMMIT, folder), **dict(revisions)}
        self.requests, self.released = [], Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, body=True)

            def do_HEAD(self):
                hub.answer(self, body=False)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request, *, body):
        path = request.path.split("?")[0].strip("/")
        self.requests.append(path)
        owner = path.removeprefix("api/models/").split("/")[0]
        if owner in ("gated", "missing", "failing"):
            status, code = {"gated": (401, "GatedRepo"), "missing": (404, "RepoNotFound"), "failing": (500, "")}[owner]
            self.send(request, b"{}", status=status, headers={"X-Error-Code": code} if code else {})
            return
        commit, folder = self.find(path)
        file = path.rsplit("/", 1)[-1]
        if commit is None:
            self.send(request, b"{}", status=404, headers={"X-Error-Code": "RevisionNotFound"})
        elif path.startswith("api/models/") and "/tree/" in path:
            entries = [
                {"type": "file", "path": item.name, "size": item.stat().st_size, "oid": "a" * 40}
                for item in sorted(folder.iterdir())
            ]
            self.send(request, json.dumps(entries).encode())
        elif path.startswith("api/models/"):
            siblings = [{"rfilename": item.name} for item in sorted(folder.iterdir())]
            about = {"id": "/".join(path.split("/")[2:4]), "sha": commit, "siblings": siblings}
            self.send(request, json.dumps(about).encode())
        elif not (folder / file).is_file():
            self.send(request, b"", status=404)
        else:
            content = (folder / file).read_bytes()
            # The cache keeps one copy of all files with the same tag, whatever their revisions.
            headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit}
            faulty = owner in ("cut", "stalled") and body and len(content) > 10_000
            self.send(request, content, headers=headers, body=body, fault=owner if faulty else None)

    def find(self, path):
        """Return commit and folder of the revision that a request names: a branch, a tag or a commit."""
        parts = path.removeprefix("api/models/").split("/")
        revision = unquote(parts[3]) if parts[2:3] in (["tree"], ["revision"], ["resolve"]) else "main"
        known = self.revisions | {commit: (commit, folder) for commit, folder in self.revisions.values()}
        return known.get(revision, (None, None))

    def send(self, request, content, *, status=200, headers=None, body=True, fault=None):
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if not body:
            return
        if fault is None:
            request.wfile.write(content)
            return
        request.wfile.write(content[: len(content) // 2])
        request.wfile.flush()
        request.close_connection = True
        if fault == "stalled":
            self.released.wait(60)
        time.sleep(0.01)
