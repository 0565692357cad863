"""Checks of the versions of Python and of the packages that a run depends on."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

from .._version import __version__
from .doctor_finding import Finding

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

_SECTION = "versions"
# Packages that are always listed. Another dependency is listed only if its version does not fit.
_LISTED = ("torch", "transformers", "accelerate", "datasets", "huggingface-hub", "tokenizers", "numpy")


def check_python() -> Finding:
    """Check that this Python is in the range that the package's metadata names."""
    from packaging.specifiers import SpecifierSet

    # `platform.python_version()` has a `+` at its end in some distributions, which is not a valid version.
    version = ".".join(map(str, sys.version_info[:3]))
    try:
        needed = SpecifierSet(metadata.metadata("linkbert")["Requires-Python"] or "")
    except metadata.PackageNotFoundError:
        needed = SpecifierSet()
    return _compared("python", version, needed, "Make a virtual environment with a Python in this range.")


def check_package() -> Finding:
    """Check that the installed metadata of `linkbert` belong to the code that runs."""
    found = __version__
    again = "Run `pip install -e .` in the checkout, so that the ranges of the dependencies can be checked."
    try:
        installed = metadata.version("linkbert")
    except metadata.PackageNotFoundError:
        return Finding(_SECTION, "linkbert", "note", f"{found}, which is not installed as a package", again)
    if installed != __version__:
        return Finding(_SECTION, "linkbert", "note", f"{found}, but the installed metadata are of {installed}", again)
    return Finding(_SECTION, "linkbert", "ok", found)


def check_packages() -> list[Finding]:
    """Check that each dependency is in the range that the package's metadata names."""
    own = _ranges("linkbert")
    # This package names no range for the tokenizers, but transformers does.
    known = _ranges("transformers") | own
    listed = [_check(name, known.get(name)) for name in _LISTED]
    others = [_check(name, own[name]) for name in own if name not in _LISTED]
    return listed + [finding for finding in others if finding.status != "ok"]


def _ranges(distribution: str) -> dict[str, SpecifierSet]:
    """Return the versions that a distribution accepts of each package that it needs, extras left out."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        texts = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return {}
    requirements = [Requirement(text) for text in texts]
    return {
        canonicalize_name(item.name): item.specifier
        for item in requirements
        if item.marker is None or item.marker.evaluate({"extra": ""})
    }


def _check(name: str, needed: SpecifierSet | None) -> Finding:
    remedy = f"Run `pip install '{name}{_text(needed)}'`."
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(_SECTION, name, "problem", "not installed", remedy)
    return _compared(name, version, needed, remedy)


def _compared(name: str, version: str, needed: SpecifierSet | None, remedy: str) -> Finding:
    if not needed:
        return Finding(_SECTION, name, "ok", version)
    found = f"{version} (needs {_text(needed)})"
    if needed.contains(version, prereleases=True):
        return Finding(_SECTION, name, "ok", found)
    return Finding(_SECTION, name, "problem", found, remedy)


def _text(needed: SpecifierSet | None) -> str:
    """Return a range with its lower bound first, e.g. `>=2.8,<2.14`."""
    return ",".join(sorted(map(str, needed or ()), reverse=True))
