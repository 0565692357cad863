"""Dropout masks have the right rate, are independent, and are the same in the forward and the backward pass."""

import os
import subprocess
import sys

import pytest
import torch
from linkbert.models import kernels as kernels_module
from linkbert.models.kernels import Dropout, Kernels, usable

SIZE = 200_000


@pytest.fixture(params=[False, True], ids=["uncompiled", "compiled"])
def kernels(request):
    if request.param and not usable():
        pytest.skip("there is no C++ compiler on this machine")
    torch.manual_seed(0)
    return Kernels(fused=request.param)


def keep_mask(kernels, rate, size=SIZE):
    return kernels.drop(torch.ones(size), kernels.noise(size, rate), rate) != 0


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_the_share_of_dropped_elements_is_the_dropout_rate(kernels, rate):
    share = 1 - keep_mask(kernels, rate).float().mean().item()
    assert share == pytest.approx(rate, abs=5 * (rate * (1 - rate) / SIZE) ** 0.5 + 2**-16)


def test_masks_of_neighbouring_elements_and_of_separate_calls_are_independent(kernels):
    first, second = keep_mask(kernels, 0.5).float() - 0.5, keep_mask(kernels, 0.5).float() - 0.5
    bound = 5 * 0.25 / SIZE**0.5
    for distance in (1, 2, 16, 64, 384):
        assert (first[:-distance] * first[distance:]).mean().abs() < bound
    assert (first * second).mean().abs() < bound


def test_the_same_seed_gives_the_same_mask(kernels):
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks.append(keep_mask(kernels, 0.1))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_backward_pass_uses_the_mask_of_the_forward_pass(kernels, dtype):
    values = torch.randn(3, 7, 5, dtype=dtype).clamp(min=0.1).requires_grad_()
    dropped = Dropout(0.4, kernels)(values)
    dropped.backward(torch.ones_like(dropped))
    assert values.grad is not None and (dropped == 0).any()
    expected = torch.where(dropped == 0, 0.0, 1 / 0.6).to(dtype)
    assert torch.equal(values.grad, expected)
    assert torch.allclose(dropped, values * expected, rtol=1e-5 if dtype == torch.float32 else 1e-2)


def test_nothing_is_dropped_in_evaluation_mode_or_at_rate_zero(kernels):
    values = torch.ones(50)
    assert Dropout(0.5, kernels).eval()(values) is values and Dropout(0.0, kernels)(values) is values


def test_the_sign_of_an_attention_probability_stores_its_dropout_mask(kernels):
    probabilities = torch.rand(4, 6, 9) + 0.01
    signed, dropped = kernels.drop_probabilities(probabilities, kernels.noise(probabilities.numel(), 0.3))
    assert torch.equal(signed.abs(), probabilities)
    assert torch.equal(dropped, torch.where(signed > 0, probabilities, 0.0)) and (dropped == 0).any()


def test_the_gradient_of_attention_scores_is_that_of_softmax_and_dropout(kernels):
    scores = torch.randn(4, 6, 9, requires_grad=True)
    probabilities = torch.softmax(scores, -1)
    signed, dropped = kernels.drop_probabilities(probabilities.detach(), kernels.noise(scores.numel(), 0.3))
    outer = torch.randn(4, 6, 9)
    (probabilities * (signed > 0) * outer).sum().backward()
    delta = (dropped * outer).sum(-1, keepdim=True)
    gradient, again = kernels.scores_gradient(outer, signed, delta)
    assert torch.allclose(gradient, scores.grad, atol=1e-6) and torch.equal(again, dropped)


def test_compiled_and_uncompiled_dropout_give_the_same_values():
    if not usable():
        pytest.skip("there is no C++ compiler on this machine")
    fused = Kernels(fused=True)
    for size in (1, 31, 5000):
        values, noise = torch.randn(size), fused.noise(size, 0.2)
        assert torch.equal(fused.drop(values, noise, 0.2), kernels_module._drop(values, noise, 1 / 0.8))


def test_a_missing_compiler_is_reported_by_one_warning(tmp_path):
    script = (
        "import logging; logging.basicConfig(format='%(message)s')\n"
        "from linkbert.models.kernels import usable\n"
        "print(usable(), usable())\n"
    )
    environment = os.environ | {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
    assert done.stderr.count("without a C++ compiler dropout is slower here") == 1
