"""The base and large recipes are the published ones, and every resolved setting records its origin."""

import pytest
from linkbert.errors import RequestError
from linkbert.tasks.departures import departures
from linkbert.tasks.recipe import default_recipe, load_recipes, parse_setting, recipe_seed, resolve_recipe
from linkbert.tasks.registry import TASKS
from linkbert.tasks.task import EXTRA

CHECKPOINT = {"dropout": 0.1, "attention_dropout": 0.1}
# task: batch, learning rate, epochs, maximum length, warm-up, weight decay, beta2, eps, seed
BASE = {
    "pubmedqa": (16, 2e-5, 30, 512, 100, 0, 0.999, 1e-8, 42),
    "bioasq": (16, 2e-5, 20, 512, 100, 0, 0.999, 1e-8, 42),
    "biosses": (16, 1e-5, 30, 512, 0, 0, 0.999, 1e-8, 5),
    "hoc": (32, 4e-5, 40, 512, 0, 0, 0.999, 1e-8, 42),
    "chemprot": (32, 3e-5, 10, 256, 0, 0, 0.999, 1e-8, 42),
    "ddi": (32, 2e-5, 5, 256, 0, 0, 0.999, 1e-8, 42),
    "gad": (32, 3e-5, 10, 256, 0, 0, 0.999, 1e-8, 42),
    "ebm-pico": (32, 5e-5, 1, 512, 0, 0, 0.999, 1e-8, 42),
    "jnlpba": (16, 1e-5, 5, 512, 0.1, 0, 0.999, 1e-8, 42),
    "ncbi-disease": (32, 5e-5, 20, 512, 0.1, 0, 0.999, 1e-8, 42),
    "bc2gm": (32, 6e-5, 50, 512, 0.1, 0, 0.999, 1e-8, 42),
    "bc5-disease": (16, 5e-5, 8, 512, 0.1, 0, 0.999, 1e-8, 42),
    "bc5-chem": (32, 5e-5, 20, 512, 0.1, 0, 0.999, 1e-8, 42),
    "medqa": (32, 2e-5, 2, 512, 100, 0, 0.999, 1e-8, 42),
}
LARGE = {
    "pubmedqa": (32, 3e-5, 23, 512, 0.5, 0, 0.999, 1e-8, 42),
    "bioasq": (32, 3e-5, 30, 512, 0.5, 0, 0.999, 1e-8, 42),
    "biosses": (32, 3e-5, 100, 512, 0.5, 0.01, 0.98, 1e-6, 42),
    "hoc": (32, 3e-5, 20, 512, 0.5, 0, 0.999, 1e-8, 42),
    "chemprot": (16, 2e-5, 4, 256, 0.5, 0, 0.999, 1e-8, 42),
    "ddi": (16, 2e-5, 3, 256, 0.5, 0, 0.999, 1e-8, 42),
    "gad": (16, 2e-5, 5, 256, 0.5, 0, 0.999, 1e-8, 42),
    "ebm-pico": (16, 2e-5, 1, 512, 0.5, 0, 0.999, 1e-8, 42),
    "jnlpba": (16, 3e-5, 4, 512, 0.5, 0.01, 0.98, 1e-6, 3),
    "ncbi-disease": (16, 2e-5, 10, 512, 0.5, 0, 0.999, 1e-8, 42),
    "bc2gm": (16, 2e-5, 30, 512, 0.5, 0, 0.999, 1e-8, 42),
    "bc5-disease": (32, 3e-5, 20, 512, 0.5, 0, 0.999, 1e-8, 42),
    "bc5-chem": (16, 2e-5, 8, 512, 0.5, 0, 0.999, 1e-8, 42),
    "medqa": (64, 3e-5, 6, 512, 500, 0.01, 0.98, 1e-6, 42),
}


@pytest.mark.parametrize(("name", "table"), [("base", BASE), ("large", LARGE)])
def test_every_setting_of_the_base_and_large_recipes_is_the_published_one(name, table):
    assert {name for name, task in TASKS.items() if task.trained_on is None and task.suite != EXTRA} == set(table)
    for task, expected in table.items():
        r = resolve_recipe(TASKS[task], name, {}, CHECKPOINT)
        found = (r.batch_size, r.learning_rate, r.epochs, r.max_length, r.warmup, r.weight_decay, r.beta2, r.eps)
        assert (*found, recipe_seed(TASKS[task], name)) == expected, task
        assert (r.beta1, r.max_grad_norm, r.group_by_length, r.schedule) == (0.9, 1.0, False, "linear")
        assert load_recipes(name)["published"] is True


def test_the_recipe_for_small_encoders_covers_every_task_and_is_not_a_published_one():
    assert load_recipes("small")["published"] is False
    assert all(task in load_recipes("small") for task in BASE)


def test_the_hidden_size_selects_the_base_or_large_recipe():
    assert [default_recipe(TASKS["gad"], size) for size in (384, 768, 1023, 1024)] == ["base", "base", "base", "large"]


def test_each_setting_records_its_origin():
    recipe = resolve_recipe(TASKS["gad"], "base", {"epochs": (3, "--epochs")}, CHECKPOINT)
    assert recipe.origin["epochs"] == "--epochs"
    assert recipe.origin["learning_rate"] == "recipe base (published)"
    assert recipe.origin["weight_decay"] == "default"
    assert recipe.origin["dropout"] == "checkpoint"


@pytest.mark.parametrize(
    ("warmup", "steps", "expected"), [(100, 500, 100), (0.1, 501, 51), (0.5, 7, 4), (0, 10, 0), (0.1, 10, 1)]
)
def test_warm_up_is_a_number_of_updates_or_a_share_that_is_rounded_up(warmup, steps, expected):
    recipe = resolve_recipe(TASKS["gad"], "base", {"warmup": (warmup, "--set")}, CHECKPOINT)
    assert recipe.warmup_steps(steps) == expected


def test_departures_from_the_recipe_name_both_values():
    def departures_with(overrides, name="base"):
        recipe = resolve_recipe(TASKS["gad"], name, overrides, CHECKPOINT)
        return departures(recipe, TASKS["gad"], name, "base", CHECKPOINT)

    assert departures_with({}) == []
    assert departures_with({"epochs": (3, "--epochs")}) == ["epochs 3 instead of 10"]
    assert departures_with({"attention_dropout": (0.0, "--set")}) == ["attention_dropout 0 instead of 0.1"]
    assert departures_with({}, "small") == ["recipe small (ours) instead of base"]


def test_settings_are_parsed_as_numbers_or_booleans():
    assert parse_setting("weight_decay=0.01") == ("weight_decay", 0.01)
    assert parse_setting("warmup=100") == ("warmup", 100)
    assert parse_setting("group_by_length=True") == ("group_by_length", True)
    with pytest.raises(RequestError, match="KEY=VALUE"):
        parse_setting("warmup")


def test_all_wrong_overrides_are_reported_together():
    with pytest.raises(RequestError) as error:
        resolve_recipe(
            TASKS["gad"], "base", {"epochs": (0, "--epochs"), "eps": (float("nan"), "--set eps")}, CHECKPOINT
        )
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[gad]\nschedule = "cosin"', r"mine.toml \[gad\]: unknown schedule 'cosin'; did you mean cosine"),
        ("[gad]\nepoch = 3", r"mine.toml \[gad\]: unknown setting 'epoch'; did you mean epochs"),
        ("[gad", "mine.toml: not TOML"),
    ],
)
def test_a_mistake_in_a_recipe_file_is_reported_with_its_place(text, words, tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.toml").write_text(text)
    monkeypatch.setattr("linkbert.tasks.recipe.__file__", str(tmp_path / "recipe.py"))
    with pytest.raises(RequestError, match=words):
        load_recipes("mine")
