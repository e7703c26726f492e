"""Other people than the file's: of other sizes, with joints elsewhere, with limbs that move as in other windows."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.body import descendants, legs, limbs


class OtherPeople:
    """Draws of other people for the windows of a batch.

    What is done in the axes of the trunk needs two legs and two arms; without them nothing is changed. The axes are up,
    from where the legs begin to where the arms begin, and forward; across is what is left.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        of_legs = legs(skeleton)
        of_arms = [joint for joint in limbs(skeleton) if joint not in of_legs]
        middle = [joint for joint, twin in enumerate(skeleton.mirror) if joint == twin and joint != skeleton.root]
        tree, own = descendants(skeleton), np.arange(len(skeleton))
        self.parents = np.where(np.array(skeleton.parents) < 0, own, skeleton.parents)  # the root's is itself
        self.body = torch.from_numpy(tree).float()  # whether joint w hangs on joint v, or is it
        self.pairs = torch.from_numpy(np.minimum(skeleton.mirror, own))
        self.lower, self.upper = torch.tensor(of_legs), torch.tensor(of_arms)
        self.joints = torch.tensor(sorted(middle + of_legs + of_arms))
        self.side = self.pairs[self.joints]
        self.exists = len(of_legs) == 2 and len(of_arms) == 2
        # The joints of each limb but its first, in the order of their depth.
        order = np.argsort(skeleton.depths, kind="stable")
        below = tree & ~np.eye(len(skeleton), dtype=bool)
        self.limbs = [[joint for joint in order if below[first, joint]] for first in of_legs + of_arms]

    def resized(self, pose: Float[Tensor, "b t j 3"], spread: float) -> Float[Tensor, "b t j 3"]:
        """Another person in the same pose: every bone times a factor of the whole body and one of its own, root kept.

        Both are drawn from 1 - spread to 1 + spread for a window; bones that mirror one another share theirs.
        """
        if not spread:
            return pose
        b, _, j, _ = pose.shape
        factor = (1 + spread * (2 * torch.rand(b, j, device=pose.device) - 1))[:, self.pairs]
        factor = factor * (1 + spread * (2 * torch.rand(b, 1, device=pose.device) - 1))
        # pose' = pose + sum over the bones on the way from the root of (factor - 1) bone.
        bones = (pose - pose[:, :, self.parents]) * (factor - 1)[:, None, :, None]
        return pose + torch.einsum("vw, btvd -> btwd", self.body.to(pose), bones)

    def axes(self, pose: Float[Tensor, "b t j 3"]) -> Float[Tensor, "b t 3 3"]:
        """Rows are up, forward and across, each of length 1 and square on the others."""
        up = F.normalize(pose[:, :, self.upper].mean(2) - pose[:, :, self.lower].mean(2), dim=-1)
        across = pose[:, :, self.lower[0]] - pose[:, :, self.lower[1]]
        forward = F.normalize(torch.linalg.cross(across, up, dim=-1), dim=-1)
        return torch.stack([up, forward, torch.linalg.cross(up, forward, dim=-1)], dim=-2)

    def moved(self, pose: Float[Tensor, "b t j 3"], spread: float) -> Float[Tensor, "b t j 3"]:
        """Poses whose joints of the trunk lie elsewhere in it, throughout a window: up or down, forward or back.

        Each laboratory places them a few centimetres elsewhere. Distances are normal, those of left and right equal.
        Limbs stay where they are, but for where they begin.

        Args:
            spread: standard deviation, metres.
        """
        if not spread or not self.exists:
            return pose
        axes = self.axes(pose)[:, :, :2]
        distance = spread * torch.randn(len(pose), 2, pose.shape[2], device=pose.device)[..., self.side]
        shift = torch.einsum("bnj, btnd -> btjd", distance, axes)
        return pose.index_add(2, self.joints.to(pose.device), shift)

    def recombined(self, pose: Float[Tensor, "b t j 3"], share: float) -> Float[Tensor, "b t j 3"]:
        """Poses whose arms, legs or single limbs move in the trunk as those of another window of the batch.

        Bones keep their lengths and take the other's directions in the axes of the trunk.

        Args:
            share: of windows that take their arms from another, and as many their legs; a third of them one limb alone.
        """
        if not share or not self.exists:
            return pose
        axes, pose = self.axes(pose), pose.clone()
        other = torch.randperm(len(pose), device=pose.device)
        turn = axes.mT @ axes[other]  # directions of the other window into this one
        bones = pose - pose[:, :, self.parents]
        length = bones.norm(dim=-1, keepdim=True)
        taken = F.normalize(bones[other], dim=-1) @ turn.mT * length
        for pair in (self.limbs[:2], self.limbs[2:]):
            chosen = torch.rand(len(pose), device=pose.device)
            for number, limb in enumerate(pair):
                # Of the windows that take something a third takes the first limb alone, or the second.
                low, high = share * number / 6, share * (1 - (1 - number) / 6)
                takes = ((chosen >= low) & (chosen < high))[:, None, None]
                for joint in limb:
                    bone = torch.where(takes, taken[:, :, joint], bones[:, :, joint])
                    pose[:, :, joint] = pose[:, :, self.parents[joint]] + bone
        return pose
