"""The span head, and choice heads of questions with different numbers of options, beside plain torch."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.models.head_functions import ENDS_ANSWER, IGNORED, STARTS_ANSWER, STARTS_SEQUENCE
from linkbert.models.heads import HEADS
from linkbert.models.loading import load_model
from linkbert.training.collation import Collator
from torch.nn import functional

SPAN, CHOICE = HEADS["span"], HEADS["choice"]


def labels_of(length, first, last):
    labels = [0] * length
    labels[0] += STARTS_SEQUENCE
    labels[first] += STARTS_ANSWER
    labels[last] += ENDS_ANSWER
    return labels


@st.composite
def windows(draw):
    """Draw (length, first token of the answer, last token) of each sequence."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    places = [sorted(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))) for n in lengths]
    return [(length, *place) for length, place in zip(lengths, places, strict=True)]


def layouts(drawn, seed):
    """Return logits and labels of the same sequences, padded and in one packed row, with the rows of torch."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randn(length, 2, generator=generator) * 8 for length, _, _ in drawn]
    labels = [torch.tensor(labels_of(*item)) for item in drawn]
    width = max(map(len, rows)) + 2
    padded = torch.stack([functional.pad(row, (0, 0, 0, width - len(row)), value=7.0) for row in rows])
    padded_labels = torch.stack([functional.pad(item, (0, width - len(item)), value=IGNORED) for item in labels])
    packed = functional.pad(torch.cat(rows), (0, 0, 0, 3), value=7.0)[None]
    packed_labels = functional.pad(torch.cat(labels), (0, 3), value=IGNORED)[None]
    return rows, (padded, padded_labels), (packed, packed_labels)


@given(windows(), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_the_span_loss_is_the_sum_of_the_cross_entropies_of_start_and_end(drawn, seed):
    rows, *both = layouts(drawn, seed)
    expected = sum(
        (
            functional.cross_entropy(row[:, 0], torch.tensor(first))
            + functional.cross_entropy(row[:, 1], torch.tensor(last))
        )
        / 2
        for row, (_, first, last) in zip(rows, drawn, strict=True)
    )
    for logits, labels in both:
        assert SPAN.loss(logits, labels) == pytest.approx(float(expected), abs=1e-3, rel=1e-5)
        assert SPAN.count(labels) == len(drawn)


def test_the_gradient_of_the_span_loss_is_that_of_torch():
    drawn = [(5, 1, 3), (3, 0, 0), (7, 6, 6)]
    rows, (padded, labels), _ = layouts(drawn, 0)
    padded.requires_grad_()
    SPAN.loss(padded, labels).backward()
    for number, (row, (length, first, last)) in enumerate(zip(rows, drawn, strict=True)):
        row.requires_grad_()
        loss = functional.cross_entropy(row[:, 0], torch.tensor(first)) + functional.cross_entropy(
            row[:, 1], torch.tensor(last)
        )
        (loss / 2).backward()
        assert torch.allclose(padded.grad[number, :length], row.grad, atol=1e-6)
        assert (padded.grad[number, length:] == 0).all()


def test_huge_logits_do_not_overflow():
    labels = torch.tensor([labels_of(3, 1, 2)])
    logits = torch.tensor([[[0.0, 0.0], [1e4, -1e4], [-1e4, 1e4]]])
    assert SPAN.loss(logits, labels) == 0 and SPAN.loss(-logits, labels) == pytest.approx(2e4)


def batches(head, columns):
    table = pa.table(columns)
    return [Collator(head, pad_token_id=0, token_types=True, packed=packed)(table) for packed in (False, True)]


def test_outputs_of_the_span_head_are_those_of_each_question_packed_and_padded(tiny):
    ids = [[[2, 5, 3, 6, 7, 3], [2, 5, 3, 8, 3]], [[2, 9, 3, 6, 3]]]
    columns = {
        "input_ids": pa.array(ids, pa.list_(pa.list_(pa.int32()))),
        "token_type_ids": pa.array([[[0] * len(s) for s in e] for e in ids], pa.list_(pa.list_(pa.int8()))),
        "labels": pa.array([[labels_of(len(s), 1, 2) for s in e] for e in ids], SPAN.encoded_label()),
        "token_spans": pa.array([[list(range(2 * len(s))) for s in e] for e in ids], pa.list_(pa.list_(pa.int32()))),
    }
    model = load_model(tiny, SPAN, (), fine_tuned=False).eval()
    padded, packed = batches(SPAN, columns)
    with torch.inference_mode():
        logits = SPAN.logits(model(**padded.inputs), padded.sequences)
        alone = [model(input_ids=torch.tensor([sequence])) for example in ids for sequence in example]
    outputs = SPAN.outputs(logits, padded)
    assert [len(output) for output in outputs] == [11, 5]
    assert outputs[0][:, 0].tolist() == [0] * 6 + [1] * 5 and outputs[1][:, 3].tolist() == list(range(0, 10, 2))
    both = np.concatenate(outputs)
    for column, name in ((1, "start_logits"), (2, "end_logits")):
        expected = np.concatenate([getattr(item, name)[0].numpy() for item in alone])
        assert np.allclose(both[:, column], expected, atol=1e-5)
    assert packed.token_positions.tolist() == list(range(16)) and (packed.labels != IGNORED).sum() == 16


@pytest.mark.parametrize("counts", [(2, 2), (2, 5), (4, 2, 3), (26, 2)])
def test_questions_with_different_numbers_of_options_have_the_logits_of_each_alone(tiny, counts):
    from linkbert.training.trainer import Trainer

    generator = np.random.default_rng(0)
    ids = [
        [[2, *generator.integers(5, 30, generator.integers(1, 6)).tolist(), 3] for _ in range(count)]
        for count in counts
    ]
    labels = [count - 1 for count in counts]
    columns = {
        "input_ids": pa.array(ids, pa.list_(pa.list_(pa.int32()))),
        "token_type_ids": pa.array([[[0] * len(s) for s in e] for e in ids], pa.list_(pa.list_(pa.int8()))),
        "labels": pa.array(labels, CHOICE.encoded_label()),
    }
    model = load_model(tiny, CHOICE, (), fine_tuned=False).eval()
    with torch.inference_mode():
        alone = [
            torch.cat([model(input_ids=torch.tensor([[sequence]])).logits.flatten() for sequence in example])
            for example in ids
        ]  # fmt: skip
    expected = sum(
        functional.cross_entropy(row[None], torch.tensor([label])) for row, label in zip(alone, labels, strict=True)
    )
    from datasets import Dataset
    from linkbert.models.tokenizer_loading import load_tokenizer

    trainer = Trainer(CHOICE, load_tokenizer(tiny, words=False), "fp32")
    found = list(trainer.predict(model, Dataset(pa.table(columns))))
    for row, other in zip(found, alone, strict=True):
        assert row.shape == tuple(other.shape) and np.allclose(row, other.numpy(), atol=1e-5)
    # The same options as a rectangle in which minus infinity stands for the missing ones.
    flat = torch.cat(alone)
    logits = CHOICE.logits(type("Output", (), {"logits": flat[:, None]}), np.array(counts))
    assert logits.shape == (len(counts), max(counts)) and torch.isinf(logits).sum() == len(counts) * max(counts) - len(
        flat
    )
    assert CHOICE.loss(logits, torch.tensor(labels)) == pytest.approx(float(expected), abs=1e-4)
    assert [row.tolist() for row in CHOICE.outputs(logits, batches(CHOICE, columns)[1])] == [
        row.tolist() for row in alone
    ]
