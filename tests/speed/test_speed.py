"""The speed benchmark: its arithmetic, one round of each contender, and a small measurement from end to end."""

import json

import numpy as np
import pytest
from linkbert.errors import RequestError
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.speed.benchmark import Comparison, Measured, utilisation
from linkbert.speed.worker import CONTENDERS, OURS, Round, _by_length, matmul_peak, useful_flops


def a_round(seconds, tokens=100, padding=0.0):
    return Round(seconds, 10, tokens, padding, flops=1e9, peak_flops=4e9, peak_memory_mb=50.0)


def a_comparison():
    measured = {
        CONTENDERS[0]: Measured((a_round(1.0), a_round(0.5), a_round(2.0))),
        CONTENDERS[1]: Measured((a_round(4.0, padding=0.5), a_round(5.0, padding=0.5), a_round(3.0, padding=0.5))),
        CONTENDERS[2]: Measured((a_round(2.0), a_round(2.0), a_round(2.0))),
    }
    return Comparison("gad", "train", "train", 32, measured)


def test_ratios_are_those_of_medians():
    found = a_comparison().as_json()
    assert (found["vs_default"], found["vs_best"]) == (4.0, 2.0)
    assert found["tokens_per_second"] == 100 and found["examples_per_second"] == 10
    assert found["utilisation"] == 0.25 and found["peak_memory_mb"] == 50
    assert found["contenders"][CONTENDERS[1]]["padding"] == 0.5
    assert found["contenders"][OURS]["tokens_per_second_spread"] == [50, 200]
    json.dumps(found, allow_nan=False)


def test_utilisation_is_useful_arithmetic_over_the_peak():
    assert utilisation(a_round(0.5)) == 1e9 / 0.5 / 4e9


def test_useful_arithmetic_is_counted_by_the_formula(tiny):
    model = load_model(tiny, HEADS["sequence"], ("a", "b"), fine_tuned=False)
    hidden, inner, layers = 16, 32, 2
    layer = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
    lengths = np.array([5, 7])
    expected = 6 * layers * layer * 12 + 12 * layers * hidden * (25 + 49)
    assert useful_flops(model, lengths, training=True) == expected
    assert useful_flops(model, lengths, training=False) == expected / 3


def test_the_peak_is_a_speed():
    import torch

    assert matmul_peak(torch.device("cpu"), torch.float32) > 1e9


def test_the_peers_best_order_is_that_of_its_whole_corpus():
    lengths = list(np.random.default_rng(0).integers(1, 90, 40))
    order = _by_length(lengths, corpus=5000, batch_size=4)
    assert sorted(order) == list(range(40)) and [lengths[i] for i in order] == sorted(lengths, reverse=True)
    pools = _by_length(lengths, corpus=40, batch_size=4)  # 40 // 16 = 2 batches a pool
    assert all(sorted(pools[at : at + 8]) == list(range(at, at + 8)) for at in range(0, 40, 8))


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("work", ["train", "score"])
def test_each_contender_measures_a_round(data_dir, make_model, monkeypatch, contender, work):
    """In this process and without compiling, which takes most of the time of a real measurement."""
    from linkbert.speed import worker

    monkeypatch.setattr(worker, "_PEAK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "_PEAK_SIZES", (64,))
    monkeypatch.setattr("linkbert.training.trainer.usable", lambda: False)
    job = worker.Job("gad", work, str(make_model("bert")), str(data_dir), "train", 32, 4, 1e-4, "fp32", tokens=50)
    run = (worker._ours if contender == OURS else worker._theirs)(job, contender)
    found = run()
    assert found.seconds > 0 and found.examples == 8 and found.tokens > 50 and found.flops > 0 and found.peak_flops > 0


def test_a_comparison_is_printed_with_ratios_and_bars(capsys):
    from linkbert.cli.speed import show_comparison

    show_comparison(a_comparison())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gad, train, batch 32, train split")
    assert "4.00x" in lines[3] and "50%" in lines[3] and lines[2].count("\u2588") == 4 * lines[3].count("\u2588")


@pytest.mark.slow
def test_one_command_measures_and_compares(cli, data_dir, make_model):
    arguments = ("speed", "gad", "--model", make_model("bert"), "--data-dir", data_dir, "--tokens", 50, "--rounds", 1)
    done = cli(*arguments, "--work", "train", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == ["gad"] and found["gad"]["split"] == "train" and set(found["gad"]) == {"split", "train"}
    train = found["gad"]["train"]
    contract = (
        "examples_per_second", "tokens_per_second", "vs_default", "vs_best", "utilisation", "peak_memory_mb",
    )  # fmt: skip
    assert all(train[key] > 0 for key in contract)
    assert set(train["contenders"]) == set(CONTENDERS)
    assert all(f"gad train: {name} " in done.stderr for name in CONTENDERS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("gda",), "gad"), (("gad", "--work", "rest"), "score"), (("gad", "--data-dir", "nowhere"), "nowhere")],
)
def test_a_wrong_request_is_refused_before_anything_is_measured(cli, tiny, data_dir, arguments, message):
    folder = () if "--data-dir" in arguments else ("--data-dir", data_dir)
    refused = cli("speed", *arguments, "--model", tiny, *folder)
    assert refused.exit_code == 2 and message in refused.stderr and refused.stdout == ""


def test_a_contender_that_fails_is_named(cli, tiny, data_dir, tmp_path, monkeypatch):
    """The command says which contender failed and why."""
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    size = (broken / "model.safetensors").stat().st_size
    (broken / "model.safetensors").write_bytes(b"no weights".ljust(size))
    failed = cli("speed", "gad", "--model", broken, "--data-dir", data_dir, "--tokens", 50, "--work", "score")
    assert failed.exit_code == 1 and "error: gad, score, linkbert: " in failed.stderr


def test_tokens_and_rounds_are_at_least_one(data_dir, tiny):
    from linkbert.speed.benchmark import measure_speed

    with pytest.raises(RequestError, match="at least 1"):
        list(measure_speed(("gad",), model=str(tiny), data_dir=data_dir, rounds=0))
