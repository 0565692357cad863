"""Every wrong request ends with exit code 2 and an error that names file, line and remedy; nothing is half-written."""

import json
import os
import shutil
import stat

import pytest
from linkbert.tasks.registry import TASKS

SMALL = ("--max-steps", 1, "--max-length", 32, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32", "-q")


def assert_refused(result, *words, code=2):
    assert result.exit_code == code, (result.exit_code, result.stderr, result.stdout)
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr, result.stderr
    for word in words:
        assert word in result.stderr, f"{word!r} not in {result.stderr!r}"


@pytest.fixture
def own_data(data_dir, tmp_path):
    """A copy of the prepared corpora that a test may break."""
    folder = tmp_path / "own-data"
    shutil.copytree(data_dir, folder)
    return folder


def test_an_unknown_command_is_answered_with_the_nearest_one(cli):
    assert_refused(cli("finetun"), "unknown command 'finetun'", "did you mean finetune")
    assert_refused(cli("data", "get"), "unknown command 'get'", "verify")


def test_an_unknown_option_is_refused(cli):
    assert_refused(cli("leaderboard", "--sweet"), "--sweet")


def test_an_unknown_task_is_answered_with_the_nearest_one(cli, tiny):
    assert_refused(cli("finetune", "ncbi-diseas", "--model", tiny), "unknown task 'ncbi-diseas'", "ncbi-disease")


def test_an_unknown_model_is_answered_with_the_nearest_one_and_how_to_use_a_folder(cli, data_dir):
    result = cli("finetune", "gad", "--model", "biolinkbert-bas", "--data-dir", data_dir, *SMALL)
    assert_refused(result, "biolinkbert-bas", "Did you mean biolinkbert-base", "the folder of a model in its place")


def test_a_missing_model_folder_is_refused(cli, data_dir):
    assert_refused(
        cli("finetune", "gad", "--model", "./nowhere", "--data-dir", data_dir, *SMALL), "./nowhere: no such folder"
    )


def test_a_missing_data_folder_is_refused(cli, tiny):
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", "nodata", *SMALL),
        "nodata: no such data folder",
        "linkbert data download",
        "linkbert data prepare --source FOLDER",
    )


def test_a_file_in_place_of_a_task_is_answered_with_the_next_step(cli, tmp_path):
    (tmp_path / "notes.toml").write_text("")
    (tmp_path / "notes.csv").write_text("")
    assert_refused(cli("tasks", "notes.tml"), "notes.tml: no such task file; did you mean notes.toml?")
    assert_refused(cli("tasks", "notes.csv"), "notes.csv is no task file", "`linkbert init notes.csv` writes one")


def test_a_value_that_is_no_number_is_answered_in_plain_words(cli):
    command = ("finetune", "gad", "--model", "minilm")
    assert_refused(cli(*command, "--epochs", "three"), "'--epochs': expected a whole number; see `linkbert finetune")
    assert_refused(cli(*command, "--learning-rate", "x"), "'--learning-rate': expected a number; see")


def test_a_missing_option_points_to_the_help_of_its_command(cli):
    assert_refused(cli("data", "prepare"), "Missing option '--source'; see `linkbert data prepare --help`")


def test_the_error_for_a_missing_split_names_the_file_and_how_to_get_it(cli, own_data, tiny):
    (own_data / TASKS["gad"].release / "dev.json").unlink()
    result = cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL)
    assert_refused(result, "dev.json", "the dev split of gad is missing", "linkbert data prepare gad")


BROKEN_ROWS = {
    "a truncated JSON line": ("gad", '{"id": "1", "sentence": "a', "not JSON"),
    "a row that is not an object": ("gad", "[1]", "expected a JSON object, found list"),
    "a label outside the set of the task": (
        "gad",
        '{"id": "x", "sentence": "a", "label": "2"}',
        "label '2' is not in the task's set",
    ),
    "a missing field": ("gad", '{"id": "x", "label": "1"}', "'sentence'"),
    "more tokens than tags": (
        "ncbi-disease",
        '{"tokens": ["a", "b"], "ner_tags": ["O"], "id": "x"}',
        "2 tokens but 1 tags",
    ),
    "a tag outside the set of the task": (
        "ncbi-disease",
        '{"tokens": ["a"], "ner_tags": ["B-Gene"], "id": "x"}',
        "tag 'B-Gene' is not in the task's set",
    ),
    "a label that is not a number": (
        "biosses",
        '{"sentence1": "a", "sentence2": "b", "label": "high", "id": "x"}',
        "'high' is not a number",
    ),
    "a label that is NaN": ("biosses", '{"sentence1": "a", "sentence2": "b", "label": NaN, "id": "x"}', "NaN"),
    "nine flags instead of ten": (
        "hoc",
        '{"sentence": "a", "label": [0,0,0,0,0,0,0,0,1], "id": "x"}',
        "10 zeros and ones",
    ),
    "an answer out of range": (
        "medqa",
        '{"id": "x", "sent1": "q", "sent2": "", "ending0": "a", "ending1": "b", "ending2": "c", "ending3": "d", "label": 4}',
        "not one of 0, 1, 2, 3",
    ),
}


@pytest.mark.parametrize("case", BROKEN_ROWS)
def test_a_broken_prepared_row_is_refused_with_its_file_and_line(cli, own_data, tiny, case):
    task, row, words = BROKEN_ROWS[case]
    path = own_data / TASKS[task].release / "test.json"
    number = path.read_text(encoding="utf-8").count("\n") + 1
    with path.open("a", encoding="utf-8") as handle:
        handle.write(row + "\n")
    result = cli("finetune", task, "--model", tiny, "--data-dir", own_data, *SMALL)
    assert_refused(result, f"test.json:{number}: ", words)
    assert not list(own_data.parent.glob("results/**/*.json"))


def test_a_duplicate_id_is_refused_with_both_lines(cli, own_data, tiny):
    path = own_data / TASKS["gad"].release / "train.json"
    first = path.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    with path.open("a", encoding="utf-8") as handle:
        handle.write(first)
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL), "train.json:13", "line 1 already"
    )


def test_an_empty_prepared_file_is_refused(cli, own_data, tiny):
    (own_data / TASKS["gad"].release / "train.json").write_bytes(b"")
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL), "train.json: the file is empty"
    )


def test_a_prepared_file_that_is_not_utf8_is_refused(cli, own_data, tiny):
    path = own_data / TASKS["gad"].release / "train.json"
    path.write_bytes(path.read_bytes() + b'{"id": "x", "sentence": "\xff", "label": "1"}\n')
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL), "train.json:13: not UTF-8", "0xff"
    )


def test_a_folder_in_place_of_a_prepared_file_is_refused(cli, own_data, tiny):
    path = own_data / TASKS["gad"].release / "train.json"
    path.unlink()
    path.mkdir()
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL), "expected a file, found a folder"
    )


BROKEN_SOURCES = {
    "too few columns": (
        "gad",
        "index\tsentence\tlabel\n0\tonly two\n",
        "train.tsv:2: expected 3 tab-separated columns",
    ),
    "too many columns": ("chemprot", "1.T1.T2\ta\tfalse\textra\n", "train.tsv:1: expected 3 tab-separated columns"),
    "a label outside the set of the task": ("chemprot", "1.T1.T2\ta\tCPR:7\n", "train.tsv:1: label 'CPR:7'"),
    "a wrong header": ("biosses", "a\tb\tc\td\n", "train.tsv:1: expected the header line"),
    "a score that is not a number": (
        "biosses",
        "pair_id\tsent1\tsent2\tscore\n1\ta\tb\thigh\n",
        "train.tsv:2: expected a score",
    ),
    "a tag outside the set of the task": ("ncbi_disease", "renal\tB-Gene\n", "train.tsv:1: tag 'B-Gene'"),
    "a word without a tag": (
        "ncbi_disease",
        "renal\n",
        "train.tsv:1: expected 2 tab-separated columns (token, tag), found 1",
    ),
    "an empty file": ("ncbi_disease", "", "train.tsv: the file is empty"),
    "duplicate ids": ("chemprot", "1.T1.T2\ta\tfalse\n1.T1.T2\tb\tfalse\n", "the id '1.T1.T2' occurs twice"),
    "one label instead of ten": (
        "hoc",
        "labels\tsentence\tindex\n0_0\ta\t1_s0\n",
        "train.tsv:2: expected 10 labels, found 1",
    ),
}


@pytest.mark.parametrize("case", BROKEN_SOURCES)
def test_a_broken_source_is_refused_with_its_file_and_line_and_nothing_is_written(cli, tmp_path, case):
    folder, text, words = BROKEN_SOURCES[case]
    path = tmp_path / "source" / folder / "train.tsv"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert_refused(cli("data", "prepare", "--source", "source", "--data-dir", "out"), words)
    assert not [item for item in (tmp_path / "out").rglob("*") if item.is_file()]


def test_a_folder_in_place_of_a_source_file_is_refused(cli, sources, tmp_path):
    shutil.copytree(sources / "gad", tmp_path / "source" / "gad")
    (tmp_path / "source" / "gad" / "blurb" / "dev.tsv").unlink()
    (tmp_path / "source" / "gad" / "blurb" / "dev.tsv").mkdir()
    assert_refused(cli("data", "prepare", "--source", "source"), "dev.tsv: expected a file, found a folder")


def test_a_prepared_file_with_only_blank_lines_is_refused(cli, own_data, tiny):
    (own_data / TASKS["gad"].release / "test.json").write_bytes(b"\n\n")
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL), "test.json: no example in it"
    )


def test_lone_surrogates_and_numbers_out_of_range_are_refused(cli, own_data, tiny, trained, data_dir, tmp_path):
    path = own_data / TASKS["gad"].release / "test.json"
    path.write_text('{"id": "x", "sentence": "\\ud800", "label": "1"}\n', encoding="utf-8")
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", own_data, *SMALL),
        "test.json:1: not strict JSON (a lone surrogate",
    )
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    assert_refused(
        cli("predict", "gad", "-", "--model", run, stdin='{"sentence": "\\udc00"}\n'), "standard input:1", "surrogate"
    )
    (tmp_path / "p.jsonl").write_text('{"id": "0", "prediction": 1e999}\n', encoding="utf-8")
    assert_refused(
        cli("eval", "biosses", "--predictions", "p.jsonl", "--data-dir", data_dir), "p.jsonl:1", "out of range"
    )
    (tmp_path / "p.jsonl").write_text('{"id": "0", "prediction": 1' + "0" * 400 + "}\n", encoding="utf-8")
    assert_refused(
        cli("eval", "biosses", "--predictions", "p.jsonl", "--data-dir", data_dir),
        "p.jsonl:1",
        "not strict JSON (a number of 401 digits)",
    )


def test_a_wrong_request_creates_no_folders(cli, data_dir, tmp_path):
    assert_refused(cli("finetune", "gad", "--model", "./nowhere", "--data-dir", data_dir, *SMALL))
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_run_folder_is_refused(cli, data_dir, tiny, tmp_path):
    path = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42"
    path.parent.mkdir(parents=True)
    path.write_text("", encoding="utf-8")
    assert_refused(cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL), "a file is in the way")


def test_predict_checks_the_whole_input_file_before_it_prints_anything(cli, trained, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"sentence": "a"}\n' * 300 + '{"sentence": 5}\n', encoding="utf-8")
    result = cli("predict", "gad", "in.jsonl", "--model", trained / "runs" / "gad" / "tiny" / "seed-1")
    assert_refused(result, "in.jsonl:301")
    assert result.stdout == ""


def test_options_that_would_have_no_effect_are_refused(cli, trained, data_dir, tiny):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    assert_refused(cli("eval", "gad", "--model", run, "--overwrite", "--data-dir", data_dir), "go with --predictions")
    assert_refused(cli("tasks", "--model", tiny), "name one")
    assert_refused(
        cli("eval", "gad", "--predictions", "x", "--name", "y", "--seed", -1, "--data-dir", data_dir), "--seed"
    )


def test_a_truncated_gzip_file_is_refused(cli, sources, tmp_path):
    whole = (sources / "chemprot" / "blurb" / "train.tsv.gz").read_bytes()
    path = tmp_path / "source" / "chemprot" / "train.tsv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[: len(whole) // 2])
    assert_refused(cli("data", "prepare", "--source", "source", "--data-dir", "out"), "train.tsv.gz", "cut short")


def test_preparing_a_named_task_without_any_of_its_files_is_refused(cli, tmp_path):
    (tmp_path / "source").mkdir()
    assert_refused(cli("data", "prepare", "bc2gm", "--source", "source"), "nothing of bc2gm was found")


def test_preparing_a_folder_without_any_known_corpus_is_refused(cli, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "notes.txt").write_text("x", encoding="utf-8")
    assert_refused(
        cli("data", "prepare", "--source", "source"), "source: no corpus was recognised", "ori_pqal.json", "gad"
    )
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("*.json"))


def test_preparing_from_a_missing_folder_is_refused(cli):
    assert_refused(cli("data", "prepare", "--source", "nowhere"), "nowhere: no such folder")


def test_a_folder_that_is_not_a_run_folder_is_refused(cli, data_dir, tiny):
    assert_refused(cli("eval", "gad", "--model", tiny, "--data-dir", data_dir), "not a run folder")
    assert_refused(cli("eval", "gad", "--model", "nowhere", "--data-dir", data_dir), "no such run folder")
    assert_refused(cli("predict", "gad", "-", "--model", tiny, stdin="a\n"), "not a run folder")


def test_a_run_folder_of_another_task_is_refused(cli, data_dir, trained):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    assert_refused(cli("eval", "ddi", "--model", run, "--data-dir", data_dir), "a run of gad, not of ddi")
    assert_refused(cli("eval", "mmlu-professional-medicine", "--model", run, "--data-dir", data_dir), "not of medqa")


def test_scoring_an_unfinished_run_is_refused(cli, data_dir, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", run)
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(about | {"status": "running"}), encoding="utf-8")
    assert_refused(cli("eval", "gad", "--model", run, "--data-dir", data_dir), "did not finish")


def test_a_saved_model_without_its_head_is_refused(cli, data_dir, trained, tmp_path):
    from safetensors.torch import load_file, save_file

    run = tmp_path / "run"
    shutil.copytree(trained / "runs" / "gad" / "tiny" / "seed-1", run)
    weights = {k: v for k, v in load_file(run / "model.safetensors").items() if not k.startswith("classifier")}
    save_file(weights, run / "model.safetensors", metadata={"format": "pt"})
    assert_refused(cli("eval", "gad", "--model", run, "--data-dir", data_dir), "not those that were trained")
    described = json.loads((run / "run.json").read_text())
    del described["trained_weights_sha256"]
    (run / "run.json").write_text(json.dumps(described), encoding="utf-8")
    assert_refused(cli("eval", "gad", "--model", run, "--data-dir", data_dir), "missing from its weights", "classifier")


def _predictions(data_dir, task="gad"):
    path = data_dir / TASKS[task].release / "test.json"
    return [{"id": row["id"], "prediction": row["label"]} for row in map(json.loads, path.read_text().splitlines())]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:-2], "2 of 8 examples of gad test have no prediction"),
        (lambda rows: [*rows, {"id": "zzz", "prediction": "1"}], "p.jsonl:9: the id 'zzz' is not in the test split"),
        (lambda rows: [*rows, rows[0]], "p.jsonl:9: the id '0' stands on line 1 already"),
        (lambda rows: [*rows[:-1], {"id": "7", "prediction": "2"}], "p.jsonl:8: label '2'"),
        (lambda rows: [*rows[:-1], {"id": "7"}], "p.jsonl:8: expected the fields 'id' and 'prediction'"),
        (lambda rows: [], "p.jsonl: the file is empty"),
    ],
)
def test_a_malformed_predictions_file_is_refused_and_no_result_is_stored(cli, data_dir, tmp_path, change, words):
    rows = change(_predictions(data_dir))
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert_refused(cli("eval", "gad", "--predictions", "p.jsonl", "--data-dir", data_dir, "--name", "x"), words)
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("*.json"))


def test_a_different_run_in_the_same_folder_is_replaced_only_with_overwrite(cli, data_dir, tiny):
    run = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL)
    assert cli(*run).exit_code == 0
    result = cli(*run, "--learning-rate", "0.001")
    assert_refused(
        result, "a different run is there", "learning_rate is 3e-05 there, 0.001 asked for", "--overwrite", "--name"
    )
    again = cli(*run, "--json")
    assert again.exit_code == 0 and json.loads(again.stdout)["recipe"]["learning_rate"]["value"] == 3e-05
    replaced = cli(*run, "--learning-rate", "0.001", "--overwrite", "--json")
    assert json.loads(replaced.stdout)["recipe"]["learning_rate"]["value"] == 0.001


def test_a_run_folder_with_other_files_is_refused_and_left_unchanged(cli, data_dir, tiny, tmp_path):
    folder = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert_refused(cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL), "not a run")
    assert (folder / "thesis.tex").read_text(encoding="utf-8") == "years of work"


def test_a_results_folder_that_cannot_be_written_is_refused(cli, data_dir, tiny, tmp_path):
    if os.geteuid() == 0:
        # Root may write into any folder, so a file is put in place of the folder instead.
        (tmp_path / "results").write_text("", encoding="utf-8")
        words = "a file is in the way"
    else:
        (tmp_path / "results").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
        words = "cannot write"
    assert_refused(cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL), "results", words)


def test_all_problems_of_a_request_are_reported_together(cli, data_dir, tiny):
    result = cli(
        "finetune",
        "gad",
        "--model",
        "nothing-like-it",
        "--data-dir",
        data_dir,
        "--epochs",
        0,
        "--learning-rate",
        -1,
        "--max-steps",
        0,
        "--select",
        "best",
        "--precision",
        "fp8",
        "--set",
        "warmup=-1",
    )
    for words in ("--epochs", "--learning-rate", "--max-steps", "--select", "--precision", "warmup"):
        assert f"{words}" in result.stderr
    assert result.exit_code == 2 and result.stderr.count("error: ") == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", 0), "epochs should be at least 1"),
        (("--max-length", 65), "beyond the 64 positions"),
        (("--set", "wormup=1"), "did you mean warmup"),
        (("--set", "warmup"), "expected KEY=VALUE"),
        (("--set", "warmup=soon"), "neither a number nor true or false"),
        (("--set", "epochs=2", "--epochs", 3), "given twice"),
        (("--set", "warmup=50", "--max-steps", 10), "warm-up of 50 updates is longer than the run of 10"),
        (("--train-fraction", 0), "--train-fraction should be above 0"),
        (("--train-split", "test"), "the test split is never trained on"),
        (("--train-split", "dev", "--select", "best-dev"), "not trained on"),
        (("--per-device-batch-size", 5), "does not divide"),
        (("--name", "../x"), "use letters, digits"),
        (("--recipe", "bas"), "did you mean base"),
        (("--precision", "fp16"), "needs a GPU"),
    ],
)
def test_wrong_settings_are_refused_and_no_result_is_stored(cli, data_dir, tiny, tmp_path, arguments, words):
    assert_refused(
        cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-length", 32, "-q", *arguments), words
    )
    assert not list(tmp_path.glob("results/**/*.json"))


def test_errors_print_nothing_to_standard_output(cli):
    for command in (
        ("finetune", "x", "--model", "y", "--json"),
        ("eval", "x", "--json"),
        ("leaderboard", "--format", "x"),
    ):
        result = cli(*command)
        assert result.exit_code == 2 and result.stdout == ""


def test_eval_without_a_model_or_predictions_is_refused(cli):
    assert_refused(cli("eval", "gad"), "either --model RUN_DIR or --predictions FILE")


def test_eval_of_a_split_that_the_task_does_not_have_is_refused(cli, data_dir, trained):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    assert_refused(cli("eval", "gad", "--model", run, "--split", "val", "--data-dir", data_dir), "no split 'val'")


def test_wrong_input_of_predict_is_refused(cli, trained):
    gad, qa = (trained / "runs" / task / "tiny" / "seed-1" for task in ("gad", "pubmedqa"))
    assert_refused(cli("predict", "gad", "-", "--model", gad, stdin=""), "the input is empty")
    assert_refused(cli("predict", "gad", "nowhere.txt", "--model", gad), "nowhere.txt: no such file")
    assert_refused(cli("predict", "pubmedqa", "-", "--model", qa, stdin="is it?\n"), "sentence1, sentence2")
    assert_refused(
        cli("predict", "gad", "-", "--model", gad, stdin='{"sentence": "a"}\n{"sent'), "standard input:2: not JSON"
    )
    assert_refused(
        cli("predict", "pubmedqa", "-", "--model", qa, stdin='{"sentence1": "a"}\n'), "standard input:1", "sentence2"
    )


def test_an_unknown_suite_or_a_task_outside_the_suite_is_refused(cli, tiny):
    assert_refused(cli("benchmark", "blub", "--model", tiny), "did you mean blurb")
    assert_refused(cli("leaderboard", "--suite", "blub"), "did you mean blurb")
    assert_refused(cli("benchmark", "medqa", "--model", tiny, "--task", "gad"), "gad is not in the suite medqa")
