"""The 2D poses of one video, as any pose estimator's files become them, and their joints by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from stgraph.errors import InputError
from stgraph.formats.keypoints.body import PARENTS
from stgraph.formats.keypoints.layouts import known_skeleton, layouts_of
from stgraph.formats.keypoints.names import canonical, sides, spelling
from stgraph.formats.posetrack import Video
from stgraph.skeleton import Skeleton

# A joint -> what it is made of where the source has no joint of its name: the first of these whose joints are all there
# is taken, several joints as their mean. As MMPose and MotionBERT make Human3.6M's joints of COCO's and Halpe's.
DERIVED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "hip": (("lhip", "rhip"),),
    "thorax": (("neck",), ("lshoulder", "rshoulder")),
    "neck": (("thorax",), ("lshoulder", "rshoulder")),
    "spine": (("hip", "thorax"),),
    "necknose": (("nose",), ("headbottom", "headtop")),
    "head": (("headtop",), ("leye", "reye")),
    "headtop": (("head",),),
    # What Human3.6M calls a foot is the ankle; other layouts have both.
    **{f"{side}foot": ((f"{side}ankle",),) for side in "lr"},
    **{f"{side}ankle": ((f"{side}foot",),) for side in "lr"},
}


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The people in the frames of one video: n poses, in order of their frames.

    Attributes:
        name: of the video: its file's or folder's.
        joints: their names, as they came.
        frame: (n) number of each pose's frame, ascending.
        person: (n) identity, -1 where the file gives none; a person is once in a frame.
        pose: (n j 3) pixels x, y and confidence from 0 to 1. A joint that is not seen is all zero.
        score: (n) of the pose as a whole; the mean confidence of its seen joints where the file gives none.
        frames: the first frame number that the file covers, and the one after the last.
        box: (n 4) left, top, right, bottom in pixels; None where the file has none, zeros where it lacks one.
        size: width and height of the images in pixels, None where it is unknown.
        fps: frames per second, None where it is unknown.
        format: what kind of file it was.
        layout: the name of a known layout that `joints` is; "" for others.
        notes: what was assumed, a sentence each.
        bones: pairs of joints that the file names as joined.
        video: the same with labels, ignored regions and marks, of PoseTrack's files alone.
        video_file: the video that the frames are of, where the people were found in it.
        source: the file or folder, and the video where there are several: how messages begin.
    """

    name: str
    joints: tuple[str, ...]
    frame: Int[np.ndarray, " n"]
    person: Int[np.ndarray, " n"]
    pose: Float[np.ndarray, "n j 3"]
    score: Float[np.ndarray, " n"]
    frames: tuple[int, int]
    box: Float[np.ndarray, "n 4"] | None = None
    size: tuple[int, int] | None = None
    fps: float | int | None = None
    format: str = ""
    layout: str = ""
    notes: tuple[str, ...] = ()
    bones: tuple[tuple[int, int], ...] = ()
    video: Video | None = None
    video_file: Path | None = None
    source: str = ""

    def __len__(self) -> int:
        """Poses."""
        return len(self.frame)

    @property
    def where(self) -> str:
        """How messages begin: the source, or the name of what is from no file."""
        return self.source or self.name

    @property
    def known_size(self) -> tuple[int, int]:
        """Width and height of the images. Raises InputError where they are not known."""
        if self.size is None:
            remedy = "give it by --image-size WIDTHxHEIGHT (in a program: size=(WIDTH, HEIGHT))"
            raise InputError("the image's size is not known", where=self.where, remedy=remedy, kind="image size")
        return self.size

    @property
    def people(self) -> list[int]:
        """The identities, ascending; without the poses that have none."""
        return np.unique(self.person[self.person >= 0]).tolist()

    def rows(self, kept: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> "Keypoints":
        """Some of the poses, of the same frames."""
        box = None if self.box is None else self.box[kept]
        columns = {name: getattr(self, name)[kept] for name in ("frame", "person", "pose", "score")}
        return replace(self, **columns, box=box, video=None)

    def of(self, person: int) -> "Keypoints":
        """The poses of one person alone. Raises InputError for an identity that is not there."""
        if person not in self.people:
            there = ", ".join(map(str, self.people[:20])) or "none"
            raise InputError(where=self.where, found=f"the people {there}", expected=f"person {person}")
        return self.rows(self.person == person)

    def dense(self, frames: tuple[int, int] | None = None) -> Float[np.ndarray, "t j 3"]:
        """One person's poses in consecutive frames, zeros where there is none.

        Args:
            frames: the first and the one after the last; by default those of the video.

        Raises:
            InputError: two poses in a frame.
        """
        first, stop = frames or self.frames
        at = (self.frame >= first) & (self.frame < stop)
        number = self.frame[at]
        if len(twice := number[1:][number[1:] == number[:-1]]):
            remedy = "take one person by `of`"
            raise InputError("two poses in one frame", where=f"{self.where}, frame {twice[0]}", remedy=remedy)
        poses = np.zeros((stop - first, *self.pose.shape[1:]), self.pose.dtype)
        poses[number - first] = self.pose[at]
        return poses

    @property
    def skeleton(self) -> Skeleton:
        """The joints as a tree: by their names; else by the file's bones; else the shortest one over their distances.

        The names stay as they came, left and right are found by them.
        """
        name = self.layout or "keypoints"
        return known_skeleton(self.joints, name) or Skeleton(name, self.joints, self._parents(), *sides(self.joints))

    def _parents(self) -> tuple[int, ...]:
        from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

        count, few = len(self.joints), self.pose[:: max(len(self) // 100, 1)]
        both = (few[:, :, None, 2] > 0) & (few[:, None, :, 2] > 0)
        distance = np.linalg.norm(few[:, :, None, :2] - few[:, None, :, :2], axis=-1)
        # Joints that are never seen together are far apart; joined ones are nearer than any others.
        far = 2 * distance.max(initial=1.0)
        distance = np.where(both, distance, 0).sum(axis=0) / np.maximum(both.sum(axis=0), 1) / far + 1e-3
        distance = np.where(both.any(axis=0), distance, 1) if len(few) else np.ones((count, count))
        for one, other in self.bones:
            distance[one, other] = distance[other, one] = 1e-6
        np.fill_diagonal(distance, 0)
        tree = minimum_spanning_tree(distance)
        return tuple(max(int(parent), -1) for parent in breadth_first_order(tree, 0, directed=False)[1])

    def to(self, target: Skeleton | Sequence[str]) -> "Keypoints":
        """The poses with the joints of a skeleton, by name; joints that the file lacks are made of others (`DERIVED`).

        A joint that is made of several is as certain as the least certain of them.

        Raises:
            InputError: joints that the file does not have and that cannot be made of those that it has.
        """
        names = target.names if isinstance(target, Skeleton) else tuple(target)
        if names == self.joints:
            return self
        pose = mapped(self.pose, joint_sources(self.joints, names, self.where))
        video = None
        if self.video is not None and isinstance(target, Skeleton):
            video = replace(self.video, pose=pose, skeleton=target, mark=None, names=None)
        layout = target.name if isinstance(target, Skeleton) else ""
        return replace(self, joints=names, pose=pose, layout=layout, bones=(), video=video)


def mapped(pose: Float[np.ndarray, "n w 3"], sources: Sequence[Mapping[int, float]]) -> Float[np.ndarray, "n j 3"]:
    """Pixels and confidence of joints that are made of others, see `joint_sources`; all zero where one is unseen."""
    made = np.zeros((len(pose), len(sources), 3), pose.dtype)
    for place, weights in enumerate(sources):
        used = [*weights]
        made[:, place, :2] = np.einsum("njc, j -> nc", pose[:, used, :2], [*weights.values()])
        made[:, place, 2] = pose[:, used, 2].min(axis=1)
    made[~(made[..., 2] > 0)] = 0
    return made


def joint_sources(joints: Sequence[str], wanted: Sequence[str], where: str = "") -> list[dict[int, float]]:
    """Of which joints the wanted ones are made: index -> weight, for each. Raises InputError where one cannot be.

    >>> joint_sources(("LHip", "RHip", "nose"), ("Hip", "Neck/Nose"))
    [{0: 0.5, 1: 0.5}, {2: 1.0}]
    """
    exact = {spelling(joint): place for place, joint in reversed([*enumerate(joints)])}
    places = {canonical(joint): place for place, joint in reversed([*enumerate(joints)])}
    # Layouts with toes and ankles apart call something else a foot than Human3.6M does.
    whole = all(spelling(name) in exact for name in wanted)

    def sources(joint: str, above: tuple[str, ...] = ()) -> dict[int, float] | None:
        recipes = DERIVED.get(joint, ())
        if joint in places and not (joint[1:] == "foot" and joint[0] + "ankle" in places):
            return {places[joint]: 1.0}
        for recipe in recipes:
            parts = [None if part in above else sources(part, (*above, joint)) for part in recipe]
            made: dict[int, float] = {}
            for part in parts:
                for place, weight in (part or {}).items():
                    made[place] = made.get(place, 0) + weight / len(parts)
            if None not in parts:
                return made
        return None

    found = [{exact[spelling(name)]: 1.0} if whole else sources(canonical(name)) for name in wanted]
    if lacking := [name for name, made in zip(wanted, found, strict=True) if made is None]:
        known = "|".join(layouts_of(len(joints))) or "FILE.json"
        strange = [joint for joint in joints if canonical(joint) not in PARENTS]
        misspelt = f"check the spelling of {', '.join(strange[:10])}; " if strange else ""
        raise InputError(
            f"no {', '.join(lacking)} among the joints {', '.join(joints[:40])}",
            where=where,
            expected="joints of these names, or such that they can be made of",
            remedy=f"{misspelt}if the joints are others, name the layout by --layout {known}",
        )
    return [made for made in found if made is not None]
