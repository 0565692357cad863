"""What is published: the source distribution, the lock file, and what an image is built from."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UNWANTED = (
    "data/gad/train.json", "runs/gad/m/seed-1/result.json", "results/gad/m/seed-1.predictions.jsonl", "results/.lock",
    "tests/__pycache__/test_files.cpython-311.pyc", ".venv/pyvenv.cfg", "dist/old.tar.gz",
)  # fmt: skip


def test_the_sdist_holds_what_the_tests_need_and_no_leftovers(tmp_path):
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "data", "runs", "shared",
        "*.egg-info", "*.jsonl*",
    )  # fmt: skip
    shutil.copytree(ROOT, source, ignore=ignored)
    for name in UNWANTED:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("{}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path), str(source)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert not names & set(UNWANTED)
    assert not [name for name in names if name.endswith((".pyc", ".jsonl")) or name.startswith("shared/")]
    folders = ("tests/**/*.py", "docs/*", "results/**/*.json")
    expected = {path.relative_to(ROOT).as_posix() for folder in folders for path in ROOT.glob(folder)}
    expected |= {"README.md", "CONTRIBUTING.md", "requirements.lock", "results/leaderboard.html", "speed/README.md"}
    assert expected <= names, expected - names


@pytest.fixture(scope="module")
def locked():
    """The versions in `requirements.lock` by name of package; each line has hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    versions = {}
    for line in text.splitlines():
        if line.strip() and not line.strip().startswith("#"):
            found = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line)
            assert found and "--hash=sha256:" in line, line
            name = canonicalize_name(found[1])
            assert name not in versions, f"{name} is there twice"
            versions[name] = found[2]
    return versions


@pytest.mark.parametrize(
    "requirement", map(Requirement, PROJECT["project"]["dependencies"]), ids=lambda item: item.name
)
def test_each_dependency_is_locked_within_its_range(locked, requirement):
    version = locked.get(canonicalize_name(requirement.name))
    assert version is not None, "run `make lock` and commit requirements.lock"
    assert requirement.specifier.contains(version, prereleases=True), f"locked: {version}; run `make lock`"


def test_the_lock_file_names_no_server_and_no_folder(locked):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links| @ |\+cpu", text)
    assert any(name.startswith("nvidia-") for name in locked), "torch with CUDA is what the lock file is for"


def test_an_image_is_built_from_each_package_folder_and_nothing_private():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "everything is left out but what the following lines let in"
    allowed = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    folders = {name.split(".")[1] for name in PROJECT["tool"]["setuptools"]["packages"] if "." in name}
    needed = {*folders, "pyproject.toml", "py.typed", "README.md", "LICENSE", "requirements.lock"}
    assert needed <= allowed, needed - allowed
    private = ("data", "runs", "results", "shared", "tests", ".git", ".venv", ".env")
    assert not [name for name in private for rule in allowed if fnmatch(name, rule)]
