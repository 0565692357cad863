"""A small Hugging Face hub on 127.0.0.1 that answers correctly, with errors, or not at all."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves the files of one folder under any repository id. The owner's name selects the kind of answer.

    `gated`, `missing` and `failing` answer 401, 404 and 500. `cut` closes the connection in the middle of each large
    file, and `stalled` stops sending there.
    """

    def __init__(self, folder):
        self.folder, self.requests, self.released = folder, [], Event()
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
        elif path.startswith("api/models/") and "/tree/" in path:
            entries = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "a" * 40}
                for file in sorted(self.folder.iterdir())
            ]
            self.send(request, json.dumps(entries).encode())
        elif path.startswith("api/models/"):
            siblings = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
            about = {"id": "/".join(path.split("/")[2:4]), "sha": COMMIT, "siblings": siblings}
            self.send(request, json.dumps(about).encode())
        elif not (self.folder / path.rsplit("/", 1)[-1]).is_file():
            self.send(request, b"", status=404)
        else:
            content = (self.folder / path.rsplit("/", 1)[-1]).read_bytes()
            headers = {"ETag": f'"{path.rsplit("/", 1)[-1]}"', "X-Repo-Commit": COMMIT}
            faulty = owner in ("cut", "stalled") and body and len(content) > 10_000
            self.send(request, content, headers=headers, body=body, fault=owner if faulty else None)

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
