"""Documents with links, as readers find them in four kinds of sources."""

from __future__ import annotations

import json
import logging
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ..corpora.json_files import field, read_json_lines
from ..corpora.lines import open_binary, read_lines
from ..errors import RequestError
from .html_pages import read_html_pages
from .linked import Document
from .pubmed_xml import NoArticlesError, read_pubmed_xml

_log = logging.getLogger(__name__)

_BEGINNING = 4096  # bytes of a file that show what it is
_ANCHOR = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_ESCAPED_ANCHOR = re.compile(r'&lt;a href=(?:"|&quot;)((?:(?!"|&quot;).)*)(?:"|&quot;)&gt;(.*?)&lt;/a&gt;', re.DOTALL)
_ESCAPED_TAG = re.compile(r"&lt;/?[a-zA-Z][a-zA-Z0-9]*(?:\s(?:(?!&lt;|&gt;).)*)?/?&gt;")


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes:
        name: what it is called.
        read: yields the documents of a file.
    """

    name: str
    read: Callable[[Path], Iterator[Document]]


def read_documents(source: Path) -> Iterator[Document]:
    """Yield the documents of a file, or of all files of a folder in the order of their paths.

    Args:
        source: PubMed XML (`*.xml`, `*.xml.gz`), WikiExtractor's JSON with links, JSON lines with `id` and `text`, and
            `links` if there are any, or a folder of such files; or a folder of HTML pages.

    Raises:
        RequestError: nothing there is of a known kind, or a file is malformed.
    """
    if not source.exists():
        raise RequestError(f"{source}: no such file or folder")
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    pages = [path for path in files if _is_page(path)]
    known = [(path, kind) for path in files if not _is_page(path) and (kind := kind_of(path)) is not None]
    if not pages and not known:
        names = ", ".join(kind.name for kind in _KINDS)
        raise RequestError(f"{source}: holds no documents of a known kind: {names}, or HTML pages")
    kinds = {kind.name for _, kind in known} | ({"HTML pages"} if pages else set())
    if len(kinds) > 1:
        several = ", ".join(sorted(kinds))
        raise RequestError(f"{source}: holds files of several kinds ({several}); give one kind at a time")
    _log.info("%s: %d files of %s", source, len(pages) + len(known), *kinds)
    yield from read_html_pages(pages, source if source.is_dir() else source.parent)
    without: list[NoArticlesError] = []
    for path, kind in known:
        try:
            yield from kind.read(path)
        except NoArticlesError as error:
            without.append(error)
    if without and len(without) == len(known):
        raise without[0]
    for error in without:
        _log.warning("%s; it is left out", error)


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file, judged by its name and its beginning, or None if it is of none."""
    if _is_pubmed(path):
        return _PUBMED
    first = _first_object(path)
    if "links" in first:
        return _LINKED if "id" in first else None
    # WikiExtractor's pages have an `id`, too, and an address with `curid`.
    named = path.name.lower().startswith("wiki_") or "curid=" in str(first.get("url"))
    if {"title", "text"} <= first.keys() and (named or "id" not in first):
        return _WIKI
    return _LINKED if {"id", "text"} <= first.keys() else None


def _is_page(path: Path) -> bool:
    return path.suffix.lower() in (".html", ".htm", ".xhtml")


def _is_pubmed(path: Path) -> bool:
    """Return whether a file is XML of PubMed: folders of HTML pages hold XML of other kinds."""
    if not path.name.lower().endswith((".xml", ".xml.gz")):
        return False
    try:
        with open_binary(path) as handle:
            beginning = handle.read(_BEGINNING)
            if not beginning and path.suffix != ".gz":
                _log.warning("%s: empty; it is left out", path)
            # An empty archive is read as well, so that it is told.
            return b"<Pubmed" in beginning or (not beginning and path.suffix == ".gz")
    except (OSError, EOFError, zlib.error):
        # A file that cannot be decompressed is read, so that the error says what is wrong with it.
        return True


def _first_object(path: Path) -> dict[str, Any]:
    name = path.name.lower().removesuffix(".gz")
    # WikiExtractor names its files wiki_00, wiki_01, ...
    if not name.endswith((".jsonl", ".json", ".ndjson")) and not name.startswith("wiki_"):
        return {}
    for _, line in read_lines(path):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError:
                # A file named so is meant to be read; reading it will say which line is wrong.
                return {"id": None, "text": None} if ".jsonl" in path.name else {}
            return value if isinstance(value, dict) else {}
    return {}


def _read_linked_json(path: Path) -> Iterator[Document]:
    for number, record in read_json_lines(path):
        where = f"{path}:{number}"
        identifier = field(record, "id", (str, int), where)
        links = field(record, "links", list, where) if record.get("links") is not None else []
        if wrong := [item for item in links if not isinstance(item, str | int) or isinstance(item, bool)]:
            raise RequestError(f"{where}: a link should be the id of a document, found {wrong[0]!r}; correct the line")
        text = "" if record.get("text", "") is None else field(record, "text", str, where)
        title = field(record, "title", str, where) if record.get("title") is not None else ""
        yield Document(str(identifier), title, text, tuple(map(str, links)))


def _read_wiki(path: Path) -> Iterator[Document]:
    """Yield the pages of a file that WikiExtractor wrote with `--json --links`; pages are known by their titles."""
    for number, record in read_json_lines(path):
        where = f"{path}:{number}"
        title, text = field(record, "title", str, where), field(record, "text", str, where)
        # Some versions of WikiExtractor escape the anchors, as they escape a `<` of the text.
        anchor, tag = (_ESCAPED_ANCHOR, _ESCAPED_TAG) if "&lt;a href=" in text else (_ANCHOR, _TAG)
        links = tuple(_page_title(unescape(target)) for target, _ in anchor.findall(text))
        plain = unescape(tag.sub("", anchor.sub(r"\2", text)))
        yield Document(title, title, plain, links)


def _page_title(target: str) -> str:
    """Return the title of the page that an anchor names: without its section, with the first letter in upper case."""
    title = unquote(target).partition("#")[0].replace("_", " ").strip()
    return title[:1].upper() + title[1:]


_PUBMED = Kind("PubMed XML", read_pubmed_xml)
_LINKED = Kind("JSON lines with id, text and perhaps links", _read_linked_json)
_WIKI = Kind("WikiExtractor's JSON", _read_wiki)
_KINDS = (_PUBMED, _LINKED, _WIKI)
