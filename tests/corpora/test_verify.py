"""`verify` compares the counts of prepared files with the official ones."""

import json

from linkbert.corpora.verify import verify
from linkbert.tasks.data import expected
from linkbert.tasks.registry import TASKS


def write(data_dir, task, split, rows):
    path = data_dir / TASKS[task].release / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def report(task, data_dir):
    return verify(expected(TASKS[task]), data_dir)


def biosses_rows(size, label=1.0):
    return [{"sentence1": f"a {n}", "sentence2": "b", "label": label, "id": str(n)} for n in range(size)]


def test_a_missing_split_is_reported_with_how_to_get_it(tmp_path):
    found = report("bioasq", tmp_path)["train"]
    assert (found.status, found.found, found.official) == ("missing", None, 670) and "bioasq.org" in found.note


def test_a_split_with_the_official_count_but_other_content_is_ok_with_a_note(tmp_path):
    write(tmp_path, "biosses", "test", biosses_rows(20))
    found = report("biosses", tmp_path)["test"]
    assert (found.status, found.found) == ("ok", 20) and "counts only" in found.note


def test_a_split_with_another_count_is_reported_as_different(tmp_path):
    write(tmp_path, "biosses", "test", biosses_rows(19))
    found = report("biosses", tmp_path)["test"]
    assert (found.status, found.found, found.official) == ("differs", 19, 20)


def test_a_malformed_file_is_reported_as_different_with_its_line(tmp_path):
    write(tmp_path, "biosses", "test", biosses_rows(3, label="high"))
    found = report("biosses", tmp_path)["test"]
    assert found.status == "differs" and "test.json:1" in found.note


def test_the_two_known_differences_from_official_counts_are_ok_with_a_note(tmp_path):
    rows = [{"tokens": ["a"] * 4246, "ner_tags": ["B"] * 4246, "id": "0"}]
    write(tmp_path, "bc5-disease", "dev", rows)
    found = report("bc5-disease", tmp_path)["dev"]
    assert (found.status, found.found, found.official) == ("ok", 4246, 4244) and "twice" in found.note
    rows = [{"tokens": ["a"] * 87308, "ner_tags": ["B-PAR"] * 87308, "id": "0"}]
    write(tmp_path, "ebm-pico", "dev", rows)
    found = report("ebm-pico", tmp_path)["dev"]
    assert (found.status, found.found) == ("ok", 87308) and "not explained" in found.note


def test_texts_that_two_splits_share_are_noted(tmp_path):
    write(tmp_path, "biosses", "train", biosses_rows(64))
    write(
        tmp_path,
        "biosses",
        "test",
        [*biosses_rows(20)[:3], *({**row, "sentence1": "z" + row["id"]} for row in biosses_rows(20)[3:])],
    )
    assert "3 texts (3 examples) are also in train" in report("biosses", tmp_path)["test"].note


def test_data_verify_prints_all_reports_and_exits_with_code_1_if_a_count_differs(cli, tmp_path):
    write(tmp_path / "data", "biosses", "test", biosses_rows(20))
    done = cli("data", "verify", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0 and set(document) == set(TASKS)
    assert set(document["biosses"]["test"]) == {"official", "found", "status", "note"}
    assert document["gad"]["dev"]["status"] == "missing"
    write(tmp_path / "data", "biosses", "test", biosses_rows(19))
    assert cli("data", "verify").exit_code == 1
    assert cli("data", "verify", "gad").exit_code == 0
    listed = {row["name"]: row for row in json.loads(cli("data", "list", "--json").stdout)}
    assert listed["biosses"]["prepared"] == {"train": False, "dev": False, "test": True}
