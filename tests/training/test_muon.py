"""Muon: its steps against singular values in float64, which weights it takes, and that it resumes."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from stgraph.errors import InputError
from stgraph.training.muon import LEAST, STEP, Muon, orthogonalised

RATES: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.1}


class Net(nn.Module):
    """Matrices of both orientations and a square one, a convolution, and weights that are no matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.narrow = nn.Linear(3, LEAST), nn.Linear(LEAST, 96), nn.Linear(96, LEAST)
        self.square, self.norm = nn.Linear(LEAST, LEAST, bias=False), nn.LayerNorm(LEAST)
        self.taps = nn.Conv2d(LEAST, LEAST, (3, 1)).to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.square(self.narrow(self.wide(self.first(x)).relu()).relu()))
        return self.taps(x.mT[..., None])


MATRICES = {"wide.weight", "narrow.weight", "square.weight", "taps.weight"}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def take_steps(net: Net, optimizer: torch.optim.Optimizer, number: int) -> None:
    for step in range(number):
        torch.manual_seed(step)
        optimizer.zero_grad()
        net(torch.randn(8, 5, 3)).square().mean().backward()
        optimizer.step()


def test_a_first_step_makes_the_gradient_of_a_matrix_orthogonal(net):
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    gradients = {name: torch.randn_like(weight) for name, weight in net.named_parameters()}
    for name, weight in net.named_parameters():
        weight.grad = gradients[name].clone()
    Muon(net, 0.9, **RATES).step()
    for name, weight in net.named_parameters():
        if name in MATRICES:
            step = ((1 - 0.001) * before[name] - weight.detach()).flatten(1).double()
            size = 0.01 * STEP * max(step.shape) ** 0.5
            left, values, right = torch.linalg.svd(gradients[name].flatten(1).double(), full_matrices=False)
            along = left.mT @ step @ right.mT / size
            reached = values > values[0] / 10  # by three iterations
            assert reached.sum() > 50
            assert ((along.diag() > 0.5) & (along.diag() < 1.3))[reached].all()
            assert (along - along.diag().diag()).abs().max() < 1e-3


def test_other_weights_take_the_steps_of_adamw(net):
    other = copy.deepcopy(net)
    take_steps(net, Muon(net, 0.9, **RATES), 1)
    take_steps(other, torch.optim.AdamW(other.parameters(), **RATES), 1)
    for (name, weight), twin in zip(net.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(weight, twin) == (name not in MATRICES)


def test_steps_go_on_from_the_state_that_was_saved(net):
    optimizer = Muon(net, 0.9, **RATES)
    take_steps(net, optimizer, 2)
    resumed, state = copy.deepcopy(net), copy.deepcopy(optimizer.state_dict())
    take_steps(net, optimizer, 3)
    again = Muon(resumed, 0.9, **RATES)
    again.load_state_dict(state)
    take_steps(resumed, again, 3)
    for weight, twin in zip(net.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(weight, twin)


def test_a_model_without_matrices_is_refused():
    with pytest.raises(InputError, match=f"no weight of the model has {LEAST} rows and columns.*adamw"):
        Muon(nn.Linear(3, LEAST), 0.9, **RATES)


def test_singular_values_become_nearly_one():
    torch.manual_seed(0)
    matrices = torch.randn(2, LEAST, 2 * LEAST) * torch.tensor([1e-3, 1e3])[:, None, None]
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert values.min() > 0.6 and values.max() < 1.3
    assert not orthogonalised(torch.zeros(1, 4, 8)).any()
