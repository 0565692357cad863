"""What is published: the lock file."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


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


@pytest.mark.parametrize("requirement", map(Requirement, PROJECT["project"]["dependencies"]), ids=lambda item: item.name)
def test_each_dependency_is_locked_within_its_range(locked, requirement):
    version = locked.get(canonicalize_name(requirement.name))
    assert version is not None, "run `make lock` and commit requirements.lock"
    assert requirement.specifier.contains(version, prereleases=True), f"locked: {version}; run `make lock`"


def test_the_lock_file_names_no_server_and_no_folder(locked):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--index-url|--extra-index-url|--find-links| @ |\+cpu", text)
    assert any(name.startswith("nvidia-") for name in locked), "torch with CUDA is what the lock file is for"
