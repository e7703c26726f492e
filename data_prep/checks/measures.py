"""Measures of the poses in a dataset: one pass over its rows, a piece at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Shaped
from scipy.spatial.transform import Rotation

from data_prep.checks.anatomy import bone_lengths, head_angles, knee_sines
from stgraph.data.dataset import Dataset
from stgraph.data.recording import members, runs
from stgraph.geometry import project
from stgraph.skeleton import Skeleton

PIECE = 20_000  # rows
LOWEST = 2  # percent of the frames, for the floor
FEET, HEAD = ("LFoot", "RFoot"), "Head"
TRUNK = ("Hip", "Thorax", "Neck/Nose")
LEGS = tuple(f"{side}{joint}" for side in "LR" for joint in ("Hip", "Knee", "Foot"))


class Table:
    """The rows of a dataset by recording and track.

    Attributes:
        recording: (row) number of its recording. subject: (recording) its number in `subjects`.
        goes_on: (row) whether it is the next frame of the row before, and both are valid.
        valid: (row) whether its ground truth counts. fps: (recording) frames a second.
        up: (recording, 3) the world's z in camera axes. above: (recording) the camera's height, metres; NaN if unknown.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.skeleton = dataset, dataset.skeleton
        tracks, recordings = dataset.tracks, dataset.recordings
        track, frame = members(tracks["rows"])
        self.valid = dataset.rows("valid")
        self.recording = np.zeros(len(self.valid), np.int64)
        self.recording[tracks["first_row"][track] + frame] = tracks["recording"][track]
        self.goes_on = self.valid & np.roll(self.valid, 1)
        self.goes_on[tracks["first_row"]] = False
        self.fps = recordings["fps"]
        self.subjects, self.subject = np.unique(recordings["subject"], return_inverse=True)
        self.up = Rotation.from_quat(recordings["rotation"], scalar_first=True).as_matrix()[:, 2]
        # A camera whose place is not known is written at the world's origin, on the floor.
        known = recordings["translation"].any(axis=1)
        self.above = np.where(known, recordings["translation"][:, 2], np.nan)

    def pieces(self) -> Iterator[slice]:
        """Consecutive rows."""
        for first in range(0, len(self.recording), PIECE):
            yield slice(first, min(first + PIECE, len(self.recording)))

    def mean_by_recording(self, values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " recording"]:
        """Means over the rows that are not NaN; NaN where there are none."""
        known = np.isfinite(values)
        total = self.sum_by_recording(np.where(known, values, 0))
        return ratio(total, self.sum_by_recording(known))

    def sum_by_recording(self, values: Shaped[np.ndarray, " row"]) -> Float[np.ndarray, " recording"]:
        """Sums over the rows."""
        return np.bincount(self.recording, values, len(self.dataset))

    def maximum_by_recording(self, values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " recording"]:
        """Largest over the rows that are not NaN; 0 where there are none."""
        largest = np.zeros(len(self.dataset))
        np.maximum.at(largest, self.recording, np.nan_to_num(values))
        return largest


def ratio(total: Float[np.ndarray, "*n"], count: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Total over count; NaN where the count is 0."""
    return np.divide(total, count, out=np.full(np.shape(count), np.nan), where=count > 0)


def height_bones(skeleton: Skeleton) -> list[tuple[int, float]]:
    """(bone, weight) whose sum is a person's height from the feet to the head, along the bones; nothing if unknown.

    The middle of both legs, and the spine; hips are beside the root, not above it.
    """
    if not has_legs(skeleton):
        return []
    bone = {joint: number for number, (joint, _) in enumerate(skeleton.bones)}

    def chain(joint: int, end: int) -> list[int]:
        return [] if joint == end else [bone[joint], *chain(skeleton.parents[joint], end)]

    spine = [(number, 1.0) for number in chain(skeleton.index(HEAD), skeleton.root)]
    sides = [chain(skeleton.index(f"{side}Foot"), skeleton.index(f"{side}Hip")) for side in "LR"]
    return spine + [(number, 0.5) for side in sides for number in side]


@dataclass
class People:
    """Measures of the 3D poses, metres. Numbers of a row are NaN where they cannot be taken.

    Attributes:
        lengths, spread: (subject, bone) mean and standard deviation over frames.
        stretch: (recording, bone) standard deviation within the recording, of the bone's mean.
        knees: (row) sine of their flexion, negative if they bend backwards.
        head: (row) the head's height above the feet. bent: (row) degrees between head and trunk.
        floor: (row) height of the lower foot in the world.
        nearest: (row) smallest depth of a joint before the camera; NaN where paths are unknown.
        speed: (row) of the fastest joint since the row before, metres a second.
        frozen: (row) whether no joint moved since the row before.
        still: (recording, joint) steps in which the joint did not move while another did. steps: (recording) of these.
        path: whether roots have places.
    """

    table: Table
    lengths: Float[np.ndarray, "subject bone"]
    spread: Float[np.ndarray, "subject bone"]
    stretch: Float[np.ndarray, "recording bone"]
    knees: Float[np.ndarray, " row"]
    head: Float[np.ndarray, " row"]
    bent: Float[np.ndarray, " row"]
    floor: Float[np.ndarray, " row"]
    nearest: Float[np.ndarray, " row"]
    speed: Float[np.ndarray, " row"]
    frozen: Bool[np.ndarray, " row"]
    still: Float[np.ndarray, "recording j"]
    steps: Float[np.ndarray, " recording"]
    path: bool

    @cached_property
    def height(self) -> Float[np.ndarray, " subject"]:
        """From the feet to the head along the bones; NaN for a skeleton of other joints."""
        bones = height_bones(self.table.skeleton)
        if not bones:
            return np.full(len(self.lengths), np.nan)
        return np.sum([weight * self.lengths[:, bone] for bone, weight in bones], axis=0)

    @cached_property
    def asymmetry(self) -> Float[np.ndarray, "subject pair"]:
        """Left bone less the right one over their mean, for every pair of sides."""
        bone = {joint: number for number, (joint, _) in enumerate(self.table.skeleton.bones)}
        sides = (self.table.skeleton.left, self.table.skeleton.right)
        left, right = (self.lengths[:, [bone[joint] for joint in side]] for side in sides)
        return (left - right) / ((left + right) / 2)

    @cached_property
    def longest_freeze(self) -> Int[np.ndarray, " recording"]:
        """Steps of the longest run in which nothing moves."""
        longest = np.zeros(len(self.table.dataset), np.int64)
        for start, end in runs(self.frozen):
            recording = self.table.recording[start]
            longest[recording] = max(longest[recording], end - start)
        return longest

    @cached_property
    def floors(self) -> dict[tuple[str, str], float]:
        """(subject, camera) -> height of the lower foot in its lowest frames, metres; where the camera's is known."""
        known, recordings = np.isfinite(self.floor), self.table.dataset.recordings
        pairs = list(zip(map(str, recordings["subject"]), map(str, recordings["camera"]), strict=True))
        numbers = {pair: number for number, pair in enumerate(sorted(set(pairs)))}
        group = np.array([numbers[pair] for pair in pairs])[self.table.recording[known]]
        heights = {pair: self.floor[known][group == number] for pair, number in numbers.items()}
        return {pair: float(np.percentile(values, LOWEST)) for pair, values in heights.items() if len(values)}


def measure_people(table: Table) -> People:
    """Measure the 3D poses of a dataset that has them."""
    dataset, skeleton, poses = table.dataset, table.skeleton, table.dataset.rows("pose3d")
    recordings, rows = len(dataset), len(table.recording)
    of_row = {
        name: np.full(rows, np.nan, np.float32) for name in ("knees", "head", "bent", "floor", "nearest", "speed")
    }
    # Of the bones' lengths in every recording: how many, their sum and that of their squares.
    count, total, squares = np.zeros((3, recordings, len(skeleton.bones)))
    frozen, still, steps = np.zeros(rows, bool), np.zeros((recordings, len(skeleton))), np.zeros(recordings)
    path = any(poses[piece][:, skeleton.root].any() for piece in table.pieces())
    can_move = np.array([path or joint != skeleton.root for joint in range(len(skeleton))])
    for piece in table.pieces():
        pose = poses[np.arange(piece.start - 1, piece.stop).clip(0)].astype(np.float64)
        moved, pose = np.linalg.norm(np.diff(pose, axis=0), axis=-1), pose[1:]
        recording, valid, goes_on = table.recording[piece], table.valid[piece], table.goes_on[piece]
        lengths = bone_lengths(pose, skeleton)[valid]
        for sums, values in ((count, np.ones_like(lengths)), (total, lengths), (squares, lengths**2)):
            add_rows(sums, recording[valid], values)

        measures = {"speed": np.where(goes_on, moved.max(axis=1) * table.fps[recording], np.nan)}
        if {*TRUNK, HEAD} <= {*skeleton.names}:
            measures["bent"] = head_angles(pose, skeleton)
        if path:
            measures["nearest"] = pose[..., 2].min(axis=1)
        if has_legs(skeleton):
            height = (pose * table.up[recording][:, None]).sum(axis=-1)
            feet = height[:, [skeleton.index(name) for name in FEET]]
            measures["knees"] = knee_sines(pose, skeleton)
            measures["head"] = height[:, skeleton.index(HEAD)] - feet.mean(axis=1)
            if path:
                measures["floor"] = feet.min(axis=1) + table.above[recording]
        for name, values in measures.items():
            of_row[name][piece] = np.where(valid, values, np.nan)

        frozen[piece] = goes_on & (moved == 0).all(axis=1)
        moves = goes_on & (moved > 0).any(axis=1)
        add_rows(still, recording[moves], (moved[moves] == 0) & can_move)
        steps += np.bincount(recording[moves], minlength=recordings)
    of_subject = np.zeros((3, len(table.subjects), len(skeleton.bones)))
    for sums, values in zip(of_subject, (count, total, squares), strict=True):
        add_rows(sums, table.subject, values)
    lengths, spread = mean_and_spread(*of_subject)
    mean, deviation = mean_and_spread(count, total, squares)
    return People(
        table=table,
        path=path,
        lengths=lengths,
        spread=spread,
        stretch=deviation / mean,
        frozen=frozen,
        still=still,
        steps=steps,
        **of_row,
    )


def add_rows(
    sums: Float[np.ndarray, "group n"], group: Int[np.ndarray, " row"], values: Shaped[np.ndarray, "row n"]
) -> None:
    """Add every row to the sums of its group, in place; many times faster than np.add.at."""
    torch.from_numpy(sums).index_add_(0, torch.from_numpy(group), torch.from_numpy(values.astype(np.float64)))


def mean_and_spread(
    count: Float[np.ndarray, "n bone"], total: Float[np.ndarray, "n bone"], squares: Float[np.ndarray, "n bone"]
) -> tuple[Float[np.ndarray, "n bone"], Float[np.ndarray, "n bone"]]:
    """Mean and standard deviation from sums; NaN where the count is 0."""
    mean = ratio(total, count)
    return mean, np.sqrt((ratio(squares, count) - mean**2).clip(0))


def has_legs(skeleton: Skeleton) -> bool:
    """Whether the skeleton has the joints that distinguish upright from upside down."""
    return {HEAD, *LEGS} <= set(skeleton.names)


@dataclass
class Detections:
    """Measures of one detector's 2D poses, pixels, against a reference: the exact 2D, or the image of the 3D.

    Rows that are not valid count where a detector saw them, but not for "gt", which is made of their 3D, or errors.

    Attributes:
        reference: "gt" or "projection"; empty where there is nothing to compare with, and errors are NaN.
        mean, median, most: (j) of the error; `most` is what 95 % stay below.
        overall: mean, median and 95 % over all joints.
        unseen: (j) share of frames in which the joint is not seen.
        inside: share of the seen joints that are in the image.
        size: median over recordings of a person's extent in the image.
        confidence: lowest and highest; inf and -inf where no row counts.
        error, swapped: (recording) mean error, and that of the pose with its sides swapped, of the person's extent.
        upright: (recording) mean of the feet's place below the head, of the person's extent.
    """

    name: str
    reference: str
    mean: Float[np.ndarray, " j"]
    median: Float[np.ndarray, " j"]
    most: Float[np.ndarray, " j"]
    overall: Float[np.ndarray, "3"]
    unseen: Float[np.ndarray, " j"]
    inside: float
    size: float
    confidence: tuple[float, float]
    error: Float[np.ndarray, " recording"]
    swapped: Float[np.ndarray, " recording"]
    upright: Float[np.ndarray, " recording"]


def measure_detections(table: Table, name: str, path: bool) -> Detections:
    """Measure the 2D poses of a detector.

    Args:
        path: whether the 3D poses have their places, so that they can be projected.
    """
    dataset, skeleton = table.dataset, table.skeleton
    reference = reference_of(table, name, path)
    errors = np.full((len(table.recording) if reference else 0, len(skeleton)), np.nan, np.float32)
    unseen, inside, counted_rows = np.zeros(len(skeleton)), 0, 0
    low, high = np.inf, -np.inf
    extent, down, error_sum, swapped_sum, pairs = np.zeros((5, len(table.recording)))
    down[:] = np.nan
    size = np.stack([dataset.recordings["width"], dataset.recordings["height"]], axis=1)
    feet, head = ([skeleton.index(joint) for joint in names if has_legs(skeleton)] for names in (FEET, (HEAD,)))
    for piece in table.pieces():
        values = dataset.rows(f"pose2d/{name}")[piece].astype(np.float64)
        recording, valid = table.recording[piece], table.valid[piece]
        counted = valid if name == "gt" else np.ones_like(valid)
        pose, seen = values[..., :2], (values[..., 2] > 0) & counted[:, None]
        low, high = values[counted, :, 2].min(initial=low), values[counted, :, 2].max(initial=high)
        counted_rows += int(counted.sum())
        unseen += (~seen)[counted].sum(axis=0)
        inside += int((((pose >= 0) & (pose <= size[recording][:, None])).all(axis=-1) & seen).sum())
        extent[piece] = person_extent(pose, seen)
        if has_legs(skeleton):
            below = pose[:, feet, 1].mean(axis=1) - pose[:, head[0], 1]
            down[piece] = np.where(seen[:, [*feet, *head]].all(axis=1), below, np.nan)
        if reference:
            true, visible = reference_poses(table, piece, reference)
            both = seen & visible & valid[:, None]
            errors[piece] = np.where(both, np.linalg.norm(pose - true, axis=-1), np.nan)
            mirrored = both & both[:, skeleton.mirror]
            pairs[piece] = mirrored.sum(axis=1)
            for sums, compared in ((error_sum, pose), (swapped_sum, pose[:, skeleton.mirror])):
                sums[piece] = np.where(mirrored, np.linalg.norm(compared - true, axis=-1), 0).sum(axis=1)
    extents = table.mean_by_recording(extent)
    scale = table.sum_by_recording(pairs) * extents
    seen_joints = counted_rows * len(skeleton) - unseen.sum()
    mean, median, most = statistics(errors)
    return Detections(
        name=name,
        reference=reference,
        mean=mean,
        median=median,
        most=most,
        overall=statistics(errors.reshape(-1, 1))[:, 0],
        unseen=unseen / max(counted_rows, 1),
        inside=inside / max(seen_joints, 1),
        size=float(np.nanmedian(extents)) if np.isfinite(extents).any() else np.nan,
        confidence=(float(low), float(high)),
        error=ratio(table.sum_by_recording(error_sum), scale),
        swapped=ratio(table.sum_by_recording(swapped_sum), scale),
        upright=table.mean_by_recording(down) / extents,
    )


def statistics(errors: Float32[np.ndarray, "n j"]) -> Float[np.ndarray, "3 j"]:
    """Mean, median and 95 % quantile of each column's errors that are not NaN; NaN where there are none."""
    known = [column[np.isfinite(column)] for column in errors.T]
    nothing = np.full(3, np.nan)
    values = [[each.mean(dtype=float), *np.quantile(each, (0.5, 0.95))] if len(each) else nothing for each in known]
    return np.array(values).T


def reference_of(table: Table, detector: str, path: bool) -> str:
    """What a detector is compared with: "gt", or "projection" of the 3D where it has places and cameras, or nothing."""
    if detector != "gt" and "gt" in table.dataset.detectors:
        return "gt"
    return "projection" if path and table.dataset.recordings["intrinsics"][:, :2].all() else ""


def reference_poses(table: Table, piece: slice, reference: str) -> tuple[np.ndarray, np.ndarray]:
    """(row, j, 2) pixels and (row, j) whether they are visible: the exact 2D, or the image of the 3D."""
    if reference == "gt":
        exact = table.dataset.rows("pose2d/gt")[piece]
        return exact[..., :2], exact[..., 2] > 0
    pose = torch.from_numpy(table.dataset.rows("pose3d")[piece].astype(np.float64))
    intrinsics = table.dataset.recordings["intrinsics"][table.recording[piece]]
    return project(pose, intrinsics).numpy(), np.ones(pose.shape[:2], bool)


def person_extent(pose: Float[np.ndarray, "t j 2"], seen: Bool[np.ndarray, "t j"]) -> Float[np.ndarray, " t"]:
    """Diagonal of the box around the joints that are seen; NaN where fewer than two are."""
    high = np.where(seen[..., None], pose, -np.inf).max(1)
    low = np.where(seen[..., None], pose, np.inf).min(1)
    enough = seen.sum(1) > 1
    return np.linalg.norm(np.where(enough[:, None], high - low, np.nan), axis=-1)
