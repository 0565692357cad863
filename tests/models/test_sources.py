"""Models are found among the presets, in folders and in the Hugging Face cache, without a network."""

import json
import re
import shutil

import pytest
from linkbert.errors import RequestError
from linkbert.models.sources import default_name, find_model, safe_name, weight_files, weights_sha256

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def write_hub_cache(cache, hub_id, model, commit="0123456789abcdef0123456789abcdef01234567"):
    """Copy a model into the folder structure of the Hugging Face cache, and return its commit."""
    folder = cache / f"models--{hub_id.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit, encoding="utf-8")
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for file in model.iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    return commit


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_minilm_is_the_model_from_the_installed_package():
    assert weights_sha256(find_model("minilm").path) == MINILM_SHA256


def test_the_error_for_minilm_without_its_package_names_the_extra_to_install(monkeypatch):
    monkeypatch.setattr("linkbert.models.sources.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"linkbert\[demo\]"):
        find_model("minilm")


def test_a_model_in_a_folder_is_named_after_the_folder_unless_a_name_is_given(tiny):
    found = find_model(str(tiny))
    assert (found.name, found.path, found.revision) == ("tiny-bert", tiny, None)
    assert find_model(str(tiny), "other").name == "other"


def test_a_preset_loads_offline_from_the_cache(hub_cache, tiny):
    commit = write_hub_cache(hub_cache, "michiyasunaga/BioLinkBERT-base", tiny)
    found = find_model("biolinkbert-base")
    assert (found.name, found.source, found.revision) == ("biolinkbert-base", "michiyasunaga/BioLinkBERT-base", commit)


def test_any_hub_id_loads_from_the_cache_and_its_name_has_no_slash(hub_cache, tiny):
    write_hub_cache(hub_cache, "someone/some-bert", tiny)
    assert find_model("someone/some-bert").name == "someone--some-bert"


def test_a_cached_model_is_fine_tuned_offline(hub_cache, tiny, cli, data_dir):
    write_hub_cache(hub_cache, "michiyasunaga/BioLinkBERT-base", tiny)
    small = ("--max-steps", 1, "--max-length", 32, "--batch-size", 4, "--precision", "fp32", "-q")
    done = cli("finetune", "gad", "--model", "biolinkbert-base", "--data-dir", data_dir, *small)
    assert done.exit_code == 0, done.stderr
    assert "results/gad/biolinkbert-base/seed-42.json" in done.stdout


def test_the_error_for_a_missing_model_names_hub_id_cache_and_how_to_get_it(hub_cache):
    with pytest.raises(RequestError) as error:
        find_model("pubmedbert-base")
    for words in (
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        str(hub_cache),
        "the folder of a model in its place",
        "hf download",
    ):
        assert words in str(error.value)


def test_a_cached_model_without_weights_is_refused(hub_cache, tiny):
    write_hub_cache(hub_cache, "someone/half", tiny)
    (path,) = hub_cache.rglob("model.safetensors")
    path.unlink()
    with pytest.raises(RequestError, match="not in the cache"):
        find_model("someone/half")


def test_a_folder_without_configuration_or_weights_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="no config.json"):
        find_model(str(tmp_path / "empty"))
    (tmp_path / "empty" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RequestError, match="no weights"):
        find_model(str(tmp_path / "empty"))


def test_the_shards_of_a_model_have_one_common_checksum(tmp_path):
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = {"weight_map": {"a": names[1], "b": names[0], "c": names[0]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    for number, name in enumerate(names, start=1):
        (tmp_path / name).write_bytes(b"x" * number)
    assert len(weight_files(tmp_path)) == 2 and len(weights_sha256(tmp_path)) == 64


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("a", True), ("Bio-1.0_x", True), ("", False), ("..", False), ("a/b", False), (".hidden", False), ("a b", False)],
)
def test_only_names_that_are_safe_folder_names_are_accepted(name, accepted):
    assert safe_name(name) is accepted


@pytest.mark.parametrize("inline", [True, False])
def test_only_models_of_the_hub_have_revisions(tiny, tmp_path, inline):
    def find(model):
        return find_model(f"{model}@v1") if inline else find_model(str(model), revision="v1")

    with pytest.raises(RequestError, match="revision 'v1': .*tiny-bert is a folder, and only a model from the hub has"):
        find(tiny)
    with pytest.raises(RequestError, match="revision 'v1': minilm comes from a Python package, and only a model from"):
        find("minilm")


def test_the_path_of_a_folder_may_contain_an_at_sign(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me@home").mkdir()
    shutil.copytree(tiny, "me@home/bert")
    assert find_model("me@home/bert").path == find_model("./me@home/bert").path == tmp_path / "me@home" / "bert"
    with pytest.raises(RequestError, match=r"\./me@home/bret: no such folder"):
        find_model("./me@home/bret")


def test_one_revision_may_be_named_twice_but_not_two(hub_cache, tiny):
    commit = write_hub_cache(hub_cache, "someone/some-bert", tiny)
    assert find_model("someone/some-bert@main", revision="main").revision == commit
    with pytest.raises(RequestError, match="--model biobert@v1: --revision names another revision, 'v2'; give one"):
        find_model("biobert@v1", revision="v2")


@pytest.mark.parametrize("revision", ["", "../../x", "a//b", "/x", "-x", ".x", "a b", "a\nb", "x" * 300, "\u202ex"])
def test_a_revision_that_is_no_name_of_a_branch_is_refused(hub_cache, revision):
    for ask in (lambda: find_model("biobert", revision=revision), lambda: find_model(f"biobert@{revision}")):
        with pytest.raises(RequestError, match=f"revision {re.escape(repr(revision))}: expected a branch, a tag or"):
            ask()


@pytest.mark.parametrize(
    ("model", "revision", "name"),
    [
        ("biobert", None, "biobert"),
        ("biobert", "main", "biobert"),
        ("biobert", "v1", "biobert--v1"),
        ("a/b", "refs/pr/1", "a--b--refs--pr--1"),
        ("a/b", "0123456789abcdef" * 2 + "01234567", "a--b--01234567"),
        ("a/b", "0123456789", "a--b--0123456789"),
    ],
)
def test_the_default_name_tells_revisions_apart_and_is_a_safe_folder_name(model, revision, name):
    assert default_name(model, revision) == name and safe_name(name)


def test_a_revision_too_long_for_a_folder_needs_a_name(hub_cache):
    with pytest.raises(RequestError, match="too long to name a run; give a name with --name"):
        find_model("biobert", revision="x" * 120)
    assert find_model("biobert", "mine", revision="x" * 120, download=False) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("finetune", "gad"),
        ("benchmark", "blurb", "--task", "gad", "--dry-run"),
        ("tasks", "gad"),
        ("speed", "gad"),
    ],
)
def test_each_command_that_takes_a_model_takes_a_revision(cli, tiny, data_dir, arguments):
    done = cli(*arguments, "--model", tiny, "--revision", "v1", "--data-dir", data_dir)
    assert done.exit_code == 2 and "only a model from the hub has revisions" in done.stderr


def test_tasks_takes_no_revision_without_a_model(cli):
    done = cli("tasks", "gad", "--revision", "v1")
    assert done.exit_code == 2 and "--revision belongs to --model" in done.stderr


def test_the_same_problem_with_a_revision_is_reported_once(cli, data_dir):
    done = cli("finetune", "gad", "--model", "biobert", "--revision", "a b", "--data-dir", data_dir)
    assert done.exit_code == 2 and done.stderr.count("error:") == 1 and "revision 'a b'" in done.stderr
