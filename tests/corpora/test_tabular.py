"""Tables of any origin: dialects are recognised, and what is broken is refused with its line."""

import csv
import gzip
import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.corpora import tabular
from linkbert.corpora.json_tables import read_json_table
from linkbert.corpora.tabular import (
    Dialect,
    read_csv,
    read_hub_dataset,
    read_parquet,
    sniff,
    text_lines,
)
from linkbert.errors import RequestError

# csv ends a record at a lone \r, which no program writes unquoted, so fields have none.
FIELD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0\ufeff"), max_size=12)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), FIELD), lambda item: st.lists(item, max_size=3)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def write(folder, content, name="train.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path, **dialect):
    return [row for _, row in read_csv(path, sniff(path) if not dialect else Dialect(**dialect))]


# --- CSV -----------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(FIELD, FIELD, FIELD), min_size=1, max_size=6),
    st.sampled_from(",\t;|"),
    st.sampled_from(("\n", "\r\n")),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_in_any_dialect_is_read_again(folder, records, delimiter, end):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *records])
    path = write(folder, out.getvalue())
    assert rows(path, delimiter=delimiter) == [dict(zip("abc", record)) for record in records]
    assert [row for _, row in read_csv(path, sniff(path))] == [dict(zip("abc", record)) for record in records]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_the_dialect_is_recognised(folder, delimiter, quote):
    text = "text,label\n" + "".join(
        f"{quote}note{' x' * i}{', y' if quote else ''}{quote}\tyes\n".replace("\t", delimiter) for i in range(9)
    )
    found = sniff(write(folder, text.replace("text,label", f"text{delimiter}label")))
    assert found.delimiter == delimiter
    assert found.quote == (quote if quote or delimiter == "\t" else '"')


def test_quotation_marks_in_a_file_with_tabs_are_ordinary_characters(folder):
    path = write(folder, 'text\tlabel\n"Aspirin" helps\tyes\nIt "helps"\tno\n', "train.tsv")
    assert [row["text"] for row in rows(path)] == ['"Aspirin" helps', 'It "helps"']


GOOD = "text,label\n" + "".join(f'"note {number}",yes\n' for number in range(9))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (GOOD + '"never closed,yes\nx,no\n', 11),
        (GOOD.replace('"note 4"', '"note 4'), 6),
        (GOOD.replace('"note 4"', '"note "4""'), 6),
        ("text,label\n" + "x,yes\n" * 9 + '"abc,yes\n', 11),
        (GOOD + "plain,yes\n" * 500 + '"abc,yes\n', 511),
        ("text\tlabel\n" + '"note"\tyes\n' * 9 + '"abc\tyes\n', 11),
    ],
)
def test_a_broken_quote_is_refused_with_its_line_and_not_taken_for_text(folder, content, line):
    path = write(folder, content)
    with pytest.raises(RequestError, match=rf"train.csv:{line}: the record that begins here is broken"):
        rows(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + "x\n", "train.csv:11: expected 2 columns, found 1; the fields are separated by comma, quoted by"),
        ("text,text\na,b\n", "train.csv:1: the column 'text' occurs twice"),
        ("", "the file is empty"),
        (GOOD.encode() + "caf\u00e9,yes\n".encode("latin-1"), "train.csv:11: not UTF-8 .* or name its encoding"),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(folder, content, message):
    with pytest.raises(RequestError, match=message):
        rows(write(folder, content))


def test_records_with_line_breaks_are_placed_where_they_begin(folder):
    path = write(folder, 'text,label\n"a\nb",yes\n\n"c",no\n')
    assert list(read_csv(path, sniff(path))) == [
        (f"{path}:2", {"text": "a\nb", "label": "yes"}), (f"{path}:5", {"text": "c", "label": "no"}),
    ]  # fmt: skip


def test_an_encoding_that_the_first_bytes_tell_is_used(folder):
    found = rows(write(folder, GOOD.encode("utf-16")))
    assert found == rows(write(folder, GOOD))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_a_named_encoding_is_used(folder, encoding):
    path = write(folder, "text,label\ncaf\u00e9,yes\n".encode(encoding))
    assert rows(path, delimiter=",", encoding=encoding) == [{"text": "caf\u00e9", "label": "yes"}]


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-32", "ascii", "undefined", "punycode", "nosuch", "hex", "a\0b", "unicode_escape"]
)
def test_a_wrong_encoding_is_refused(folder, encoding):
    path = write(folder, "text,label\ncaf\u00e9 \\ud800,yes\n")
    with pytest.raises(RequestError, match=r"train.csv(:\d+)?: (not in the|no) encoding"):
        list(text_lines(path, encoding))


@pytest.mark.parametrize("encoding", [None, "latin-1"])
def test_a_packed_file_that_is_cut_short_is_refused(folder, encoding):
    path = write(folder, gzip.compress(GOOD.encode())[:40], "train.csv.gz")
    with pytest.raises(RequestError, match="the compressed data are damaged or cut short"):
        list(text_lines(path, encoding))


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(
    [b"a", b",", b";", b"\t", b'"', b'""', b"'", b"\n", b"\r", b"\r\n", b"\xff", b"\0", b"\xef\xbb\xbf", b"|"]
), max_size=24).map(b"".join)), st.sampled_from([None, "latin-1", "utf-16"]))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_table_or_refused(folder, content, encoding):
    path = write(folder, content)
    try:
        for where, row in read_csv(path, sniff(path, encoding)):
            assert where.startswith(str(path)) and row
    except RequestError as error:
        assert "train.csv" in str(error)


# --- JSON ----------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.dictionaries(FIELD.filter(bool), JSON, min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["lines", "list", "indented"]),
)
@settings(max_examples=40, deadline=None)
def test_json_that_is_written_is_read_again(folder, records, form):
    text = json.dumps(records, indent=1 if form == "indented" else None)
    if form == "lines":
        text = "\n".join(["", *map(json.dumps, records), ""])
    assert [row for _, row in read_json_table(write(folder, text, "train.json"))] == records


@pytest.mark.parametrize("indent", [None, 1])
def test_the_keys_of_an_object_of_objects_are_ids(folder, indent):
    path = write(folder, json.dumps({"x": {"a": 1}, "y": {"a": 2, "id": "own"}}, indent=indent), "train.json")
    assert [row for _, row in read_json_table(path)] == [{"id": "x", "a": 1}, {"a": 2, "id": "own"}]


@pytest.mark.parametrize("names", [None, "numbers", "texts"])
@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
def test_data_frames_that_pandas_wrote_are_read(folder, orient, names):
    frame = pd.DataFrame({"text": [f"text {n}" for n in range(40)], "label": ["yes", None] * 20})
    if names is not None:
        frame.index = pd.Index([17 - n if names == "numbers" else f"pmid{n}" for n in range(40)], name="index")
    path = folder / "train.json"
    frame.to_json(path, orient=orient)
    rows = [row for _, row in read_json_table(path)]
    assert [(row["text"], row["label"]) for row in rows] == [(f"text {n}", ("yes", None)[n % 2]) for n in range(40)]
    if names and orient in ("columns", "index", "split"):
        assert [row["id"] for row in rows] == list(map(str, frame.index))


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        # Rows without a header as columns are numbered too.
        ({"0": {"0": "text", "1": "yes"}, "1": {"0": "other", "1": "no"}}, 2),
        ({f"q{n}": {"0": "opt a", "1": "opt b"} for n in range(5)}, 5),
        ({"columns": ["a"], "index": [0, 1], "data": [[1]]}, None),
        ({"columns": ["a"], "index": [0], "data": [[1, 2]]}, None),
        ({"schema": 1, "data": 2}, None),
    ],
)
def test_what_only_looks_like_a_data_frame_is_read_as_it_is(folder, content, rows):
    path = write(folder, json.dumps(content), "train.json")
    assert [row for _, row in read_json_table(path)] == (
        [content] if rows is None else [{"id": key, **row} for key, row in content.items()]
    )


@pytest.mark.parametrize(
    "content", ["5", "null", '"x"', "[1]", '{"a": 1}\n5', '{"a": NaN}', '{"a": "\\ud800"}', "[" * 99_999, "{"]
)
def test_what_is_not_a_table_in_json_is_refused(folder, content):
    with pytest.raises(RequestError, match="train.json"):
        list(read_json_table(write(folder, content, "train.json")))


@given(st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_bytes_are_json_or_refused(folder, content):
    for name, data in (
        ("train.json", content),
        ("train.json.gz", content),
        ("cut.json.gz", gzip.compress(b"{}" * 99)[: len(content)]),
    ):
        try:
            list(read_json_table(write(folder, data, name)))
        except RequestError as error:
            assert name in str(error)


# --- Parquet and datasets of the hub -------------------------------------------------------------------------------


def test_numbers_of_classes_become_names_where_datasets_wrote_the_file(folder):
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    features = Features(
        {
            "tokens": Sequence(Value("string")),
            "tags": Sequence(ClassLabel(names=["O", "B-X"])),
            "label": ClassLabel(names=["no", "yes"]),
        }
    )
    path = folder / "named.parquet"
    Dataset.from_dict({"tokens": [["a", "b"]], "tags": [[0, 1]], "label": [1]}, features=features).to_parquet(path)
    ((_, row),) = read_parquet(path)
    assert row == {"tokens": ["a", "b"], "tags": ["O", "B-X"], "label": "yes"}


@given(st.lists(st.tuples(FIELD, st.one_of(st.none(), st.lists(FIELD, max_size=2))), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_parquet_that_is_written_is_read_again(folder, records):
    texts, labels = ([record[column] for record in records] for column in (0, 1))
    path = folder / "train.parquet"
    pq.write_table(pa.table({"text": texts, "labels": pa.array(labels, pa.list_(pa.string()))}), path)
    assert [(row["text"], row["labels"]) for _, row in read_parquet(path)] == records


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_damaged_parquet_file_is_read_or_refused(folder, place, damage):
    path = folder / "damaged.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": [1.0, 2.0]}), path)
    content = path.read_bytes()
    place %= len(content)
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    try:
        list(read_parquet(path))
    except RequestError as error:
        assert "damaged.parquet" in str(error)


def test_a_dataset_of_the_hub_has_the_names_of_its_classes(monkeypatch):
    import datasets

    features = datasets.Features({
        "tokens": datasets.List(datasets.Value("string")), "tags": datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
        "label": datasets.ClassLabel(names=["no", "yes"]),
    })  # fmt: skip
    data = datasets.Dataset.from_dict({"tokens": [["a", "b"]], "tags": [[1, 0]], "label": [1]}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: data)
    ((where, row),) = read_hub_dataset("me/corpus", None, "train")
    assert where == "me/corpus train: row 1"
    assert row == {"tokens": ["a", "b"], "tags": ["B-X", "O"], "label": "yes"}


def test_a_dataset_that_cannot_be_loaded_is_refused_with_the_reason(monkeypatch):
    import datasets

    def fail(*args, **kwargs):
        raise ConnectionError("no network\nand more")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(RequestError, match=r"dataset 'me/x', configuration default, split 'train'.*\(no network\)"):
        list(read_hub_dataset("me/x", None, "train"))


def test_a_line_beyond_the_limit_is_refused(folder, monkeypatch):
    monkeypatch.setattr(tabular, "MAX_LINE", 10)
    with pytest.raises(RequestError, match="train.csv:2: the line is longer than 10 characters"):
        list(text_lines(write(folder, "short\n" + "x" * 50), "latin-1"))
