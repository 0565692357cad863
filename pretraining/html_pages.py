"""A folder of HTML pages with hyperlinks among them."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from .linked import Document

_log = logging.getLogger(__name__)
# What stands on every page is no text of it. The title is read separately.
_LEFT_OUT = ("title", "script", "style", "nav", "header", "footer", "noscript", "template")
# The names of pages to which a link may refer by the name of a folder, or without the ending.
_ENDINGS = ("", "/index.html", "/index.htm", "/index.xhtml", ".html", ".htm", ".xhtml")
_WEB = ("", "http", "https")  # schemes of links to pages
_BEGINNING = 1024  # bytes in which HTML names its encoding
_BLOCKS = {"p", "div", "li", "td", "th", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "br", "dt", "dd", "section", "tr"}


def read_html_pages(paths: Sequence[Path], root: Path) -> Iterator[Document]:
    """Yield pages as documents, known by their paths relative to `root`; links to files elsewhere lead out.

    Links of navigation bars are not links of the text, and are left out with them.
    """
    from lxml import etree, html  # type: ignore[attr-defined]  # it is written in C

    pages = {_id(path, root): path for path in paths}
    for name, path in pages.items():
        parser: Any = html.HTMLParser(huge_tree=True)
        try:
            tree = html.fromstring(_decoded(path.read_bytes()) or b"<html/>", parser=parser)
        except (etree.ParserError, ValueError) as error:
            _log.warning("%s: not an HTML page (%s); it is left out", path, error)
            continue
        for problem in parser.error_log.filter_from_fatals():
            if problem.type_name == "ERR_UNSUPPORTED_ENCODING":
                _log.warning("%s: %s; it is read as Latin-1", path, problem.message)
            else:
                _log.warning("%s: a part of it is lost (%s)", path, problem.message)
        title = " ".join((tree.findtext(".//title") or "").split())
        for element in list(tree.iter(*_LEFT_OUT)) + tree.xpath('//*[@role="navigation"]'):
            if element.getparent() is not None:
                element.drop_tree()
        main = tree.find(".//main")
        if main is None:
            main = next(iter(tree.xpath('//*[@role="main"]')), tree)
        base = tree.find(".//base[@href]")
        start = "" if base is None else base.get("href").strip()
        hrefs = (anchor.get("href", "").strip() for anchor in main.iter("a"))
        found = (_target(href, start, path.parent, root) for href in hrefs)
        links = tuple(_page(target, pages) for target in found if target is not None)
        yield Document(name, title, " ".join("".join(_pieces(main)).split()), links)


def _id(path: Path, root: Path) -> str:
    """Return the id of a page. Its name may be any bytes; those that are not UTF-8 are written as their numbers."""
    return os.fsencode(path.relative_to(root).as_posix()).decode(errors="backslashreplace")


def _decoded(content: bytes) -> str | bytes:
    """Return a page that names no encoding as text if it is UTF-8, which lxml would take for Latin-1."""
    if b"charset" in content[:_BEGINNING] or content.lstrip().startswith(b"<?xml"):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content


def _target(href: str, base: str, folder: Path, root: Path) -> str | None:
    """Return the path that a link names, relative to the root, an address elsewhere, or None if it names no page.

    Args:
        href: the link.
        base: where relative links begin, as the page says; empty for its folder.
        folder: the folder of the page.
        root: the root folder.
    """
    try:
        parts, start = urlsplit(href), urlsplit(base)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        return href if parts.scheme in _WEB else None
    if not parts.path:
        return None  # a place on the same page
    if start.scheme or start.netloc:
        return urljoin(base, href)
    last = start.path.rpartition("/")[2]
    begin = start.path if last in (".", "..") else start.path.removesuffix(last)
    for path in (_unquoted(begin), _unquoted(parts.path)):
        folder = root / path[1:] if path.startswith("/") else folder / path
    steps: list[str] = []
    for step in folder.relative_to(root).parts if folder.is_relative_to(root) else folder.parts:
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    return "/".join(steps)


def _unquoted(path: str) -> str:
    return unquote_to_bytes(path).decode(errors="backslashreplace")


def _page(target: str, pages: Collection[str]) -> str:
    """Return the id of the page that a path names, or the path if there is none."""
    names = ((target + ending).lstrip("/") for ending in _ENDINGS)
    return next((name for name in names if name in pages), target)


def _pieces(element: Any) -> Iterator[str]:
    """Yield the text inside an element; blocks are divided by spaces."""
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    for event, item in etree.iterwalk(element, events=("start", "end", "comment")):
        if event == "start":
            yield " " if item.tag in _BLOCKS else ""
            yield item.text or ""
        elif item is not element:
            yield " " if item.tag in _BLOCKS else ""
            yield item.tail or ""
