"""Attention over a packed row equals attention over each of its sequences alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from linkbert.models.fused_attention import Attending, attend
from linkbert.models.kernels import Kernels
from linkbert.models.packed_attention import KeysAndValues, packed_attention
from linkbert.models.packed_layout import group_by_length, make_layout
from torch.nn.functional import scaled_dot_product_attention

HEADS, SIZE = 2, 4
lengths_of_rows = st.lists(st.integers(1, 40), min_size=1, max_size=14)


def random_row(lengths, extra=0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (1, HEADS, sum(lengths) + extra, SIZE)
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]


def layout_of(lengths, extra=0, heads=HEADS):
    return make_layout(np.array(lengths), sum(lengths) + extra, heads)


def attention_per_sequence(query, key, value, lengths):
    ends = np.cumsum(lengths)
    parts = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    outputs = [scaled_dot_product_attention(query[:, :, p], key[:, :, p], value[:, :, p]) for p in parts]
    return torch.cat(outputs, 2).transpose(1, 2)


class FixedMasks(Kernels):
    """Draws the same mask each time, which the numerical check of gradients needs."""

    def noise(self, size, rate):
        return torch.rand(size, generator=torch.Generator().manual_seed(size)) >= rate


@given(lengths_of_rows, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_packed_attention_equals_attention_within_each_sequence(lengths, extra):
    inputs = random_row(lengths, extra)
    packed, _ = packed_attention(None, *inputs, None, layout=layout_of(lengths, extra))
    total = sum(lengths)
    expected = attention_per_sequence(*inputs, lengths)
    assert torch.allclose(packed[:, :total], expected, atol=1e-12)
    assert (packed[:, total:] == 0).all()  # tokens that belong to no sequence
    outer = torch.randn(packed.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = torch.autograd.grad(packed, inputs, outer)
    wanted = torch.autograd.grad(expected, inputs, outer[:, :total])
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-5)  # the backward pass computes one sum in float32


@given(lengths_of_rows, st.integers(1, 45))
@settings(max_examples=60, deadline=None)
def test_a_window_of_attention_stays_inside_of_its_sequence(lengths, window):
    inputs = random_row(lengths)
    packed, _ = packed_attention(None, *inputs, None, layout=layout_of(lengths), sliding_window=window)
    numbers = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(sum(lengths))
    near = (numbers[:, None] == numbers) & (abs(places[:, None] - places) < window)
    expected = scaled_dot_product_attention(*inputs, attn_mask=torch.from_numpy(near)).transpose(1, 2)
    assert torch.allclose(packed, expected, atol=1e-12)
    outer = torch.randn(packed.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = torch.autograd.grad(packed, inputs, outer)
    for one, other in zip(found, torch.autograd.grad(expected, inputs, outer), strict=True):
        assert torch.isfinite(one).all() and torch.allclose(one, other, atol=1e-5)


@given(lengths_of_rows.filter(lambda lengths: len(lengths) > 1), st.data())
@settings(max_examples=40, deadline=None)
def test_attention_across_the_boundary_of_a_sequence_is_exactly_zero(lengths, data):
    chosen = data.draw(st.integers(0, len(lengths) - 1))
    start = sum(lengths[:chosen])
    inside = slice(start, start + lengths[chosen])
    inputs = random_row(lengths)
    packed, _ = packed_attention(None, *inputs, None, layout=layout_of(lengths))
    for gradient in torch.autograd.grad(packed[:, inside].square().sum(), inputs):
        outside = torch.ones(gradient.shape[2], dtype=torch.bool)
        outside[inside] = False
        assert (gradient[:, :, outside] == 0).all()
    # Not even infinite or NaN values in other sequences change the output.
    poisoned = [tensor.detach().clone() for tensor in inputs]
    for tensor in poisoned:
        tensor[:, :, :start] = torch.inf
        tensor[:, :, start + lengths[chosen] :] = torch.nan
    again, _ = packed_attention(None, *poisoned, None, layout=layout_of(lengths))
    assert torch.equal(again[:, inside], packed[:, inside])


@given(st.lists(st.integers(1, 512), min_size=1, max_size=60))
@settings(deadline=None)
def test_every_sequence_is_in_exactly_one_group(lengths):
    groups = group_by_length(np.array(lengths))
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert lengths[group[0]] == max(lengths[index] for index in group)


def test_short_sequences_of_similar_length_share_a_group_and_long_ones_are_alone():
    groups = group_by_length(np.array([20, 21, 22, 19, 500, 400]))
    assert [group.tolist() for group in groups] == [[4], [5], [2, 1, 0, 3]]


@pytest.mark.parametrize("lengths", [[3, 4, 5], [9], [2, 2, 2]])
def test_gradients_with_dropout_equal_numerical_gradients(lengths):
    kernels, layout = FixedMasks(fused=False), layout_of(lengths)

    def attend(*inputs):
        return packed_attention(None, *inputs, None, dropout=0.3, layout=layout, kernels=kernels)[0]

    assert torch.autograd.gradcheck(attend, random_row(lengths), eps=1e-6, atol=1e-5)


def with_first_tokens_only(lengths, attend):
    """Wrap `attend` so that it gets the queries of first tokens only; also return the indices of first tokens."""
    starts = torch.from_numpy(np.cumsum([0, *lengths[:-1]]))

    def narrowed(query, key, value):
        keys, values = (tensor.transpose(1, 2).flatten(2) for tensor in (key, value))
        return attend(query[:, :, starts], keys, values)

    return narrowed, starts


@given(lengths_of_rows, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_queries_of_first_tokens_alone_give_the_same_outputs_as_all_queries(lengths, extra):
    layout, inputs = layout_of(lengths, extra), random_row(lengths, extra)

    def attend(query, keys, values):
        full_sequence = KeysAndValues(keys, values)
        few = query.new_zeros(query.shape)  # stands for the keys and values that the narrowed layer computes itself
        output = packed_attention(None, query, few, few, None, layout=layout, full_sequence=full_sequence)[0]
        assert full_sequence.take() is None
        return output

    narrowed, starts = with_first_tokens_only(lengths, attend)
    found, wanted = narrowed(*inputs), packed_attention(None, *inputs, None, layout=layout)[0][:, starts]
    assert torch.allclose(found, wanted, atol=1e-12)
    outer = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(output, inputs, outer) for output in (found, wanted)), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_gradients_of_first_tokens_with_dropout_equal_numerical_gradients():
    lengths, kernels = [3, 4, 1, 5], FixedMasks(fused=False)
    layout = layout_of(lengths)

    def attend(query, keys, values):
        full_sequence = KeysAndValues(keys, values)
        return packed_attention(
            None, query, query, query, None, 0.3, layout=layout, kernels=kernels, full_sequence=full_sequence
        )[0]

    assert torch.autograd.gradcheck(
        with_first_tokens_only(lengths, attend)[0], random_row(lengths), eps=1e-6, atol=1e-5
    )


def test_dropout_keeps_the_mean_of_the_output():
    lengths = [24] * 8
    inputs = [tensor.detach() for tensor in random_row(lengths)]
    layout = layout_of(lengths)
    torch.manual_seed(0)
    draws = [packed_attention(None, *inputs, None, dropout=0.2, layout=layout)[0] for _ in range(400)]
    plain = packed_attention(None, *inputs, None, layout=layout)[0]
    assert (torch.stack(draws).mean(0) - plain).abs().mean() < 0.02


def test_the_attention_function_for_gpus_gives_the_same_outputs():
    lengths = [5, 1, 9]
    inputs = random_row(lengths)
    rows = [tensor[0].transpose(0, 1) for tensor in inputs]
    for window in (None, 3):
        how = Attending(layout_of(lengths, heads=None), 0.0, SIZE**-0.5, window, firsts_only=False)
        wanted = packed_attention(None, *inputs, None, layout=layout_of(lengths), sliding_window=window)[0][0]
        assert torch.allclose(attend(*rows, how), wanted, atol=1e-12)
        starts = torch.tensor([0, 5, 6])
        narrowed = attend(rows[0][starts], *rows[1:], replace(how, firsts_only=True))
        assert torch.allclose(narrowed, wanted[starts], atol=1e-12)


@pytest.mark.parametrize("refused", [{"attention_mask": torch.ones(1)}, {"layout": None}])
def test_masks_that_cannot_be_packed_are_refused(refused):
    options = {"attention_mask": None, "layout": layout_of([3])} | refused
    with pytest.raises(NotImplementedError):
        packed_attention(None, *random_row([3]), **options)
