"""Augmentation of clips: rotations keep lengths, moves stay within their bounds."""

import math

import torch

from stgraph.tasks.action.augmentation import moves, rotation


def test_rotations_are_rotations():
    turn = rotation(torch.randn(5, 3).double())
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand(5, 3, 3))
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(5).double())
    quarter = rotation(torch.tensor([[0, 0, math.pi / 2]]))[0]
    torch.testing.assert_close(quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), rtol=0, atol=1e-6)
    plane = rotation(torch.tensor([[math.pi / 2]]))[0]
    torch.testing.assert_close(plane @ torch.tensor([1.0, 0]), torch.tensor([0.0, 1]), rtol=0, atol=1e-6)


def test_the_move_is_linear_between_its_ends_and_stays_within_its_bounds():
    torch.manual_seed(0)
    matrix, shift = moves(200, 9)
    torch.testing.assert_close(shift.diff(dim=1), shift.diff(dim=1)[:, :1].expand(-1, 8, -1), rtol=0, atol=1e-6)
    scale = torch.linalg.det(matrix).sqrt()
    assert scale.min() > 0.9 - 1e-5 and scale.max() < 1.1 + 1e-5 and shift.abs().max() <= 0.2 + 1e-6
    angle = torch.rad2deg(torch.atan2(matrix[..., 1, 0], matrix[..., 0, 0]))
    assert angle.abs().max() <= 10 + 1e-4 and len(set(angle[:, 0].round().tolist())) == 5
