"""Limbs and the trunk of a body, as a skeleton's tree and its left and right joints have them."""

import numpy as np
from jaxtyping import Bool, Float

from stgraph.skeleton import Skeleton


def descendants(skeleton: Skeleton) -> Bool[np.ndarray, "v w"]:
    """Whether joint w hangs on joint v, or is it."""
    tree = np.eye(len(skeleton), dtype=bool)
    for joint in np.argsort(skeleton.depths)[::-1]:
        if skeleton.parents[joint] >= 0:
            tree[skeleton.parents[joint]] |= tree[joint]
    return tree


def limbs(skeleton: Skeleton) -> list[int]:
    """Where arms and legs begin: joints of one side whose parent is on neither."""
    sided = skeleton.mirror != np.arange(len(skeleton))
    return [joint for joint, parent in skeleton.bones if sided[joint] and not sided[parent]]


def legs(skeleton: Skeleton) -> list[int]:
    """The limbs that hang on the root."""
    return [joint for joint in limbs(skeleton) if skeleton.parents[joint] == skeleton.root]


def trunk(pose: Float[np.ndarray, "n j 3"], skeleton: Skeleton) -> Float[np.ndarray, "n 3"]:
    """The direction from where the legs begin to where the arms begin, of length 1; zero without either."""
    lower = legs(skeleton)
    upper = [joint for joint in limbs(skeleton) if joint not in lower]
    if not lower or not upper:
        return np.zeros((len(pose), 3), pose.dtype)
    along = pose[:, upper].mean(1) - pose[:, lower].mean(1)
    return along / np.linalg.norm(along, axis=-1, keepdims=True).clip(1e-6)


def standing_height(pose: Float[np.ndarray, "n j 3"], skeleton: Skeleton) -> float:
    """Median bones from the end of the longest leg to the farthest joint between left and right, in the pose's unit."""
    parents, middle = np.array(skeleton.parents), skeleton.mirror == np.arange(len(skeleton))
    bones = np.median(np.linalg.norm(pose - pose[:, np.maximum(parents, 0)], axis=-1), axis=0)
    tree = descendants(skeleton)
    length = bones @ tree  # from the root to each joint; the root's own bone is 0
    leg = max((length[tree[leg]].max() - length[leg] for leg in legs(skeleton)), default=0.0)
    return float(leg + length[middle].max())
