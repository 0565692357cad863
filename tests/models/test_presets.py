"""The models with a short name: what is said of each is complete, fits the terminal, and refers to published rows."""

import json
import re

import pytest
from linkbert.leaderboard.published import published_rows
from linkbert.models.presets import PRESETS
from linkbert.models.sources import safe_name

# What the sources state; a licence that is none of these needs a look at the page of the model.
LICENCES = {"Apache-2.0", "MIT", "public-domain", "not stated"}
COLUMNS = 100


def test_the_presets_name_the_published_models():
    names = ("biolinkbert-base", "biolinkbert-large", "pubmedbert-base", "linkbert-base", "linkbert-large", "minilm")
    assert {name: PRESETS[name].hub_id for name in names} == {
        "biolinkbert-base": "michiyasunaga/BioLinkBERT-base",
        "biolinkbert-large": "michiyasunaga/BioLinkBERT-large",
        "pubmedbert-base": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "linkbert-base": "michiyasunaga/LinkBERT-base",
        "linkbert-large": "michiyasunaga/LinkBERT-large",
        "minilm": None,
    }


def test_each_repository_has_one_preset():
    repositories = [preset.hub_id for preset in PRESETS.values()]
    assert len(set(repositories)) == len(repositories) == 24


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_a_preset_is_described_completely(preset):
    assert safe_name(preset.name) and "--" not in preset.name
    assert preset.hub_id is None or re.fullmatch(r"[\w-]+/[\w.-]+", preset.hub_id)
    assert re.fullmatch(r"\d+(\.\d)?M", preset.size) and preset.licence in LICENCES
    assert re.fullmatch(r"[A-Z]\w+ (et al\.|and [A-Z]\w+) 20\d\d|not stated", preset.cite)
    assert preset.sources and all(re.fullmatch(r"https://\S+", source) for source in preset.sources)


def test_the_scores_of_a_preset_are_published_rows():
    rows = {row.name for row in published_rows()}
    for preset in PRESETS.values():
        assert set(preset.published) <= rows and len(set(preset.published)) == len(preset.published), preset.name
    # These models have the names of their rows.
    for row in published_rows():
        if row.model in PRESETS:
            assert row.name in PRESETS[row.model].published


def test_the_list_fits_the_terminal_and_shows_licences_and_scores(cli):
    lines = cli("models").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= COLUMNS
    shown = {line.split()[0]: line for line in lines if line}
    assert set(PRESETS) <= set(shown)
    assert re.search(r"110M +MIT +80\.9–81\.16 +PubMed abstracts", shown["pubmedbert-base"])
    assert re.search(r"340M +Apache-2\.0 +84\.30 ", shown["biolinkbert-large"])
    assert re.search(r"110M +not stated +PubMed abstracts", shown["biom-electra-base"])


def test_the_card_of_a_model_shows_each_score_with_its_source(cli):
    shown = cli("models", "biolinkbert-base").stdout
    assert "michiyasunaga/BioLinkBERT-base" in shown and "Apache-2.0" in shown and "https://" in shown
    assert re.search(r"biolinkbert-base@linkbert +83\.39 +14 +Yasunaga et al\. 2022", shown)
    assert re.search(r"biolinkbert-base@indus +81\.2 ±3\.9 +13 +Bhattacharjee et al\. 2024", shown)
    assert "No scores of this model" in cli("models", "ettin-150m").stdout


def test_json_has_all_fields(cli):
    listed = json.loads(cli("models", "--json").stdout)
    assert [item["name"] for item in listed] == list(PRESETS)
    assert all(list(item) == list(PRESETS["minilm"].__dataclass_fields__) for item in listed)
    (one,) = json.loads(cli("models", "scibert", "--json").stdout)
    assert one["published"] == ["scibert-uncased@gu", "scibert@indus"]
    (row,) = json.loads(cli("models", "biobert", "--published", "--json").stdout)
    assert row["name"] == "biobert-base@gu"


def test_a_mistyped_name_is_answered_with_the_nearest_ones(cli):
    done = cli("models", "biobrt")
    assert done.exit_code == 2 and "did you mean biobert" in done.stderr
