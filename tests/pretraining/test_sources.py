"""Sources as they come: links as pages write them, file names of any bytes, and PubMed's files that delete or fail."""

import gzip
import logging
import os

import pytest
from linkbert.errors import RequestError
from linkbert.pretraining.documents import read_documents
from linkbert.pretraining.writing import write_corpus

from .test_corpus import article


def pages_of(folder, **pages):
    for name, content in pages.items():
        path = folder / name.replace("__", "/").replace("_html", ".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return {page.id: page for page in read_documents(folder)}


def test_links_to_pages_are_found_however_they_are_written(tmp_path):
    links = "".join(f"<a href='{href}'>x</a>" for href in (
        " b.html ", "b", "sub", "sub/", "./sub/index.html#part", "mailto:a@b.org", "javascript:go()", "b.html?print=1",
        "http://[", "", "https://b.org/b.html", "none.html",
    ))  # fmt: skip
    found = pages_of(tmp_path, a_html=f"<p>x{links}<a name='place'>y</a>", b_html="<p>b", sub__index_html="<p>s")
    assert found["a.html"].links == (
        "b.html", "b.html", "sub/index.html", "sub/index.html", "sub/index.html", "b.html", "https://b.org/b.html",
        "none.html",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "links"),
    [
        ("", ("sub/a.html", "b.html", "b.html", "index.html")),
        ("../", ("a.html", "../b.html", "b.html", "..")),
        ("..", ("a.html", "../b.html", "b.html", "..")),
        (".", ("sub/a.html", "b.html", "b.html", "index.html")),
        ("other/", ("sub/other/a.html", "sub/b.html", "b.html", "sub")),
        ("other/page.html", ("sub/other/a.html", "sub/b.html", "b.html", "sub")),
        ("page.html", ("sub/a.html", "b.html", "b.html", "index.html")),
        ("/other/", ("other/a.html", "b.html", "b.html", "index.html")),
        ("https://x.org/d/", ("https://x.org/d/a.html", "https://x.org/b.html", "https://x.org/b.html",
                              "https://x.org/")),
    ],
)  # fmt: skip
def test_links_begin_where_the_page_says(tmp_path, base, links):
    anchors = "".join(f"<a href='{href}'>x</a>" for href in ("a.html", "../b.html", "/b.html", ".."))
    head = f"<head><base href='{base}'></head>" if base else ""
    found = pages_of(tmp_path, sub__c_html=f"<html>{head}<body><p>{anchors}", index_html="<p>i", b_html="<p>b")
    assert found["sub/c.html"].links == links


def test_the_title_is_no_text_of_the_page(tmp_path):
    found = pages_of(tmp_path, a_html="<html><head><title>On X</title></head><body><p>Words.</body></html>")
    assert (found["a.html"].title, found["a.html"].text) == ("On X", "Words.")


@pytest.mark.parametrize(("depth", "warned"), [(1500, False), (3000, True)])
def test_deeply_nested_pages_are_read_as_far_as_the_parser_goes(tmp_path, caplog, depth, warned):
    found = pages_of(tmp_path, a_html="<body>" + "<div>x\n" * depth + "</div>" * depth + "<p>end")
    assert found["a.html"].text.endswith("end") is not warned
    assert ("a.html: a part of it is lost" in caplog.text) is warned


def test_an_unknown_encoding_is_told_and_nothing_lost(tmp_path, caplog):
    (tmp_path / "a.html").write_bytes(b'<meta charset="nonsense"><p>caf\xe9 <a href="b.html">b</a><p>end')
    (page,) = read_documents(tmp_path)
    assert (page.text, page.links) == ("caf\xe9 b end", ("b.html",))
    assert "Unsupported encoding: nonsense; it is read as Latin-1" in caplog.text and "lost" not in caplog.text


def test_names_of_pages_may_be_any_bytes(tmp_path):
    for number, letter in enumerate((b"\xe8", b"\xe9")):
        (tmp_path / os.fsdecode(b"caf" + letter + b".html")).write_text(
            f"<p>{number} <a href='caf%E{9 - number}.html'>"
        )
    found = {page.id: page.links for page in read_documents(tmp_path)}
    assert found == {"caf\\xe8.html": ("caf\\xe9.html",), "caf\\xe9.html": ("caf\\xe8.html",)}
    report = write_corpus(tmp_path, tmp_path / "out" / "corpus")
    assert (report["documents"], report["links"]) == (2, 2)


def pubmed(*parts):
    return f"<PubmedArticleSet>{''.join(parts)}</PubmedArticleSet>".encode()


def of(*numbers):
    return (article(number, f"Title {number}", [("", f"text {number}")], [1]) for number in numbers)


def test_a_file_of_pubmed_without_an_article_does_not_cost_the_others(tmp_path, caplog):
    (tmp_path / "a.xml").write_bytes(pubmed(*of(1, 2)))
    (tmp_path / "b.xml").write_bytes(b"<PubmedArticleSet><PubmedArticle><A></B>")
    (tmp_path / "c.xml").write_bytes(pubmed())
    (tmp_path / "d.xml.gz").write_bytes(gzip.compress(pubmed(*of(3))))
    assert [found.id for found in read_documents(tmp_path)] == ["1", "2", "3"]
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 2 and "b.xml: not PubMed XML" in told[0] and "c.xml: holds no PubmedArticle" in told[1]
    assert all("left out" in message for message in told)
    for name in ("a.xml", "d.xml.gz"):
        (tmp_path / name).unlink()
    with pytest.raises(RequestError, match=r"b\.xml: not PubMed XML"):
        list(read_documents(tmp_path))


def test_what_an_update_of_pubmed_deletes_is_left_out(tmp_path):
    deleted = "<DeleteCitation><PMID Version='1'>2</PMID><PMID Version='1'>9</PMID><PMID>4</PMID></DeleteCitation>"
    (tmp_path / "pubmed26n0001.xml").write_bytes(pubmed(*of(1, 2, 3, 4)))
    (tmp_path / "pubmed26n0002.xml").write_bytes(pubmed(deleted))
    (tmp_path / "pubmed26n0003.xml").write_bytes(pubmed(*of(4)))
    report = write_corpus(tmp_path, tmp_path / "out" / "corpus")
    counted = {name: report[name] for name in ("documents", "deleted", "replaced", "empty", "links_out")}
    # Article 4 came again after it was deleted.
    assert counted == {"documents": 3, "deleted": 2, "replaced": 0, "empty": 0, "links_out": 0}
