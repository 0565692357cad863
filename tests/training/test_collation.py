"""Which examples are computed together, and how the collator lays them out in a batch."""

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from linkbert.models.heads import HEADS
from linkbert.tasks.encoding import encoded_schema
from linkbert.tasks.registry import TASKS
from linkbert.training.collation import Collator
from linkbert.training.encoded_rows import lengths_of, token_ids_of
from linkbert.training.sampling import MicroBatchSize, epoch_batches, epoch_order, micro_batches, token_batches

sizes = st.integers(1, 200)


@given(sizes, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_an_epoch_visits_every_example_once_and_only_its_last_batch_may_be_smaller(examples, batch, seed, epoch):
    batches = epoch_batches(examples, batch, seed, epoch)
    assert len(batches) == -(-examples // batch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    assert all(len(item) == batch for item in batches[:-1])


def test_the_order_of_examples_depends_only_on_seed_and_epoch():
    np.random.seed(1)
    first = epoch_order(50, 7, 3)
    np.random.seed(2)
    assert (epoch_order(50, 7, 3) == first).all()
    assert (epoch_order(50, 8, 3) != first).any() and (epoch_order(50, 7, 4) != first).any()


@given(sizes, st.integers(1, 9), st.integers(0, 99))
def test_grouping_by_length_changes_only_the_order_of_examples(examples, batch, seed):
    lengths = np.random.default_rng(seed).integers(1, 99, examples)
    batches = epoch_batches(examples, batch, seed, 0, lengths)
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    assert len(batches) == -(-examples // batch) and all(len(item) == batch for item in batches[:-1])


def test_batches_grouped_by_length_hold_examples_of_similar_length():
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    grouped = epoch_batches(640, 16, 1, 0, lengths)
    plain = epoch_batches(640, 16, 1, 0)
    spread = [np.mean([np.ptp(lengths[batch]) for batch in batches]) for batches in (grouped, plain)]
    assert spread[0] < spread[1] / 5


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=64),
    st.integers(1, 5),
    st.integers(1, 400),
    st.one_of(st.none(), st.integers(1, 16)),
)
def test_processes_share_the_examples_of_an_update_in_equally_many_micro_batches(lengths, processes, tokens, examples):
    batch = np.random.default_rng(0).permutation(len(lengths))
    size = MicroBatchSize(tokens, examples)
    parts = [micro_batches(batch, np.array(lengths), process, processes, size) for process in range(processes)]
    assert len({len(part) for part in parts}) == 1
    assert sorted(np.concatenate([np.concatenate(part) for part in parts]).tolist()) == list(range(len(lengths)))
    for item in (item for part in parts for item in part):
        if examples is not None:
            assert len(item) <= examples
        else:
            assert len(item) <= 1 or sum(lengths[index] for index in item) <= tokens


@given(lengths=st.lists(st.integers(1, 512), min_size=1, max_size=64), processes=st.integers(1, 8))
def test_processes_have_about_equally_many_tokens_of_an_update(lengths, processes):
    batch, of = np.random.default_rng(1).permutation(len(lengths)), np.array(lengths)
    size = MicroBatchSize(4096)
    shares = [np.concatenate(micro_batches(batch, of, number, processes, size)) for number in range(processes)]
    most = max(int(of[share].sum()) for share in shares)
    assert most <= sum(lengths) / processes + max(lengths), "no process has more than the mean and the longest example"
    for share in shares:
        assert share.tolist() == [index for index in batch if index in set(share.tolist())], "in the order of the batch"


def test_micro_batches_have_about_the_same_size():
    lengths = np.full(32, 300)
    parts = micro_batches(np.arange(32), lengths, 0, 1, MicroBatchSize(4096))
    assert [len(part) for part in parts] == [11, 11, 10]  # filling each up to the limit would give 13, 13 and 6


def test_a_micro_batch_size_is_halved_until_it_is_one():
    size = MicroBatchSize(4096, 4)
    assert str(size) == "4 examples" and str(size.halved()) == "2 examples"
    assert MicroBatchSize(4096, 1).halved() is None
    assert str(MicroBatchSize(4096).halved()) == "2048 tokens" and MicroBatchSize(1).halved() is None


@given(st.lists(st.integers(1, 600), min_size=1, max_size=80), st.integers(1, 2000), st.booleans())
def test_batches_for_scoring_hold_every_example_once_and_keep_the_token_limit(lengths, tokens, padded):
    batches = token_batches(np.array(lengths), tokens, padded=padded)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        sizes = [lengths[index] for index in batch]
        assert len(batch) == 1 or (max(sizes) * len(sizes) if padded else sum(sizes)) <= tokens


def table_of(rows, task):
    return pa.Table.from_pylist(rows, schema=encoded_schema(TASKS[task]))


def test_lengths_and_token_ids_follow_a_selection_of_rows():
    rows = Dataset.from_dict({"input_ids": [[[1] * (number + 1), [1]] for number in range(10)]})
    assert lengths_of(rows).tolist() == list(range(2, 12))
    assert lengths_of(rows.select([7, 2, 5])).tolist() == [9, 4, 7]
    assert token_ids_of(rows.select([7, 2, 5])).tolist() == [1]


TEXTS = [
    {"input_ids": [[5, 6, 7]], "token_type_ids": [[0, 0, 1]], "labels": 1},
    {"input_ids": [[5]], "token_type_ids": [[0]], "labels": 0},
]


def test_padded_batches_are_as_wide_as_their_longest_sequence():
    batch = Collator(HEADS["sequence"], pad_token_id=9, token_types=True)(table_of(TEXTS, "gad"))
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7], [5, 9, 9]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.inputs["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert (batch.examples, batch.tokens, batch.computed) == (2, 4, 6)


def test_packed_batches_hold_only_real_tokens_and_on_cpus_are_filled_up_to_32_tokens():
    batch = Collator(HEADS["sequence"], 9, token_types=True, packed=True)(table_of(TEXTS, "gad"))
    row = batch.inputs["packed"]
    assert row.input_ids.tolist() == [[5, 6, 7, 5]] and row.position_ids.tolist() == [[0, 1, 2, 0]]
    assert row.token_type_ids.tolist() == [[0, 0, 1, 0]] and row.layout.offsets.tolist() == [0, 3, 4]
    assert (batch.examples, batch.tokens, batch.computed) == (2, 4, 4)
    batch = Collator(HEADS["sequence"], 9, token_types=True, packed=True, heads=2)(table_of(TEXTS, "gad"))
    assert batch.inputs["packed"].input_ids.shape == (1, 32) and (batch.tokens, batch.computed) == (4, 32)


def test_the_options_of_a_question_stay_together_in_a_batch():
    rows = [
        {"input_ids": [[1], [2, 2], [3], [4]], "token_type_ids": [[], [], [], []], "labels": label} for label in (0, 3)
    ]
    batch = Collator(HEADS["choice"], pad_token_id=0, token_types=False)(table_of(rows, "medqa"))
    assert batch.inputs["input_ids"].shape == (2, 4, 2) and "token_type_ids" not in batch.inputs
    batch = Collator(HEADS["choice"], 0, token_types=False, packed=True)(table_of(rows, "medqa"))
    # The model's own code around its encoder gets only the first token of each option.
    assert batch.inputs["input_ids"].tolist() == [[[1], [2], [3], [4]]] * 2
    assert batch.inputs["packed"].token_type_ids is None and batch.labels.tolist() == [0, 3]


def test_token_ids_are_renumbered_for_a_small_vocabulary():
    renumbered = np.full(10, -1)
    renumbered[[5, 6, 7, 9]] = range(4)
    for packed in (True, False):
        batch = Collator(HEADS["sequence"], 9, token_types=True, packed=packed, renumbered=renumbered)(
            table_of(TEXTS, "gad")
        )
        ids = batch.inputs["packed"].input_ids if packed else batch.inputs["input_ids"]
        assert ids.tolist() == ([[0, 1, 2, 0]] if packed else [[0, 1, 2], [0, 3, 3]])


sentences = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=1, max_size=8)


@given(sentences, st.data())
def test_sequences_of_any_length_are_unchanged_after_packing_and_unpacking(lengths, data):
    """Documents have any number of windows of any length. Outputs must return to the words that they belong to."""
    rows = []
    for windows in lengths:
        placed = data.draw(st.permutations(range(sum(windows))))
        ends = np.cumsum(windows)
        rows.append(
            {
                "input_ids": [list(range(end - size, end)) for size, end in zip(windows, ends, strict=True)],
                "token_type_ids": [[0] * size for size in windows],
                # Only words with an even number have a word piece.
                "word_index": [
                    [2 * placed[token] for token in range(end - size, end)]
                    for size, end in zip(windows, ends, strict=True)
                ],
                "labels": [[1] * size for size in windows],
                "n_words": 2 * sum(windows),
            }
        )
    table = table_of(rows, "ncbi-disease")
    sequences = [sequence for row in rows for sequence in row["input_ids"]]
    for heads in (None, 2):
        batch = Collator(HEADS["token"], 0, token_types=True, packed=True, heads=heads)(table)
        row = batch.inputs["packed"]
        ids = np.split(row.input_ids[0].numpy(), row.layout.offsets.numpy()[1:])
        assert [part.tolist() for part in ids[:-1]] == sequences
        assert batch.labels.shape == row.input_ids.shape and int((batch.labels >= 0).sum()) == batch.tokens
    for packed in (True, False):
        batch = Collator(HEADS["token"], 0, token_types=True, packed=packed)(table)
        ids = batch.inputs["packed"].input_ids if packed else batch.inputs["input_ids"]
        flat = ids.flatten().numpy()
        logits = torch.from_numpy(np.stack([flat, flat + 0.5], -1)).view(*ids.shape, 2)
        for row, output in zip(rows, HEADS["token"].outputs(logits, batch), strict=True):
            assert output.shape == (row["n_words"], 2) and np.isnan(output[1::2]).all()
            words = [word for window in row["word_index"] for word in window]
            pieces = [piece for window in row["input_ids"] for piece in window]
            assert output[words, 0].tolist() == pieces


def test_rows_without_labels_make_a_batch_without_labels():
    rows = [{"input_ids": [[5, 6]], "token_type_ids": [[0, 0]], "labels": None}]
    assert Collator(HEADS["sequence"], 0, token_types=True, packed=True)(table_of(rows, "gad")).labels is None
