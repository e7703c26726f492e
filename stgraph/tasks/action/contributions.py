"""Contribution of the joints to a recogniser's decision: the norm of the input features of its head."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.models.base import Model


@contextmanager
def head_input(model: Model) -> Iterator[list[Tensor]]:
    """Collects the inputs of the model's action head."""
    inputs: list[Tensor] = []
    handle = model.heads["action"].register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    try:
        yield inputs
    finally:
        handle.remove()


def joint_contributions(
    features: Float[Tensor, "q d s v"], clip: Int[Tensor, " p"], clips: int, joints: int
) -> Float[Tensor, "p s v"] | None:
    """The features' norm at every person, step and joint, over the largest of its clip: 0 to 1.

    None where the model's features have no joints.

    Args:
        features: input of the action head.
        clip: number, below `clips`, of the clip that each person belongs to.
        joints: of the input.
    """
    if len(features) != len(clip) or features.shape[-1] != joints:
        return None
    norm = features.float().norm(dim=1).cpu()
    largest = torch.zeros(clips).scatter_reduce(0, clip, norm.flatten(1).amax(1), "amax")
    return norm / largest.clamp_min(1e-12)[clip, None, None]
