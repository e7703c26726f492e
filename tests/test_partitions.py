"""Partitions of the graph against the published ones, and what must hold for any skeleton."""

from pathlib import Path

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17, H36M32, Skeleton, partitions

GOLDEN = Path(__file__).parent / "golden" / "tgraphnet_graph.npz"
ARM = Skeleton("arm", ("Elbow", "Shoulder", "Wrist"), (1, -1, 0))


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_symmetric_partitions_are_the_published_ones(frames):
    with np.load(GOLDEN) as file:
        expected = np.stack(
            [file[f"f{frames}_norm_neighbour/adj_v_{part}"] for part in ("root", "close", "further", "sym")]
        )
    np.testing.assert_allclose(partitions(H36M17, "symmetric", frames), expected, atol=1e-7)


@pytest.mark.parametrize("skeleton", [H36M16, H36M17, H36M32, ARM])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_symmetric_partitions_of_any_skeleton(skeleton, frames):
    matrices = partitions(skeleton, "symmetric", frames)
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


def test_unknown_partition_lists_those_there_are():
    with pytest.raises(InputError, match="there are symmetric"):
        partitions(H36M17, "symetric")
