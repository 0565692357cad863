"""Corpora with links: four kinds of sources, two passes, and what is counted and left out."""

import gzip
import json
import logging
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.errors import RequestError
from linkbert.models.tokenizer_loading import load_tokenizer
from linkbert.pretraining import tfidf
from linkbert.pretraining.corpus import LinkedCorpus, full_text
from linkbert.pretraining.documents import read_documents
from linkbert.pretraining.plan import held_out_documents
from linkbert.pretraining.segments import word_pieces
from linkbert.pretraining.writing import write_corpus


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def document(identifier, text="some text here", links=()):
    return {"id": identifier, "text": text, "links": list(links)}


@pytest.fixture
def written(tmp_path):
    """Return a function that writes JSON lines and the corpus of them, and opens it."""

    def write(*records, **options):
        source = tmp_path / "source.jsonl"
        source.write_text(lines(*records))
        write_corpus(source, tmp_path / "corpus", **options)
        return LinkedCorpus.open(tmp_path / "corpus")

    return write


def links_of(corpus):
    return [corpus.links.of(number).tolist() for number in range(len(corpus))]


def article(pmid, title, abstract, references):
    parts = "".join(f'<AbstractText Label="{label}">{text}</AbstractText>' for label, text in abstract)
    cited = "".join(
        f'<Reference><ArticleIdList><ArticleId IdType="pubmed">{one}</ArticleId>'
        f'<ArticleId IdType="doi">10.1/{one}</ArticleId></ArticleIdList></Reference>'
        for one in references
    )
    return (
        f"<PubmedArticle><MedlineCitation><PMID>{pmid}</PMID><Article><ArticleTitle>{title}</ArticleTitle>"
        f"<Abstract>{parts}</Abstract></Article></MedlineCitation>"
        f"<PubmedData><ReferenceList>{cited}</ReferenceList></PubmedData></PubmedArticle>"
    )


PUBMED = (
    '<?xml version="1.0"?><PubmedArticleSet>'
    + article(1, "Of <i>BRCA1</i>.", [("AIM", "To see."), ("RESULT", "It is <b>so</b>.")], [2, 2, 77])
    + article(2, "Second", [("", "Words.")], [1])
    + "</PubmedArticleSet>"
)


def test_pubmed_xml_gives_titles_labelled_abstracts_and_cited_pmids(tmp_path):
    path = tmp_path / "pubmed26n0001.xml.gz"
    path.write_bytes(gzip.compress(PUBMED.encode()))
    one, two = read_documents(path)
    assert (one.id, one.title, one.text) == ("1", "Of BRCA1.", "AIM: To see. RESULT: It is so.")
    assert one.links == ("2", "2", "77") and two.links == ("1",)
    report = write_corpus(tmp_path, tmp_path / "out" / "corpus")
    assert (report["links"], report["links_out"], report["repeated_links"]) == (2, 1, 1)


@pytest.mark.parametrize("cut", [len(PUBMED) - 10, PUBMED.index("<PMID>2") + 40])
def test_a_pubmed_file_that_breaks_off_is_read_up_to_there_with_one_warning(tmp_path, caplog, cut):
    path = tmp_path / "a.xml"
    path.write_text(PUBMED[:cut])
    assert [item.id for item in read_documents(path)][:1] == ["1"]
    assert len([record for record in caplog.records if "breaks off after" in record.message]) == 1
    compressed = gzip.compress(PUBMED.encode() + b" " * 200_000)
    (tmp_path / "a.xml").unlink()
    (tmp_path / "b.xml.gz").write_bytes(compressed[: len(compressed) - 12])
    assert [item.id for item in read_documents(tmp_path)] == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no documents of a known kind"),
        (b"<feed/>", "holds no documents of a known kind"),
        (b"<PubmedArticleSet></PubmedArticleSet>", r"a\.xml: holds no PubmedArticle"),
        (b"<PubmedArticleSet><PubmedArticle><A></B>", r"a\.xml: not PubMed XML"),
    ],
)
def test_xml_without_articles_is_refused(tmp_path, content, said):
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(RequestError, match=said):
        list(read_documents(tmp_path))
    (tmp_path / "b.xml.gz").write_bytes(gzip.compress(content)[:-9] + b"x")
    (tmp_path / "a.xml").unlink()
    with pytest.raises(RequestError, match=r"b\.xml\.gz|holds no documents"):
        list(read_documents(tmp_path))


def test_wikiextractor_pages_are_known_by_title_and_anchors_are_links(tmp_path):
    folder = tmp_path / "AA"
    folder.mkdir()
    text = 'A <a href="red%20panda#Diet">panda</a> &amp; a <a href="Fox">fox</a>.'
    escaped = "See &lt;a href=&quot;Fox&quot;&gt;it&lt;/a&gt;."
    (folder / "wiki_00").write_text(
        lines({"id": "7", "url": "u", "title": "Fox", "text": text}, {"id": "8", "title": "Red panda", "text": escaped})
    )
    fox, panda = read_documents(tmp_path)
    assert (fox.id, fox.text, fox.links) == ("Fox", "A panda & a fox.", ("Red panda", "Fox"))
    assert (panda.text, panda.links) == ("See it.", ("Fox",))


def test_html_pages_are_linked_by_their_paths(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        "<title>A page</title><nav><a href='sub/b.html'>bar</a></nav><p>One<p>two <a href='sub/b.html#x'>b</a>"
        "<a href='https://example.org/c'>c</a><a href='#here'>h</a><script>var x</script>"
    )
    (tmp_path / "sub" / "b.html").write_text("<main>Back <a href='../a.html'>a</a><a href='/a.html'>r</a></main><p>x")
    a, b = read_documents(tmp_path)
    assert (a.id, a.title, a.text) == ("a.html", "A page", "A page One two bch") or a.text.endswith("One two bch")
    assert a.links == ("sub/b.html", "https://example.org/c")
    assert (b.id, b.text, b.links) == ("sub/b.html", "Back ar", ("a.html", "a.html"))


def test_pages_without_a_named_encoding_are_utf8_and_folders_mean_their_index(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        "<p>Café <a href='sub/'>s</a><a href='../../sub/index.html'>out</a>", encoding="utf-8"
    )
    (tmp_path / "sub" / "index.html").write_bytes("<p>Café".encode("latin-1"))
    a, index = read_documents(tmp_path)
    assert (a.text, a.links) == ("Café sout", ("sub/index.html", "../../sub/index.html"))
    assert (index.id, index.text) == ("sub/index.html", "Café")


def test_a_kind_of_links_that_does_not_exist_is_refused(written):
    with pytest.raises(RequestError, match="did you mean tfidf"):
        written(document("a"), document("b"), links="tf-idf")
    with pytest.raises(RequestError, match="neighbours should be at least 1"):
        written(document("a"), document("b"), links="tfidf", neighbours=0)


def test_documents_of_the_same_text_are_held_out_together(written):
    texts = ["same", "one", "", "same", "two", "one", "three"]
    corpus = written(*(document(str(number), text=text) for number, text in enumerate(texts)))
    assert corpus.firsts is not None and corpus.firsts.tolist() == [0, 1, 0, 3, 1, 5]
    texts.remove("")
    for share in (0.1, 0.3, 0.5):
        held = held_out_documents(corpus, share)
        apart = {text for text, out in zip(texts, held, strict=True) if out}
        assert apart and not apart & {text for text, out in zip(texts, held, strict=True) if not out}


def test_without_other_texts_equal_ones_are_held_out_singly(written):
    assert held_out_documents(written(document("a"), document("b")), 0.5).sum() == 1


def test_what_cannot_be_a_link_or_a_document_is_counted(written):
    corpus = written(
        document("a", links=["b", "a", "unknown", "b"]),
        document("b", links=["a"]),
        document("c", text="  "),
        document("d", links=["c"]),
    )
    assert len(corpus) == 3 and links_of(corpus) == [[1], [0], []]
    report = corpus.report
    counted = {name: report[name] for name in ("links", "links_out", "self_links", "repeated_links", "empty")}
    assert counted == {"links": 2, "links_out": 2, "self_links": 1, "repeated_links": 1, "empty": 1}
    assert (report["without_links"], report["without_in_links"], report["equal_texts"]) == (1, 1, 2)
    assert corpus.firsts is not None and corpus.firsts.tolist() == [0, 0, 0]
    assert report["in_degrees"] == {"0": 1, "1": 2}
    assert not list(corpus.folder.glob("*.pending"))


def test_of_two_documents_with_one_identifier_the_later_wins(written):
    corpus = written(
        document("a", "old", ["b"]), document("b", "text b"), document("a", "new", []), document("a", "", ["b"])
    )
    assert list(corpus.texts()) == ["text b", "new"] and links_of(corpus) == [[], []]
    assert corpus.report["replaced"] == 1 and corpus.report["empty"] == 1


@given(st.lists(st.tuples(st.integers(0, 12), st.lists(st.integers(0, 14), max_size=6)), min_size=3, max_size=30))
@settings(max_examples=40, deadline=None)
def test_links_are_those_of_a_dictionary(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("links")
    source = folder / "s.jsonl"
    source.write_text(
        lines(*(document(f"d{number}", f"text {i}", [f"d{x}" for x in to]) for i, (number, to) in enumerate(found)))
    )
    last = {f"d{number}": (i, {f"d{x}" for x in to} - {f"d{number}"}) for i, (number, to) in enumerate(found)}
    names = sorted(last, key=lambda name: last[name][0])
    if len(names) < 2:
        with pytest.raises(RequestError, match="pairs need two"):
            write_corpus(source, folder / "c")
        return
    write_corpus(source, folder / "c")
    corpus = LinkedCorpus.open(folder / "c")
    assert [{names[target] for target in of} for of in links_of(corpus)] == [
        last[name][1] & set(names) for name in names
    ]
    assert corpus.links.in_degrees.sum() == corpus.links.out_degrees.sum() == len(corpus.links.targets)


def test_text_between_a_less_and_a_greater_sign_is_kept_in_escaped_pages(tmp_path):
    text = (
        "p &lt; 0.05 in all and n &gt; 30, see &lt;a href=&quot;baz%20x&quot;&gt;a &amp;amp; b&lt;/a&gt;.&lt;br&gt;End"
    )
    plain = 'q < 1 and r > 2, see <a href="baz%20x">it</a>.<br>End'
    (tmp_path / "wiki_00").write_text(
        lines(*({"id": t, "url": "u", "title": t, "text": x} for t, x in (("A", text), ("B", plain))))
    )
    escaped, other = read_documents(tmp_path / "wiki_00")
    assert escaped.text == "p < 0.05 in all and n > 30, see a &amp; b.End" and escaped.links == ("Baz x",)
    assert other.text == "q < 1 and r > 2, see it.End" and other.links == ("Baz x",)


def test_a_title_that_ends_a_sentence_gets_no_full_stop():
    assert full_text("Does X cause Y?", "Yes.") == "Does X cause Y? Yes."
    assert (full_text("On X.", "Yes."), full_text("On X", "Yes."), full_text("", "Yes.")) == (
        "On X. Yes.",
        "On X. Yes.",
        "Yes.",
    )


def test_papers_with_addresses_are_no_pages_of_wikipedia(tmp_path):
    papers = [{"id": i, "url": f"https://example.org/{i}", "title": "Editorial", "text": f"text {i}"} for i in range(2)]
    (tmp_path / "a.jsonl").write_text(lines(*papers))
    assert [found.id for found in read_documents(tmp_path)] == ["0", "1"]


def test_an_empty_archive_is_told(tmp_path, caplog):
    (tmp_path / "a.jsonl.xml.gz").write_bytes(b"")
    with pytest.raises(RequestError, match="xml.gz"):
        list(read_documents(tmp_path))


def test_documents_need_no_links(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines({"id": 1, "text": "x", "title": "T"}, {"id": 2, "text": "y"}))
    assert [(found.id, found.links) for found in read_documents(tmp_path)] == [("1", ()), ("2", ())]


def test_nearest_documents_share_rare_words(written):
    texts = [
        "zebra stripes savanna",
        "zebra savanna lion",
        "carburetor engine piston",
        "engine piston valve",
        "unrelated",
    ]
    corpus = written(*(document(str(i), text) for i, text in enumerate(texts)), links="tfidf", neighbours=1)
    assert links_of(corpus) == [[1], [0], [3], [2], []]
    assert corpus.report["link_kind"] == "tfidf, 1 nearest"


def test_documents_of_common_words_alone_have_no_links(written, caplog):
    corpus = written(*(document(str(i), "the same words") for i in range(12)), links="tfidf")
    assert links_of(corpus) == [[]] * 12 and "no document is near" in caplog.text


def test_nearest_documents_are_those_of_all_cosines(written, monkeypatch):
    from sklearn.feature_extraction.text import TfidfVectorizer

    stream = random.Random(3)
    texts = [" ".join(stream.choices("abcdefghijklmnopqrstuvwxyz", k=12)).replace(" ", "x ") for _ in range(60)]
    monkeypatch.setattr(tfidf, "_TEXTS", 7)  # counted and compared in several parts
    monkeypatch.setattr(tfidf, "_BLOCK", 25)
    monkeypatch.setattr(tfidf, "_PAIRS", 40)
    monkeypatch.setattr(tfidf, "_COMMON_SHARE", 3)
    found = links_of(written(*(document(str(i), text) for i, text in enumerate(texts)), links="tfidf", neighbours=3))
    vectors = TfidfVectorizer(max_df=20, sublinear_tf=True, token_pattern=r"\w\w").fit_transform(texts).toarray()
    cosines = vectors @ vectors.T
    for number, near in enumerate(found):
        others = [other for other in np.argsort(-cosines[number], kind="stable") if other != number]
        # Equally near ones differ by rounding alone.
        assert cosines[number][near].sum() == pytest.approx(cosines[number][others[:3]].sum(), abs=1e-5)


def test_wrong_sources_are_refused_with_file_and_line(tmp_path):
    with pytest.raises(RequestError, match="no such file or folder"):
        list(read_documents(tmp_path / "none"))
    with pytest.raises(RequestError, match="holds no documents of a known kind"):
        list(read_documents(tmp_path))
    path = tmp_path / "a.jsonl"
    for text, said in (
        (lines(document("a")) + '{"id": "b", "links": []}\n', r"a\.jsonl:2: the field 'text' is missing"),
        (lines(document("a", links=[1.5])), r"a\.jsonl:1: a link should be the id of a document, found 1\.5"),
        ("not json\n", r"a\.jsonl:1: not JSON"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError, match=said):
            list(read_documents(path))
    path.write_text(lines(document("a"), document("b")))
    (tmp_path / "b.html").write_text("<p>x")
    (tmp_path / "feed.xml").write_text("<feed/>")
    with pytest.raises(RequestError, match="holds files of several kinds"):
        list(read_documents(tmp_path))


def test_an_output_that_is_there_is_not_replaced_and_a_failure_leaves_nothing(tmp_path):
    source = tmp_path / "a.jsonl"
    source.write_text(lines(document("a"), document("b")) + "{\n")
    with pytest.raises(RequestError, match=r"a\.jsonl:3"):
        write_corpus(source, tmp_path / "corpus")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl"]
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine").touch()
    with pytest.raises(RequestError, match="is there already"):
        write_corpus(source, tmp_path / "corpus")


def test_a_damaged_corpus_is_refused(written):
    corpus = written(document("a", links=["b"]), document("b"))
    np.save(corpus.folder / "link-offsets.npy", np.zeros(2, dtype=np.int64))
    with pytest.raises(RequestError, match="do not fit together"):
        LinkedCorpus.open(corpus.folder)
    for content in ('{"format": 2}', '{"format": 2, "documents": "2"}', "{"):
        (corpus.folder / "corpus.json").write_text(content)
        with pytest.raises(RequestError, match=r"corpus\.json"):
            LinkedCorpus.open(corpus.folder)
    (corpus.folder / "corpus.json").unlink()
    with pytest.raises(RequestError, match="not a corpus with links"):
        LinkedCorpus.open(corpus.folder)


def test_a_damaged_shard_is_refused(written, tiny):
    corpus = written(document("a", links=["b"]), document("b"))
    tokenizer, shard = load_tokenizer(tiny, words=False), corpus.folder / "documents-00000.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(RequestError, match=r"documents-00000\.arrow: cannot be read"):
        word_pieces(corpus, tokenizer)
    shard.unlink()
    with pytest.raises(RequestError, match=r"documents-00000\.arrow: cannot be read"):
        word_pieces(corpus, tokenizer)
    shard.write_bytes(content)
    with pytest.raises(RequestError, match="has 2 documents where 5 are expected"):
        word_pieces(replace(corpus, report={**corpus.report, "documents": 5}), tokenizer)


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(document("a"), document("b")))
    with pytest.raises(RequestError, match="a file is in the way"):
        write_corpus(tmp_path / "a.jsonl", tmp_path / "a.jsonl" / "corpus")


@pytest.fixture(autouse=True)
def _logged(caplog):
    caplog.set_level(logging.INFO, logger="linkbert")
