"""Motion: what lifting gives, people's joints in metres over time. Imports no torch."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from stgraph.errors import InputError
from stgraph.figures.clip import Clip
from stgraph.formats.files import Saved
from stgraph.formats.markdown import counted
from stgraph.motion.rows import Rows, all_rows, check_rows
from stgraph.motion.saving import FORMATS, check_outputs, format_module, person_paths
from stgraph.skeleton import Skeleton

if TYPE_CHECKING:
    from stgraph.geometry import Camera


NAMED = 20  # people whose identities a line lists
SECONDS = 20.0  # that a .gif or .mp4 shows unless more are asked for


@dataclass(frozen=True, eq=False)
class Motion:
    """Joints of m persons in t frames. Compared by identity, because its fields are arrays, which cannot be written to.

    `Motion.of` makes one of arrays. People take the memory of their own frames (`rows`); the arrays over all frames and
    people are made when they are asked for.

    The world's axes are x to the right of the camera's view, y away from the camera and z up, with the floor at z = 0.

    Attributes:
        skeleton: names and joins the j joints.
        fps: of the frame numbers: frame n is at n / fps seconds.
        frame: numbers, evenly spaced. A frame without people stays, with all persons absent.
        person: identities, whole numbers or text, all different.
        rows: a pose for each person and frame; a person who is present has all joints.
        size: width and height of the image, pixels.
        camera: the one that the keypoints are seen by: `pose` projects onto `keypoints`.
        video_file: the video whose frames are numbered so, over which `.gif` and `.mp4` draw the keypoints; None where
            the people were not found in it. It is in no file that is written.
        notes: sentences on how the motion came about, such as where its scale is from.

    Raises:
        InputError: shapes that do not go together, no frame, no person, frame numbers that are not evenly spaced,
            identities that occur twice, a pose that is partly NaN, or a rate that is not above 0.
    """

    skeleton: Skeleton
    fps: float
    frame: Int[np.ndarray, " t"]
    person: Shaped[np.ndarray, " m"]
    rows: Rows
    size: tuple[int, int]
    camera: "Camera | None" = None
    notes: tuple[str, ...] = ()
    video_file: Path | None = None

    def __post_init__(self) -> None:
        shape = (len(self.frame), len(self.person), len(self.skeleton))
        if 0 in shape:
            raise InputError(where="motion", found=f"{shape[0]} frames, {shape[1]} people", expected="one or more each")
        check_rows(self.rows, *shape)
        for name in ("frame", "person"):
            value = getattr(self, name).view()  # the caller's own array stays as it is
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        steps = np.diff(self.frame)
        if (steps <= 0).any() or (steps != steps[:1]).any():
            remedy = "keep a frame without people as one of NaN"
            raise InputError("are not evenly spaced", where="motion, frame numbers", remedy=remedy)
        if self.person.dtype.kind not in "iuU" or len(np.unique(self.person)) != len(self.person):
            expected = "whole numbers or text, all different"
            raise InputError(where="motion, person", found=str(self.person.tolist()), expected=expected)
        finite = np.isfinite(self.rows.pose).all(-1)
        if (partly := finite.any(-1) & ~finite.all(-1)).any():
            row = partly.argmax()
            who = self.person[self.rows.person[row]]
            problem = f"frame {self.frame[self.rows.frame[row]]}, person {who} lacks some joints"
            raise InputError(problem, where="motion, pose", expected="all joints, or NaN where the person is absent")
        if not 0 < self.fps < float("inf"):
            raise InputError(where="motion, fps", found=f"{self.fps:g}", expected="frames a second, above 0")

    @classmethod
    def of(
        cls,
        skeleton: Skeleton,
        fps: float,
        *,
        frame: Int[np.ndarray, " t"],
        person: Shaped[np.ndarray, " m"],
        pose: Float[np.ndarray, "t m j 3"],
        guessed: Bool[np.ndarray, "t m j"],
        keypoints: Float[np.ndarray, "t m j 3"],
        size: tuple[int, int],
        uncertainty: Float[np.ndarray, "t m j"] | None = None,
        **about: Any,
    ) -> "Motion":
        """The motion of arrays over all frames and people, see the properties of the same names; raises as the class.

        Args:
            about: `camera` and `notes`.
        """
        shape = (len(frame), len(person), len(skeleton))
        joints = {"pose": pose, "guessed": guessed, "keypoints": keypoints, "uncertainty": uncertainty}
        for name, value in joints.items():
            expected = shape + ((3,) if name in ("pose", "keypoints") else ())
            if value is not None and value.shape != expected:
                raise InputError(where=f"motion, {name}", found=str(value.shape), expected=str(expected))
        return cls(
            skeleton,
            fps,
            frame,
            person=person,
            rows=all_rows(pose, guessed, keypoints, uncertainty),
            size=size,
            **about,
        )

    def __len__(self) -> int:
        return len(self.frame)

    def filled(self, values: np.ndarray, absent: float | int) -> np.ndarray:
        """Values of the rows (n ...) for all frames and people (t m ...), `absent` where there is no row.

        Without copying where each has one.
        """
        shape = (len(self.frame), len(self.person), *values.shape[1:])
        if len(self.rows) == len(self.frame) * len(self.person):
            dense = values.reshape(shape)
        else:
            dense = np.full(shape, absent, values.dtype)
            dense[self.rows.frame, self.rows.person] = values
        dense.setflags(write=False)
        return dense

    @cached_property
    def pose(self) -> Float[np.ndarray, "t m j 3"]:
        """Metres, NaN where a person is absent."""
        return self.filled(self.rows.pose, np.nan)

    @cached_property
    def guessed(self) -> Bool[np.ndarray, "t m j"]:
        """Joints that the detector did not see, in this frame or nearby, so that the network made them up."""
        return self.filled(self.rows.guessed, 0)

    @cached_property
    def keypoints(self) -> Float[np.ndarray, "t m j 3"]:
        """What the pose was lifted from, in the model's joints: pixels x and y, and a confidence.

        The confidence is 0 (with any x and y) where a joint was not seen.
        """
        return self.filled(self.rows.keypoints, 0)

    @cached_property
    def uncertainty(self) -> Float[np.ndarray, "t m j"] | None:
        """Expected distance of a joint from the truth, metres; None where it is not known."""
        return None if self.rows.uncertainty is None else self.filled(self.rows.uncertainty, np.nan)

    @cached_property
    def present(self) -> Bool[np.ndarray, "t m"]:
        """Whether a person is in a frame."""
        return self.filled(self.rows.there, 0)

    @cached_property
    def seen(self) -> Bool[np.ndarray, "t m j"]:
        """Keypoints that the detector saw."""
        return self.filled(self.rows.seen, 0)

    @cached_property
    def time(self) -> Float[np.ndarray, " t"]:
        """Seconds of the frames."""
        return self.frame / self.fps

    @property
    def rate(self) -> float:
        """Rows a second: `fps`, or a part of it where only every n-th frame is there."""
        return self.fps / int(self.frame[1] - self.frame[0]) if len(self) > 1 else self.fps

    @cached_property
    def clean_keypoints(self) -> Float[np.ndarray, "t m j 3"]:
        """The keypoints with zeros for what was not seen."""
        return np.where(self.seen[..., None], self.keypoints, 0)

    @property
    def y_up(self) -> Float[np.ndarray, "t m j 3"]:
        """The pose in the axes of BVH and OpenSim: x right, y up, z towards the camera."""
        return self.pose[..., [0, 2, 1]] * np.array([1, 1, -1], self.pose.dtype)

    @property
    def joint_labels(self) -> list[str]:
        """The joints' names in letters that every program takes: "Neck_Nose"."""
        labels = [re.sub(r"[^\w.-]+", "_", name) for name in self.skeleton.names]
        return [name if labels.count(name) == 1 else f"{name}_{j}" for j, name in enumerate(labels)]

    @property
    def guessed_text(self) -> str:
        """Which joints are guessed, and in how many of the frames with the person; "" where none is.

        For formats that have no place for it. "guessed: LKnee 100 %, LFoot 12 %"
        """
        rows = self.rows
        share = 100 * rows.guessed[rows.there].mean(0) if rows.there.any() else np.zeros(len(self.skeleton))
        named = [f"{self.skeleton.names[j]} {share[j]:.0f} %" for j in np.argsort(-share, kind="stable") if share[j]]
        return f"guessed: {', '.join(named)}" if named else ""

    @property
    def summary(self) -> list[str]:
        """Lines about its length and its people."""
        people = ", ".join(map(str, self.person[:NAMED])) + (", ..." if len(self.person) > NAMED else "")
        share = self.rows.guessed[self.rows.there].mean() if self.rows.there.any() else 0.0
        people_line = f"people: {len(self.person)}{f' (identities: {people})' if people else ''}"
        return [f"{counted(len(self), 'frame')} at {self.fps:g} fps", f"{people_line}; joints guessed: {share:.0%}"]

    def part(self, frames: slice = slice(None), persons: slice | Int[np.ndarray, " p"] = slice(None)) -> "Motion":
        """The motion of some people in some frames, which keep their order."""
        rows, there = self.rows, np.ones(len(self.rows), bool)
        places = {}
        for name, chosen in (("frame", frames), ("person", persons)):
            kept = np.sort(np.arange(len(getattr(self, name)))[chosen])
            new = np.full(len(getattr(self, name)), -1)
            new[kept] = np.arange(len(kept))
            places[name] = new[getattr(rows, name)]
            there &= places[name] >= 0
        rows = replace(rows, **places).taken(slice(None) if there.all() else there)
        return replace(self, frame=self.frame[frames], person=self.person[persons], rows=rows)

    def alone(self, m: int) -> "Motion":
        """The motion of one of several people, from the first to the last of the frames in which that person is."""
        there = self.rows.frame[(self.rows.person == m) & self.rows.there]
        frames = slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(None)
        return self.part(frames, slice(m, m + 1))

    def save(self, *paths: Path | str, clip: Clip | None = None, seconds: float | int = SECONDS) -> list[Saved]:
        """Write files, each whole or not at all, in the format of its ending: `motion.save("walk.bvh", "walk.html")`.

        Args:
            paths: of the files.
            clip: how `.gif` and `.mp4` are drawn; its rate of the poses is replaced by the motion's.
            seconds: at most so many are drawn into them.

        Returns:
            the files, in order, with what there is to say about each. Formats of one person (`.bvh`, `.trc`, `.c3d`)
            become a file a person where there are several: `walk.1.bvh`, called after the identity, which begins with
            the person's first frame.

        Raises:
            InputError: an ending that is unknown, which lists the known, or a package that a format needs is missing;
                before anything is written.
        """
        targets = [Path(path) for path in paths]
        check_outputs(targets)
        saved = []
        for path in targets:
            ending = path.suffix.lower()
            write = format_module(ending).write
            if FORMATS[ending].one_person and len(self.person) > 1:
                for m, target in enumerate(person_paths(self.person, path)):
                    part = self.alone(m)
                    late = part.frame[0] > self.frame[0]
                    begin = f"begins with frame {part.frame[0]} ({part.time[0]:.2f} s)" if late else ""
                    saved.append(Saved(target, "; ".join(filter(None, [begin, write(part, target)]))))
                continue
            drawing = (clip or Clip(self.rate), seconds) if FORMATS[ending].drawn else ()
            saved.append(Saved(path, write(self, path, *drawing)))
        return saved

    @classmethod
    def load(cls, path: Path | str) -> "Motion":
        """Read a motion that was saved as `.npz`. Raises InputError for any other file."""
        return format_module(".npz").read(Path(path))
