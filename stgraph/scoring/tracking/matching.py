"""Matching of resulting and annotated joints by PoseTrack's rules: head sizes, ignore regions, PCKh.

A joint is correct within half a head size of an annotated one of its type; the head size is 0.6 times the diagonal of
the annotated head box. Points in ignore regions are left out on both sides, and so are frames without labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from stgraph.errors import InputError
from stgraph.formats.posetrack import HEAD_SIZE, Video

NEAR = 0.5  # head sizes: largest error of a correct joint


@dataclass
class LabelledFrame:
    """One frame that is scored: p annotated and q resulting poses, without those that have no joint left.

    Attributes:
        number: of the frame within the video.
        annotated_people: number of annotated poses, including those in ignore regions.
        person: (p) index of the annotated person into `ScoredVideo.persons`.
        identity: (q) index of the result's identity into `ScoredVideo.identities`.
        truth, result: (p j 3), (q j 3) pixels and confidence; confidence 0 = missing.
        head: (p) head sizes in pixels.
        rows: (q) index of each resulting pose in its video.
        distance: (p q j) between joints of one type in head sizes; infinite where one is missing.
    """

    number: int
    annotated_people: int
    person: Int[np.ndarray, " p"]
    identity: Int[np.ndarray, " q"]
    truth: Float[np.ndarray, "p j 3"]
    result: Float[np.ndarray, "q j 3"]
    head: Float[np.ndarray, " p"]
    rows: Int[np.ndarray, " q"]

    @cached_property
    def annotated(self) -> Bool[np.ndarray, "p j"]:
        return self.truth[..., 2] > 0

    @cached_property
    def present(self) -> Bool[np.ndarray, "q j"]:
        return self.result[..., 2] > 0

    @cached_property
    def distance(self) -> Float[np.ndarray, "p q j"]:
        pixels = np.linalg.norm(self.truth[:, None, :, :2] - self.result[None, :, :, :2], axis=-1)
        both = self.annotated[:, None] & self.present[None]
        return np.where(both, pixels / self.head[:, None, None], np.inf)

    @cached_property
    def near(self) -> Bool[np.ndarray, "p q j"]:
        return self.distance <= NEAR


@dataclass
class ScoredVideo:
    """Truth and result of a video, frame by frame.

    Attributes:
        persons, identities: the persons of the annotation and the identities of the result, in ascending order.
        result: the video of the resulting poses.
    """

    name: str
    frames: list[LabelledFrame]
    persons: Int[np.ndarray, " persons"]
    identities: Int[np.ndarray, " identities"]
    result: Video


def paired_video(truth: Video, result: Video, role: str = "result") -> ScoredVideo:
    """The labelled frames of a truth with the result's poses of the same frame numbers.

    Raises:
        InputError: the skeletons differ, the result lacks a labelled frame, a scored person has no head box, or two
            poses of a frame have the same identity.
    """
    if truth.skeleton.names != result.skeleton.names:
        raise InputError(
            where=f"{truth.name}, {role}",
            found=f"the joints {', '.join(result.skeleton.names)}",
            expected=f"those of the truth in the same order, {', '.join(truth.skeleton.names)}",
        )
    numbers = truth.frame_ids[truth.labelled]
    if missing := sorted(set(numbers.tolist()) - set(result.frame_ids.tolist())):
        raise InputError(
            f"the {role} has no frame {missing[0]} ({len(missing)} of {len(numbers)} labelled frames are missing)",
            where=truth.name,
            remedy="list every labelled frame in it, also those without a pose",
        )
    persons, person = np.unique(truth.person, return_inverse=True)
    identities, identity = np.unique(result.person, return_inverse=True)
    frames = []
    for index in np.flatnonzero(truth.labelled).tolist():
        number = int(truth.frame_ids[index])
        annotated = _rows(truth, index)
        truth_rows, truth_poses = _outside(truth, annotated, truth.ignore[index])
        in_frame = _rows(result, int(np.searchsorted(result.frame_ids, number)))
        rows, poses = _outside(result, in_frame, truth.ignore[index])
        frames.append(
            LabelledFrame(
                number=number,
                annotated_people=len(annotated),
                person=person[truth_rows],
                identity=identity[rows],
                truth=truth_poses,
                result=poses,
                head=_head_sizes(truth, truth_rows, number),
                rows=rows,
            )
        )
        _distinct(truth, truth_rows, number, "truth")
        _distinct(result, rows, number, role)
    return ScoredVideo(truth.name, frames, persons, identities, result)


def pose_pairs(frame: LabelledFrame, first: bool = False) -> Int[np.ndarray, " q"]:
    """The annotated pose that each resulting pose is matched with, -1 for none.

    The PCKh of a pair is the share of the annotated joints that are correct. Each result chooses the annotation of the
    largest PCKh, each annotation the best of the results that chose it; the others are false positives, even where
    they fit another annotation. Ties go to the pair whose correct joints are nearest, or to the `first` of the file.
    """
    pairs = np.full(len(frame.result), -1)
    if frame.distance.size:
        annotated = frame.annotated.sum(-1)[:, None]
        pckh = frame.near.sum(-1) / annotated
        if not first:
            # In [0, 1], weighted with less than the smallest difference of two shares.
            nearness = np.where(frame.near, 1 - frame.distance / NEAR, 0).sum(-1) / annotated
            pckh += nearness / (2 * annotated.max() ** 2)
        pckh *= np.arange(len(pckh))[:, None] == pckh.argmax(0)
        matched = np.flatnonzero(pckh.max(1) > 0)
        pairs[pckh.argmax(1)[matched]] = matched
    return pairs


def joint_pairs(
    distance: Float[np.ndarray, "p q j"], kept: Int[np.ndarray, "p j"] | None = None
) -> Int[np.ndarray, "p j"]:
    """The q that each joint of p is paired with, -1 for none: one to one within `NEAR`.

    As in CLEAR MOT (Bernardin and Stiefelhagen 2008): pairs of `kept`, the q that p keeps if it is near (-1 for none),
    come first, in the order of p. The rest is an assignment of most pairs and least sum of distances.
    """
    # An additional pair outweighs any distances.
    weight = np.where(distance <= NEAR, 1 + min(distance.shape[:2]) - distance, 0.0)
    pairs = np.full((distance.shape[0], distance.shape[2]), -1)
    if kept is None:
        kept = pairs
    for joint in np.flatnonzero(contested(weight)):
        for p, q in enumerate(kept[:, joint].tolist()):
            if q >= 0 and weight[p, q, joint] > 0:
                pairs[p, joint] = q
                weight[p, :, joint] = weight[:, q, joint] = 0
    return np.maximum(pairs, best_pairs(weight))


def identity_columns(wanted: Int[np.ndarray, "p j"], identity: Int[np.ndarray, " q"]) -> Int[np.ndarray, "p j"]:
    """The resulting pose of a frame with each wanted identity, -1 for none."""
    if not len(identity):
        return np.full(wanted.shape, -1)
    order = np.argsort(identity)
    place = order[np.searchsorted(identity, wanted, sorter=order).clip(max=len(identity) - 1)]
    return np.where(identity[place] == wanted, place, -1)


def best_pairs(weight: Float[np.ndarray, "p q j"]) -> Int[np.ndarray, "p j"]:
    """The one-to-one assignment of q to p with the largest sum of weights, for each joint; -1 for none.

    Weights are positive, 0 for impossible pairs.
    """
    pairs = np.full((weight.shape[0], weight.shape[2]), -1)
    if weight.size:
        joints = contested(weight)
        pairs[:, ~joints] = np.where(weight.max(1) > 0, weight.argmax(1), -1)[:, ~joints]
        for joint in np.flatnonzero(joints):
            p, q = linear_sum_assignment(weight[..., joint], maximize=True)
            pairs[p, joint] = np.where(weight[p, q, joint] > 0, q, -1)
    return pairs


def contested(weight: Float[np.ndarray, "p q j"]) -> Bool[np.ndarray, " j"]:
    """The joints in which a p or q has two possible pairs, so that an assignment is needed."""
    pairs = weight > 0
    return (pairs.sum(0) > 1).any(0) | (pairs.sum(1) > 1).any(0)


def inside(points: Float[np.ndarray, "... 2"], polygon: Float[np.ndarray, "v 2"]) -> Bool[np.ndarray, "..."]:
    """Whether points lie in a polygon: a ray to the right crosses its edges an odd number of times.

    Undefined for points exactly on an edge.

    >>> inside(np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]))
    array([ True, False])
    """
    x, y = points[..., None, 0], points[..., None, 1]
    (ax, ay), (bx, by) = polygon.T, np.roll(polygon, -1, axis=0).T
    spans = (ay > y) != (by > y)
    # No ray crosses a horizontal edge, so its slope is arbitrary.
    crossing = ax + (y - ay) * (bx - ax) / np.where(ay == by, 1.0, by - ay)
    return (spans & (x < crossing)).sum(-1) % 2 == 1


def identified(videos: Sequence[ScoredVideo]) -> bool:
    """Whether the results have identities.

    Raises:
        InputError: only some poses have an identity.
    """
    unnamed, named = (
        [
            f"{video.name}: frame {frame.number}"
            for video in videos
            for frame in video.frames
            if ((video.identities[frame.identity] < 0) == without).any()
        ]
        for without in (True, False)
    )
    if named and unnamed:
        problem = f"has a pose without an identity, {named[0]} one with an identity"
        raise InputError(problem, where=unnamed[0], remedy="give every pose of the result an identity, or none")
    return not unnamed


def _rows(video: Video, index: int) -> Int[np.ndarray, " n"]:
    """The poses of a frame."""
    return np.arange(*np.searchsorted(video.frame, [index, index + 1]))


def _outside(
    video: Video, rows: Int[np.ndarray, " n"], ignore: Sequence[Float[np.ndarray, "v 2"]]
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, "p j 3"]]:
    """Poses without the joints in ignore regions; poses without a remaining joint are dropped."""
    poses = np.array(video.pose[rows], dtype=np.float64)
    for polygon in ignore:
        poses[inside(poses[..., :2], np.asarray(polygon, dtype=np.float64)), 2] = 0
    kept = (poses[..., 2] > 0).any(-1)
    return rows[kept], poses[kept]


def _head_sizes(truth: Video, rows: Int[np.ndarray, " p"], number: int) -> Float[np.ndarray, " p"]:
    left, top, right, bottom = np.asarray(truth.head_box[rows], dtype=np.float64).T
    sizes = HEAD_SIZE * np.hypot(right - left, bottom - top)
    for row, size in zip(rows, sizes, strict=True):
        if not 0 < size < np.inf:
            raise InputError(
                f"the head box {truth.head_box[row].tolist()} has no size, which is the unit of distances",
                where=f"{truth.name}: frame {number}, person {truth.person[row]}",
                remedy="annotate it, or leave the person's joints out",
            )
    return sizes


def _distinct(video: Video, rows: Int[np.ndarray, " n"], number: int, role: str) -> None:
    """Raises InputError for an identity twice in a frame."""
    persons = video.person[rows]
    values, counts = np.unique(persons[persons >= 0], return_counts=True)
    if (counts > 1).any():
        raise InputError(
            where=f"{video.name}: frame {number} of the {role}",
            found=f"{counts.max()} poses of identity {values[counts.argmax()]}",
            expected="a person once in a frame",
            remedy="give each its own",
        )
