"""A batch of clips before preparation."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


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
