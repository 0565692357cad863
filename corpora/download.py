"""Downloading corpora: over TLS from listed hosts only, with retries, progress and remembered checksums."""

from __future__ import annotations

import json
import logging
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..errors import RequestError, RunError
from ..files import atomic_write, atomic_write_text, require_writable, sha256_of
from .json_files import OWN_LIMIT, read_json
from .lines import ZIP_ERRORS, at_most

_HOSTS = ("nlp.stanford.edu", "raw.githubusercontent.com", "huggingface.co")
_HOST_SUFFIXES = (".huggingface.co", ".hf.co")  # The hub redirects large files to hosts with these endings.
_RETRIES = 3
_TIMEOUT = 60  # seconds without a byte after which a download has failed
_CHECKSUMS = "checksums.json"
_LIMIT = 2_000_000_000  # bytes of one download, and of the unpacked content of an archive
_log = logging.getLogger(__name__)

RELEASE_URL = "https://nlp.stanford.edu/projects/myasu/LinkBERT/data.zip"
RELEASE_TERMS = """\
The LinkBERT authors' release (data.zip) carries corpora with terms of their own. Get it only if you accept them:
  ChemProt      BioCreative VI; registration at the challenge's site
  DDI           CC BY-NC 4.0: no commercial use
  GAD           research and non-profit use
  BIOSSES, HoC  GPL-3.0
  BioASQ        National Library of Medicine licence; registration at participants-area.bioasq.org; not to be passed on
  EBM PICO      none stated
  JNLPBA        CC BY 3.0 (GENIA); the other NER corpora CC BY 4.0 or public domain
  PubMedQA, MedQA, MMLU  MIT"""


@dataclass(frozen=True)
class Remote:
    """A file to download.

    Attributes:
        url: its address.
        file: its path below the download folder.
    """

    url: str
    file: str


_MTL = "https://raw.githubusercontent.com/cambridgeltl/MTL-Bioinformatics-2016/master/data"
_HUB = "https://huggingface.co/datasets"


def mtl_remotes(folder: str) -> tuple[Remote, ...]:
    """Return the three files of a corpus in the MTL-Bioinformatics-2016 repository, where dev is called `devel`."""
    return tuple(
        Remote(f"{_MTL}/{folder}/{split}.tsv", f"mtl/{folder}/{split}.tsv") for split in ("train", "devel", "test")
    )


def hub_remotes(repository: str, files: Mapping[str, str]) -> tuple[Remote, ...]:
    """Return files of a dataset repository on the Hugging Face hub.

    Args:
        repository: `owner/name`.
        files: path in the repository -> path below the download folder.
    """
    return tuple(Remote(f"{_HUB}/{repository}/resolve/main/{path}", file) for path, file in files.items())


def check_mirror(mirror: str | None) -> None:
    """Make sure that a mirror is reached over TLS, or is on this machine.

    Raises:
        RequestError: the address is neither, or is ambiguous.
    """
    if mirror is None:
        return
    if not _is_plain(mirror):
        # The address is not repeated in the message, because it may hold a password.
        raise RequestError("--mirror: an address without user name, password, backslash and blanks is needed")
    parts = urlsplit(mirror)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname):
        return
    raise RequestError(f"--mirror {mirror}: use https, or http on a loopback address such as http://127.0.0.1:8000")


def _is_plain(url: str) -> bool:
    """Return whether all libraries find the same host in an address; some take a backslash for a slash."""
    try:
        return "@" not in urlsplit(url).netloc and re.search(r"[\\\x00-\x20\x7f]", url) is None
    except ValueError:  # This is not an address at all.
        return False


def fetch(remotes: Sequence[Remote], folder: Path, mirror: str | None = None, *, progress: bool = False) -> list[Path]:
    """Download files, each completely or not at all, and return their paths.

    The SHA-256 of each file is recorded in `checksums.json` on its first download, and compared from then on. A file
    that is there and complete is not downloaded again.

    Args:
        remotes: the files to download.
        folder: the download folder.
        mirror: a base URL that serves the same paths as the original hosts, or None.
        progress: whether to show a bar on standard error.

    Raises:
        RequestError: the mirror is not allowed, or the folder cannot be written.
        RunError: a download failed, or does not have the recorded checksum.
    """
    check_mirror(mirror)
    require_writable(folder, "the download folder")
    known_file = folder / _CHECKSUMS
    known = _known(known_file)
    paths = []
    for remote in remotes:
        path = _fetch_one(remote, folder, mirror, known.get(remote.file), progress)
        known[remote.file] = sha256_of(path)
        atomic_write_text(known_file, _as_json(known))
        paths.append(path)
    return paths


def forget(remotes: Sequence[Remote], folder: Path) -> None:
    """Remove downloads that cannot be used, with their checksums, so that the next try downloads them again."""
    known = _known(folder / _CHECKSUMS)
    for remote in remotes:
        (folder / remote.file).unlink(missing_ok=True)
        known.pop(remote.file, None)
    atomic_write_text(folder / _CHECKSUMS, _as_json(known))


def _known(path: Path) -> dict[str, str]:
    known = read_json(path, OWN_LIMIT) if path.exists() else {}
    if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
        raise RequestError(f"{path}: expected an object of file -> sha256; remove it to download afresh")
    return known


def _fetch_one(remote: Remote, folder: Path, mirror: str | None, known: str | None, progress: bool) -> Path:
    import pooch
    from requests import RequestException

    url = _mirrored(remote.url, mirror)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={remote.file: f"sha256:{known}" if known else None},
        urls={remote.file: url},
        retry_if_failed=_RETRIES,
    )
    allowed = _hosts(mirror)
    downloader: Any = pooch.HTTPDownloader(
        progressbar=progress, timeout=_TIMEOUT, hooks={"response": lambda reply, **_: _check_redirect(reply, allowed)}
    )
    pooch.get_logger().setLevel(logging.WARNING)
    bounded: Any = partial(_download, downloader)
    try:
        return Path(store.fetch(remote.file, downloader=bounded))
    except (RequestException, OSError) as error:
        raise RunError(f"{url}: the download failed ({_reason(error)}); try again, or name a --mirror") from error
    except ValueError as error:
        if known is None:
            raise
        raise RunError(
            f"{url}: the file has changed since it was first downloaded (expected sha256 {known}); if that is right, "
            f"remove {folder / remote.file} and its line in {folder / _CHECKSUMS}"
        ) from error


def _download(downloader: Any, url: str, output: str, store: Any) -> None:
    # A faulty or hostile server may send without end.
    count = at_most(_LIMIT, RunError(f"{url}: sends more than {_LIMIT} bytes; stopped"))
    with Path(output).open("wb") as handle:
        bounded = SimpleNamespace(write=lambda chunk: handle.write(count(chunk)), flush=handle.flush)
        downloader(url, bounded, store)


def _check_redirect(response: Any, allowed: tuple[str, ...]) -> None:
    if not response.is_redirect:
        return
    try:
        target = urljoin(response.url, response.headers["location"])
        parts = urlsplit(target)
    except ValueError as error:
        raise RunError(f"{response.url}: redirects to something that is not an address; stopped") from error
    host = (parts.hostname or "") if _is_plain(target) else ""
    listed = host in allowed or any(host.endswith(suffix) for suffix in _HOST_SUFFIXES)
    local = parts.scheme == "http" and _is_loopback(host) and host in allowed
    if not listed or (parts.scheme != "https" and not local):
        raise RunError(f"{response.url}: redirects to {target}, which is not a listed host over TLS; stopped")


def _hosts(mirror: str | None) -> tuple[str, ...]:
    return (*_HOSTS, urlsplit(mirror).hostname or "") if mirror else _HOSTS


def _mirrored(url: str, mirror: str | None) -> str:
    return url if mirror is None else mirror.rstrip("/") + urlsplit(url).path


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _as_json(value: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(value.items())), indent=2) + "\n"


def unpack_release(archive: Path, releases: Mapping[str, tuple[str, ...]], data_dir: Path) -> list[Path]:
    """Unpack the prepared files of these datasets from the authors' `data.zip`, and nothing else.

    Only the wanted members are read, and the paths of their files are made here: no name inside the archive can lead
    out of `data_dir`, and links are refused.

    Args:
        archive: the zip file.
        releases: release folder -> its splits.
        data_dir: the folder in which the release folders are created.

    Returns:
        The paths of the files that were written.

    Raises:
        RunError: the archive is damaged, has none of the files, or has a member that is a link, repeated or too large.
        OSError: a file cannot be written.
    """
    wanted = {f"{release}/{split}.json" for release, splits in releases.items() for split in splits}
    written: list[Path] = []
    count = at_most(_LIMIT, RunError(f"{archive}: unpacks to more than {_LIMIT} bytes; refused"))
    with ExitStack() as stack:
        with _whole(archive):
            release_zip = stack.enter_context(zipfile.ZipFile(archive))
        for member in release_zip.infolist():
            name = member.filename.removeprefix("data/")
            if name not in wanted:
                continue
            target = data_dir / name
            if stat.S_ISLNK(member.external_attr >> 16) or target in written:
                raise RunError(f"{archive}: {member.filename} is a link or twice there; refused")
            with atomic_write(target) as handle:
                for chunk in _chunks(release_zip, member, archive):
                    handle.write(count(chunk))
            written.append(target)
    if not written:
        raise RunError(f"{archive}: none of the expected files is in it")
    return written


def _chunks(release_zip: zipfile.ZipFile, member: zipfile.ZipInfo, archive: Path) -> Iterator[bytes]:
    with _whole(archive):
        source = release_zip.open(member)
    with source:
        while True:
            with _whole(archive):
                chunk = source.read(1 << 20)
            if not chunk:
                return
            yield chunk


@contextmanager
def _whole(archive: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into one `RunError`. Writing files happens outside of this block."""
    try:
        yield
    except ZIP_ERRORS as error:
        raise RunError(f"{archive}: not a whole zip archive ({_reason(error)}); remove it and try again") from error
