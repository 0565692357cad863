"""The Python API: names, errors that speak of arguments, progress, tables for notebooks."""

import pytest
from linkbert import RequestError, Result, RunError, finetune, leaderboard, plan_finetune, predict
from linkbert.api import in_python_words


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("--max-steps should be from 1 to 9, found 0", "max_steps should be from 1 to 9, found 0"),
        ("--set eps: eps should be above 0", "eps: eps should be above 0"),
        ("use --overwrite to replace it, or --name to keep both", "use overwrite to replace it, or name to keep both"),
        ("name another folder with --results-dir FOLDER", "name another folder with results_dir=..."),
        ("run `linkbert eval gad --model RUN_DIR`", "run `linkbert eval gad --model RUN_DIR`"),
        ("give either --from MODEL or --config", "give either start=... or config"),
        ("5--7 and a - b -- c", "5--7 and a - b -- c"),
    ],
)
def test_flags_become_arguments_and_commands_stay(message, expected):
    assert in_python_words(message) == expected


def test_errors_speak_of_arguments(tiny, data_dir, trained):
    with pytest.raises(RequestError, match="^max_steps should be from 1"):
        finetune("gad", model=str(tiny), data_dir=data_dir, max_steps=0)
    with pytest.raises(RequestError, match="^epochs: epochs should be at least 1"):
        plan_finetune("gad", model=str(tiny), data_dir=data_dir, epochs=0)
    with pytest.raises(RequestError, match="line|input"):
        list(predict("pubmedqa", model=trained / "runs/pubmedqa/tiny/seed-1", lines=["raw text"]))
    assert issubclass(RunError, Exception)


def test_paths_and_frames_are_taken_and_other_kinds_are_refused(tiny, data_dir, trained, tmp_path):
    import pandas as pd
    from linkbert import embed, evaluate, load

    run = trained / "runs/ncbi-disease/tiny/seed-1"
    tagger = load(run)
    frame = pd.DataFrame({"id": ["a", "b"], "text": ["renal pain", "the drug"]})
    assert tagger(frame) == tagger(frame.to_dict("records")) and [row["id"] for row in tagger(frame)] == ["a", "b"]
    for wrong in (None, 5, [None], [float("nan")]):
        with pytest.raises(RequestError, match="expected a text"):
            tagger(wrong)
    with pytest.raises(RequestError, match=r"several texts, found one; write \[text\]"):
        tagger.predict("renal pain")
    for wrong, said in (
        (frame, "of a data frame, give a column"),
        ([None, "a"], "text 1: expected a text, found NoneType"),
    ):
        with pytest.raises(RequestError, match=said):
            embed(wrong, model=tiny)
    assert evaluate("ncbi-disease", model=run, data_dir=data_dir, results_dir=tmp_path).task == "ncbi-disease"
    assert plan_finetune("gad", model=tiny, data_dir=data_dir, max_length=32).task.name == "gad"
    with pytest.raises(RequestError, match="no such task file"):
        plan_finetune(trained / "nothing.toml", model=tiny)
    with pytest.raises(RequestError, match="a task is named by a text, found DataFrame"):
        finetune(frame, model=tiny)
    for options in ({"max_steps": "5"}, {"seed": "1"}):
        with pytest.raises(RequestError, match="is of another type"):
            plan_finetune("gad", model=tiny, data_dir=data_dir, **options)


def test_progress_shows_by_default_and_can_be_turned_off(tiny, data_dir, tmp_path, capsys):
    options = {
        "model": str(tiny), "data_dir": data_dir, "max_steps": 2, "max_length": 32, "batch_size": 4, "precision": "fp32",
        "runs_dir": tmp_path / "runs", "results_dir": tmp_path / "results",
    }  # fmt: skip
    result = finetune("gad", seed=1, **options)
    shown = capsys.readouterr()
    assert "2 updates" in shown.err and "train 2/2" in shown.err and shown.out == ""
    finetune("gad", seed=2, progress=False, **options)
    assert capsys.readouterr().err == ""
    assert "<table>" in result._repr_html_() and "micro_f1" in result._repr_html_()
    assert isinstance(result, Result)
    (row,) = result.to_frame().to_dict("records")
    assert (
        row == {"task": "gad", "model": result.name, "seed": 1, "split": "test", "score": result.score} | result.metrics
    )


def test_the_leaderboard_becomes_a_data_frame():
    board = leaderboard(suite="mmlu")
    frame = board.to_frame()
    assert list(frame.columns) == ["model", "source", "ranked", "blurb", "mmlu-professional-medicine"]
    assert frame.set_index("model").loc["gpt-3", "mmlu-professional-medicine"] == 38.7
    assert "<table" in board._repr_html_() and "38.70" in board._repr_html_()
