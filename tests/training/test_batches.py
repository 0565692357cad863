"""Which examples make a batch."""

import numpy as np
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from linkbert.training.batches import (
    Collator,
    epoch_batches,
    epoch_order,
    lengths_of,
    micro_batches,
    per_device_batch_size,
)

sizes = st.integers(1, 200)


@given(sizes, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_an_epoch_visits_every_example_once_in_ceil_updates(examples, batch, seed, epoch):
    batches = epoch_batches(examples, batch, seed, epoch)
    assert len(batches) == -(-examples // batch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    assert all(len(item) == batch for item in batches[:-1])


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    np.random.seed(1)
    first = epoch_order(50, 7, 3)
    np.random.seed(2)
    assert (epoch_order(50, 7, 3) == first).all()
    assert (epoch_order(50, 8, 3) != first).any() and (epoch_order(50, 7, 4) != first).any()


@given(sizes, st.integers(1, 9), st.integers(0, 99))
def test_grouping_by_length_changes_the_order_alone(examples, batch, seed):
    lengths = np.random.default_rng(seed).integers(1, 99, examples)
    batches = epoch_batches(examples, batch, seed, 0, lengths)
    assert sorted(np.concatenate(batches).tolist()) == list(range(examples))
    assert len(batches) == -(-examples // batch) and all(len(item) == batch for item in batches[:-1])


def test_grouped_batches_hold_like_lengths():
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    grouped = epoch_batches(640, 16, 1, 0, lengths)
    plain = epoch_batches(640, 16, 1, 0)
    spread = [np.mean([np.ptp(lengths[batch]) for batch in batches]) for batches in (grouped, plain)]
    assert spread[0] < spread[1] / 5


@given(st.integers(1, 64), st.integers(1, 5), st.integers(1, 16))
def test_processes_share_an_update_and_make_equally_many_micro_batches(examples, processes, per_device):
    batch = np.arange(examples)
    parts = [micro_batches(batch, process, processes, per_device) for process in range(processes)]
    assert len({len(part) for part in parts}) == 1
    assert sorted(np.concatenate([np.concatenate(part) for part in parts]).tolist()) == list(range(examples))
    assert all(len(item) <= per_device for part in parts for item in part)


@given(st.integers(1, 8), st.integers(1, 64), st.integers(1, 2048), st.integers(1, 1 << 16))
def test_the_micro_batch_divides_the_share(processes, share, tokens, budget):
    size = per_device_batch_size(share * processes, processes, tokens, budget)
    assert share % size == 0 and (size == 1 or size * tokens <= budget)


def test_lengths_follow_a_selection():
    rows = Dataset.from_dict({"input_ids": [[[1] * (number + 1), [1]] for number in range(10)]})
    assert lengths_of(rows).tolist() == list(range(2, 12))
    assert lengths_of(rows.select([7, 2, 5])).tolist() == [9, 4, 7]


def test_batches_are_padded_to_their_own_longest_sequence():
    rows = {"input_ids": [[[5, 6, 7]], [[5]]], "token_type_ids": [[[0, 0, 1]], [[0]]], "labels": [1, 0]}
    batch = Collator("sequence", pad_token_id=9, token_types=True)(rows)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7], [5, 9, 9]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.inputs["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert (batch.examples, batch.tokens) == (2, 4)


def test_choices_keep_their_example():
    rows = {"input_ids": [[[1], [2, 2], [3], [4]]] * 2, "token_type_ids": [[[], [], [], []]] * 2, "labels": [0, 3]}
    batch = Collator("choice", pad_token_id=0, token_types=False)(rows)
    assert batch.inputs["input_ids"].shape == (2, 4, 2) and "token_type_ids" not in batch.inputs
