"""PoseMixer sees a mirrored world mirrored, does not look ahead where it may not, and undoes its view."""

import pytest
import torch

from stgraph.errors import InputError
from stgraph.models.posemixer import CanonicalView, PoseMixer, turn_to
from stgraph.settings.params import validate
from stgraph.skeleton import COCO17, H36M17, Skeleton

HEADS = {"pose": 3, "uncertainty": 1, "action": 4}


def model(skeleton: Skeleton = H36M17, **settings: int | bool) -> PoseMixer:
    """A small one whose heads are not near zero, in double precision."""
    torch.manual_seed(0)
    net = PoseMixer(skeleton, 3, HEADS, channels=16, blocks=2, groups=2, reach=3, **settings).double()
    for weight in net.heads.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net.eval()


def poses(frames: int, joints: int = len(H36M17)) -> torch.Tensor:
    """Two windows (2 3 t j) with joints that were not seen."""
    generator = torch.Generator().manual_seed(1)
    x = 0.3 * torch.randn(2, 3, frames, joints, generator=generator, dtype=torch.float64)
    x[:, 2] = x[:, 2].abs()
    x[0, :, 1:3, 4] = 0
    x[1, :, 3] = 0
    return x


CAMERA = torch.tensor([[2.0, 2.1, 0.1, -0.05], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize("skeleton", [H36M17, COCO17], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("patch", [1, 3])
def test_a_mirrored_input_has_the_mirrored_output(skeleton, patch):
    net, x = model(skeleton, patch=patch), poses(8, len(skeleton))
    mirror, sign = torch.from_numpy(skeleton.mirror.copy()), torch.tensor([-1.0, 1, 1]).double()
    twin = net(x[..., mirror] * sign.view(1, 3, 1, 1), camera=CAMERA * torch.tensor([1, 1, -1, 1]))
    outputs = net(x, camera=CAMERA)
    torch.testing.assert_close(twin["pose"], outputs["pose"][..., mirror] * sign.view(1, 3, 1, 1))
    torch.testing.assert_close(twin["uncertainty"], outputs["uncertainty"][..., mirror])
    torch.testing.assert_close(twin["action"], outputs["action"])


def test_what_is_not_seen_is_not_read():
    """A joint at (0, 0) is unseen whatever its confidence; a frame without joints takes its neighbour's view."""
    net, x = model(), poses(6)
    outputs = net(x, camera=CAMERA)
    assert outputs["pose"].isfinite().all()
    nothing = net(torch.zeros_like(x), camera=CAMERA)
    assert nothing["pose"].isfinite().all()


def test_a_causal_model_does_not_look_ahead_and_goes_on_frame_by_frame():
    net, x = model(causal=True, patch=1), poses(20)
    x[0, :, 4:14] = 0  # nothing seen for longer than the blocks reach
    x[1, :, :5] = 0  # nor at the beginning
    whole = net(x, camera=CAMERA)
    torch.testing.assert_close(net(x[:, :, :9], camera=CAMERA)["pose"], whole["pose"][:, :, :9])
    past = None
    for frame in range(20):
        outputs, past = net.step(past, x[:, :, [frame]], CAMERA)
        for name, output in outputs.items():
            torch.testing.assert_close(output, whole[name][:, :, [frame]])
    assert past is not None and past.shape[2] == 7


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("at", [0, 2, 9, 18, 19])
def test_one_frame_alone_is_as_among_all(causal, at):
    """Frames at the ends, and in the middle where two blocks reach three frames to either side."""
    net, x = model(causal=causal, patch=1), poses(20)
    whole, alone = net(x, camera=CAMERA), net(x, camera=CAMERA, at=at)
    assert alone.keys() == whole.keys()
    for name, output in alone.items():
        torch.testing.assert_close(output, whole[name][:, :, [at]])


def test_a_causal_model_in_patches_is_refused():
    values = {
        "task": {"name": "lifting", "losses": {"position": 1}},
        "data": {"dataset": "x", "detector": "gt", "frames": 27},
        "model": {"name": "posemixer", "causal": True, "patch": 3, "groups": 7},
    }
    with pytest.raises(InputError, match="model.groups") as error:
        validate(values, "here")
    assert "model.patch" in str(error.value)


def test_the_view_does_not_depend_on_where_and_how_large_a_person_appears():
    """A distant person's image about the optical axis is the same as that of one as far away elsewhere, up to depth."""
    shape = torch.randn(1, 1, 17, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.01
    seen, camera = torch.ones(1, 1, 17, dtype=torch.float64), torch.tensor([[2.0, 2, 0, 0]]).double()
    flat, turn, numbers = CanonicalView(False)(2 * shape, seen, camera)
    larger, _, others = CanonicalView(False)(4 * shape, seen, camera)
    torch.testing.assert_close(flat, larger, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        others[..., 2] - numbers[..., 2], torch.full((1, 1), 2.0).double().log(), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand_as(turn))


def test_the_rotation_turns_the_ray_onto_the_axis():
    slopes = torch.randn(50, 2, dtype=torch.float64)
    rays = torch.cat([slopes, torch.ones(50, 1)], -1)
    turned = (turn_to(slopes) @ rays[..., None])[..., 0]
    torch.testing.assert_close(turned[:, :2], torch.zeros(50, 2).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(turned[:, 2], rays.norm(dim=-1))
    torch.testing.assert_close(torch.linalg.det(turn_to(slopes)), torch.ones(50).double())
