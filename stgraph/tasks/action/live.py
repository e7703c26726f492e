"""Online recognition: a window that slides over a growing sequence, with a state of fixed size."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import joint_sources, mapped
from stgraph.geometry import check_size, coordinates_of
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.action.task import Action
from stgraph.tasks.action.whole_clips import sample_clips
from stgraph.training.run import Run
from stgraph.training.traced import Traceable, traced


class Live:
    """Recognises the action of the last frames, frame by frame.

    The networks look ahead inside their window, so each answer takes one forward of the whole window: the same as for
    a clip of those frames. The state is the window's poses, however many frames went by.

        live = Live(run, window=100)
        for pose in detector:                        # (m j 3): pixels and confidence, or metres
            probabilities = live.update(pose)        # (n)

    Args:
        run: a trained recogniser.
        window: frames that are remembered; by default as many as the model sees. Of a longer window, "uniform"
            sampling takes frames as it does of a clip; consecutive frames need no longer one.
        size: width and height of the image in pixels; needed for 2D.
        persons: most persons in a frame, at most the setting's; each keeps its place in every frame.
        joints: names of the joints of the 2D poses, if they are others than the run's or in another order; the run's
            are taken from them by name, or made of them (`stgraph.formats.keypoints.keypoints.DERIVED`).

    Raises:
        InputError: a window of no frame, 2D without the image's size, or joints that the run's cannot be made of.
    """

    def __init__(
        self,
        run: Run[Action],
        *,
        window: int | None = None,
        size: tuple[int, int] | None = None,
        persons: int | None = None,
        joints: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(run.settings.data, ClipSettings):
            raise InputError(where="run", found=f"the run {run.name}", expected="a trained recogniser")
        self.run, self.data = run, run.settings.data
        data, self.frames = self.data, self.data.test_frames or self.data.frames
        self.window = self.frames if window is None else window
        if self.window < 1:
            raise InputError(where="window", found=str(window), expected="1 frame or more")
        if data.sampling != "uniform":
            self.window = min(self.window, self.frames)
        if data.detector and size is None:
            remedy = "give its width and height in pixels"
            raise InputError("2D poses are normalised by the image", where="size", remedy=remedy)
        self.persons = data.max_persons if run.task.padded else min(persons or data.max_persons, data.max_persons)
        self.size = torch.tensor([check_size(size or (1, 1))], dtype=torch.float32)
        self.sources = None if joints is None else joint_sources(joints, run.skeleton.names, "joints")
        self.joints = len(run.skeleton if joints is None else joints)
        if joints is not None and not data.detector:
            raise InputError("only 2D joints are taken by name", where="joints", remedy="give 3D in the run's order")
        self.preparation = Preparation(run.skeleton, data, training=False)
        run.model.eval()
        self.poses = torch.zeros(self.persons, self.window, len(run.skeleton), 3)
        self.count = 0
        self.traced: dict[int, Traceable] = {}  # `recognition` by the number of persons
        self.prepared: Traceable | None = None  # `prepare` for a full window

    def update(self, pose: Float[np.ndarray, "m j 3"] | Float[Tensor, "m j 3"]) -> Float[Tensor, " n"]:
        """Add a frame; returns the probability of every class. Raises InputError as `add`."""
        self.add(pose)
        return self.probabilities()

    def add(self, pose: Float[np.ndarray, "m j 3"] | Float[Tensor, "m j 3"]) -> None:
        """Add a frame. Absent persons are zero, or left out at the end.

        Joints that are not seen are zero (2D: of confidence 0), or have a number that is not finite.

        Raises:
            InputError: no numbers or larger ones than there are, another number of joints or more persons than agreed.
        """
        pose = torch.from_numpy(coordinates_of(pose, f"frame {self.count}")).float()
        if pose.shape[1:] != (self.joints, 3) or len(pose) > self.persons:
            skeleton = self.run.skeleton
            raise InputError(
                where=f"frame {self.count}",
                found=f"poses of shape {tuple(pose.shape)}",
                expected=f"at most {self.persons} persons, {self.joints} joints"
                + (f" of {skeleton.name!r}" if self.sources is None else "")
                + " and 3 numbers each",
            )
        if self.sources is not None:
            pose = torch.from_numpy(mapped(pose.numpy(), self.sources))
        place = self.count % self.window
        self.poses[:, place] = 0
        self.poses[: len(pose), place] = pose
        self.count += 1

    @torch.no_grad()
    def probabilities(self) -> Float[Tensor, " n"]:
        """Of the remembered frames; all alike where they show no person."""
        task, engine = self.run.task, self.run.engine
        x, shown = self.input()
        if not task.padded and not shown.all():
            if not shown.any():
                return torch.full((len(task.classes),), 1 / len(task.classes))
            x = x[shown]
        x = engine.to_device(x.to(next(self.run.model.parameters()).dtype))
        if engine.sixteen:
            with engine.autocast():
                return self.recognition(x)[0].cpu()
        # Traced once for each number of persons.
        if len(x) not in self.traced:
            self.traced[len(x)] = traced(self.recognition, x, module=self.run.model)
        return self.traced[len(x)](x)[0].cpu()

    def input(self) -> tuple[Float[Tensor, "m c t j"], Bool[Tensor, " m"]]:
        """The input from the remembered frames, oldest first, made as from a clip, and which people are in it."""
        if self.count < self.window:
            return self.prepare(self.poses[None, :, : self.count], self.size)
        oldest = self.count % self.window
        poses = torch.cat([self.poses[:, oldest:], self.poses[:, :oldest]], dim=1)[None]
        self.prepared = self.prepared or traced(self.prepare, poses, self.size)
        x, shown = self.prepared(poses, self.size)
        return x, shown

    def prepare(self, poses: Float[Tensor, "1 m t j 3"], size: Float[Tensor, "1 2"]) -> tuple[Tensor, Tensor]:
        """The input of every person, and whether it has anything but zeros."""
        skeleton, settings = self.preparation.skeleton, self.preparation.settings
        x = self.preparation(sample_clips(poses, size, self.frames, settings, skeleton.root))
        return x, x.flatten(1).any(1)

    def recognition(self, x: Float[Tensor, "m c t j"]) -> tuple[Float[Tensor, " n"]]:
        """The probability of every class, from the clip's persons."""
        task = self.run.task
        clip, label = (torch.zeros(count, dtype=torch.int64, device=x.device) for count in (len(x), 1))
        outputs = self.run.model(**task.inputs({"x": x}))
        return (task.scores({"x": x, "clip": clip, "label": label}, outputs)[0].softmax(0),)
