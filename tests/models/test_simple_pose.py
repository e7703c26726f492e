"""SimplePose against its layers, applied one by one."""

import torch
from einops import rearrange
from torch.nn import functional as F

from stgraph.models.simple_pose import SimplePose
from stgraph.skeleton import H36M16


def test_output_is_that_of_its_layers():
    torch.manual_seed(0)
    model = SimplePose(H36M16, 2, {"pose": 3, "action": 4}, channels=8).double().eval()
    x = torch.randn(3, 2, 5, 16, dtype=torch.float64)

    def affine(rows: torch.Tensor, conv: torch.nn.Conv2d) -> torch.Tensor:
        return F.linear(rows, conv.weight.flatten(1), conv.bias)

    rows = affine(rearrange(x, "b c t j -> (b t) (j c)"), model.first)
    for block in model.blocks:
        y = rows
        for dense in block:
            norm = dense.norm
            mapped = affine(y, dense.conv)
            y = F.batch_norm(mapped, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps).relu()
        rows = rows + y
    outputs = model(x)
    pose = rearrange(affine(rows, model.heads["pose"].conv), "(b t) (j c) -> b c t j", b=3, c=3)
    torch.testing.assert_close(outputs["pose"], pose)
    action = rearrange(affine(rows, model.heads["action"].conv), "(b t) n -> b n t 1", b=3)
    torch.testing.assert_close(outputs["action"], action)


def test_every_joint_is_predicted():
    pose = SimplePose(H36M16, 2, {"pose": 3}, channels=8).eval()(torch.randn(4, 2, 1, 16))["pose"]
    assert pose.all()
