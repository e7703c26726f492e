"""The smallest graph lifter: its normalisation and how far its messages go."""

import numpy as np
import pytest
import torch

from stgraph.models.simple_gnn import SimpleGNN, messages
from stgraph.skeleton import H36M16, Skeleton

CHAIN = Skeleton("chain", ("A", "B", "C", "D", "E"), (-1, 0, 1, 2, 3))


def test_bones_are_divided_by_the_roots_of_both_degrees():
    itself, bones = messages(Skeleton("leg", ("Knee", "Hip", "Foot"), (1, -1, 0)))
    side = 1 / np.sqrt(2)
    np.testing.assert_allclose(itself, np.eye(3))
    np.testing.assert_allclose(bones, [[0, side, side], [side, 0, 0], [side, 0, 0]])


def test_degrees_leave_their_own_roots_as_they_are():
    _, bones = messages(H36M16)
    degree = (bones > 0).sum(axis=1)
    np.testing.assert_allclose(bones @ np.sqrt(degree), np.sqrt(degree))
    assert np.abs(np.linalg.eigvalsh(bones)).max() == pytest.approx(1)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_message_goes_one_bone_in_every_layer(layers):
    torch.manual_seed(0)
    model = SimpleGNN(CHAIN, 2, {"pose": 3}, channels=16, layers=layers).eval()
    x = torch.randn(8, 2, 1, 5, requires_grad=True)
    model(x)["pose"][..., 0].sum().backward()
    reached = x.grad.abs().sum(dim=(0, 1, 2)) > 0
    assert reached.tolist() == [joint <= layers for joint in range(5)]
