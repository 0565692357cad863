"""A folder of HTML pages with hyperlinks among them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .linked import Document

_log = logging.getLogger(__name__)
# What stands on every page is no text of it.
_LEFT_OUT = ("script", "style", "nav", "header", "footer", "noscript", "template")
_BEGINNING = 1024  # bytes in which HTML names its encoding
_BLOCKS = {"p", "div", "li", "td", "th", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "br", "dt", "dd", "section", "tr"}


def read_html_pages(paths: Sequence[Path], root: Path) -> Iterator[Document]:
    """Yield pages as documents, known by their paths relative to `root`; links to files elsewhere lead out.

    Links of navigation bars are not links of the text, and are left out with them.
    """
    from lxml import etree, html  # type: ignore[attr-defined]  # it is written in C

    for path in paths:
        try:
            tree = html.fromstring(_decoded(path.read_bytes()) or b"<html/>")
        except (etree.ParserError, ValueError) as error:
            _log.warning("%s: not an HTML page (%s); it is left out", path, error)
            continue
        title = " ".join((tree.findtext(".//title") or "").split())
        for element in list(tree.iter(*_LEFT_OUT)) + tree.xpath('//*[@role="navigation"]'):
            if element.getparent() is not None:
                element.drop_tree()
        main = tree.find(".//main")
        if main is None:
            main = next(iter(tree.xpath('//*[@role="main"]')), tree)
        links = tuple(filter(None, (_target(anchor.get("href"), path, root) for anchor in main.iter("a"))))
        yield Document(path.relative_to(root).as_posix(), title, " ".join("".join(_pieces(main)).split()), links)


def _decoded(content: bytes) -> str | bytes:
    """Return a page that names no encoding as text if it is UTF-8, which lxml would take for Latin-1."""
    if b"charset" in content[:_BEGINNING] or content.lstrip().startswith(b"<?xml"):
        return content
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content


def _target(href: str | None, page: Path, root: Path) -> str | None:
    """Return the id of the page that a link names, or None if it names no file."""
    if not href:
        return None
    try:
        parts = urlsplit(href)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        return href
    if not parts.path:
        return None  # a place on the same page
    target = root / unquote(parts.path)[1:] if parts.path.startswith("/") else page.parent / unquote(parts.path)
    steps: list[str] = []
    for step in target.relative_to(root).parts if target.is_relative_to(root) else target.parts:
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step != ".":
            steps.append(step)
    if parts.path.endswith("/"):
        steps.append("index.html")
    return "/".join(steps)


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
