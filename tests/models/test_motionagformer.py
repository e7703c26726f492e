"""MotionAGFormer against the published implementation's numbers, and its graphs against their definitions."""

import pytest
import torch

from stgraph.errors import InputError
from stgraph.models.layers.partitions import bone_matrix
from stgraph.models.motionagformer import (
    PUBLISHED_MISSING_LINKS,
    BoneGraph,
    GraphMixer,
    MotionAGFormer,
    SimilarFrames,
    balanced,
)
from stgraph.skeleton import H36M17, Skeleton
from tests.models.published_golden import assert_golden, build, golden, parameters, published_state

SIZES = {
    "xs": ({"layers": 12, "channels": 64, "frames": 27}, 2.24),
    "s": ({"layers": 26, "channels": 64, "frames": 81}, 4.82),
    "b": ({"layers": 16, "channels": 128, "frames": 243}, 11.72),
    "l": ({"layers": 26, "channels": 128, "frames": 243}, 19.0),
}


def test_outputs_are_the_published_ones():
    arrays, state = golden("motionagformer_d32_l2_f27")
    assert_golden(build("motionagformer", state, attention_heads=4), arrays)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_parameters_of_the_published_sizes(size):
    settings, millions = SIZES[size]
    assert parameters("motionagformer", **settings) / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["xs", "b"])
def test_settings_of_the_published_checkpoints_are_inferred(size):
    state, count = published_state(f"motionagformer_{size}")
    settings, _ = MotionAGFormer.from_published(state, len(H36M17))
    assert settings.items() >= SIZES[size][0].items()
    assert settings["missing_links"] == list(PUBLISHED_MISSING_LINKS) and settings["mlp_ratio"] == 4
    assert settings["data.frames"] == SIZES[size][0]["frames"] and settings["data.confidence"]
    assert MotionAGFormer.published_for(state).like == f"motionagformer_{size}"
    assert count == parameters("motionagformer", **SIZES[size][0])


def test_a_balanced_graph_is_its_equation():
    links = torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0]])
    degree = torch.tensor([2.0, 1, torch.inf])
    torch.testing.assert_close(balanced(links), links / (degree[:, None] * degree).sqrt())


def test_joints_receive_from_their_neighbours_but_for_the_missing_links():
    whole = BoneGraph(H36M17, [])(torch.zeros(1, 1, 1))
    assert torch.equal(whole > 0, torch.from_numpy(bone_matrix(H36M17))) and torch.equal(whole, whole.T)
    less = BoneGraph(H36M17, list(PUBLISHED_MISSING_LINKS))(torch.zeros(1, 1, 1)) > 0
    lost = ((whole > 0) & ~less).nonzero().tolist()
    assert lost == [[0, 4], [8, 11], [8, 14]] and less[4, 0] and less[11, 8] and less[14, 8]
    with pytest.raises(InputError, match="no joint 'Tail'"):
        BoneGraph(H36M17, [("Hip", "Tail")])


def test_a_frame_receives_from_the_two_most_like_it_and_all_that_are_as_like():
    x = torch.tensor([[[1.0, 0], [0.9, 0], [0, 1], [0, 1], [0, 1]]])
    graph = SimilarFrames()(x)[0] > 0
    assert graph[0].tolist() == [True, True, False, False, False]
    assert graph[2].tolist() == [False, False, True, True, True]
    assert SimilarFrames()(x[:, :1]).shape == (1, 1, 1)


def test_the_graph_mixer_is_its_equation():
    torch.manual_seed(0)
    mixer = GraphMixer(4, len(H36M17), BoneGraph(H36M17, [])).double().eval()
    torch.nn.init.uniform_(mixer.norm.running_mean)
    torch.nn.init.uniform_(mixer.norm.running_var, 0.5, 2)
    x, matrix = torch.randn(2, 17, 4, dtype=torch.float64), mixer.graph(torch.zeros(1, 1, 1))
    received = torch.einsum("vw,nwc->nvc", matrix, x @ mixer.received.weight.T + mixer.received.bias)
    y = received + x @ mixer.own.weight.T + mixer.own.bias
    y = (y - mixer.norm.running_mean[:, None]) / (mixer.norm.running_var[:, None] + 1e-5).sqrt()
    torch.testing.assert_close(mixer(x), (x + y).relu())


def test_windows_of_another_length_are_refused():
    settings = {"channels": 16, "attention_heads": 4, "frames": 27}
    assert MotionAGFormer.check(settings, 27) == []
    expected = "frames: 27 have a norm each, and data.frames is 9; give the same number"
    assert MotionAGFormer.check(settings, 9) == [expected]


def test_any_tree_has_a_graph():
    star = Skeleton("star", ("C", "L", "R"), (-1, 0, 0))
    assert (BoneGraph(star, [])(torch.zeros(1, 1, 1))[0] > 0).tolist() == [False, True, True]
