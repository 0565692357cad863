"""PubMed's XML (https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html), read as a stream."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..corpora.lines import open_binary
from ..errors import RequestError
from .linked import Document

_log = logging.getLogger(__name__)


class NoArticlesError(RequestError):
    """A file holds no article of PubMed."""


def read_pubmed_xml(path: Path) -> Iterator[Document]:
    """Yield the articles of a PubMed file, with the PMIDs that their lists of references name as links.

    The PMIDs that an update file deletes come as deleted documents, whatever version of them it names. A file that
    breaks off is read up to there, with one warning. Memory does not grow with the file.

    Args:
        path: the file; it is decompressed when its name ends in `.gz`.

    Raises:
        NoArticlesError: the file holds no article at all, and deletes none.
    """
    from lxml import etree  # type: ignore[attr-defined]  # it is written in C

    found = 0
    try:
        with open_binary(path) as handle:
            # Entities are not expanded and nothing is fetched, whatever a file asks for.
            options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False}
            for _, element in etree.iterparse(handle, tag=("PubmedArticle", "DeleteCitation"), **options):
                documents = _deleted(element) if element.tag == "DeleteCitation" else _documents(element)
                element.clear()
                # The emptied elements before this one would otherwise stay in the tree.
                while element.getprevious() is not None:
                    del element.getparent()[0]
                found += len(documents)
                yield from documents
    except (etree.XMLSyntaxError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        if not found:
            raise NoArticlesError(f"{path}: not PubMed XML ({error}); get the file again") from error
        _log.warning("%s: breaks off after %d articles (%s); what follows is lost", path, found, error)
        return
    if not found:
        raise NoArticlesError(f"{path}: holds no PubmedArticle; give files such as pubmed26n0001.xml.gz")


def _deleted(element: Any) -> list[Document]:
    return [Document(pmid.text.strip(), "", "", (), deleted=True) for pmid in element.iterfind("PMID") if pmid.text]


def _documents(article: Any) -> list[Document]:
    """Return the article as a list of one document; of none if it has no PMID."""
    pmid = article.findtext("MedlineCitation/PMID")
    if not pmid:
        return []
    parts = []
    for part in article.iterfind("MedlineCitation/Article/Abstract/AbstractText"):
        label, text = part.get("Label"), _text(part)
        parts.append(f"{label}: {text}" if label and text else text)
    title = article.find("MedlineCitation/Article/ArticleTitle")
    references = article.iterfind('PubmedData/ReferenceList//ArticleId[@IdType="pubmed"]')
    links = tuple(identifier for item in references if (identifier := (item.text or "").strip()))
    return [Document(pmid.strip(), "" if title is None else _text(title), " ".join(filter(None, parts)), links)]


def _text(element: Any) -> str:
    """Return the text of an element and of all inside it, with single spaces."""
    return " ".join("".join(element.itertext()).split())
