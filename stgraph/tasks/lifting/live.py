"""Lifting frame by frame: a bounded memory, and no look-ahead beyond a stated number of frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import joint_sources, mapped
from stgraph.geometry import coordinates_of
from stgraph.tasks.lifting.lift import NEARBY, STATURE, Scene
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tasks.lifting.track import in_float, network_input, network_output
from stgraph.tasks.lifting.world import height_of, path_of
from stgraph.tracking.options import FPS
from stgraph.tracking.videos import GAP
from stgraph.training.stream import MOST_PEOPLE
from stgraph.training.traced import traced

ENOUGH = 4  # seen joints from which the path of a run without one is found
Windowed = Callable[[Tensor], tuple[Tensor, Tensor | None]]  # from windows to poses and expected errors
LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)  # camera axes to those of `LiveFrame.pose`


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """The people in a frame.

    Attributes:
        number: of the frame, counted from 0.
        pose: (m j 3) metres, x right, y away from the camera, z up as a level camera has it, the camera at the origin;
            NaN where a person is absent.
        guessed: (m j) joints that the detector did not see, in this frame or nearby.
        uncertainty: (m j) expected distance of a joint from the truth, metres; NaN where it is not known.
        keypoints: (m j 3) what the pose was lifted from, in the run's joints.
    """

    number: int
    pose: Float[np.ndarray, "m j 3"]
    guessed: Bool[np.ndarray, "m j"]
    uncertainty: Float[np.ndarray, "m j"]
    keypoints: Float[np.ndarray, "m j 3"]

    @property
    def present(self) -> Bool[np.ndarray, " m"]:
        """Who is in the frame."""
        return np.all(np.isfinite(self.pose), axis=(1, 2))


class LiveLifter:
    """Lifts people frame by frame.

    A frame is lifted from a window in which `look_ahead` frames follow it, so that its answer comes so many frames
    later: the numbers are those of the network for that window of the whole video, whose ends are repeated where it
    begins or stops. A causal `posemixer` goes on by its `step`, without look-ahead. Nothing else is kept.

        live = LiveLifter(run, size=(1920, 1080), fps=30)
        for poses in detector:                       # (m j 3): pixels and confidence; each person keeps its place
            for frame in live.update(poses):         # none for the first `look_ahead` frames
                print(frame.number, frame.pose)      # (m j 3) metres
        rest = live.finish()

    A person is there from the first frame with a keypoint on, and for up to half a second without any
    (`stgraph.tracking.videos.GAP`).

    Args:
        run: a trained lifter.
        size: width and height of the image in pixels.
        fps: frames per second.
        look_ahead: frames that an answer waits for; by default as few as the network needs, which is none for most.
        persons: most persons in a frame.
        joints: names of the joints of the poses, if they are others than the run's or in another order.
        camera: focal lengths and centre in pixels; None: as `stgraph.lift`.

    Raises:
        InputError: sizes or rates that are not above 0, a look-ahead that is too short for the network or longer than
            its window, or joints that the run's cannot be made of.
    """

    def __init__(
        self,
        run: LiftingRun,
        *,
        size: tuple[int, int],
        fps: float | int = FPS,
        look_ahead: int | None = None,
        persons: int = MOST_PEOPLE,
        joints: Sequence[str] | None = None,
        camera: Float[np.ndarray, "4"] | None = None,
    ) -> None:
        if persons < 1:
            raise InputError(where="persons", found=str(persons), expected="1 or more")
        self.run, self.scene, self.persons = run, Scene(size, float(fps), camera), persons
        self.sources = None if joints is None else joint_sources(joints, run.skeleton.names, "joints")
        self.joints = len(run.skeleton if joints is None else joints)
        self.step, window = self.scene.step(run), run.model_window
        before, after = window.before, window.after
        self.frames = before + 1 + after if window.sliding else window.frames
        least, most = after, 0 if run.model.stepwise else self.frames - 1 - before
        ahead = least if look_ahead is None else look_ahead // self.step
        if not least <= ahead <= most:
            expected = f"{least * self.step} to {most * self.step} frames for {run.name} at {fps:g} fps"
            raise InputError(where="look_ahead", found=str(look_ahead), expected=expected)
        depends_on = None if window.sliding else run.model.depends_on
        if depends_on is not None:
            self.frames = min(self.frames, depends_on + 1 + ahead)
        self.look_ahead, self.place = ahead * self.step, self.frames - 1 - ahead
        self.offsets = (np.arange(self.frames) - self.place) * self.step
        self.gap, self.near = round(GAP * fps), round(NEARBY * fps)
        self.length = max((self.frames - 1) * self.step, self.near + self.look_ahead) + 1
        # The network gives this frame's output alone, but where the whole window's height sets the scale.
        self.options = {"at": self.place} if depends_on is not None and run.task.output != "image" else {}
        self.traced: dict[int, Windowed] = {}  # by the number of people
        run.model.eval()
        self.reset()

    def reset(self) -> None:
        """Forget all people, and count frames from 0 again."""
        persons, joints = self.persons, len(self.run.skeleton)
        shape = (persons, self.length)
        self.poses = np.zeros((*shape, joints, 3), np.float32)
        self.begun = np.full(shape, -1)  # the frame with which the person's stretch began, in each frame; -1: absent
        self.last, self.start = np.full(persons, -1), np.full(persons, -1)
        self.shown = np.full((*shape, joints), -1)  # the last frame that showed the joint, in each frame
        self.path = np.tile(np.array([0, 0, 4], np.float32), (persons, 1))
        self.past: list[list[Tensor | None]] = [[None] * self.step for _ in range(persons)]
        self.count = self.answered = 0

    def forget(self, person: int) -> None:
        """Give a person's place to another one, from the next frame on."""
        self.last[person] = -1

    def update(self, pose: Float[np.ndarray, "m j 3"] | Float[Tensor, "m j 3"]) -> list[LiveFrame]:
        """Add a frame; returns the frame that can be answered now, if there is one.

        Absent persons are zero, or left out at the end.

        Raises:
            InputError: no numbers or larger ones than an image has, other joints or more persons than agreed.
        """
        pose = coordinates_of(pose, f"frame {self.count}").astype(np.float32)
        if pose.ndim != 3 or pose.shape[1:] != (self.joints, 3) or len(pose) > self.persons:
            expected = f"at most {self.persons} persons, {self.joints} joints and 3 numbers each"
            raise InputError(where=f"frame {self.count}", found=f"poses of shape {pose.shape}", expected=expected)
        seen = np.all(np.isfinite(pose), axis=-1) & (pose[..., 2] > 0)
        pose = np.where(seen[..., None], pose, 0)
        if self.sources is not None:
            pose = mapped(pose, self.sources)
        self.add(np.concatenate([pose, np.zeros((self.persons - len(pose), *pose.shape[1:]), np.float32)]))
        self.count += 1
        return [self.answer()] if self.count - self.answered > self.look_ahead else []

    def add(self, pose: Float[np.ndarray, "m j 3"]) -> None:
        """Remember a frame."""
        number, place = self.count, self.count % self.length
        shown = pose[..., 2] > 0
        there = np.any(shown, axis=1)
        new = there & ((self.last < 0) | (number - self.last > self.gap + 1))
        self.start[new] = number
        self.last[there] = number
        known = (self.last >= 0) & (number - self.last <= self.gap)
        self.poses[:, place] = pose
        self.begun[:, place] = np.where(known, self.start, -1)
        before = np.full_like(shown, -1, int) if number == 0 else self.shown[:, place - 1]
        self.shown[:, place] = np.where(shown, number, np.where(new[:, None], -1, before))
        for person in np.flatnonzero(new):
            self.past[person] = [None] * self.step

    def finish(self) -> list[LiveFrame]:
        """The frames that have no answer yet, once no other follows."""
        return [self.answer() for _ in range(self.count - self.answered)]

    @torch.inference_mode()
    def answer(self) -> LiveFrame:
        """The next frame that has no answer yet."""
        number = self.answered
        place = number % self.length
        self.answered += 1
        people = np.flatnonzero(self.begun[:, place] >= 0).tolist()
        shape = (self.persons, len(self.run.skeleton))
        pose, spread = np.full((*shape, 3), np.nan, np.float32), np.full(shape, np.nan, np.float32)
        later = np.arange(number + 1, min(number + self.near + 1, self.count)) % self.length
        nearby = (number - self.shown[:, place] <= self.near) & (self.shown[:, place] >= 0)
        nearby |= np.any(self.poses[..., 2][:, later] > 0, axis=1)
        if people:
            predicted = self.stepped(people, number) if self.run.model.stepwise else self.windowed(people, number)
            pose[people], spread[people] = predicted
        there = np.all(np.isfinite(pose), axis=(1, 2))[:, None]
        keypoints = self.poses[:, place].copy()
        return LiveFrame(number, pose @ LEVEL.T, there & ~nearby, spread, keypoints)

    def window(self, person: int, number: int) -> Int[np.ndarray, " t"]:
        """The frames of the window from which a person's frame is lifted, within the person's stretch."""
        begin = self.begun[person, number % self.length]
        known = np.arange(number, self.count)
        same = self.begun[person, known % self.length] == begin
        end = number + (len(same) if same.all() else int((~same).argmax())) - 1
        return (number + self.offsets).clip(begin, end)

    def windowed(self, people: list[int], number: int) -> tuple[np.ndarray, np.ndarray]:
        """Pose (p j 3) in camera space and expected errors (p j), from a window for each."""
        rows = np.stack([self.window(person, number) for person in people]) % self.length
        values = network_input(self.run, self.poses[np.array(people)[:, None], rows], self.scene.size)
        x = values.permute(0, 3, 1, 2).contiguous()
        if len(people) not in self.traced:
            self.traced[len(people)] = traced_lifter(self.run, x, self.scene.on_screen, **self.options)
        predicted, log = self.traced[len(people)](x)
        place = 0 if self.options else self.place - self.run.model_window.before
        return self.placed(people, number, predicted, log, place)

    def stepped(self, people: list[int], number: int) -> tuple[np.ndarray, np.ndarray]:
        """As `windowed`, by the network's `step`."""
        model: Any = self.run.model
        phase, frames = number % self.step, []
        for person in people:
            values = network_input(self.run, self.poses[person, number % self.length], self.scene.size)
            camera = torch.from_numpy(self.scene.on_screen).to(values)[None]
            batch = self.run.engine.to_device({"x": values.T[None, :, None].contiguous(), "camera": camera})
            with self.run.engine.autocast():
                outputs, self.past[person][phase] = model.step(self.past[person][phase], batch["x"], batch["camera"])
            frames.append(in_float(self.run, outputs))
        predicted = torch.cat([pose for pose, _ in frames])
        log = None if frames[0][1] is None else torch.cat([log for _, log in frames if log is not None])
        return self.placed(people, number, predicted, log, 0)

    def placed(
        self,
        people: list[int],
        number: int,
        predicted: Float[Tensor, "p s j 3"],
        log: Float[Tensor, "p s j"] | None,
        place: int,
    ) -> tuple[Float[np.ndarray, "p j 3"], Float[np.ndarray, "p j"]]:
        """A frame of windows in camera space, with the root's path, and its expected errors."""
        task, root = self.run.task, self.run.skeleton.root
        pose = predicted[:, place].numpy()
        relative = task.without_root(predicted).numpy()
        if task.output == "image":
            scale = [STATURE / height_of(window, self.run.skeleton) for window in relative]
            relative = relative * np.array(scale, np.float32)[:, None, None, None]
        for row, person in enumerate(people):
            seen = self.poses[person, number % self.length]
            if task.output == "global":
                self.path[person] = pose[row, root]
            elif (seen[:, 2] > 0).sum() >= ENOUGH:
                self.path[person] = path_of(relative[row, place][None], seen[None], self.scene.intrinsics)[0]
        spread = np.full(pose.shape[:2], np.nan, np.float32) if log is None else log[:, place].exp().numpy()
        return relative[:, place] + self.path[people][:, None], spread


def traced_lifter(
    run: LiftingRun, x: Float[Tensor, "p c t j"], camera: Float[np.ndarray, "4"], **options: int
) -> Windowed:
    """`network_output` for windows of this shape, in less time."""
    if run.engine.sixteen:
        return lambda x: network_output(run, x, camera, **options)
    given = run.engine.to_device(torch.from_numpy(camera).to(x).expand(len(x), -1))

    def predicted(x: Tensor, camera: Tensor) -> tuple[Tensor, ...]:
        pose, log = in_float(run, run.model(**run.task.inputs({"x": x, "camera": camera}), **options))
        return (pose,) if log is None else (pose, log)

    network = traced(predicted, run.engine.to_device(x), given, module=run.model)

    def output(x: Tensor) -> tuple[Tensor, Tensor | None]:
        pose, *log = network(run.engine.to_device(x), given)
        return pose, log[0] if log else None

    return output
