"""Partitions of the graph against the published ones, and what must hold for any skeleton."""

from pathlib import Path

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.models.layers.partitions import hop_distances, partitions
from stgraph.skeleton import H36M16, H36M17, H36M32, NTU25, OPENPOSE18, SKELETONS, Skeleton

GOLDEN = Path(__file__).parents[2] / "golden"
ARM = Skeleton("arm", ("Elbow", "Shoulder", "Wrist"), (1, -1, 0))


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_symmetric_partitions_are_the_published_ones(frames):
    with np.load(GOLDEN / "tgraphnet_graph.npz") as file:
        expected = np.stack(
            [file[f"f{frames}_norm_neighbour/adj_v_{part}"] for part in ("root", "close", "further", "sym")]
        )
    np.testing.assert_allclose(partitions(H36M17, "symmetric", frames=frames), expected, atol=1e-7)


@pytest.mark.parametrize("skeleton", [H36M16, H36M17, H36M32, ARM])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_symmetric_partitions_of_any_skeleton(skeleton, frames):
    matrices = partitions(skeleton, "symmetric", frames=frames)
    itself, closer, further, pairs = matrices
    assert ((matrices > 0).sum(axis=0) <= 1).all(), "an edge is in one partition"
    np.testing.assert_allclose(closer, further.T)
    assert np.count_nonzero(closer) == frames * len(skeleton.bones)
    assert np.count_nonzero(pairs) == frames * 2 * len(skeleton.left)
    assert np.count_nonzero(itself) == frames * len(skeleton)
    frame = np.arange(frames * len(skeleton)) // len(skeleton)
    assert not matrices[:, frame[:, None] != frame].any(), "no edge joins frames"
    # A joint hears from its parent through "closer".
    for joint, parent in skeleton.bones:
        assert closer[joint, parent] > 0


STGCN = {"openpose": OPENPOSE18, "ntu-rgb+d": NTU25}
OPTIONS = {"hop1_dil1": (1, 1), "hop2_dil1": (2, 1), "hop3_dil1": (3, 1), "hop2_dil2": (2, 2)}


def published(layout: str) -> Skeleton:
    """A skeleton by the links and the centre of a published graph, which need not be its root."""
    with np.load(GOLDEN / "stgcn_graphs.npz") as file:
        links, centre = file[f"{layout}/edge"].tolist(), int(file[f"{layout}/center"])
    parents = {joint: parent for joint, parent in links if joint != parent}
    joints = range(len(parents) + 1)
    return Skeleton(layout, tuple(map(str, joints)), tuple(parents.get(joint, -1) for joint in joints), centre=centre)


@pytest.mark.parametrize("hops_dilation", OPTIONS)
@pytest.mark.parametrize("strategy", ["uniform", "distance", "spatial"])
@pytest.mark.parametrize("layout", [*STGCN, "ntu_edge"])
def test_partitions_of_stgcn_are_the_published_ones(layout, strategy, hops_dilation):
    hops, dilation = OPTIONS[hops_dilation]
    legacy = {"legacy": True} if strategy == "spatial" else {}
    matrices = partitions(published(layout), strategy, hops=hops, dilation=dilation, **legacy)
    with np.load(GOLDEN / "stgcn_graphs.npz") as file:
        # Published entry [k, v, w] weighs what w receives from v.
        np.testing.assert_allclose(matrices.swapaxes(1, 2), file[f"{layout}/{strategy}/{hops_dilation}"], atol=1e-12)


@pytest.mark.parametrize("layout", STGCN)
def test_layouts_have_the_links_and_the_centre_of_the_published_graphs(layout):
    expected, skeleton = published(layout), STGCN[layout]
    assert (skeleton.parents, skeleton.centre) == (expected.parents, expected.centre)


@pytest.mark.parametrize("hops_dilation", ["hop3_dil1", "hop2_dil2"])
def test_true_distances_are_the_published_ones_where_those_reach_far_enough(hops_dilation):
    hops, dilation = OPTIONS[hops_dilation]
    matrices = partitions(OPENPOSE18, "spatial", hops=hops, dilation=dilation)
    with np.load(GOLDEN / "stgcn_graphs.npz") as file:
        np.testing.assert_allclose(matrices.swapaxes(1, 2), file[f"openpose/spatial/{hops_dilation}"], atol=1e-12)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize(("hops", "dilation"), OPTIONS.values())
def test_partitions_of_stgcn_of_any_skeleton(skeleton, hops, dilation):
    uniform, distance, spatial = (
        partitions(skeleton, strategy, hops=hops, dilation=dilation) for strategy in ("uniform", "distance", "spatial")
    )
    assert (len(uniform), len(distance), len(spatial)) == (1, 1 + hops // dilation, 1 + 2 * (hops // dilation))
    apart, centre = hop_distances(skeleton), hop_distances(skeleton)[skeleton.centre]
    for matrices in (uniform, distance, spatial):
        assert ((matrices > 0).sum(axis=0) <= 1).all(), "a link is in one partition"
        np.testing.assert_allclose(matrices.sum(axis=(0, 2)), 1, err_msg="a joint receives a mean")
        np.testing.assert_allclose(matrices.sum(axis=0), uniform[0])
    for k, matrix in enumerate(distance):
        assert {*apart[matrix > 0]} == {k * dilation}
    for outer, closer, links in zip(spatial[1::2], spatial[2::2], distance[1:], strict=True):
        np.testing.assert_allclose(outer + closer, links)
        receivers, senders = np.nonzero(closer)
        assert (centre[senders] < centre[receivers]).all()
        receivers, senders = np.nonzero(outer)
        assert (centre[senders] >= centre[receivers]).all()


def test_distances_are_those_of_the_bones():
    apart = hop_distances(ARM)
    np.testing.assert_array_equal(apart, [[0, 1, 1], [1, 0, 2], [1, 2, 0]])
    np.testing.assert_array_equal(hop_distances(H36M32)[H36M32.root], H36M32.depths)


def test_another_centre_deals_the_links_otherwise():
    moved = Skeleton("moved", ARM.names, ARM.parents, centre=2)
    assert partitions(ARM, "spatial")[2].nonzero()[0].tolist() == [0, 2], "from the shoulder outwards"
    assert partitions(moved, "spatial")[2].nonzero()[0].tolist() == [0, 1], "from the wrist inwards"


def test_unknown_partition_lists_those_there_are():
    with pytest.raises(InputError, match="one of symmetric, uniform, distance, spatial"):
        partitions(H36M17, "symetric")
