"""`linkbert doctor` finds what is wrong with a machine, says how to solve it, and changes nothing."""

import errno
import fcntl
import json
import os
import socket
import tempfile
from importlib import metadata
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from linkbert.corpora.prepared import prepared_path
from linkbert.experiments import (
    doctor,
    doctor_cpu,
    doctor_folders,
    doctor_gpu,
    doctor_hub,
    doctor_limits,
    doctor_precision,
    doctor_versions,
)
from linkbert.experiments.doctor_finding import Finding
from linkbert.tasks.registry import TASKS

from ..models.hub_server import Hub
from ..models.test_sources import write_hub_cache

STATUSES = {"ok", "note", "problem"}


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch, tmp_path):
    """Measure for a moment only, and see neither the user's caches nor the machine's GPUs and limits."""
    monkeypatch.setattr(doctor_precision, "_SECONDS", 0.0)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(doctor_gpu, "_DEVICE_FILES", tmp_path / "dev")
    monkeypatch.setattr(doctor_gpu, "_PCI_DEVICES", tmp_path / "pci")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CXX"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def prepared(tmp_path):
    """A data folder in which every split of every task has a file."""
    folder = tmp_path / "prepared"
    for task in TASKS.values():
        for split in task.splits:
            path = prepared_path(folder, task.release, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


@pytest.fixture
def model(tmp_path):
    """A folder with the files of a model, which are not read here."""
    (tmp_path / "model").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "model" / name).write_text("{}")
    return tmp_path / "model"


@pytest.fixture
def without_minilm(monkeypatch):
    monkeypatch.setattr("linkbert.models.sources.find_spec", lambda name: None)


def by_check(findings):
    return {(finding.section, finding.check): finding for finding in findings}


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_problem_has_its_remedy_and_nothing_is_written(cli, tmp_path):
    (tmp_path / "data").write_text("")
    before = sorted(tmp_path.rglob("*"))
    done = cli("doctor", "--offline")
    lines = done.stdout.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("  problem")]
    assert done.exit_code == 1 and lines[place].endswith("data is not a folder")
    assert lines[place + 1].strip().startswith("-> For the benchmark: Run `linkbert data download`")
    assert max(map(len, lines)) <= 100 and lines[-1].endswith("1 problem") and not done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_machine_without_corpora_of_the_benchmark_is_ready_for_data_of_ones_own(cli):
    done = cli("doctor", "--offline")
    assert done.exit_code == 0 and "there is no folder data" in done.stdout


def test_notes_do_not_change_the_exit_code(cli, prepared):
    prepared_path(prepared, TASKS["gad"].release, "test").unlink()
    done = cli("doctor", "--data-dir", prepared)
    assert done.exit_code == 0 and "not asked, because HF_HUB_OFFLINE is set" in " ".join(done.stdout.split())
    assert "1: gad (test)" in done.stdout and "14 of 15 corpora" in done.stdout


def test_json_is_one_list_of_findings(cli, prepared):
    done = cli("doctor", "--offline", "--data-dir", prepared, "--json")
    document = json.loads(done.stdout)
    assert all(list(item) == ["section", "check", "status", "found", "remedy"] for item in document)
    assert {item["status"] for item in document} <= STATUSES and done.exit_code == 0
    sections = ["versions", "devices", "precision", "memory", "disk", "cache", "data", "hub", "compiler", "locks"]
    assert list(dict.fromkeys(item["section"] for item in document)) == [*sections, "terminal"]


def test_quiet_prints_problems_only(cli, prepared):
    assert cli("doctor", "--offline", "--data-dir", prepared, "-q").stdout == ""
    done = cli("doctor", "--offline", "--data-dir", prepared / TASKS["gad"].release / "train.json", "-q")
    assert done.exit_code == 1 and done.stdout.startswith("data\n  problem  prepared")


def test_a_narrow_terminal_gets_shorter_lines(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("doctor", "--offline").stdout.splitlines()
    assert 70 < max(map(len, lines)) <= 80


def test_a_check_that_fails_is_a_problem_and_the_others_go_on(monkeypatch, tmp_path):
    def fail():
        raise ImportError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(doctor, "check_precision", fail)
    folders = {"data_dir": tmp_path, "runs_dir": tmp_path, "results_dir": tmp_path}
    found = by_check(doctor.examine(**folders, encoding="utf-8", offline=True))
    failed = found["precision", "auto"]
    assert failed.status == "problem" and "ImportError: libcudart.so.12" in failed.found
    assert found["terminal", "encoding"].status in STATUSES


def test_a_problem_without_a_remedy_cannot_be_made():
    with pytest.raises(ValueError, match="needs a remedy"):
        Finding("disk", "runs", "problem", "full")


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_version_out_of_range_and_a_missing_package_are_problems(monkeypatch):
    real = metadata.version

    def version(name):
        if name == "seqeval":
            raise metadata.PackageNotFoundError(name)
        return "2.5.0+cpu" if name == "torch" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    found = by_check(doctor_versions.check_packages())
    assert found["versions", "torch"].found.startswith("2.5.0+cpu (needs >=2.8,<")
    assert found["versions", "torch"].remedy.startswith("Run `pip install 'torch>=2.8,<")
    assert found["versions", "seqeval"].found == "not installed"
    assert found["versions", "tokenizers"].status == "ok" and "needs" in found["versions", "tokenizers"].found
    assert ("versions", "scipy") not in found, "a dependency that fits is not listed unless it is an important one"


def test_a_package_that_is_not_installed_is_a_note(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert doctor_versions.check_package().status == "note"


# --- devices and precision -------------------------------------------------------------------------------------------


def test_a_torch_for_cpus_beside_nvidia_smi_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert doctor_gpu.check_gpus()[0].status == "ok"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (found,) = doctor_gpu.check_gpus()
    assert found.status == "problem" and "for CPUs, but there is nvidia-smi" in found.found
    assert "build of torch for CUDA" in found.remedy


def test_a_torch_for_cuda_without_a_driver_is_a_problem_where_there_is_a_gpu(monkeypatch, tmp_path):
    def fail():
        raise RuntimeError("Found no NVIDIA driver on your system.\nMore lines.")

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "init", fail)
    assert doctor_gpu.check_gpus()[0].status == "note"
    device = tmp_path / "pci" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    (found,) = doctor_gpu.check_gpus()
    assert found.status == "problem" and found.found.endswith(
        "(PCI device 0000:01:00.0): Found no NVIDIA driver on your system."
    )
    assert "supports CUDA 12.8" in found.remedy
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hidden by CUDA_VISIBLE_DEVICES=" in doctor_gpu.check_gpus()[0].found


@pytest.mark.parametrize(
    ("free", "built_for", "status", "words"),
    [
        (70e9, ["sm_80", "sm_90"], "ok", "70.0 GB free of 85.0 GB, compute capability 9.0"),
        (1e9, ["sm_90"], "note", "1.0 GB free"),
        (70e9, ["sm_100", "compute_100"], "problem", "has no kernels"),
        (None, ["sm_90"], "problem", "cannot be used: CUDA error: out of memory"),
    ],
)
def test_a_gpu_is_listed_with_its_memory_and_capability(monkeypatch, free, built_for, status, words):
    def memory(index):
        if free is None:
            raise RuntimeError("CUDA error: out of memory")
        return free, 85e9

    fakes = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "get_device_name": lambda index: "NVIDIA H100",
        "get_device_capability": lambda index: (9, 0),
        "mem_get_info": memory,
        "get_arch_list": lambda: built_for,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    (found,) = doctor_gpu.check_gpus()
    assert found.status == status and words in found.found


@pytest.mark.parametrize(
    ("capability", "built_for", "runs"),
    [
        ((8, 6), ["sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_90"], False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((9, 0), ["sm_90a"], True),
        ((10, 0), ["sm_100"], True),
    ],
)
def test_kernels_run_on_gpus_of_their_generation_and_intermediate_code_on_later_ones(capability, built_for, runs):
    assert doctor_gpu._has_kernels(capability, built_for) is runs


def test_the_measurement_names_the_format_of_auto_and_leaves_the_random_state_as_it_is():
    before = torch.get_rng_state()
    findings = by_check(doctor_precision.check_precision())
    assert "`--precision auto` takes" in findings["precision", "auto"].found
    assert {name for _, name in findings} == {"auto", "fp32", "bf16"}
    assert torch.equal(torch.get_rng_state(), before)


def test_a_format_that_is_clearly_faster_than_that_of_auto_is_a_note(monkeypatch):
    monkeypatch.setattr(doctor_precision, "resolve_precision", lambda requested, device: "fp32")
    monkeypatch.setattr(
        doctor_precision, "measure_speed", lambda device, dtype, seconds: {torch.float32: 1.0}.get(dtype, 2.0)
    )
    found = doctor_precision.check_precision()[0]
    assert found.status == "note" and "`--precision bf16`, whose matrix products are 2.0 times as fast" in found.remedy


def test_threads_that_are_limited_or_too_many_are_a_note(monkeypatch):
    monkeypatch.setattr(doctor_cpu, "usable_cores", lambda: 4)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert doctor_cpu.check_threads().status == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "less than the usable cores (4)" in doctor_cpu.check_threads().found
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert "Set OMP_NUM_THREADS=4" in doctor_cpu.check_threads().remedy


def test_a_missing_compiler_is_a_note(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "Install a C++ compiler" in doctor_cpu.check_compiler().remedy


@pytest.mark.parametrize(
    ("membership", "files", "memory", "cores"),
    [
        (
            "0::/job/step\n",
            {
                "memory.max": "max",
                "job/memory.max": "2000000000",
                "job/memory.current": "1500000000",
                "job/memory.stat": "anon 1\ninactive_file 500000000\n",
                "job/step/cpu.max": "max 100000",
                "job/cpu.max": "150000 100000",
            },
            doctor_limits.MemoryLimit(2_000_000_000, 1_000_000_000),
            1.5,
        ),
        (
            "4:memory:/not/visible\n2:cpu,cpuacct:/\n",
            {
                "memory/memory.limit_in_bytes": "3000000000",
                "memory/memory.usage_in_bytes": "1000000000",
                "cpu/cpu.cfs_quota_us": "200000",
                "cpu/cpu.cfs_period_us": "100000",
            },
            doctor_limits.MemoryLimit(3_000_000_000, 1_000_000_000),
            2.0,
        ),
        ("0::/\n", {"memory.max": "max", "cpu.max": "max 100000"}, None, None),
    ],
)
def test_the_limits_of_a_container_count(monkeypatch, tmp_path, membership, files, memory, cores):
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    monkeypatch.setattr(doctor_limits, "_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(doctor_limits, "_MEMBERSHIP", tmp_path / "membership")
    assert doctor_limits.memory_limit() == memory and doctor_limits.core_limit() == cores


def test_memory_within_a_small_limit_is_a_note(monkeypatch):
    monkeypatch.setattr(doctor_cpu, "memory_limit", lambda: doctor_limits.MemoryLimit(2_000_000_000, 500_000_000))
    found = doctor_cpu.check_memory()
    assert found.status == "note" and found.found.startswith("1.5 GB available of 2.0 GB, the limit of this container")


def test_the_allocator_is_named_or_a_better_one_recommended(monkeypatch, tmp_path):
    maps = tmp_path / "maps"
    monkeypatch.setattr(doctor_cpu, "Path", lambda path: maps)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(doctor_cpu.platform, "libc_ver", lambda: ("glibc", "2.36"))
    maps.write_text("7f-80 r-xp 0 08:01 1   /usr/lib/x86_64-linux-gnu/libc.so.6\n")
    found = doctor_cpu.check_allocator()
    assert (found.status, found.found) == ("note", "glibc's") and "LD_PRELOAD" in found.remedy
    maps.write_text("7f-80 r-xp 0 08:01 1   /usr/lib/x/libtcmalloc_minimal.so.4.5.10\n7f-80 r-xp 0 08:01 1   /x/y.so\n")
    assert doctor_cpu.check_allocator().found == "libtcmalloc_minimal.so.4.5.10"
    maps.unlink()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert doctor_cpu.check_allocator().status == "ok"
    monkeypatch.setattr(doctor_cpu.platform, "libc_ver", lambda: ("", ""))
    assert doctor_cpu.check_allocator().found == "that of the system"


# --- folders ---------------------------------------------------------------------------------------------------------


def test_folders_that_cannot_be_written_are_problems(cli, monkeypatch, prepared, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LINKBERT_CACHE_DIR", str(tmp_path / "file" / "cache"))
    done = cli("doctor", "--offline", "--data-dir", prepared, "--runs-dir", tmp_path / "file" / "runs", "--json")
    found = {(item["section"], item["check"]): item for item in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert found["cache", "linkbert"]["status"] == found["disk", "runs"]["status"] == "problem"
    assert "a file is in the way" in found["cache", "linkbert"]["found"]
    assert found["cache", "linkbert"]["remedy"].startswith("Set LINKBERT_CACHE_DIR")
    assert found["disk", "runs"]["remedy"].endswith("or name another folder with --runs-dir.")
    assert found["locks", "runs"]["found"].startswith("not checked, because")


def test_a_read_only_working_folder_is_a_problem_and_no_crash(cli, monkeypatch, prepared, tmp_path):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    done = cli("doctor", "--offline", "--data-dir", prepared)
    assert done.exit_code == 1 and "(Read-only file system)" in done.stdout


@pytest.mark.parametrize(("free", "status"), [(60e9, "ok"), (4.9e9, "note"), (0.1e9, "problem")])
def test_little_free_space_is_a_note_and_hardly_any_a_problem(monkeypatch, tmp_path, free, status):
    monkeypatch.setattr(doctor_folders.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    found = doctor_folders.check_space("runs", tmp_path / "runs")
    assert found.status == status and (status == "ok" or "--runs-dir" in found.remedy)


@pytest.mark.parametrize("failure", [None, OSError(errno.ENOLCK, "No locks available")])
def test_locks_that_do_not_exclude_are_a_problem(monkeypatch, tmp_path, failure):
    assert doctor_folders.check_locks(tmp_path / "runs").status == "ok"

    def flock(descriptor, operation):
        if failure is not None:
            raise failure

    monkeypatch.setattr(fcntl, "flock", flock)
    found = doctor_folders.check_locks(tmp_path / "runs")
    assert found.status == "problem" and "does not lock files" in found.found and not list(tmp_path.iterdir())


def test_locks_for_one_machine_only_are_a_note(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_folders, "_mount_of", lambda folder: ("nfs", ["rw", "local_lock=all"]))
    found = doctor_folders.check_locks(tmp_path)
    assert found.status == "note" and "(nfs, local_lock=all)" in found.found


def test_the_size_of_a_folder_counts_linked_files_once(tmp_path):
    (tmp_path / "blobs").mkdir()
    with (tmp_path / "blobs" / "a").open("wb") as file:
        file.truncate(300_000_000)
    (tmp_path / "link").symlink_to("blobs/a")
    assert doctor_folders.size_text(tmp_path) == "0.3 GB"
    assert doctor_folders.size_text(tmp_path / "missing") == "0.0 GB"


# --- the hub ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    (tmp_path / "repository").mkdir()
    with Hub(tmp_path / "repository") as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        yield server


def test_a_hub_that_answers_is_ok(hub, monkeypatch):
    found = doctor_hub.check_hub(offline=False)
    # The library may ask for other things beside, such as a list of programs that it names in its requests.
    asked = [path for path in hub.requests if path.startswith("api/models")]
    assert found.status == "ok" and asked == ["api/models/michiyasunaga/BioLinkBERT-base"]
    monkeypatch.setattr(constants, "ENDPOINT", hub.address.replace("//", "//user:secret@"))
    assert "secret" not in doctor_hub.check_hub(offline=False).found


@pytest.mark.parametrize(
    ("owner", "words", "remedy"),
    [
        ("failing", "has a problem (HTTP 500)", "Try again later"),
        ("gated", "refuses to describe gated/model (HTTP 401)", "hf auth login"),
        ("missing", "has no missing/model (HTTP 404)", "HF_ENDPOINT"),
    ],
)
def test_a_hub_that_answers_with_an_error_is_reported_with_its_status(hub, monkeypatch, owner, words, remedy):
    monkeypatch.setattr(doctor_hub, "_ASKED_FOR", f"{owner}/model")
    found = doctor_hub.check_hub(offline=False)
    assert found.status == "note" and words in found.found and remedy in found.remedy


def test_a_hub_that_never_answers_is_a_note_beside_a_cached_model_and_else_a_problem(
    hub, monkeypatch, tmp_path, model, without_minilm
):
    monkeypatch.setattr(doctor_hub, "_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = doctor_hub.check_hub(offline=False)
        assert found.status == "problem" and "within 0.4 seconds; no model is on this machine" in found.found
        write_hub_cache(tmp_path / "hub", "someone/some-bert", model)
        found = doctor_hub.check_hub(offline=False)
        assert found.status == "note" and "runs of someone/some-bert need no hub" in found.found
    refused = doctor_hub.check_hub(offline=False)
    assert refused.status == "note" and "refused" in refused.found


def test_presets_in_the_cache_are_listed_if_they_are_complete(tmp_path, model, without_minilm):
    assert doctor_hub.check_presets().status == "note"
    write_hub_cache(tmp_path / "hub", "michiyasunaga/BioLinkBERT-base", model)
    write_hub_cache(tmp_path / "hub", "michiyasunaga/LinkBERT-base", model)
    (weights,) = (tmp_path / "hub").glob("models--michiyasunaga--LinkBERT-base/snapshots/*/model.safetensors")
    weights.unlink()
    found = doctor_hub.check_presets()
    assert found.status == "ok" and found.found.startswith("complete: biolinkbert-base; not here: ")


# --- the terminal ----------------------------------------------------------------------------------------------------


def test_an_output_that_cannot_show_the_tables_is_a_problem_and_another_locale_a_note(monkeypatch):
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert doctor.check_encoding("utf-8").status == "ok"
    assert doctor.check_encoding("ascii").status == "problem"
    monkeypatch.setattr("locale.getencoding", lambda: "ISO-8859-1")
    assert doctor.check_encoding("utf-8").status == "note"


def test_the_checks_leave_nothing_in_the_temporary_folder(tmp_path, monkeypatch, prepared):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    folders = {"data_dir": prepared, "runs_dir": scratch / "runs", "results_dir": Path("results")}
    list(doctor.examine(**folders, encoding="utf-8", offline=True))
    assert not list(scratch.iterdir())
