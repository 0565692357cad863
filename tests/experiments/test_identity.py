"""`RunIdentity` decides whether two runs are the same run, and names their differences."""

from dataclasses import replace
from pathlib import Path

import pytest
from linkbert.experiments.identity import RunIdentity
from linkbert.experiments.results import Result
from linkbert.experiments.run_record import read_run
from linkbert.experiments.store import read_result, read_results

RUN = RunIdentity(
    task="gad",
    weights_sha256="a" * 64,
    settings_sha256="b" * 64,
    recipe={"epochs": 3, "schedule": "linear", "max_steps": None},
    seed=1,
    data={"train": "c" * 64, "test": "d" * 64},
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task_version": 2}, "task version is 1 there, 2 asked for"),
        ({"seed": 2}, "seed is 1 there, 2 asked for"),
        ({"weights_sha256": "e" * 64}, "weights is aaaaaaaaaaaa there, eeeeeeeeeeee asked for"),
        ({"settings_sha256": "e" * 64}, "configuration or tokenizer is bbbbbbbbbbbb there"),
        ({"recipe": RUN.recipe | {"epochs": 4}}, "epochs is 3 there, 4 asked for"),
        ({"recipe": RUN.recipe | {"schedule": "cosine"}}, "schedule is linear there, cosine asked for"),
        ({"recipe": RUN.recipe | {"max_steps": 5}}, "max_steps is None there, 5 asked for"),
        ({"data": RUN.data | {"train": "e" * 64}}, "train data is cccccccccccc there"),
        ({"data": RUN.data | {"dev": "e" * 64}}, "dev data is None there"),
        ({"recipe": {}}, "the result is of a run there, of predictions from elsewhere asked for"),
    ],
)
def test_each_difference_between_two_runs_is_named(change, words):
    (found,) = replace(RUN, **change).differences(RUN)
    assert words in found
    assert RUN.differences(RUN) == []


def test_a_field_that_only_one_of_two_runs_records_is_not_compared():
    older = replace(RUN, settings_sha256=None, recipe={"epochs": 3, "max_steps": None})
    assert RUN.differences(older) == [], "a setting that did not exist had its default"
    assert replace(RUN, precision="bf16").differences(RUN) == []
    assert replace(RUN, precision="bf16").differences(replace(RUN, precision="fp32"))


def test_an_identity_is_unchanged_after_conversion_to_json_and_back():
    identity = RUN.with_conditions({"processes": 1})
    assert identity.differences_from_json(identity.to_json()) == []
    assert identity.differences_from_json(RUN.with_conditions({"processes": 2}).to_json()) == [
        "processes is 2 there, 1 asked for"
    ]


def test_the_run_folder_and_the_result_of_a_run_have_the_same_identity(trained):
    result = read_result(trained / "results" / "gad" / "tiny" / "seed-1.json")
    record = read_run(trained / "runs" / "gad" / "tiny" / "seed-1")
    assert RunIdentity.of(record).differences(RunIdentity.of(result)) == []


def test_a_result_of_an_earlier_version_is_recognised_as_the_same_run(trained):
    """Such a result has no setting `schedule` and no checksum of the model's configuration."""
    result = read_result(trained / "results" / "gad" / "tiny" / "seed-1.json")
    document = result.to_json()
    document["recipe"] = {key: value for key, value in document["recipe"].items() if key != "schedule"}
    document["model"] = {key: value for key, value in document["model"].items() if key != "settings_sha256"}
    earlier = Result.from_json(document)
    assert RunIdentity.of(result).differences(RunIdentity.of(earlier)) == []


def test_the_results_in_this_repository_can_be_read_and_are_intact():
    folder = Path(__file__).resolve().parents[2] / "results"
    results, problems = read_results(folder)
    assert results and not problems
    for result in results:
        assert result.intact is not False and RunIdentity.of(result).differences(RunIdentity.of(result)) == []
