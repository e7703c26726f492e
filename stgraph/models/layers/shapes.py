"""Axes of tensors in signatures: b samples, c or d channels, t frames, s steps in time, j joints.

Motion tensors lie in channels-last memory (`b t j c`), which makes every layer a plain matrix product over rows.
"""

from jaxtyping import Float
from torch import Tensor

Motion = Float[Tensor, "b c t j"]
Changed = Float[Tensor, "b d t j"]  # in another width
Shorter = Float[Tensor, "b c _ j"]  # at another length
Result = Float[Tensor, "b d s j"]  # in another width and at another length
