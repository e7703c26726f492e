"""Dropout from random bits: the share dropped, independence of the draws, and gradients."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from stgraph.models.layers import dropout
from tests.models.layers import motion


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.4999, 0.5, 0.75, 0.9])
def test_dropout_drops_the_share_asked_for(dtype, p):
    words = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.int64)  # every draw once
    ones = torch.ones(1, 1, 2**16, 1, dtype=dtype)
    kept = dropout.drop(ones, words, p, out=torch.empty_like(ones)).bool()
    assert abs((~kept).double().mean().item() - p) <= 2**-17
    assert dropout.drop_level(p, dtype)[1] == pytest.approx(1 / kept.double().mean().item())


def test_draws_are_fair_and_independent():
    torch.manual_seed(0)
    ones = torch.ones(64, 8, 30, 17)
    words, n = dropout.draw(ones), ones.numel()
    uniform = words.view(torch.int16).double() / 2**16
    assert abs(uniform.mean() + 2**-17) < 5 / np.sqrt(12 * n)
    assert abs(uniform.var() - 1 / 12) < 5 / np.sqrt(180 * n)
    for lag in (1, 2, 3, 4, 8, 17):
        assert abs(torch.corrcoef(torch.stack([uniform[lag:], uniform[:-lag]]))[0, 1]) < 5 / np.sqrt(n)
    dropped = dropout.drop(ones, words, 0.1, out=torch.empty_like(ones)) == 0
    assert abs(dropped.double().mean() - 0.1) < 5 * np.sqrt(0.09 / n)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_shares_drop_some_and_keep_some(dtype):
    scales = [dropout.drop_level(p, dtype)[1] for p in (1e-9, 1 - 1e-9)]
    assert scales[0] == pytest.approx(1 + 2**-16, abs=1e-9) and scales[1] > 200


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_relu_dropout_is_the_scaled_relu_of_what_is_kept(dtype):
    torch.manual_seed(1)
    x, p = motion(4, 8, 9, 5, dtype=dtype), 0.3
    y = dropout.relu_dropout(x.clone(memory_format=torch.preserve_format), p)
    scale = dropout.drop_level(p, dtype)[1]
    torch.testing.assert_close(y[y != 0], x[y != 0] * scale)
    assert (x[y != 0] > 0).all()
    assert 0.2 < (y[x > 0] == 0).double().mean() < 0.4
    total = torch.stack([dropout.relu_dropout(x.clone(), p) for _ in range(400)]).double().mean(0)
    assert (total - x.double().relu()).abs().max() < 0.2 * x.abs().max()


def repeated(function):
    """The function with the same random numbers at every call."""

    def call(*args: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(7)
        return function(*(arg.clone(memory_format=torch.preserve_format) for arg in args))

    return call


@pytest.mark.slow
def test_dropout_has_the_gradient_of_what_it_kept():
    x, residual = motion(2, 3, 2, 5).requires_grad_(), motion(2, 3, 2, 5).requires_grad_()
    assert gradcheck(repeated(lambda x: dropout.relu_dropout(x, 0.3)), x)
    assert gradcheck(repeated(lambda x, residual: dropout.dropout_add(x, residual, 0.3)), (x, residual))
    assert gradcheck(repeated(lambda x, residual: dropout.dropout_add(x, residual, 0.0)), (x, residual))


def test_dropped_residual_branch_leaves_the_residual_as_it_is():
    x, residual = motion(2, 3, 40, 5), motion(2, 3, 40, 5)
    y = dropout.dropout_add(x.clone(memory_format=torch.preserve_format), residual, 0.5)
    dropped = y == residual
    assert 0.4 < dropped.double().mean() < 0.6
    torch.testing.assert_close((y - residual)[~dropped], 2 * x[~dropped])
