"""Runs command lines in forked processes and disturbs them: a script that a test talks to, one JSON object a line.

Everything heavy is imported once, so that a run costs a second and not ten. A job is `{"folder", "log", "arguments"}` and at
most one disturbance:

    kill_at: SIGKILL at the n-th operation on a file below the folder (open for writing, rename, remove, mkdir, ...)
    fail_at: that operation fails with ENOSPC
    signal_at: `signal` arrives at that operation
    error_at_update: an error is raised while the n-th update is computed
    signal_at_update: `signal` arrives while the n-th update is computed
    after: SIGKILL (or `signal`) after so many seconds

With `processes`, so many processes share the run, as `torchrun` would start them; the disturbance is one of the process
`rank` (0 by default), and the answer has their `codes` and `signals`. With `ignored`, the process begins with this signal ignored, as a shell script starts its background commands.

The answer is `{"code", "signal", "operations", "seconds"}`, the first two as the process ended.
"""

import errno
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


def main():
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    import evaluate  # noqa: F401
    import linkbert.cli.main
    import linkbert.experiments.evaluation
    import linkbert.experiments.finetune
    import linkbert.experiments.plan
    import linkbert.training.trainer  # noqa: F401
    import scipy.stats  # noqa: F401
    import seqeval.metrics  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import transformers.models.auto.modeling_auto
    import transformers.models.bert.modeling_bert  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(job):
    return run_together(job) if "processes" in job else run_alone(job)


def run_together(job):
    since, children = time.monotonic(), []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in range(job["processes"]):
        child = os.fork()
        if child == 0:
            places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": job["processes"], "MASTER_PORT": port}
            os.environ |= {name: str(value) for name, value in places.items()} | {"MASTER_ADDR": "127.0.0.1"}
            disturbed = rank == job.get("rank", 0)
            work(job if disturbed else {key: job[key] for key in ("folder", "log", "arguments")}, None)
        children.append(child)
    states = [os.waitpid(child, 0)[1] for child in children]
    return {
        "codes": [os.waitstatus_to_exitcode(state) if os.WIFEXITED(state) else None for state in states],
        "signals": [os.WTERMSIG(state) if os.WIFSIGNALED(state) else None for state in states],
        "seconds": time.monotonic() - since,
    }


def run_alone(job):
    reader, writer = os.pipe()
    since = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        work(job, writer)
    os.close(writer)
    status = wait(child, job.get("after"), job.get("signal", signal.SIGKILL))
    counted = os.read(reader, 100).decode()
    os.close(reader)
    return {
        "code": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else None,
        "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        "operations": int(counted) if counted else None,
        "seconds": time.monotonic() - since,
    }


def wait(child, after, number):
    until = None if after is None else time.monotonic() + after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if until is not None and time.monotonic() >= until:
            os.kill(child, number)
            until = None
        time.sleep(0.002)


def work(job, writer):
    folder = Path(job["folder"])
    os.chdir(folder)
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    counter = [0]
    sys.addaudithook(disturbance(str(folder.resolve()), counter, job))
    sys.argv = ["linkbert", *job["arguments"]]
    if "ignored" in job:
        signal.signal(job["ignored"], signal.SIG_IGN)
    if "signal_at_update" in job:
        in_update(job["signal_at_update"], lambda: os.kill(os.getpid(), job["signal"]))
    if "error_at_update" in job:
        in_update(job["error_at_update"], broken)
    code = 1
    try:
        from linkbert.__main__ import run as linkbert

        linkbert()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if writer is not None:
            os.write(writer, str(counter[0]).encode())
        os._exit(code)


def broken():
    raise ValueError("something broke")


def in_update(number, act):
    from linkbert.training.trainer import Trainer

    original, seen = Trainer._backward, [0]

    def backward(self, *arguments):
        seen[0] += 1
        if seen[0] == number:
            act()
        return original(self, *arguments)

    Trainer._backward = backward


def disturbance(folder, counter, job):
    def hook(event, arguments):
        if event not in OPERATIONS or not arguments or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            return
        if not os.path.abspath(arguments[0]).startswith(folder):
            return
        counter[0] += 1
        if counter[0] == job.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if counter[0] == job.get("signal_at"):
            os.kill(os.getpid(), job["signal"])
        if counter[0] == job.get("fail_at"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    return hook


if __name__ == "__main__":
    main()
