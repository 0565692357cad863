"""A checkpoint that was fine-tuned before gives its head only to a task with the same labels, and this is said."""

import logging

import torch
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model


def saved(tiny, folder, labels):
    torch.manual_seed(0)
    load_model(tiny, HEADS["sequence"], labels, fine_tuned=False).save_pretrained(folder)
    return folder


def weight(folder, labels):
    return load_model(folder, HEADS["sequence"], labels, fine_tuned=False).classifier.weight


def test_a_head_with_the_same_labels_is_kept_and_one_with_others_begins_anew(tiny, tmp_path, caplog):
    folder = saved(tiny, tmp_path / "tuned", ("a", "b"))
    with caplog.at_level(logging.WARNING, logger="linkbert"):
        kept = weight(folder, ("a", "b"))
        assert "with which the training begins" in caplog.text
        caplog.clear()
        other = weight(folder, ("b", "a"))
        assert "begins at random" in caplog.text
    assert not torch.equal(kept, other) and other.std() > 0
    assert torch.equal(kept, weight(folder, ("a", "b")))


def test_an_encoder_without_a_head_says_nothing(tiny, caplog):
    with caplog.at_level(logging.WARNING, logger="linkbert"):
        weight(tiny, ("a", "b"))
    assert "head" not in caplog.text
