"""From the poses of a file to the model's input: normalised, augmented, as joints, bones or motion."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from stgraph.skeleton import Skeleton
from stgraph.tasks.action.augmentation import Augmentation, Poses, Seen
from stgraph.tasks.action.normalisation import Normalisation
from stgraph.tasks.action.sample import Sample
from stgraph.tasks.action.settings import ClipSettings


class Preparation:
    """Turns samples of clips into the model's input.

    Args:
        skeleton: of the input.
        settings: normalisation, augmentation and stream.
        training: augment, by torch's generator.

    Raises:
        InputError: as `Normalisation` and `Augmentation`.
    """

    def __init__(self, skeleton: Skeleton, settings: ClipSettings, training: bool) -> None:
        self.skeleton, self.settings = skeleton, settings
        self.normalise = Normalisation(skeleton, settings)
        self.augment = Augmentation(skeleton, settings) if training else None

    def __call__(self, sample: Sample) -> Float[Tensor, "p c t j"]:
        """The input of every person; zero where a joint is not seen."""
        pose, seen = sample.pose, sample.seen
        dims = 2 if self.settings.detector else 3
        place, confidence = self.normalise(pose[..., :dims], sample), pose[..., dims:]
        place = torch.where(self.normalise.shown(sample)[..., None], place, 0)
        if self.augment:
            place, confidence, seen = self.augment(place, confidence, seen, sample.clip, len(sample.size))
        place = torch.where(seen[..., None], place, 0)
        x = place if not self.settings.confidence else torch.cat([place, confidence], dim=-1)
        return rearrange(self.stream(x, seen), "p t j c -> p c t j").contiguous()

    def stream(self, x: Poses, seen: Seen) -> Float[Tensor, "p s j d"]:
        """Joints, bones (a joint less its parent; zero for the root), or their change until the file's next frame.

        A confidence becomes the mean of the two; where one of them was not seen, all is zero. For a change, the second
        half of `x` holds the frame after each of the first half.
        """
        if self.settings.stream.startswith("bone"):
            parents = [joint if parent < 0 else parent for joint, parent in enumerate(self.skeleton.parents)]
            parent = torch.tensor(parents, device=x.device)
            seen = seen & seen[:, :, parent]
            x = self.difference(x, x[:, :, parent], seen)
        if self.settings.moves:
            (now, after), (seen_now, seen_after) = x.chunk(2, dim=1), seen.chunk(2, dim=1)
            x = self.difference(after, now, seen_now & seen_after)
        return x

    def difference(self, a: Poses, b: Poses, both: Seen) -> Poses:
        """a - b, with the mean of the confidences; zero where not both joints are seen."""
        change = a - b
        if self.settings.confidence:
            change = torch.cat([change[..., :2], (a[..., 2:] + b[..., 2:]) / 2], dim=-1)
        return torch.where(both[..., None], change, 0)
