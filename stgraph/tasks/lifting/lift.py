"""lift: people's 2D keypoints over time become 3D motion in metres, without a dataset file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.read import keypoints_of
from stgraph.geometry import Camera
from stgraph.motion.motion import NAMED, Motion
from stgraph.motion.rows import Rows, joined
from stgraph.settings.places import LIFTER
from stgraph.tasks.lifting.intrinsics import check_focal
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tasks.lifting.track import lift_track
from stgraph.tasks.lifting.world import floor_of, height_of, path_of, rotation_to_world, up_of
from stgraph.tracking.options import FPS
from stgraph.tracking.videos import SHORTEST, identified, known_rate, left_out_note, never_long, stretches
from stgraph.training.engine import Engine
from stgraph.training.prediction import Progressed, silent
from stgraph.training.task_run import TaskRun

FOCAL = 1.1  # of the image's longer side, for a camera that is not known: 49 degrees across it
MEASURED = 10_000  # frames from which heights, the direction up and the floor are measured
NEARBY = 0.2  # seconds within which a joint that was seen supports its 3D
SLOW = 0.7  # of the lowest frame rate that a run was trained on: below it, its output says so
SMOOTHEST = 1.0  # seconds: larger numbers are frames
TALLEST = 3.0  # metres: larger numbers are centimetres or feet
STATURE = 1.7  # metres, of people without a stated height, for runs without a scale of their own


@dataclass(frozen=True)
class Scene:
    """What is known beside the keypoints.

    Attributes:
        size: width and height of the image, pixels.
        fps: frames per second.
        camera: focal lengths and centre in pixels; None: the default (`FOCAL`).
        height: of the people, metres; None: as the run predicts it.
        up: "camera": the camera is level; "trunk": estimated from upright trunks.
        smooth: standard deviation of a Gaussian over time, seconds up to 1; 0: none.
    """

    size: tuple[int, int]
    fps: float = FPS
    camera: Float[np.ndarray, "4"] | None = None
    height: float | int | None = None
    up: str = "trunk"
    smooth: float | int = 0.0

    def __post_init__(self) -> None:
        positive = {"size": min(self.size), "fps": self.fps, "height": 1.0 if self.height is None else self.height}
        for name, value in positive.items():
            if not 0 < value < np.inf:
                raise InputError(where=name, found=f"{getattr(self, name)}", expected="finite and above 0")
        if self.height is not None and self.height > TALLEST:
            found, expected = f"{self.height:g}", f"metres of a standing person, up to {TALLEST:g}"
            raise InputError(where="height", found=found, expected=expected, remedy="give it in metres, such as 1.75")
        if self.camera is not None:
            check_focal(np.asarray(self.camera)[:2].tolist(), self.size, "camera")
        if not 0 <= self.smooth <= SMOOTHEST:
            found, expected = f"{self.smooth:g}", f"seconds, 0 to {SMOOTHEST:g}"
            raise InputError(where="smooth", found=found, expected=expected, remedy="for frames, divide by the rate")
        if self.up not in ("camera", "trunk"):
            raise InputError(where="up", found=self.up, expected='"camera" or "trunk"')

    @property
    def intrinsics(self) -> Float[np.ndarray, "4"]:
        """Focal lengths and centre, pixels."""
        focal = FOCAL * max(self.size)
        return np.array([focal, focal, self.size[0] / 2, self.size[1] / 2]) if self.camera is None else self.camera

    @property
    def on_screen(self) -> Float[np.ndarray, "4"]:
        """The same on the normalised screen."""
        half = self.size[0] / 2
        return np.array([*self.intrinsics[:2], *(self.intrinsics[2:] - np.array(self.size) / 2)]) / half

    def step(self, run: LiftingRun) -> int:
        """Frames from one that a window sees to the next: more than one for a video that is faster than trained on."""
        return max(1, round(self.fps * run.data.frame_step / (run.origin.fps or self.fps)))

    def slow_text(self, run: LiftingRun) -> str:
        """A sentence where the video has far fewer frames per second than any that the run was trained on."""
        if not run.origin.fps:
            return ""
        slowest = run.origin.fps / run.data.frame_step
        if run.data.augment is not None:
            slowest /= max(1.0, *run.data.augment.stretch)
        if self.fps >= SLOW * slowest:
            return ""
        return (
            f"{self.fps:g} frames per second are far fewer than the {slowest:.3g} that {run.name} was trained on at "
            "least: fast motion will be less accurate."
        )


def lift(
    keypoints: "Keypoints | np.ndarray",
    *,
    run: object = None,
    size: tuple[int, int] | None = None,
    fps: float | int | None = None,
    layout: str | Sequence[str] | None = None,
    camera: Float[np.ndarray, "4"] | None = None,
    height: float | int | None = None,
    up: str = "trunk",
    smooth: float | int = 0.0,
    progress: Progressed = silent,
) -> Motion:
    """Lift all people in a video.

        motion = stgraph.lift(stgraph.read_keypoints("openpose/"), size=(1920, 1080), fps=30)
        motion.save("walk.bvh", "walk.html")

    Args:
        keypoints: from `stgraph.read_keypoints`, or an array (t j 2), (t j 3) or (t m j 3): pixels x, y and confidence.
            A joint at (0, 0), NaN or of confidence 0 is not seen.
        run: a trained lifter or its name; None: the one that ships.
        size: width and height of the image in pixels, where the keypoints do not carry it.
        fps: frames per second, where the keypoints do not carry it (30 where nothing does).
        layout: of an array's joints, where their number and place do not tell it.
        camera: focal lengths and centre in pixels; None: 1.1 times the longer side, in the middle.
        height, up, smooth: see `Scene`.
        progress: called with the share that is done, from 0 to 1.

    Returns:
        The motion in the world (x right, y away from the camera, z up, floor at 0). Gaps of up to half a second are
        filled; over longer ones a person is absent. Its notes say where scale, camera, up and floor are from.

    Raises:
        InputError: a run of another task, joints that the run needs and the keypoints lack, no size, or no person
            who is seen for at least three frames in a row, or in all of a shorter video.
    """
    fps = float(fps) if fps is not None else None
    if not isinstance(keypoints, Keypoints):
        keypoints = keypoints_of(np.asarray(keypoints), layout=layout, size=size, fps=fps)
    run = lifter(run)
    fps, of_rate = known_rate(fps or keypoints.fps)
    scene = Scene(size or keypoints.known_size, fps, camera, height=height, up=up, smooth=smooth)
    notes = [*keypoints.notes, *of_rate]
    if camera is None:
        focal = f"a focal length of {FOCAL:g} times the image's longer side"
        notes.append(f"The camera is not known: {focal} (--camera, --fov).")
    if slow := scene.slow_text(run):
        notes.append(slow)
    people = identified(keypoints, scene.fps).to(run.skeleton)
    return motion_of(run, people, scene, notes, progress)


def lifter(run: object) -> LiftingRun:
    """The run, by its name; by default the one that ships. Raises InputError for a run of another task."""
    loaded = TaskRun.load(run or LIFTER, Engine("cpu")) if run is None or isinstance(run, str) else run
    if not isinstance(loaded, LiftingRun):
        raise InputError(where="run", found=repr(loaded), expected="a trained lifter", remedy="load one with Run.load")
    return loaded


def motion_of(
    run: LiftingRun, people: Keypoints, scene: Scene, notes: list[str], progress: Progressed = silent
) -> Motion:
    """The motion of identified people whose joints are the run's; see `lift`."""
    first, last = people.frames
    step = scene.step(run)
    tracks = []
    for person in people.people:
        own = people.of(person)
        seen = np.zeros(own.frame[-1] + 1 - own.frame[0], bool)
        seen[own.frame - own.frame[0]] = own.pose[..., 2].any(-1)
        if parts := stretches(seen, scene.fps, min(SHORTEST, last - first)):
            tracks.append((person, parts))
    notes += left_out_note(len(people.people) - len(tracks))
    if not tracks:
        raise never_long(people)
    total, done = sum(end - start for _, parts in tracks for start, end in parts), 0
    rows, heights = [], []
    for place, (person, parts) in enumerate(tracks):
        own = people.of(person)
        begin = int(own.frame[0])
        dense = own.dense((begin, int(own.frame[-1]) + 1)).astype(np.float32)
        # An hour has 100,000 frames: numbers of 32 bits, of a person's own frames alone.
        pose, expected = np.full_like(dense, np.nan), np.full(dense.shape[:2], np.nan, np.float32)
        guessed = np.zeros(dense.shape[:2], bool)
        nearby = maximum_filter1d(dense[..., 2] > 0, 2 * round(NEARBY * scene.fps) + 1, axis=0, mode="constant")
        for start, end in parts:
            part = slice(start, end)
            before, done = done, done + end - start

            def report(share: float, before: int = before, frames: int = end - start) -> None:
                progress((before + share * frames) / total)

            lifted = lift_track(run, dense[part], scene.size, scene.on_screen, step=step, progress=report)
            relative = lifted.pose
            if run.task.output == "image":
                relative = relative * (STATURE / height_of(some(relative), run.skeleton))
            path = lifted.path if lifted.path is not None else path_of(relative, dense[part], scene.intrinsics)
            together = relative + path[:, None]
            if scene.smooth:
                together = gaussian_filter1d(together, scene.smooth * scene.fps, axis=0, mode="nearest")
            pose[part] = together
            guessed[part] = np.logical_not(nearby[part])
            if lifted.expected is not None:
                expected[part] = lifted.expected
        heights.append(height_of(some(pose[np.isfinite(pose[:, 0, 0])]), run.skeleton))
        frames = begin - first + np.arange(len(dense))
        rows.append(
            Rows(frames, np.full(len(dense), place), pose, guessed=guessed, keypoints=dense, uncertainty=expected)
        )
    together = joined(rows)
    del rows
    pose, expected = together.pose.copy(), together.uncertainty
    factor = np.float32(scale_of(heights, run, scene, notes))
    pose *= factor
    camera = to_world(pose, run, scene, notes)
    expected = None if expected is None or not np.isfinite(expected).any() else expected * factor
    return Motion(
        skeleton=run.skeleton,
        fps=scene.fps,
        frame=np.arange(first, last),
        person=np.array([person for person, _ in tracks]),
        rows=replace(together, pose=pose, uncertainty=expected),
        size=(int(scene.size[0]), int(scene.size[1])),
        camera=camera,
        notes=tuple(notes),
        video_file=people.video_file,
    )


def some(pose: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "s j 3"]:
    """At most about `MEASURED` frames, evenly spaced, in doubles: enough to measure a median in."""
    return pose[:: 1 + len(pose) // MEASURED].astype(np.float64)


def scale_of(heights: list[float], run: LiftingRun, scene: Scene, notes: list[str]) -> float:
    """The factor that gives people of these standing heights, metres, the stated height; 1 without one."""
    said = ", ".join(f"{height:.2f}" for height in heights[:NAMED]) + (", ..." if len(heights) > NAMED else "")
    if scene.height is None:
        source = f"a stature of {STATURE:g} m" if run.task.output == "image" else "the bones that the network expects"
        notes.append(f"The scale is from {source} (standing height {said} m); a height would settle it (--height).")
        return 1.0
    notes.append(f"The scale is from the height of {scene.height:g} m (before: {said} m).")
    return scene.height / float(np.median(heights))


def to_world(pose: Float[np.ndarray, "n j 3"], run: LiftingRun, scene: Scene, notes: list[str]) -> Camera:
    """Put poses, NaN where no person is, onto the floor of a world whose z is up, in place; returns its camera."""
    present = some(pose[np.isfinite(pose[:, 0, 0])])
    up, count = up_of(present if scene.up == "trunk" else present[:0], run.skeleton)
    tilt = np.degrees(np.arccos(np.clip(-up[1], -1, 1)))
    estimated = f"estimated from {count:,} upright trunks; the camera is tilted by {tilt:.0f} degrees"
    notes.append(f"Up is {estimated if count else 'that of a level camera'}.")
    turn = rotation_to_world(up)
    floor = floor_of((present @ turn[2]).min(-1))
    notes.append(f"The floor is {-floor:.2f} m below the camera, under the lowest joints.")
    for begin in range(0, len(pose), MEASURED):
        part = slice(begin, begin + MEASURED)
        pose[part] = pose[part] @ turn.T - np.array([0, 0, floor])
    quaternion = Rotation.from_matrix(turn).as_quat(canonical=True, scalar_first=True)
    intrinsics = np.concatenate([scene.intrinsics, np.zeros(5)])
    width, height = scene.size
    return Camera(
        "video",
        int(width),
        int(height),
        intrinsics=intrinsics,
        rotation=quaternion,
        translation=np.array([0, 0, -floor]),
    )
