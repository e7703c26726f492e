"""The computation of a recogniser's exported file, and the metadata of its input."""

from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from stgraph.models.base import Model
from stgraph.skeleton import Skeleton
from stgraph.tasks.action.preparation import Preparation
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.action.task import Action
from stgraph.tasks.action.whole_clips import sample_clips
from stgraph.training.deployed import CAMERA_SPACE, SCREEN, UNSEEN, Axes, Deployed, without_unseen

NORMALISATIONS = {
    "screen": SCREEN,
    "image": "pixels x, y to x / width - 0.5, y / height - 0.5",
    "camera": CAMERA_SPACE,
    "kinect": "metres in the sensor's space: x left, y up, z forward",
    "body2d": "root of the clip's first person (never seen: the middle of the joints that are), where it is first "
    "seen, at the origin; divided by that person's root mean square distance of joints from their middle, mean over "
    "frames (the image's longer side where that is nothing)",
    "body3d": "metres; root of the clip's first person, where it is first seen, at the origin; then turned: hips to "
    "shoulders of the first pose that has these along z, left to right shoulder in the x-z plane (without such a pose: "
    "x, y, z become x, z, -y)",
    "pyskl2d": "pixels x, y to 2 x / width - 1, 2 y / height - 1; zero where the confidence is at most 0.01",
    "pyskl3d": "metres, x left, y up; middle of the first person's spine, where it is first seen, at the origin; then "
    "turned: that pose's spine to z, and its shoulders, left to right, to x",
}
STREAMS = {
    "joint": "positions",
    "bone": "positions less the parent's; zero at the root",
    "joint_motion": "positions of the clip's next frame (whether that is taken or not) less this one's; zero in the "
    "last frame",
    "bone_motion": "bones (positions less the parent's; zero at the root) of the clip's next frame (whether that is "
    "taken or not) less this one's; zero in the last frame",
}
SAMPLINGS = {
    "uniform": "of each of {0} equal parts of the clip the middle frame, (2 i + 1) T // {1} of T frames, i from 0; "
    "a clip begins with the first frame that has a person, and ends with the last one",
    "crop": "{0} consecutive frames, the middle ones; a clip ends with the last frame that has a person, and a shorter "
    "one is filled up with zeros at its end",
    "start": "the first {0} frames; a clip ends with the last frame that has a person, and a shorter one is filled up "
    "with zeros at its end",
}
OPENING = "; of the first two persons, the one in more frames is the first; a clip is the frames that show that person"


class Recogniser(Deployed):
    """From prepared clips of persons to scores of the classes. A person whose input is all zeros is absent."""

    task: Action
    data: ClipSettings
    inputs: ClassVar[dict[str, Axes]] = {"x": ("batch", "person", "channel", "frame", "joint")}
    outputs: ClassVar[dict[str, dict]] = {
        "probability": {"axes": ["batch", "class"], "meaning": "of every class; all equal without a person"},
        "action": {"axes": ["batch", "class"], "meaning": "the clip's scores, whose softmax is the probability"},
        "dense": {
            "axes": ["batch", "person", "class", "step", "joint"],
            "meaning": "scores of every person, step in time and joint, whose mean over what is present is the clip's",
        },
    }

    def input_text(self, fps: float | None) -> dict[str, object]:
        """As of every model, with the handling of persons."""
        absent = "count in the mean" if self.task.padded else "are left out"
        persons = f"trained with up to {self.data.max_persons}; absent ones are all zeros and {absent}"
        return super().input_text(fps) | {"persons": persons}

    def preparation(self) -> dict[str, object]:
        """Channels, normalisation, stream and sampling."""
        data, kind = self.data, "2d" if self.data.detector else "3d"
        channels = ("x", "y", "confidence") if data.detector else ("x", "y", "z")
        differs = ", and what is taken from them" if data.stream != "joint" else ""
        frames = data.test_frames or data.frames
        about: dict[str, object] = {
            "channels": channels[: data.channels],
            "normalisation": NORMALISATIONS.get(data.normalise) or NORMALISATIONS[f"{data.normalise}{kind}"],
            "stream": STREAMS[data.stream],
            "unseen": f"{UNSEEN}{differs}",
        }
        if data.confidence and data.stream != "joint":
            about |= {"confidence": "mean of those that a difference is taken of"}
        opening = OPENING if data.by_opening else ""
        return about | {"sampling": SAMPLINGS[data.sampling].format(frames, 2 * frames) + opening}

    def forward(self, x: Float[Tensor, "b m c t j"]) -> dict[str, Float[Tensor, "..."]]:
        """(b m c t j) -> probability, action (b n), dense (b m n s j); the scores of an absent person are zero."""
        x = without_unseen(x, channel=2)
        dense = self.model(rearrange(x, "b m c t j -> (b m) c t j"))["action"]
        dense = rearrange(dense, "(b m) n s j -> b m n s j", b=x.shape[0])
        each = dense.mean(dim=(3, 4))
        counted = torch.ones_like(each[..., :1])
        if not self.task.padded:
            counted = (x.abs().amax(dim=(2, 3, 4)) > 0).to(each)[..., None]
        scores = (each * counted).sum(1) / counted.sum(1).clamp_min(1)
        return {"probability": scores.softmax(1), "action": scores, "dense": dense}


class PoseRecogniser(Recogniser):
    """From whole detected clips to scores of the classes: sampled and prepared as in an evaluation.

    Clips may have any number of frames, whatever the model's length.

    Args:
        model, task: as above.
        skeleton: of the poses.
        data: sampling and preparation.
    """

    IMAGE = (640.0, 480.0)  # of examples: width and height, pixels

    def __init__(self, model: Model, task: Action, skeleton: Skeleton, data: ClipSettings) -> None:
        frames = data.test_frames or data.frames
        super().__init__(model, task, data, joints=len(skeleton), frames=frames, any_length=True)
        self.prepare, self.least, self.most = Preparation(skeleton, data, training=False), 1, None
        self.sizes |= {"value": 3, "side": 2} | ({"person": data.max_persons} if task.padded else {})

    @property
    def inputs(self) -> dict[str, Axes]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Poses, and with those of 2D the size of the image."""
        pose = {"pose": ("batch", "person", "frame", "joint", "value")}
        return pose | ({"size": ("batch", "side")} if self.data.detector else {})

    def frames_text(self) -> str:
        """The file samples the frames itself."""
        return f"all of a clip, of which the file itself takes {self.frames}"

    def input_text(self, fps: float | None) -> dict[str, object]:
        """Detected poses, and the preparation within the file."""
        in_2d, inherited = bool(self.data.detector), super().input_text(fps)
        about = {
            "axes": self.axes,
            "dynamic": self.dynamic,
            "values": ["x", "y", "confidence" if in_2d else "z"],
            "unit": "pixels; a joint is seen where its confidence is above 0" if in_2d else CAMERA_SPACE,
            "unseen": "joints that are not seen, and persons in frames where they are not, are zero or not finite",
            "frames": {"which": "all of a clip, in order", "any": True, "least": self.least, "taken": self.frames},
            "done by the file": self.preparation(),
        }
        about |= {"size": "(batch, 2): width and height of the image, pixels"} if in_2d else {}
        return about | {name: inherited[name] for name in ("persons", "frames per second")}

    def example(self, batch: int, persons: int, frames: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Random poses; in 2D a quarter of all joints is not seen, and in the last clip the root never."""
        (pose,) = super().example(batch, persons, frames, generator)
        if not self.data.detector:
            return (pose,)
        size = torch.tensor(self.IMAGE).repeat(batch, 1)
        seen = (torch.rand(pose.shape[:-1], generator=generator) > 0.25) & pose.any(-1)
        seen[-1, ..., self.prepare.skeleton.root] = False
        place = size[:, None, None, None] / 2 + 100 * pose[..., :2]
        return torch.cat([place, pose[..., 2:].sigmoid()], dim=-1) * seen[..., None], size

    def forward(
        self, pose: Float[Tensor, "b m t j 3"], size: Float[Tensor, "b 2"] | None = None
    ) -> dict[str, Float[Tensor, "..."]]:
        """(b m t j 3), (b 2) -> as `Recogniser`."""
        clips = pose.shape[0]
        size = torch.ones_like(pose[:, 0, 0, 0, :2]) if size is None else size
        sample = sample_clips(pose, size, self.frames, self.data, self.prepare.skeleton.root)
        return super().forward(rearrange(self.prepare(sample), "(b m) c t j -> b m c t j", b=clips))
