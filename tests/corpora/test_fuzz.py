"""Broken and hostile files are read or refused with a plain error, and take little time and memory."""

import gzip
import io
import json
import os
import random
import resource
import tarfile
import time
import zipfile
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linkbert.corpora import ddi_xml, iob, multiple_choice, tables
from linkbert.corpora.multiple_choice import read_mmlu_parquet
from linkbert.corpora.prepared import read_examples
from linkbert.corpora.sources import list_files
from linkbert.errors import RequestError
from linkbert.experiments.run_record import read_run
from linkbert.experiments.scoring import read_predictions
from linkbert.experiments.store import read_result
from linkbert.tasks.data import load_split
from linkbert.tasks.recipe import KEYS, parse_setting, problem_with
from linkbert.tasks.registry import TASKS

# Byte strings that have a special meaning for at least one reader.
SPECIAL_BYTES = [
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b"\t", b"\t\t", b'"', b'\\"', b"\\ud800", b"{", b"}", b"[", b"]",
    b"null", b"NaN", b"-1", b"1e999", b"9" * 5000, b"9" * 400, b"\\ud800", b"," * 50, b"[" * 3000, b"\xe2\x80\xa9", b"\xe2\x80\xae", b"\x1b[2J",
    b"-DOCSTART-", b"<", b"&x;", b"=cmd", b"../../x", b"B-", b"I-x", b"CPR:99", b"@GENE$", b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"\t" * 2000,
]  # fmt: skip
MUTATION = st.tuples(
    st.sampled_from(["cut", "insert", "replace", "repeat", "flip"]), st.floats(0, 1), st.integers(0, 400)
)
MUTATIONS = st.tuples(
    st.lists(MUTATION, max_size=6),
    st.lists(st.sampled_from(SPECIAL_BYTES), min_size=1, max_size=3),
    st.binary(max_size=20),
)


def mutate(content, mutation):
    steps, special, noise = mutation
    for number, (kind, where, size) in enumerate(steps):
        at = int(where * len(content))
        piece = (*special, noise)[number % (len(special) + 1)]
        if kind == "cut":
            content = content[:at] + content[at + size :]
        elif kind == "insert":
            content = content[:at] + piece + content[at:]
        elif kind == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        elif kind == "repeat":
            content = content[: at + size] + content[at:]
        elif at < len(content):
            content = content[:at] + bytes([content[at] ^ (size % 255 + 1)]) + content[at + 1 :]
    return content


def write_other_formats(folder):
    """Write the formats that `sources` and `data_dir` do not have, such as archives and Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    xml = (
        '<document id="d"><sentence id="s" text="aspirin and warfarin"><entity id="e0" charOffset="0-6" type="drug" text="aspirin"/>'
        '<entity id="e1" charOffset="12-19" type="drug" text="warfarin"/><pair id="p" e1="e0" e2="e1" ddi="true" type="effect"/>'
        "</sentence></document>"
    )
    (folder / "ddi").mkdir(parents=True)
    with tarfile.open(folder / "ddi" / "DDIextraction_2013.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("DDIextraction_2013/Train/a.xml")
        member.size = len(xml)
        tar.addfile(member, io.BytesIO(xml.encode()))
    write(folder / "ddi" / "train_files.tsv", "Train/a.xml\n")
    (folder / "hoc").mkdir()
    with zipfile.ZipFile(folder / "hoc" / "Hallmarks-of-Cancer-master.zip", "w") as archive:
        archive.writestr("Hallmarks-of-Cancer-master/text/1.txt", "one sentence .\n")
        archive.writestr("Hallmarks-of-Cancer-master/labels/1.txt", "<NULL")
    write(folder / "hoc" / "train_pmid.tsv", "1.txt\n")
    table = pa.table({"question": ["q"], "choices": [["a", "b", "c", "d"]], "answer": [1]})
    path = folder / "mmlu" / "professional_medicine" / "test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    golden = {
        "questions": [
            {"id": "5", "type": "yesno", "body": "Is it?", "exact_answer": "yes", "snippets": [{"text": "it is"}]}
        ]
    }
    typed = "renal\tB-Disease\npain\tI-Disease\n.\tO\n\n" * 4
    write(folder / "NCBI-disease-IOB" / "train.tsv", typed)
    question = {"QUESTION": "Is it?", "CONTEXTS": ["it is"], "final_decision": "yes"}
    write(folder / "pqal_fold0" / "train_set.json", json.dumps({str(number): question for number in range(8)}))
    for number in range(1, 6):
        write(folder / "bioasq" / f"7B{number}_golden.json", json.dumps(golden))


@pytest.fixture(scope="module")
def original_formats(sources, data_dir, tmp_path_factory):
    """Every original format by name, with one split and its files."""
    folder = tmp_path_factory.mktemp("archives")
    write_other_formats(folder)
    readers = {}
    for root in (sources, folder, data_dir):
        files = list_files(root)
        for name, task in TASKS.items():
            for kind in task.corpus.formats:
                for split, paths in kind.find(files, task.corpus.folders):
                    readers.setdefault(f"{name} {kind.name}", (kind, split, paths))
    every = {f"{name} {kind.name}" for name, task in TASKS.items() for kind in task.corpus.formats}
    # Five corpora come as typed IOB; one of them, NCBI-disease, is enough for their common reader.
    assert every - readers.keys() == {
        f"{name} MTL typed IOB" for name in ("bc5-chem", "bc5-disease", "bc2gm", "jnlpba")
    }
    return readers


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def read_or_refuse(read, path):
    """Read everything; an error must name the file and be short."""
    try:
        for _ in read():
            pass
    except RequestError as error:
        assert path.name in str(error) or str(path.parent) in str(error), error
        assert len(str(error)) < 2100


def random_mutations(generator):
    """Draw what `MUTATIONS` draws, but many times as fast."""
    kinds = ["cut", "insert", "replace", "repeat", "flip"]
    steps = [
        (generator.choice(kinds), generator.random(), generator.randint(0, 400)) for _ in range(generator.randint(0, 6))
    ]
    return (
        steps,
        generator.sample(SPECIAL_BYTES, generator.randint(1, 3)),
        generator.randbytes(generator.randint(0, 20)),
    )


def fuzz(check, examples):
    """Call `check` with `examples` mutations, none of which may take long or much memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if examples < 1000:
        hypothesis = settings(
            max_examples=examples, deadline=10_000, suppress_health_check=list(HealthCheck), database=None
        )
        hypothesis(given(MUTATIONS)(lambda example: check(example)))()
    for number in range(examples if examples >= 1000 else 0):
        since = time.monotonic()
        check(random_mutations(random.Random(number)))
        assert time.monotonic() - since < 10, number
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 500_000_000


def fuzz_every_format(original_formats, scratch, examples):
    for kind, split, paths in original_formats.values():
        fuzz(mutated_source(kind, split, paths, scratch), examples)


def mutated_source(kind, split, paths, scratch):
    original, path = paths[0].read_bytes(), scratch / paths[0].name
    packed = path.suffix == ".gz" and not path.name.endswith(".tar.gz")
    if packed:
        original = gzip.decompress(original)

    def check(mutation):
        content = mutate(original, mutation)
        path.write_bytes(gzip.compress(content, 0) if packed else content)
        read_or_refuse(lambda: kind.read((path, *paths[1:]), split), path)

    return check


def mutated_file(source, path, read):
    original = source.read_bytes()

    def check(mutation):
        path.write_bytes(mutate(original, mutation))
        read_or_refuse(lambda: read(path), path)

    return check


def fuzz_written_files(data_dir, trained, scratch, examples):
    """Mutate the files that this package writes and reads: prepared rows, predictions, results and `run.json`."""
    for name in ("ncbi-disease", "gad", "biosses", "hoc", "medqa", "ebm-pico"):
        task = TASKS[name]
        split = load_split(task, "test", data_dir)
        (predictions,) = (trained / "results" / name / "tiny").glob("*.predictions.jsonl")
        readers = {
            data_dir / task.release / "test.json": partial(read_examples, parse=task.parse),
            predictions: partial(read_all_predictions, task, split),
            trained / "results" / name / "tiny" / "seed-1.json": lambda path: [read_result(path)],
        }
        for source, read in readers.items():
            fuzz(mutated_file(source, scratch / "own.json", read), examples)
    source = trained / "runs" / "gad" / "tiny" / "seed-1" / "run.json"
    fuzz(mutated_file(source, scratch / "run.json", lambda path: [read_run(path.parent)]), examples)
    return 6 * len(readers) + 1


def read_all_predictions(task, split, path):
    return [read_predictions(task, split, path)]


def test_mutated_files_of_every_original_format_are_read_or_refused(original_formats, scratch):
    fuzz_every_format(original_formats, scratch, 60)


def test_mutated_files_that_this_package_writes_are_read_or_refused(data_dir, trained, scratch):
    fuzz_written_files(data_dir, trained, scratch, 60)


@given(st.one_of(st.text(max_size=40), st.tuples(st.sampled_from(sorted(KEYS)), st.text(max_size=30)).map("=".join)))
@settings(max_examples=300)
def test_any_setting_of_the_command_line_is_parsed_or_refused(text):
    try:
        key, value = parse_setting(text)
    except RequestError:
        return
    problem = problem_with(key, value)
    assert problem is None or isinstance(problem, str)


@pytest.mark.slow
def test_ten_thousand_mutated_files_of_every_original_format_are_read_or_refused(original_formats, scratch, capsys):
    fuzz_every_format(original_formats, scratch, 10_000)
    with capsys.disabled():
        print(f"\n{len(original_formats)} original formats, 10,000 mutated files each: {', '.join(original_formats)}")


@pytest.mark.slow
def test_ten_thousand_mutations_of_each_file_that_this_package_writes_are_read_or_refused(
    data_dir, trained, scratch, capsys
):
    files = fuzz_written_files(data_dir, trained, scratch, 10_000)
    with capsys.disabled():
        print(f"\n{files} files written by this package, 10,000 mutations each")


# --- limits on sizes -----------------------------------------------------------------------------------------------


def test_a_line_beyond_the_limit_is_refused_before_it_is_read_completely(tmp_path, monkeypatch):
    from linkbert.corpora import lines

    monkeypatch.setattr(lines, "MAX_LINE", 1_000_000)
    path = tmp_path / "bomb.tsv.gz"
    with gzip.open(path, "wb") as handle:
        for _ in range(64):
            handle.write(b"a" * 1_000_000)  # 64 MB, compressed to 64 KB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RequestError, match="bomb.tsv.gz:1: the line is longer than 1000000 bytes"):
        list(lines.read_lines(path))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 20_000_000


def test_a_json_document_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    from linkbert.corpora import json_files

    monkeypatch.setattr(json_files, "_MAX_DOCUMENT", 1000)
    path = tmp_path / "ori_pqal.json"
    path.write_text(json.dumps(["a" * 2000]), encoding="utf-8")
    with pytest.raises(RequestError, match="larger than 1000 bytes"):
        json_files.read_json(path)


def test_a_line_with_a_million_columns_is_refused(tmp_path):
    from linkbert.corpora.tables import read_biosses

    path = tmp_path / "train.tsv"
    path.write_text("pair_id\tsent1\tsent2\tscore\n" + "x\t" * 1_000_000 + "\n", encoding="utf-8")
    with pytest.raises(RequestError, match="train.tsv:2: expected 4 tab-separated columns .* found 100000"):
        list(read_biosses(path))


def test_archive_members_beyond_the_limit_are_refused(original_formats, tmp_path, monkeypatch):
    from linkbert.corpora import ddi_xml, hoc_archive

    monkeypatch.setattr(ddi_xml, "_MAX_DOCUMENT", 10)
    monkeypatch.setattr(hoc_archive, "_MAX_DOCUMENT", 10)
    limited = 0
    for kind, split, paths in original_formats.values():
        if paths[0].name.endswith((".tar.gz", "master.zip")):
            with pytest.raises(RequestError, match="refused"):
                list(kind.read(paths, split))
            limited += 1
    assert limited == 2


def assert_refused(tmp_path, message, read):
    """Check that a reader refuses its input with this message, and uses little memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RequestError, match=message):
        list(read())
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300_000_000


def ddi_archive_reader(tmp_path, members):
    path = tmp_path / "ddi" / "DDIextraction_2013.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name, content, pax in members:
            info = tarfile.TarInfo(f"DDIextraction_2013/{name}")
            info.size, info.pax_headers = len(content), pax
            tar.addfile(info, io.BytesIO(content))
    (path.parent / "test_files.tsv").write_text("".join(f"{name}\n" for name, _, _ in members))
    kind = next(source for source in TASKS["ddi"].formats if "XML" in source.name)
    return lambda: kind.read((path, path.parent / "test_files.tsv"), "test")


def test_an_archive_whose_members_together_exceed_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ddi_xml, "_MAX_ARCHIVE", 2_000_000)
    read = ddi_archive_reader(tmp_path, [(f"{number}.xml", b" " * 900_000, {}) for number in range(4)])
    assert_refused(tmp_path, "unpacks to more than 2000000 bytes", read)


def test_an_archive_with_a_header_beyond_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ddi_xml, "_MAX_ARCHIVE", 2_000_000)
    assert_refused(
        tmp_path, "unpacks to more", ddi_archive_reader(tmp_path, [("1.xml", b"<a/>", {"comment": "x" * 4_000_000})])
    )


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="foo"?><a/>',
        b'<?xml version="1.0" encoding="gbk"?><a/>',
        b'<a><sentence text="x y"><entity id="e" charOffset="0-0"/><pair e1="e" e2="e"/></sentence></a>',
        b'<a><sentence text="' + b"x" * 20_000 + b'"/></a>',
    ],
)
def test_invalid_or_too_long_documents_of_an_archive_are_refused(tmp_path, content):
    assert_refused(tmp_path, "1.xml", ddi_archive_reader(tmp_path, [("1.xml", content, {})]))


def test_an_archive_with_a_malformed_sparse_header_is_refused(tmp_path):
    read = ddi_archive_reader(tmp_path, [("1.xml", b"<a/>", {"GNU.sparse.map": "a,b", "GNU.sparse.size": "x"})])
    assert_refused(tmp_path, "not a whole tar.gz", read)


def test_a_sentence_beyond_the_limit_of_tokens_is_refused(tmp_path, monkeypatch):
    """A corpus without blank lines is one sentence without an end."""
    monkeypatch.setattr(iob, "_MAX_TOKENS", 1000)
    (tmp_path / "train.tsv").write_text("x\tO\n" * 5000)
    assert_refused(tmp_path, "train.tsv:1001: 1000 tokens", lambda: iob.read_iob(tmp_path / "train.tsv", str))


def test_an_abstract_beyond_the_limit_of_sentences_is_refused(tmp_path, monkeypatch):
    labels = ",".join(f"{number}_0" for number in range(10))
    lines = [f"{labels}\tx\t1_s{number}\n" for number in range(20_000)]
    (tmp_path / "train.tsv").write_text("labels\tsentence\tindex\n" + "".join(lines))
    assert_refused(tmp_path, "more than 10000 sentences of 1", lambda: tables.read_hoc(tmp_path / "train.tsv", 10))


def parquet_reader(tmp_path, questions, choices):
    path = tmp_path / "test-00000-of-00001.parquet"
    rows = len(questions)
    pq.write_table(pa.table({"question": questions, "choices": [choices] * rows, "answer": [0] * rows}), path)
    return lambda: read_mmlu_parquet(path, "test")


def test_a_parquet_file_with_the_same_long_text_in_every_row_is_refused(tmp_path):
    read = parquet_reader(tmp_path, ["x" * 10_000_000] * 50, list("abcd"))
    assert_refused(tmp_path, "row 1: longer than", read)


def test_a_parquet_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(multiple_choice, "_MAX_PARQUET", 1000)
    read = parquet_reader(tmp_path, [f"{number}" * 100 for number in range(1000)], list("abcd"))
    assert_refused(tmp_path, "unpacks to more than 1000 bytes", read)


@pytest.mark.parametrize("choices", [[1, 2, 3, 4], ["a", None, "c", "d"]])
def test_choices_of_a_parquet_file_that_are_not_strings_are_refused(tmp_path, choices):
    assert_refused(tmp_path, "should be str", parquet_reader(tmp_path, ["q"], choices))


def test_named_pipes_and_links_that_leave_the_folder_are_ignored(tmp_path):
    folder = tmp_path / "corpora"
    folder.mkdir()
    os.mkfifo(folder / "train.tsv")
    (folder / "up").symlink_to("/")
    (folder / "dev.tsv").write_text("x")
    assert list_files(folder) == [folder / "dev.tsv"]
