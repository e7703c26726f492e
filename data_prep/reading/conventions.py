"""The convention of a set of clips (joints, channels, scale, unit, axes), and the tracks of its clips.

`data_prep.reading.infer_convention` infers it from some of the clips.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped

from data_prep.options import AXES
from data_prep.reading.layouts import level_camera
from data_prep.reading.left_out import Kind
from data_prep.reading.poses import Poses
from stgraph.data.recording import Recording, Track, runs
from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import SCALES
from stgraph.formats.keypoints.layouts import layouts_of
from stgraph.formats.keypoints.names import spelling
from stgraph.formats.keypoints.scales import PIXELS, to_pixels
from stgraph.skeleton import SKELETONS, Skeleton


@dataclass(frozen=True)
class Convention:
    """What the numbers of all clips of a set mean.

    Attributes:
        skeleton: of every clip.
        channels: "xy", "xyc" or "xyz".
        scale: of x and y in 2D, a key of SCALES, and size: of the images; for clips that do not state theirs.
        unit: metres of one unit in 3D, and axes: of 3D, a key of AXES; for clips that do not state theirs.
        detector: name of the 2D in the dataset.
        stated: whether an option says what a third channel is; else a clip whose numbers contradict is left out.
        doubts: notes where options contradict the numbers.
    """

    skeleton: Skeleton
    channels: str
    scale: str = "pixels"
    size: tuple[int, int] | None = None
    unit: float = 1.0
    axes: str = "camera"
    detector: str = "keypoints"
    stated: bool = False
    doubts: tuple[str, ...] = ()

    def contradiction(self, poses: Poses) -> str:
        """Why a third channel that the file does not name cannot be what it is in the other clips; "" if it can."""
        if self.stated or poses.channels or poses.values.shape[3] != 3 or len(self.channels) != 3:
            return ""
        third = "a third channel of {:.3g} to {:.3g}".format(*poses.third)
        if self.channels == "xyc" and not poses.confident:
            return f"{third}, as 3D has and confidence has not"
        if self.channels == "xyz" and poses.pixels:
            return f"x or y beyond {PIXELS} and {third}, as pixels with confidence are"
        return ""

    def recording(self, poses: Poses, identity: tuple[str, str, str], action: str, fps: float) -> Recording:
        """A clip as a recording of an unknown camera; its image size may be known.

        Args:
            identity: names of subject, take and camera.

        Raises:
            InputError: poses of another convention, or no person.
        """
        subject, take, name = identity
        camera = level_camera(name, *(poses.size or self.size or (1, 1)))
        return Recording(subject, action, take, camera, fps, tracks=self.tracks(poses))

    def tracks(self, poses: Poses) -> list[Track]:
        """A track for every person and run of frames; persons in no frame are dropped.

        Raises:
            InputError: other joints or channels, or no person.
        """
        values = self.checked(poses)
        if self.channels == "xyz":
            present = np.asarray(values.any(axis=(2, 3)))
            (_, turn), unit = AXES[poses.axes or self.axes], 1.0 if poses.axes else self.unit
            values = values @ (np.array(turn, np.float32).T * np.float32(unit))
        else:
            values = self.detections(values, poses.size)
            present = np.asarray((values[..., 2] > 0).any(axis=2))
        if not present.any():
            problem = f"no person in {present.shape[1]} frames"
            raise InputError(problem, expected="poses that are not all zero", kind=Kind.NO_PERSON)
        kept = present.any(axis=1)
        return [
            Track({}, pose[start:end], frame=start, person=person)
            if self.channels == "xyz"
            else Track({self.detector: pose[start:end]}, frame=start, person=person)
            for person, (pose, frames) in enumerate(zip(values[kept], present[kept], strict=True))
            for start, end in runs(frames)
        ]

    def checked(self, poses: Poses) -> Float32[np.ndarray, "m t j c"]:
        """The skeleton's joints; all zero where a number is not finite, which is an unseen joint. Raises InputError."""
        if 0 in poses.values.shape:
            expected = "persons, frames and joints"
            raise InputError(f"shape {poses.values.shape}", expected=expected, kind=Kind.EMPTY)
        values = self.selected(poses)
        channels = poses.channels or self.channels
        expected = f"{', '.join(self.channels)} as in the other clips ('c' is confidence)"
        if channels != self.channels or values.shape[3] != len(channels):
            stated = f" ({channels})" if poses.channels else ""
            raise InputError(f"{values.shape[3]} channels{stated}", expected=expected, kind=Kind.CHANNELS)
        if contradiction := self.contradiction(poses):
            remedy = "prepare it apart, or say what the third is by --third"
            raise InputError(contradiction, expected=expected, remedy=remedy, kind=Kind.CHANNELS)
        if channels == "xyc":  # coordinates of unseen joints may be anything
            values = np.where(values[..., 2:] == 0, 0, values)
        with np.errstate(over="ignore"):  # to infinity
            values = np.ascontiguousarray(values, np.float32)  # reductions over other strides are slow
        return np.where(np.isfinite(values).all(axis=-1, keepdims=True), values, 0)

    def selected(self, poses: Poses) -> Shaped[np.ndarray, "m t j c"]:
        """The skeleton's joints by name where the file names them, else all. Raises InputError for other joints."""
        names, values = self.skeleton.names, poses.values
        if poses.joints:
            places = {spelling(joint): place for place, joint in enumerate(poses.joints)}
            if missing := [name for name in names if spelling(name) not in places]:
                problem = f"no {', '.join(missing)} among {', '.join(poses.joints)}"
                raise InputError(problem, expected=f"the joints of {self.skeleton.name}", kind=Kind.JOINTS)
            return values[:, :, [places[spelling(name)] for name in names]]
        if values.shape[2] != len(names):
            known = ", ".join(layouts_of(values.shape[2], SKELETONS)) or "no known layout"
            problem = f"{values.shape[2]} joints ({known})"
            expected = f"{len(names)}, {self.skeleton.name}"
            remedy = "name another layout by --skeleton, or leave the clip out"
            raise InputError(problem, expected=expected, remedy=remedy, kind=Kind.JOINT_COUNT)
        return values

    def detections(
        self, values: Float32[np.ndarray, "m t j c"], size: tuple[int, int] | None
    ) -> Shaped[np.ndarray, "m t j 3"]:
        """Pixels and confidence; all zero for unseen joints. Raises InputError without a size."""
        size_of_images = size or self.size
        if size_of_images is None:
            raise InputError("no size of its images; give it by --size WIDTHxHEIGHT", kind=Kind.IMAGE_SIZE)
        xy, scale = values[..., :2], "pixels" if size else self.scale
        confidence = values[..., 2:] if self.channels == "xyc" else np.ones_like(values[..., :1])
        if self.channels == "xy" or scale in ("pixels", "fractions"):
            # No joint is exactly in the corner; in the middle it may be, where a confidence decides.
            confidence = confidence * xy.any(axis=-1, keepdims=True)
        pixels = to_pixels(xy, scale, size_of_images)
        return np.where(confidence > 0, np.concatenate([pixels, confidence], axis=-1), 0)

    def notes(self) -> list[str]:
        """The convention in words."""
        if self.channels == "xyz":
            text = f"3D, {self.unit:g} m to the unit, axes {self.axes}: {AXES[self.axes][0]}"
        else:
            confidence = "confidence" if self.channels == "xyc" else "no confidence (1 where seen)"
            text = f"2D in {SCALES[self.scale]}, with {confidence}"
            text += f", in images of {self.size[0]} x {self.size[1]}" if self.size else ""
        joints = f"joints: {len(self.skeleton)}, {self.skeleton.name}: {', '.join(self.skeleton.names)}"
        return [joints, f"poses: {text}; a joint with a number that is not finite is unseen", *self.doubts]
