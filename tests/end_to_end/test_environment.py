"""In an unusual environment the command line works, or reports in one line what is wrong with the environment."""

import json
import os
import shutil
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


def run_linkbert(*arguments, **options):
    options = {"stderr": subprocess.PIPE, "text": True, "check": False} | options
    return subprocess.run([*LINKBERT, *map(str, arguments)], **options)


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_closed_output_stream_is_no_error(descriptor, tmp_path):
    done = run_linkbert("tasks", cwd=tmp_path, preexec_fn=close(descriptor), stderr=None, stdout=subprocess.PIPE)
    assert done.returncode == 0


def test_a_closed_standard_input_is_a_plain_error(tmp_path):
    done = run_linkbert("predict", "gad", "-", "--model", "run", cwd=tmp_path, preexec_fn=close(0))
    assert (
        done.returncode == 2
        and done.stderr == "error: standard input is closed; open it, or name a file instead of -\n"
    )


@pytest.mark.parametrize("command", [("leaderboard",), ("leaderboard", "--json"), ("tasks",)])
def test_a_closed_pipe_ends_the_command_without_an_error(command, tmp_path):
    """This happens in `linkbert leaderboard | head -1` after `head` has read its line and ended."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run_linkbert(*command, "-q", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_output_to_a_full_disk_is_a_plain_error_of_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        done = run_linkbert("tasks", cwd=tmp_path, stdout=full)
    assert done.returncode == 1 and done.stderr.startswith("error: No space left on device")
    assert done.stderr.count("\n") == 1


def test_fine_tuning_writes_nothing_into_the_folder_hf_home(data_dir, tiny, tmp_path):
    """HF_HOME may be read-only, or may not be a folder."""
    environment = os.environ | {"HF_HOME": os.devnull + "/hf", "LINKBERT_CACHE_DIR": str(tmp_path / "cache")}
    done = run_linkbert(
        "finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RANK": "0"}, "the environment has RANK of a launcher of several processes, but not LOCAL_RANK, WORLD_SIZE"),
        ({"ACCELERATE_USE_FSDP": "true"}, "accelerate is configured for FSDP"),
        ({"WORLD_SIZE": "2"}, "but not RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"),
        (
            {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "a", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"},
            "the environment has WORLD_SIZE=a, which should be a number",
        ),
        (
            {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "99999"},
            "the environment has RANK=0, WORLD_SIZE=1, MASTER_PORT=99999, which do not fit together",
        ),
        ({"ACCELERATE_USE_CPU": "x"}, "check the variables whose names begin with ACCELERATE_"),
    ],
)
def test_missing_or_wrong_variables_of_a_process_launcher_are_named(cli, data_dir, tiny, monkeypatch, variables, words):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL)
    assert done.exit_code == 2 and words in done.stderr, done.stderr


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1.5])
def test_an_interrupt_at_any_time_after_the_start_is_reported_without_a_traceback(seconds, data_dir, tiny, tmp_path):
    arguments = ["finetune", "gad", "--model", str(tiny), "--data-dir", str(data_dir), *map(str, SMALL)]
    script = (
        "import os, signal, sys, threading\n"
        f"sys.argv = ['linkbert', *{arguments!r}]\n"
        "from linkbert.__main__ import run\n"
        f"threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: stopped") and "Traceback" not in done.stderr


def test_a_signal_that_the_parent_process_ignores_stays_ignored():
    """A script that runs `linkbert finetune ... &` makes it ignore SIGINT, so that Ctrl-C stops only the script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with obeying_signals():
            os.kill(os.getpid(), signal.SIGINT)
            assert stop_asked() is None
        for number in (signal.SIGTERM, signal.SIGUSR1):
            with obeying_signals(), pytest.raises(Stopped):
                os.kill(os.getpid(), number)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_the_signal_test_passes_when_a_script_runs_it_in_the_background(tmp_path):
    """A shell script makes a process in the background ignore SIGINT."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    chosen = "tests/training/test_resuming.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", chosen, "-k", "second_signal"],
        cwd=root, capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def test_an_error_of_onednn_without_memory_is_reported_as_out_of_memory(data_dir, tiny):
    from linkbert.training.device import device_problem

    assert "out of memory" in device_problem(RuntimeError("could not create a primitive"))
    assert device_problem(RuntimeError("could not create a folder")) is None


def test_data_verify_reports_a_row_without_labels_with_its_line(cli, data_dir, tmp_path):
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


def test_a_path_that_is_not_utf8_is_refused_before_anything_is_written(data_dir, tiny, tmp_path):
    """Such a path could not be stored in a result, which is JSON."""
    command = [*LINKBERT, "finetune", "gad", "--model", str(tiny), "--data-dir", str(data_dir), *map(str, SMALL)]
    done = subprocess.run(
        [*map(os.fsencode, command), b"--runs-dir", b"r\xff"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith(b"error: --runs-dir: the path is not UTF-8"), done.stderr
    assert not list(tmp_path.iterdir())


def test_settings_at_their_bounds_train(cli, data_dir, tiny):
    """torch wants floats, and a user may write 0."""
    done = cli(
        "finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL, "--set", "beta1=0", "--set", "beta2=0"
    )
    assert done.exit_code == 0, done.stderr


def test_a_schedule_that_does_not_accept_the_settings_is_refused(cli, data_dir, tiny):
    tight = ("--set", "schedule=polynomial", "--learning-rate", "1e-8")
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL, *tight)
    assert done.exit_code == 2 and "the schedule polynomial cannot be used with this recipe: lr_end" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_run_whose_progress_cannot_be_written_goes_on(data_dir, tiny, tmp_path):
    loud = [option for option in SMALL if option != "-q"]
    with open("/dev/full", "w") as full:
        run_linkbert("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *loud, cwd=tmp_path, stderr=full)
    assert list((tmp_path / "results" / "gad").rglob("seed-*.json"))


def test_the_leaderboard_is_written_through_a_pipe_or_link_and_does_not_replace_it(cli, tmp_path):
    (tmp_path / "link.md").symlink_to(tmp_path / "file.md")
    assert cli("leaderboard", "--output", "link.md").exit_code == 0
    assert (tmp_path / "link.md").is_symlink() and "biolinkbert" in (tmp_path / "file.md").read_text()
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True)
    assert cli("leaderboard", "--output", "pipe").exit_code == 0
    assert "biolinkbert" in reader.communicate(timeout=30)[0] and (tmp_path / "pipe").is_fifo()


def test_a_run_folder_without_its_vocabulary_is_refused(cli, data_dir, trained, tmp_path):
    """transformers would encode every word as unknown, and the score would be wrong without a word."""
    run = tmp_path / "run"
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", run)
    for name in ("tokenizer.json", "vocab.txt"):
        (run / name).unlink(missing_ok=True)
    done = cli("eval", "gad", "--model", run, "--data-dir", data_dir)
    assert done.exit_code == 2 and "its tokenizer has no words" in done.stderr, done.stderr
