"""Started in odd surroundings, the command line works, or says in one line what is wrong with them."""

import json
import os
import signal
import subprocess
import sys

import pytest
from linkbert.training.stopping import Stopped, obeying_signals, stop_asked

LINKBERT = [sys.executable, "-m", "linkbert"]
SMALL = ("--max-steps", 1, "--max-length", 32, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32", "-q")


def close(descriptor):
    """Return a function that closes a descriptor in the child process, as `>&-` does in a shell."""
    return lambda: os.close(descriptor)


def start(*arguments, **options):
    options = {"stderr": subprocess.PIPE, "text": True, "check": False} | options
    return subprocess.run([*LINKBERT, *map(str, arguments)], **options)


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_closed_output_stream_is_no_error(descriptor, tmp_path):
    done = start("tasks", cwd=tmp_path, preexec_fn=close(descriptor), stderr=None, stdout=subprocess.PIPE)
    assert done.returncode == 0


def test_a_closed_standard_input_is_named(tmp_path):
    done = start("predict", "gad", "-", "--model", "run", cwd=tmp_path, preexec_fn=close(0))
    assert (
        done.returncode == 2
        and done.stderr == "error: standard input is closed; open it, or name a file instead of -\n"
    )


@pytest.mark.parametrize("command", [("leaderboard",), ("leaderboard", "--json"), ("tasks",)])
def test_a_closed_pipe_ends_the_command_quietly(command, tmp_path):
    """As in `linkbert leaderboard | head -1`, when `head` has read its line and is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    done = start(*command, "-q", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_output_is_one_plain_error(tmp_path):
    with open("/dev/full", "w") as full:
        done = start("tasks", cwd=tmp_path, stdout=full)
    assert done.returncode == 1 and done.stderr.startswith("error: No space left on device")
    assert done.stderr.count("\n") == 1


def test_nothing_is_written_below_the_home_of_the_hubs_libraries(data_dir, tiny, tmp_path):
    """HF_HOME may be read-only, or not a folder at all."""
    environment = os.environ | {"HF_HOME": os.devnull + "/hf", "LINKBERT_CACHE_DIR": str(tmp_path / "cache")}
    done = start("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RANK": "0"}, "the environment has RANK of a launcher of several processes, but not LOCAL_RANK, WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, "but not RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"),
        (
            {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "a", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
            "the environment has WORLD_SIZE=a, which should be a number",
        ),
    ],
)
def test_half_set_variables_of_a_launcher_are_named(cli, data_dir, tiny, monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL)
    assert done.exit_code == 2 and words in done.stderr, done.stderr


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1.5])
def test_an_interrupt_while_modules_are_imported_says_so_in_one_line(seconds, data_dir, tiny, tmp_path):
    arguments = ["finetune", "gad", "--model", str(tiny), "--data-dir", str(data_dir), *map(str, SMALL)]
    script = (
        "import os, signal, sys, threading\n"
        f"threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        f"sys.argv = ['linkbert', *{arguments!r}]\n"
        "from linkbert.__main__ import run\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: stopped") and "Traceback" not in done.stderr


def test_a_signal_that_is_ignored_stays_ignored():
    """A script that runs `linkbert finetune ... &` makes it ignore SIGINT: Ctrl-C stops the script alone."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with obeying_signals():
            os.kill(os.getpid(), signal.SIGINT)
            assert stop_asked() is None
            for number in (signal.SIGTERM, signal.SIGUSR1):
                with pytest.raises(Stopped):
                    os.kill(os.getpid(), number)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_tests_pass_where_a_script_has_started_them_in_the_background(tmp_path):
    """Such a script makes them ignore SIGINT."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    chosen = "tests/training/test_resuming.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", chosen, "-k", "second_signal"],
        cwd=root, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def test_an_error_of_onednn_for_want_of_memory_is_told_plainly(data_dir, tiny):
    from linkbert.training.device import device_problem

    assert "out of memory" in device_problem(RuntimeError("could not create a primitive"))
    assert device_problem(RuntimeError("could not create a folder")) is None


def test_rows_without_labels_are_named_by_verify(cli, data_dir, tmp_path):
    folder = tmp_path / "data" / "tokcls" / "NCBI-disease_hf"
    folder.mkdir(parents=True)
    (folder / "test.json").write_text(json.dumps({"tokens": ["a"], "tags": ["O"], "id": "0"}) + "\n", encoding="utf-8")
    done = cli("data", "verify", "ncbi-disease", "--json")
    report = json.loads(done.stdout)["ncbi-disease"]["test"]
    assert done.exit_code == 1 and report["status"] == "differs"
    assert (
        "test.json:1: the row has no label: the field 'ner_tags' is missing (fields: tokens, tags, id)"
        in report["note"]
    )
