"""The graph of a skeleton as matrices: its bones, distances between joints, and partitions of the edges."""

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError
from stgraph.skeleton import Skeleton


def partitions(skeleton: Skeleton, strategy: str, **options: int) -> Float[np.ndarray, "k v w"]:
    """The graph of a skeleton, normalised and divided into the partitions of a strategy.

    Entry [k, v, w] weighs what joint v receives from joint w.

    Args:
        skeleton: gives joints, bones, left-right pairs and the centre.
        strategy: a name in `STRATEGIES`, each documented at its function.
        options: keyword arguments of that function.

    Raises:
        InputError: unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise InputError(
            where="partition of the graph", found=repr(strategy), expected=f"one of {', '.join(STRATEGIES)}"
        )
    return STRATEGIES[strategy](skeleton, **options)


def bone_matrix(skeleton: Skeleton) -> Bool[np.ndarray, "v w"]:
    """Which joints a bone joins, in both directions."""
    matrix = np.zeros((len(skeleton), len(skeleton)), bool)
    for joint, parent in skeleton.bones:
        matrix[joint, parent] = matrix[parent, joint] = True
    return matrix


def symmetric_partitions(skeleton: Skeleton, frames: int = 1) -> Float[np.ndarray, "4 v w"]:
    """Equally far from the root (and self), closer to it, further from it, and left-right pairs (TGraphNet).

    The graph spans some consecutive frames: node `len(skeleton) * frame + joint` is a joint in a frame. D^-1/2 A D^-1/2
    with the degrees of a whole graph A that also links each joint to itself in neighbouring frames;
    those links are in no partition, so that no frame receives from another until training makes it so.
    """
    depth, bones, itself = skeleton.depths, bone_matrix(skeleton), np.eye(len(skeleton), dtype=bool)
    farther = np.sign(depth[:, None] - depth)  # 1 where v is farther from the root than w
    pairs = itself[skeleton.mirror] & ~itself & ~bones
    links = np.stack([itself | bones & (farther == 0), bones & (farther > 0), bones & (farther < 0), pairs])
    links = np.kron(np.eye(frames, dtype=bool), links)
    neighbours = np.eye(frames, k=1, dtype=bool) | np.eye(frames, k=-1, dtype=bool)
    degree = (links.any(axis=0) | np.kron(neighbours, itself)).sum(axis=1)
    return links / np.sqrt(np.outer(degree, degree))


def hop_distances(skeleton: Skeleton) -> Int[np.ndarray, "v w"]:
    """Bones on the way between two joints."""
    from scipy.sparse.csgraph import shortest_path

    return shortest_path(bone_matrix(skeleton), unweighted=True).astype(int)


def linked(distances: Int[np.ndarray, "v w"], hops: int, dilation: int) -> Float[np.ndarray, "h v w"]:
    """Links between joints 0, dilation, 2 dilation, ... up to `hops` bones apart, a matrix for each distance.

    What a joint receives is the mean over all those linked to it: A D^-1 in ST-GCN, where a joint's senders stand in
    its column. Here they stand in its row, so that all matrices together sum to 1 over w.
    """
    links = distances == np.arange(0, hops + 1, dilation)[:, None, None]
    return links / links.sum(axis=(0, 2), keepdims=True)


def uniform_partitions(skeleton: Skeleton, hops: int = 1, dilation: int = 1) -> Float[np.ndarray, "1 v w"]:
    """All links alike (ST-GCN's uni-labeling)."""
    return linked(hop_distances(skeleton), hops, dilation).sum(axis=0, keepdims=True)


def distance_partitions(skeleton: Skeleton, hops: int = 1, dilation: int = 1) -> Float[np.ndarray, "h v w"]:
    """A partition for each distance between the joints, self links first (ST-GCN's distance partitioning)."""
    return linked(hop_distances(skeleton), hops, dilation)


def spatial_partitions(
    skeleton: Skeleton, hops: int = 1, dilation: int = 1, legacy: bool = False
) -> Float[np.ndarray, "k v w"]:
    """By the distance from the skeleton's centre (ST-GCN's spatial configuration).

    Self links first; then for each distance two partitions: what a joint receives from those further from the centre
    than itself or as far as it, and what it receives from those closer.

    Args:
        skeleton: gives the bones and the centre.
        hops: bones between linked joints at most.
        dilation: take every so many-th distance.
        legacy: as published, all joints more than `hops` bones from the centre count as equally far from it, which puts
            most links that lead outwards into the same partition as those that lead inwards.
    """
    distances = hop_distances(skeleton)
    from_centre = distances[skeleton.centre]
    if legacy:
        from_centre = np.minimum(from_centre, hops + 1)
    closer = from_centre[:, None] > from_centre
    itself, *others = linked(distances, hops, dilation)
    return np.stack([itself, *(links * side for links in others for side in (~closer, closer))])


STRATEGIES = {
    "symmetric": symmetric_partitions,
    "uniform": uniform_partitions,
    "distance": distance_partitions,
    "spatial": spatial_partitions,
}
