"""A server that runs command lines in forked processes, which all tests of this folder share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("fork_server.py")


class Server:
    def __init__(self, logs):
        self.logs = logs
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"

    def run(self, folder, arguments, **disturbance):
        folder.mkdir(exist_ok=True)
        job = {
            "folder": str(folder),
            "log": str(self.log_of(folder)),
            "arguments": [str(argument) for argument in arguments],
            **disturbance,
        }
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def log_of(self, folder):
        return self.logs / str(folder).replace("/", "-")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("logs"))
    yield server
    server.process.stdin.close()
    server.process.wait()
