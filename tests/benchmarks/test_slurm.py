"""What Slurm's commands say, read from stand-ins for them, and the files through which its jobs tell how they proceed."""

import json
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkbert.benchmarks.jobs import Event, Job
from linkbert.benchmarks.slurm import further_options, job_states, minutes_of, partition_has_gpus
from linkbert.benchmarks.slurm_engine import SlurmEngine, _content, _event, _Watched
from linkbert.errors import RequestError
from linkbert.training.reporters import Progress


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("30", 30), ("5:01", 6), ("4:00:00", 240), ("1-0", 1440), ("2-3:04", 3064), ("0-1:00:01", 61), ("00:05:00", 5)],
)
def test_a_limit_is_read_as_sbatch_reads_it(time, minutes):
    assert minutes_of(time) == minutes


@pytest.mark.parametrize("time", ["", "4h", "-1", "1:2:3:4", "4", "0:00:59", "1.5", "1-"])
def test_what_is_no_limit_or_too_short_is_refused(time):
    with pytest.raises(RequestError, match="--time"):
        minutes_of(time)


@given(st.integers(0, 40), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_limit_in_full_is_never_shortened(days, hours, minutes, seconds):
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total >= 300:
        assert total <= 60 * minutes_of(f"{days}-{hours}:{minutes}:{seconds}") < total + 60


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Put a command into PATH that prints a text and ends with a code; returns the file of its arguments."""

    def make(name, output="", code=0, error=""):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = (
            f"#!/bin/sh\necho \"$@\" > {folder}/{name}.arguments\nprintf '{output}'\necho '{error}' >&2\nexit {code}\n"
        )
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / f"{name}.arguments"

    return make


def test_states_of_jobs_say_how_they_ended(command):
    arguments = command(
        "squeue", r"7_0|RUNNING\n7_1|PENDING\n7_2|OUT_OF_MEMORY\n7_3|CANCELLED\n8|COMPLETING\n7_4|REQUEUED\n"
    )
    states = job_states({"8", "7"})
    assert {key for key, state in states.items() if not state} == {"7_0", "7_1", "8", "7_4"}
    assert "--slurm mem=" in states["7_2"] and "cancelled" in states["7_3"]
    assert "7_9" not in states and "--jobs=7,8" in arguments.read_text()


def test_nothing_is_concluded_while_slurm_does_not_answer(command, monkeypatch):
    command("squeue", code=1, error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    assert job_states({"7"}) is None
    command("squeue", code=1, error="slurm_load_jobs error: Invalid job id specified")
    assert job_states({"7"}) == {}, "Slurm has forgotten jobs that ended long ago"
    monkeypatch.setenv("PATH", "/nowhere")
    assert job_states({"7"}) is None
    assert job_states(set()) == {}


def test_a_gpu_is_asked_for_where_the_partition_has_some(command):
    arguments = command("sinfo", r"(null)\ngpu:a100:4\n")
    assert partition_has_gpus("fast") and "--partition=fast" in arguments.read_text()
    command("sinfo", r"(null)\n")
    assert not partition_has_gpus(None)


def test_further_options_of_sbatch():
    assert further_options(["qos=long", "--mem=8G", "exclusive"]) == {"qos": "long", "mem": "8G", "exclusive": True}
    for wrong in ("=x", "qos=", ""):
        with pytest.raises(RequestError, match="--slurm"):
            further_options([wrong])


@pytest.mark.parametrize(
    "event",
    [
        Event(4, began=True),
        Event(4, progress=Progress("train", 1, 2, 0.5, 3.0, 0.1, 1e-5, 200.0, 70.0)),
        Event(4, log=(30, "careful")),
    ],
)
def test_an_event_survives_its_file(tmp_path, event):
    file = tmp_path / "4.jsonl"
    file.write_text(json.dumps(_content(event)) + "\n" + '{"began": tr')
    watched = _Watched(Job(4, "four", dict), None, file)
    assert list(watched.events()) == [event] == [_event(4, json.loads(json.dumps(_content(event))))]
    assert list(watched.events()) == [], "the line that is being written is read when it is complete"
    with file.open("a") as handle:
        handle.write('ue, "progress": null, "log": null}\n')
    assert list(watched.events()) == [Event(4, began=True)]


def test_a_machine_without_slurm_is_told_apart(monkeypatch, tmp_path):
    if find_spec("submitit") is None:
        pytest.skip("needs the package submitit")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RequestError, match="this machine has no Slurm"):
        SlurmEngine(tmp_path, {}, None, None)
