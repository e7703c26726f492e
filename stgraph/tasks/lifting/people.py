"""Other people than the file's: of other sizes, with joints elsewhere, in other postures, with other windows' limbs."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stgraph.geometry import rotate
from stgraph.skeleton import Skeleton
from stgraph.tasks.lifting.body import descendants, legs, limbs

SWAY = (0.02, 0.15)  # radians a frame by which the draws of `turned` sway in a window: periods of 42 to 314 frames


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
        self.root = skeleton.root
        self.parents = np.where(np.array(skeleton.parents) < 0, own, skeleton.parents)  # the root's is itself
        self.body = torch.from_numpy(tree).float()  # whether joint w hangs on joint v, or is it
        self.pairs = torch.from_numpy(np.minimum(skeleton.mirror, own))
        self.lower, self.upper = torch.tensor(of_legs), torch.tensor(of_arms)
        self.joints = torch.tensor(sorted(middle + of_legs + of_arms))
        self.side = self.pairs[self.joints]
        self.sided = torch.from_numpy(skeleton.mirror != own)[self.joints]
        self.exists = len(of_legs) == 2 and len(of_arms) == 2
        # The joints of each limb but its first, in the order of their depth.
        order = np.argsort(skeleton.depths, kind="stable")
        below = tree & ~np.eye(len(skeleton), dtype=bool)
        self.limbs = [[joint for joint in order if below[first, joint]] for first in of_legs + of_arms]
        # What turns: the whole body, the upper body, and every limb.
        upper = tree[[joint for joint in middle if skeleton.parents[joint] == skeleton.root]].any(0)
        self.turning = [own.tolist(), np.flatnonzero(upper).tolist(), *self.limbs]

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
        """Poses whose joints of the trunk lie elsewhere in it, throughout a window: up or down, forward or back, wider.

        Each laboratory places them a few centimetres elsewhere. Distances are normal, those of left and right equal;
        joints between them stay there. Limbs stay where they are, but for where they begin.

        Args:
            spread: standard deviation, metres.
        """
        if not spread or not self.exists:
            return pose
        axes = self.axes(pose)
        distance = spread * torch.randn(len(pose), 3, pose.shape[2], device=pose.device)[..., self.side]
        place = torch.einsum("btjd, btd -> bj", (pose - pose[:, :, [self.root]])[:, :, self.joints], axes[:, :, 2])
        outwards = place.sign() * self.sided.to(place)
        distance = torch.cat([distance[:, :2], distance[:, 2:] * outwards[:, None]], dim=1)
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

    def turned(self, pose: Float[Tensor, "b t j 3"], spread: float) -> Float[Tensor, "b t j 3"]:
        """Other postures: limbs turned where they begin, the upper body at the root, the whole body in space.

        Every bone keeps its length and turns by the product of its parts' rotations, each about an axis that is drawn.
        Their angles are normal; half as large a part of them sways in time. Windows differ in how far they are turned.

        Args:
            spread: standard deviation of the angles about each coordinate axis, degrees, of a window with all of it.
        """
        if not spread or not self.exists:
            return pose
        b, t, parts = *pose.shape[:2], len(self.turning)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, device=pose.device, dtype=pose.dtype)

        frame = torch.arange(t, device=pose.device, dtype=pose.dtype)
        low, high = SWAY
        phase = (low + (high - low) * uniform(b, parts, 1)) * frame + 2 * math.pi * uniform(b, parts, 1)
        steady, swaying = torch.randn(2, b, parts, 1, 3, device=pose.device, dtype=pose.dtype)
        angle = math.radians(spread) * uniform(b, 1, 1, 1) * (steady + swaying / 2 * phase.sin()[..., None])
        rotations = F.normalize(F.pad(angle / 2, (1, 0), value=1.0), dim=-1)  # quaternions, of 2 atan(angle / 2)
        bones = pose - pose[:, :, self.parents]
        for rotation, joints in zip(rotations.flip(1).unbind(1), reversed(self.turning), strict=True):
            bones[:, :, joints] = rotate(rotation[:, :, None], bones[:, :, joints])
        return pose[:, :, [self.root]] + torch.einsum("vw, btvd -> btwd", self.body.to(pose), bones)

    def tumbled(self, pose: Float[Tensor, "b t j 3"], share: float) -> Float[Tensor, "b t j 3"]:
        """Poses that lie, lean or stand on their heads: a share of the windows, turned any way about the root."""
        if not share:
            return pose
        turn = F.normalize(torch.randn(len(pose), 4, device=pose.device, dtype=pose.dtype), dim=-1)
        turn[:, 1:] *= (torch.rand(len(pose), 1, device=pose.device) < share).to(pose)
        turn = F.normalize(turn, dim=-1)[:, None, None]
        root = pose[:, :, [self.root]]
        return root + rotate(turn, pose - root)
