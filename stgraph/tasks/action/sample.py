"""A batch of clips before preparation, and which of its joints are seen."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.tasks.action.settings import ClipSettings


@dataclass(frozen=True)
class Sample:
    """One batch as stored in the file.

    Attributes:
        pose: (p t j 3) of every person of every clip, as in the file; zero in frames without the person.
        seen: (p t j) whether the joint is seen.
        clip: (p) the clip of the batch that a person belongs to. person: (p) number within it.
        size: (b 2) width and height of the image, pixels.
        first: (b j 3) the first person's pose where the whole clip first shows it; None: what the sample shows first.
    """

    pose: Float[Tensor, "p t j 3"]
    seen: Bool[Tensor, "p t j"]
    clip: Int[Tensor, " p"]
    person: Int[Tensor, " p"]
    size: Float[Tensor, "b 2"]
    first: Float[Tensor, "b j 3"] | None = None


def observed(
    pose: Float[Tensor, "p t j 3"], settings: ClipSettings, root: int
) -> tuple[Float[Tensor, "p t j 3"], Bool[Tensor, "p t j"]]:
    """Poses with zeros for the joints that are not seen, and which are, see `seen_joints`.

    A joint with a number that is not finite is not seen.
    """
    pose = torch.where(pose.isfinite().all(-1, keepdim=True), pose, 0)
    seen = seen_joints(pose, settings, root)
    return torch.where(seen[..., None], pose, 0), seen


def seen_joints(pose: Float[Tensor, "p t j 3"], settings: ClipSettings, root: int) -> Bool[Tensor, "p t j"]:
    """Which joints are seen, of numbers that are all finite.

    In 2D those with a confidence are; in 3D those that are not exactly at the origin, and the root there, too, of a
    person in whose frames it always is: poses relative to it.
    """
    if settings.detector:
        return pose[..., 2] > 0
    seen = pose.any(-1)
    relative = ~seen[..., root].any(-1)[:, None, None] & seen.any(-1, keepdim=True)
    return seen | relative & (torch.arange(pose.shape[2], device=pose.device) == root)
