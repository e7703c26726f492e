"""Norms over processes against torch's batch norm; several processes are in test_loop.py."""

import copy

import pytest
import torch
from torch import distributed, nn

from stgraph.training.shared_norm import SharedBatchNorm, share_statistics


@pytest.fixture(autouse=True)
def group():
    """A group of this process alone."""
    distributed.init_process_group("gloo", rank=0, world_size=1, store=distributed.HashStore())
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm2d, (3, 4, 5, 2)), (nn.BatchNorm1d, (7, 4))], ids=str)
def test_one_process_gets_a_batch_norm(norm, shape):
    torch.manual_seed(0)
    plain = norm(4).double()
    nn.init.uniform_(plain.weight)
    nn.init.uniform_(plain.bias)
    shared = share_statistics(copy.deepcopy(plain))
    assert isinstance(shared, SharedBatchNorm)
    results = []
    for module in (plain, shared):
        x = torch.linspace(-2, 3, torch.Size(shape).numel(), dtype=torch.float64).view(shape).sin().requires_grad_()
        outputs = [module(x), module(2 * x)]
        sum(y.pow(3).sum() for y in outputs).backward()
        results.append([*outputs, x.grad, *(weight.grad for weight in module.parameters()), *module.buffers()])
        results[-1].append(module.eval()(x))
    torch.testing.assert_close(results[1], results[0])


def test_sixteen_bits_are_normalised_in_more():
    norm = share_statistics(nn.Sequential(nn.BatchNorm2d(4)))
    y = norm(torch.full((2, 4, 3, 1), 300.0, dtype=torch.bfloat16) + torch.arange(3).view(3, 1))
    assert y.dtype == torch.bfloat16 and y.isfinite().all()


def test_memory_stays_channels_last():
    norm = share_statistics(nn.BatchNorm2d(4))
    assert norm(torch.randn(2, 4, 3, 5).to(memory_format=torch.channels_last)).is_contiguous(
        memory_format=torch.channels_last
    )
