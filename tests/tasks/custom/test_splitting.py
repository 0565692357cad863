"""Examples are divided among splits: by groups, by shares, and the same way every time."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkbert.errors import RequestError
from linkbert.tasks.custom.splitting import assign

SHARES = {"test": 0.2, "dev": 0.1}
GROUPS = st.lists(st.integers(0, 30).map(str), min_size=3, max_size=200).filter(lambda groups: len(set(groups)) >= 3)


def sizes_of(groups, assigned):
    return Counter(assigned[group] for group in groups)


@given(GROUPS, st.integers(0, 2**32 - 1))
def test_every_group_is_in_one_split_and_no_split_is_empty(groups, seed):
    assigned = assign(groups, SHARES, seed, "x")
    assert assigned.keys() == set(groups) and set(assigned.values()) == {"train", "dev", "test"}


@given(GROUPS, st.integers(0, 99), st.randoms())
def test_the_order_of_the_examples_does_not_matter(groups, seed, random):
    shuffled = random.sample(groups, len(groups))
    assert assign(shuffled, SHARES, seed, "x") == assign(groups, SHARES, seed, "x")


@given(GROUPS, st.integers(0, 99))
def test_no_split_has_more_than_its_share_and_half_a_group_unless_no_group_is_small_enough(groups, seed):
    assigned, size = assign(groups, SHARES, seed, "x"), Counter(groups)
    for split, share in SHARES.items():
        taken = [size[group] for group in assigned if assigned[group] == split]
        assert len(taken) == 1 or sum(taken) <= share * len(groups) + max(taken) / 2


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_are_kept_where_groups_are_small(seed):
    groups = [str(number // 3) for number in range(3000)]
    found = sizes_of(groups, assign(groups, SHARES, seed, "x"))
    assert abs(found["test"] - 600) <= 3 and abs(found["dev"] - 300) <= 3


@pytest.mark.parametrize("seed", range(10))
def test_one_large_document_is_for_training(seed):
    groups = ["large"] * 90 + ["a"] * 5 + ["b"] * 5
    assert sizes_of(groups, assign(groups, {"test": 0.1, "dev": 0.1}, seed, "x")) == {"train": 90, "dev": 5, "test": 5}


def test_few_documents_move_when_one_is_added_and_another_seed_moves_many():
    groups = [str(number) for number in range(1000)]
    before, more, other = (
        assign(g, SHARES, seed, "x") for g, seed in ((groups, 1), ([*groups, "new"], 1), (groups, 2))
    )
    assert sum(before[group] != more[group] for group in groups) <= 3
    assert sum(before[group] != other[group] for group in groups) > 200


def test_fewer_documents_than_splits_are_refused():
    with pytest.raises(
        RequestError, match="notes.csv: 2 documents or different texts cannot be divided among 3 splits"
    ):
        assign(["a", "b", "a"], SHARES, 1, "notes.csv")
