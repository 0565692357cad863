"""What a command writes, and what it does when it is repeated."""

import json
import shutil

import pytest
from linkbert.tasks.registry import TASKS

SMALL = ("--max-length", 32, "--batch-size", 4, "--set", "warmup=0", "--precision", "fp32", "-q")


def test_repeating_a_finished_run_prints_its_stored_result(cli, data_dir, tiny):
    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL, "--json")
    first, second = cli(*command), cli(*command)
    assert json.loads(first.stdout) == json.loads(second.stdout)


def test_a_trained_run_whose_result_is_missing_is_scored_and_not_trained_again(cli, data_dir, tiny, tmp_path):
    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL, "--json")
    first = json.loads(cli(*command).stdout)
    weights = tmp_path / first["run_dir"] / "model.safetensors"
    trained = weights.stat().st_mtime_ns
    second = json.loads(cli(*command, "--results-dir", "elsewhere").stdout)
    assert second["score"] == first["score"] and second["result_file"].startswith("elsewhere/")
    assert weights.stat().st_mtime_ns == trained


def test_overwrite_replaces_a_finished_run(cli, data_dir, tiny, tmp_path):
    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *SMALL, "--json")
    first = json.loads(cli(*command, "--max-steps", 1).stdout)
    second = json.loads(cli(*command, "--max-steps", 2, "--overwrite").stdout)
    assert first["result_file"] == second["result_file"] and second["recipe"]["max_steps"]["value"] == 2
    assert json.loads((tmp_path / second["result_file"]).read_text()) == second


def test_several_seeds_give_a_list_of_results(cli, data_dir, tiny):
    seeds = ("--seed", 1, "--seed", 2)
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *seeds, *SMALL, "--json")
    assert [result["seed"] for result in json.loads(done.stdout)] == [1, 2]


def test_several_seeds_encode_a_corpus_once(cli, data_dir, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LINKBERT_CACHE_DIR", str(tmp_path / "cache"))
    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL)
    assert cli(*command, "--seed", 1).exit_code == 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("gad-*-32-*.arrow")}
    assert len(made) == 3
    assert cli(*command, "--seed", 2, "--seed", 3).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").glob("gad-*-32-*.arrow")} == made


def test_a_result_records_its_micro_batch_size_padding_and_departures(cli, data_dir, tiny):
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL, "--json")
    cost = json.loads(done.stdout)["cost"]["train"]
    assert cost["micro_batch"] == "4096 tokens" and cost["halvings"] == 0 and 0 <= cost["padding"] < 1
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL, "--json",
               "--name", "other", "--set", "attention_dropout=0", "--set", "group_by_length=true",
               "--per-device-batch-size", 2)  # fmt: skip
    result = json.loads(done.stdout)
    assert result["cost"]["train"]["micro_batch"] == "2 examples"
    departures = " ".join(result["departures"])
    assert "attention_dropout 0 instead of 0.1" in departures and "group_by_length true instead of false" in departures


def test_a_failed_run_leaves_failed_json_and_can_be_started_again(cli, data_dir, tiny, tmp_path, monkeypatch):
    from linkbert.errors import RunError
    from linkbert.training import trainer

    def fail(*args, **options):
        raise RunError("the loss is not finite (nan)")

    command = ("finetune", "gad", "--model", tiny, "--data-dir", data_dir, "--max-steps", 1, *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "fit", fail)
        failed = cli(*command)
    assert failed.exit_code == 1 and failed.stderr == "error: the loss is not finite (nan)\n"
    folder = tmp_path / "runs" / "gad" / "tiny-bert" / "seed-42"
    assert json.loads((folder / "failed.json").read_text())["error"] == "the loss is not finite (nan)"
    assert not list(tmp_path.glob("results/**/*.json"))
    assert cli(*command).exit_code == 0
    assert not (folder / "failed.json").exists()


def test_select_best_dev_keeps_the_epoch_with_the_best_dev_score(cli, data_dir, tiny):
    options = ("--epochs", 3, "--select", "best-dev", "--learning-rate", "0.01")
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *options, *SMALL, "--json")
    result = json.loads(done.stdout)
    with open(f"{result['run_dir']}/training-log.jsonl", encoding="utf-8") as handle:
        scores = [line["dev_score"] for line in map(json.loads, handle) if "dev_score" in line]
    assert len(scores) == 3 and result["dev"]["score"] == max(scores)
    assert result["dev"]["selected_epoch"] == 1 + scores.index(max(scores))
    assert "select best-dev instead of last" in result["departures"]


def test_a_fraction_of_dev_can_be_used_for_training(cli, data_dir, tiny):
    options = ("--max-steps", 1, "--train-split", "dev", "--train-fraction", 0.5)
    done = cli("finetune", "ebm-pico", "--model", tiny, "--data-dir", data_dir, *options, *SMALL, "--json")
    result = json.loads(done.stdout)
    assert result["dev"] is None and set(result["data"]) == {"dev", "test"}
    assert result["recipe"]["train_split"] == {"value": "dev", "origin": "--train-split"}


def test_a_dry_run_shows_the_plan_and_writes_nothing(cli, data_dir, tiny, tmp_path):
    command = ("finetune", "chemprot", "--model", tiny, "--data-dir", data_dir, "--max-length", 12, "--dry-run")
    plan = json.loads(cli(*command, "--json").stdout)
    assert plan["steps"] == 10 and plan["steps_per_epoch"] == 1 and plan["train_examples"] == 12
    assert plan["recipe"]["learning_rate"] == {"value": 3e-05, "origin": "recipe base (published)"}
    assert plan["truncation"]["train"]["examples_cut"] > 0
    text = cli(*command).stdout
    assert "recipe base (published)" in text and "10 in all" in text and "mention lost" in text
    assert not list(tmp_path.iterdir())


def test_group_by_length_is_recorded_as_a_departure(cli, data_dir, tiny):
    options = ("--max-steps", 1, "--set", "group_by_length=true", "--set", "attention_dropout=0")
    done = cli("finetune", "gad", "--model", tiny, "--data-dir", data_dir, *options, *SMALL, "--json")
    departures = json.loads(done.stdout)["departures"]
    assert "group_by_length true instead of false" in departures
    assert "attention_dropout 0 instead of 0.1" in departures


def test_long_inputs_are_treated_alike_in_training_evaluation_and_prediction(cli, data_dir, tiny, tmp_path):
    options = ("--model", tiny, "--data-dir", data_dir, "--max-steps", 2, "--batch-size", 4, "--precision", "fp32")
    command = ("finetune", "pubmedqa", *options, "--set", "warmup=0", "--max-length", 12)
    result = json.loads(cli(*command, "--long-inputs", "windows", "--json").stdout)
    assert "long_inputs windows instead of cut" in result["departures"]
    assert result["truncation"]["test"]["windowed"] == result["truncation"]["test"]["examples"]
    evaluated = cli("eval", "pubmedqa", "--model", result["run_dir"], "--data-dir", data_dir, "--json").stdout
    assert json.loads(evaluated)["stored_score"] == result["score"]
    lines = (tmp_path / result["predictions_file"]).read_text(encoding="utf-8").splitlines()
    stored = {row["id"]: row["prediction"] for row in map(json.loads, lines)}
    examples = data_dir / TASKS["pubmedqa"].release / "test.json"
    printed = cli("predict", "pubmedqa", examples, "--model", result["run_dir"]).stdout.splitlines()
    assert {row["id"]: row["label"] for row in map(json.loads, printed)} == stored
    refused = cli(*command)
    assert refused.exit_code == 2 and "long_inputs is windows there, cut asked for" in refused.stderr


def test_a_model_with_hidden_size_1024_uses_the_large_recipe(cli, data_dir, make_model):
    model = make_model("bert", hidden=1024)
    plan = json.loads(
        cli(
            "finetune", "jnlpba", "--model", model, "--data-dir", data_dir, "--max-length", 64, "--dry-run", "--json"
        ).stdout
    )
    assert plan["recipe_name"] == "large" and plan["seeds"] == [3] and plan["recipe"]["beta2"]["value"] == 0.98


def test_the_default_seed_is_that_of_the_recipe(cli, data_dir, tiny):
    for task, seed in (("biosses", 5), ("gad", 42)):
        command = ("finetune", task, "--model", tiny, "--data-dir", data_dir, "--max-length", 64, "--dry-run", "--json")
        assert json.loads(cli(*command).stdout)["seeds"] == [seed]


def test_eval_stores_a_missing_result_and_compares_with_one_that_is_stored(cli, data_dir, trained, tmp_path):
    run = trained / "runs" / "gad" / "tiny" / "seed-1"
    stored = json.loads(cli("eval", "gad", "--model", run, "--data-dir", data_dir, "--json").stdout)
    assert (tmp_path / stored["result_file"]).exists() and "stored_score" not in stored
    again = json.loads(cli("eval", "gad", "--model", run, "--data-dir", data_dir, "--json").stdout)
    assert again["stored_score"] == again["score"]
    dev = json.loads(cli("eval", "gad", "--model", run, "--split", "dev", "--data-dir", data_dir, "--json").stdout)
    assert dev["split"] == "dev" and dev["result_file"] == ""


def test_predictions_of_another_system_are_scored_and_stored_under_a_given_name(cli, data_dir, tmp_path):
    rows = map(json.loads, (data_dir / TASKS["gad"].release / "test.json").read_text().splitlines())
    lines = [json.dumps({"id": row["id"], "prediction": row["label"]}) for row in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    command = ("eval", "gad", "--predictions", "mine.jsonl", "--data-dir", data_dir)
    assert json.loads(cli(*command, "--json").stdout)["score"] == 100
    assert not (tmp_path / "results").exists()
    stored = json.loads(cli(*command, "--name", "perfect", "--seed", 7, "--json").stdout)
    assert stored["result_file"] == "results/gad/perfect/seed-7.json" and stored["departures"]
    row = next(row for row in json.loads(cli("leaderboard", "--json").stdout)["rows"] if row["model"] == "perfect")
    assert row["tasks"]["gad"]["mean"] == 100 and "scored from a predictions file (gad)" in row["marks"]


def test_tags_without_a_type_are_accepted_in_predictions(cli, data_dir, tmp_path):
    rows = map(json.loads, (data_dir / TASKS["bc2gm"].release / "test.json").read_text().splitlines())
    lines = [json.dumps({"id": int(row["id"]), "prediction": row["ner_tags"]}) for row in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = cli("eval", "bc2gm", "--predictions", "mine.jsonl", "--data-dir", data_dir, "--json")
    assert json.loads(done.stdout)["score"] == 100


def test_the_leaderboard_is_printed_in_each_format_or_written_to_a_file(cli, tmp_path):
    done = cli("leaderboard")
    assert "biolinkbert-large" in done.stdout and "results: no results there" in done.stderr
    assert cli("leaderboard", "--format", "markdown", "--detail").stdout.startswith(
        "| rank | model | source | BLURB | bc5-chem"
    )
    assert cli("leaderboard", "--format", "csv").stdout.startswith(
        "model,source,publication,ranked,rank_first,rank_last,blurb"
    )
    assert cli("leaderboard", "--json").stdout == cli("leaderboard", "--format", "json").stdout
    written = cli("leaderboard", "--format", "json", "--output", "board.json")
    assert written.stdout == "" and len(json.loads((tmp_path / "board.json").read_text())["rows"]) == 5


def test_tasks_and_models_are_listed_and_a_task_is_described(cli, data_dir, tiny):
    assert [item["name"] for item in json.loads(cli("tasks", "--json").stdout)] == list(TASKS)
    assert "minilm" in [item["name"] for item in json.loads(cli("models", "--json").stdout)]
    card = cli("tasks", "hoc").stdout
    assert "tumor promoting inflammation" in card and "multi_label_micro_f1" in card
    seen = cli("tasks", "gad", "--model", tiny, "--data-dir", data_dir).stdout
    assert seen.count("[CLS]") == 3


@pytest.mark.parametrize("suite", ["medqa", "mmlu", "blurb", "all"])
def test_a_dry_run_of_a_suite_lists_every_planned_run(cli, data_dir, tiny, suite):
    options = ("--seeds", 2, "--set", "max_length=32", "--set", "warmup=0", "--dry-run", "--data-dir", data_dir)
    done = cli("benchmark", suite, "--model", tiny, *options)
    lines = [line.split() for line in done.stdout.split("\n\n")[0].splitlines()[1:]]
    members = {name for name, task in TASKS.items() if suite in ("all", task.suite)}
    tasks = len(members | {TASKS[name].trained_on or name for name in members})
    assert done.exit_code == 0 and len(lines) == 2 * tasks
    if suite == "mmlu":
        assert [(line[0], line[-1]) for line in lines][::2] == [
            ("medqa", "train"),
            ("mmlu-professional-medicine", "score"),
        ]


def test_a_suite_continues_after_a_failure_and_runs_only_what_is_missing_the_next_time(
    cli, data_dir, make_model, tmp_path
):
    model = make_model("bert", positions=512)
    shutil.copytree(data_dir, tmp_path / "data")
    (tmp_path / "data" / TASKS["medqa"].release / "dev.json").write_text("broken\n", encoding="utf-8")
    command = (
        "benchmark",
        "all",
        "--model",
        model,
        "--task",
        "gad",
        "--task",
        "mmlu-professional-medicine",
        "-q",
        "--json",
    )
    done = cli(*command, "--recipe", "small", "--precision", "fp32")
    outcome = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [run.get("score") is not None for run in outcome["runs"]] == [False, True, False]
    assert set(outcome["runs"][0]) == {"task", "model", "seed", "error"} and "dev.json:1" in outcome["runs"][0]["error"]
    assert "tiny-bert" in [row["model"] for row in outcome["leaderboard"]["rows"]]
    shutil.copytree(data_dir, tmp_path / "data", dirs_exist_ok=True)
    again = cli(*command, "--recipe", "small", "--precision", "fp32")
    assert again.exit_code == 0, again.stderr
    runs = json.loads(again.stdout)["runs"]
    assert [run["task"] for run in runs] == ["medqa", "gad", "mmlu-professional-medicine"]
    assert runs[1]["finished"] == outcome["runs"][1]["finished"], "a finished run is not repeated"
    refused = cli(*command, "--seeds", 2, "--checkpoint-every", -1)
    assert refused.exit_code == 2 and refused.stderr.count("--checkpoint-every should be minutes") == 1
