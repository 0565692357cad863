"""Annotated documents become tagged sentences and marked pairs, and nothing is lost without a word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora.annotated import Document, Mention, Relation
from linkbert.errors import RequestError
from linkbert.tasks.custom.documents import are_wrapped, tagged_rows
from linkbert.tasks.custom.marking import MARKS, mark
from linkbert.tasks.custom.pairs import PairRules, far_relations, pairs_of, related_rows, relations_of
from linkbert.tasks.word_division import split_words

TEXT = "Aspirin cures pain. Heparin causes stroke."
DRUG, PAIN, OTHER, STROKE = (
    Mention(key, kind, TEXT.index(word), TEXT.index(word) + len(word), f"d.ann:{line}")
    for line, (key, kind, word) in enumerate(
        [("T1", "Drug", "Aspirin"), ("T2", "Pain", "pain"), ("T3", "Drug", "Heparin"), ("T4", "Pain", "stroke")], 1
    )
)
KINDS = {("Drug", "Pain")}


def document(mentions, relations=(), text=TEXT):
    relations = tuple(Relation(*relation, f"d.ann:{9 + number}") for number, relation in enumerate(relations))
    return Document("d", text, "d.txt", tuple(sorted(mentions, key=lambda m: (m.start, -m.end))), relations)


def labels(*args, **options):
    return [
        row["label"]
        for _, row in related_rows(
            document(*args), PairRules(**{"kinds": KINDS, "negative": "none", "marks": "masks"} | options)
        )
    ]


# --- tags ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["ab", "c-d", "\U0001f600", "(x)", "\u00e9"]), min_size=1, max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_the_tags_hold_the_mentions_that_are_whole_words(words, data):
    text = " ".join(words)
    places = split_words(text)
    first = data.draw(st.integers(0, len(places) - 1))
    last = data.draw(st.integers(first, len(places) - 1))
    mention = Mention("T1", "X", places[first][0], places[last][1], "d.ann:1")
    ((where, row),) = tagged_rows(document([mention], text=text))
    assert row["tokens"] == [text[start:end] for start, end in places] and where == "d.ann:1"
    assert row["ner_tags"] == ["O"] * first + ["B-X"] + ["I-X"] * (last - first) + ["O"] * (len(places) - last - 1)
    assert row["notes"] == []


def test_a_mention_inside_a_word_is_extended_and_noted():
    mention = Mention("T1", "X", 1, 7, "d.ann:4")
    ((_, row),) = tagged_rows(document([mention]))
    assert row["ner_tags"][0] == "B-X"
    assert row["notes"] == ["d.ann:4: X T1 (1 to 7) begins inside a word"]


def test_two_mentions_in_one_word_are_refused_as_such():
    parts = [Mention("T1", "Gene", 0, 3, "d.ann:1"), Mention("T2", "Gene", 3, 7, "d.ann:2")]
    with pytest.raises(RequestError, match=r"d.ann:2: Gene T2 \(3 to 7\) is in the same word as Gene T1 \(0 to 3\)"):
        list(tagged_rows(document(parts)))


@pytest.mark.parametrize(("start", "end", "word"), [(0, 13, "is nested in"), (8, 18, "overlaps with")])
def test_mentions_that_share_a_word_are_refused_unless_one_type_is_ignored(start, end, word):
    wide, narrow = Mention("T1", "Wide", 0, 13, "d.ann:1"), Mention("T2", "Narrow", start, end, "d.ann:2")
    if word == "is nested in":
        narrow = Mention("T2", "Narrow", 8, 13, "d.ann:2")
    with pytest.raises(RequestError, match=rf"d.ann:2: Narrow T2 .* {word} Wide T1 .* ignore = \[\"Narrow\"\]"):
        list(tagged_rows(document([wide, narrow])))
    ((_, row),) = tagged_rows(document([wide, narrow]), ignore=("Narrow",))
    assert row["ner_tags"][:2] == ["B-Wide", "I-Wide"]


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_masks_and_markers_of_two_mentions():
    assert mark(TEXT, (0, 19), [DRUG], [PAIN], "masks") == "@DRUG$ cures @PAIN$."
    assert mark(TEXT, (0, 19), [DRUG], [PAIN], "markers") == "@ * drug * Aspirin @ cures # ^ pain ^ pain #."
    assert mark(TEXT, (0, 19), [PAIN], [DRUG], "markers") == "# ^ drug ^ Aspirin # cures @ * pain * pain @."
    assert mark("x", (0, 1), [Mention("T", "g\u00e8ne 2", 0, 1, "")], [], "masks") == "@G-NE$"


@pytest.mark.parametrize(
    ("first", "second", "markers", "masks"),
    [
        ((0, 10), (0, 5), "@ * a * # ^ b ^ renal # pain @.", "@A$ @B$."),
        ((6, 10), (0, 10), "# ^ b ^ renal @ * a * pain @ #.", "@B$ @A$."),
        ((0, 10), (0, 10), "@ * a * # ^ b ^ renal pain # @.", "@A$ @B$."),
        ((0, 5), (5, 10), "@ * a * renal @# ^ b ^  pain #.", "@A$@B$."),
    ],
)
def test_both_of_two_overlapping_mentions_are_marked(first, second, markers, masks):
    arguments = [Mention("T1", "a", *first, "")], [Mention("T2", "b", *second, "")]
    assert mark("renal pain.", (0, 11), *arguments, "markers") == markers
    assert mark("renal pain.", (0, 11), *arguments, "masks") == masks


def test_masks_and_markers_are_those_that_the_encoding_finds():
    from linkbert.tasks.fitting import _MENTION

    for kind in ("Drug", "Cell_Line", "DNA-2", "\u00e4", "7"):
        mention = Mention("T", kind, 0, 1, "")
        for marks in MARKS:
            assert _MENTION.fullmatch(mark("x", (0, 1), [mention], [], marks)), (kind, marks)
            assert _MENTION.fullmatch(mark("x", (0, 1), [], [mention], marks)), (kind, marks)


def test_every_pair_of_types_that_can_be_related_is_an_example():
    every = [DRUG, PAIN, OTHER, STROKE]
    assert labels(every, [("cures", "T1", "T2"), ("causes", "T3", "T4")]) == ["cures", "none", "none", "causes"]
    assert labels([DRUG, OTHER], kinds={("Drug", "Drug")}) == ["none"]
    assert labels([DRUG, OTHER], kinds={("Drug", "Drug")}, directed=True) == ["none", "none"]


@pytest.mark.parametrize("relation", [("cures", "T1", "T2"), ("cures", "T2", "T1")])
def test_the_order_of_the_arguments_does_not_lose_a_relation(relation):
    """A relation whose arguments are in the other order was an example of the negative class."""
    assert labels([DRUG, PAIN], [relation]) == ["cures"]
    assert labels([DRUG, OTHER], [("with", "T3", "T1")], kinds={("Drug", "Drug")}) == ["with"]


def test_in_directed_relations_the_order_counts():
    kinds = {("Drug", "Pain"), ("Pain", "Drug")}
    assert labels([DRUG, PAIN], [("cures", "T1", "T2")], kinds=kinds, directed=True) == ["cures", "none"]
    assert labels([DRUG, PAIN], [("cures", "T2", "T1")], kinds=kinds, directed=True) == ["none", "cures"]


@pytest.mark.parametrize(
    ("relations", "options", "message"),
    [
        ([("cures", "T1", "T9")], {}, "d.ann:9: the relation cures names T9, but no mention in the text has this id"),
        ([("cures", "T1", "T1")], {"kinds": {("Drug", "Drug")}}, "d.ann:9: cures relates T1 with itself"),
        (
            [("cures", "T1", "T2")],
            {"kinds": {("Gene", "Pain")}},
            r"d.ann:9: cures joins Drug and Pain, which no relation in train",
        ),
        ([("cures", "T2", "T1")], {"directed": True}, "d.ann:9: cures joins Pain and Drug"),
        ([("cures", "T1", "T2"), ("causes", "T1", "T2")], {}, "d.ann:10: T1 and T2 are related as cures already"),
        ([("cures", "T1", "T2"), ("causes", "T2", "T1")], {}, "d.ann:10: T2 and T1 are related as cures already"),
    ],
)
def test_a_relation_that_would_be_lost_is_refused(relations, options, message):
    with pytest.raises(RequestError, match=message):
        labels([DRUG, PAIN], relations, **options)


def test_an_ignored_relation_is_no_error_and_no_example():
    rules = {"kinds": KINDS, "ignore": ("cures",)}
    assert labels([DRUG, PAIN], [("cures", "T1", "T2")], **rules) == ["none"]


def test_a_type_that_is_ignored_is_left_out_with_its_relations():
    rules = {"kinds": KINDS, "ignore": ("Pain",)}
    assert labels([DRUG, PAIN], [("cures", "T1", "T2")], **rules) == []


def test_a_discontinuous_mention_is_refused_unless_its_type_is_ignored_or_in_no_pair():
    broken = Mention("T9", "Pain", 14, 41, "d.ann:9", pieces=2)
    with pytest.raises(RequestError, match=r"d.ann:9: Pain T9 is discontinuous \(2 spans\).*ignore = \[\"Pain\"\]"):
        list(tagged_rows(document([DRUG, broken])))
    ((_, row),) = tagged_rows(document([DRUG, broken]), ignore=("Pain",))
    assert row["ner_tags"] == ["B-Drug", *["O"] * 7]
    with pytest.raises(RequestError, match="discontinuous"):
        labels([DRUG, broken])
    assert labels([DRUG, PAIN, Mention("T9", "Dose", 14, 41, "d.ann:9", pieces=2)], [("cures", "T1", "T2")]) == [
        "cures"
    ]


LINES = "Aspirin cures\npain. Heparin\n\ncauses stroke."


def lines(*relations):
    """Return a document of three lines, with a mention or two in each."""
    words = [("T1", "Drug", "Aspirin"), ("T2", "Pain", "pain"), ("T3", "Drug", "Heparin"), ("T4", "Pain", "stroke")]
    places = [(key, kind, LINES.index(word), LINES.index(word) + len(word)) for key, kind, word in words]
    return document([Mention(*place, f"d.ann:{place[0][1]}") for place in places], relations, LINES)


def pairs(relations, **options):
    return [
        (pair.first, pair.second, pair.label)
        for pair in pairs_of(lines(*relations), PairRules(KINDS, "none", "masks", **options))
    ]


def test_pairs_are_as_far_apart_as_the_rules_say():
    assert pairs([]) == [("T3", "T2", "none")]
    assert pairs([], reach=1) == [("T1", "T2", "none"), ("T3", "T2", "none"), ("T3", "T4", "none")]
    assert len(pairs([], reach=2)) == 4
    found = {
        (pair.first, pair.second): pair.text for pair in pairs_of(lines(), PairRules(KINDS, "none", "masks", reach=2))
    }
    assert (
        found["T3", "T2"] == "@PAIN$. @DRUG$" and found["T1", "T4"] == "@DRUG$ cures\npain. Heparin\n\ncauses @PAIN$."
    )


@given(
    st.lists(st.sampled_from([("T1", "T2"), ("T1", "T4"), ("T3", "T2"), ("T3", "T4")]), unique=True), st.integers(0, 2)
)
@settings(max_examples=40, deadline=None)
def test_which_pairs_there_are_does_not_depend_on_the_relations(related, reach):
    """Otherwise their number would give the relations away, and `predict`, which sees none, would miss those pairs."""
    found = pairs([("cures", *pair) for pair in related], reach=reach, leaves_far=True)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in pairs([], reach=reach)]
    assert {pair[:2] for pair in found if pair[2] == "cures"} == {pair[:2] for pair in found} & set(related)


def test_how_far_pairs_are_apart_is_learnt_and_a_relation_beyond_is_refused_or_left_out():
    far = ("cures", "T1", "T4")
    assert [relations_of([lines(*some)], ()).reach for some in ([], [("cures", "T3", "T2")], [far])] == [0, 0, 2]
    with pytest.raises(
        RequestError, match="d.ann:9: cures relates mentions that are 2 .* apart, .* 1 apart .* reach = 2"
    ):
        pairs([far], reach=1)
    rules = PairRules(KINDS, "none", "masks", reach=1, leaves_far=True)
    assert far_relations(lines(far), rules) == 1 and len(list(pairs_of(lines(far), rules))) == 3


def test_relations_are_of_mentions_or_of_concepts_and_not_of_both():
    concept = document(
        [Mention("1", "Drug", 0, 7, "", ("D1",)), Mention("2", "Pain", 14, 18, "", ("D2",))], [("cures", "D1", "D2")]
    )
    assert relations_of([concept], ()).by_concept and not relations_of([lines(("cures", "T1", "T2"))], ()).by_concept
    with pytest.raises(
        RequestError, match="d.ann:9: the relation cures of D1 and D2 is one of concepts, and earlier ones"
    ):
        relations_of([lines(("cures", "T1", "T2")), concept], ())


def test_lines_that_end_inside_of_mentions_are_read_as_paragraphs():
    """Whether they do is learnt from train: it must not depend on the mentions of the document that is read."""
    text = "Renal\npain fell.\n \nIt was\ngone."
    broken = document([Mention("T1", "Pain", 0, 10, "d.ann:1")], text=text)
    assert are_wrapped([document([], text=text), broken], ()) and not are_wrapped([broken], ("Pain",))
    for mentions in (broken.mentions, ()):
        rows = [row["tokens"] for _, row in tagged_rows(document(mentions, text=text), wrapped=True)]
        assert rows == [["Renal", "pain", "fell", "."], ["It", "was", "gone", "."]]


def test_all_mentions_of_a_concept_are_marked():
    text = "Aspirin cures pain, aspirin does."
    first, again = (Mention(f"{s}", "Drug", s, s + 7, "d:1", ("D1",)) for s in (0, 20))
    pain = Mention("p", "Pain", 14, 18, "d:2", ("D2",))
    ((_, row),) = related_rows(
        document([first, again, pain], [("cures", "D1", "D2")], text),
        PairRules(KINDS, "none", "masks", by_concept=True),
    )
    assert row == {"text": "@DRUG$ cures @PAIN$, @DRUG$ does.", "label": "cures"}
