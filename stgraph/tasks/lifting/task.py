"""Lifting: from 2D joints over time to 3D joints over time, and the root's path.

The target is `(b t j 3)` in metres: every joint relative to the root, and in the root's place its path in camera space.
Or it is in image space (`stgraph.geometry.image_space`), relative to the root, where 1 is half the image's width: such
a prediction has no metric scale.
"""

from typing import Annotated, Literal

import torch
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from stgraph.errors import InputError
from stgraph.geometry import project, screen_normalise
from stgraph.models.base import Model
from stgraph.scoring.metrics import joint_error, scale_error, velocity_error
from stgraph.skeleton import Skeleton
from stgraph.training.task import Batch, Outputs, Scalar, Task

Pose = Float[Tensor, "b t j 3"]
Output = Literal["root_relative", "global", "image"]
LossName = Literal[
    "position",
    "mse",
    "motion",
    "velocity",
    "n_mpjpe",
    "smoothness",
    "trajectory",
    "reprojection",
    "root_motion",
    "uncertainty",
    "action",
]


LEAST_ERROR = 0.001  # metres


def motion_loss(pred: Pose, target: Pose, intervals: tuple[int, ...] = (8, 12, 16, 24)) -> Scalar:
    """Difference of the cross products of a joint's positions some frames apart, square metres (TGraphNet).

    mean over intervals i of mean |cross(p_t, p_t+i) - cross(q_t, q_t+i)| over batch, frames, joints and components.
    Intervals as long as the window are left out.
    """

    def crosses(pose: Pose, i: int) -> Float[Tensor, "b s j 3"]:
        return torch.linalg.cross(pose[:, :-i], pose[:, i:])

    terms = [(crosses(pred, i) - crosses(target, i)).abs().mean() for i in intervals if i < pred.shape[1]]
    return torch.stack(terms).mean()


def trajectory_loss(path: Float[Tensor, "b t 3"], target: Float[Tensor, "b t 3"]) -> Scalar:
    """Error of the root's path over its distance along the camera's axis: mean |p - q| / q_z (VideoPose3D)."""
    return (joint_error(path, target) / target[..., 2]).mean()


def reprojection_loss(
    pose: Pose,
    pose2d: Float[Tensor, "b t j 2"],
    intrinsics: Float[Tensor, "b 9"],
    size: Float[Tensor, "b 2"],
    seen: Float[Tensor, "b t j"],
) -> Scalar:
    """Distance between the projected pose and the 2D input on the normalised screen, 0 for unseen joints.

    Its mean is taken over all joints, so that it does not depend on how a batch is split between processes.

    Args:
        pose: (b t j 3) metres, camera space, path added.
        pose2d: (b t j 2) the input, screen-normalised.
        intrinsics: (b 9) pixels.
        size: (b 2) width and height of the image, pixels.
        seen: 1 where the detector saw the joint.
    """
    screen = screen_normalise(project(pose, intrinsics), *size.unbind(-1))
    return ((screen - pose2d).norm(dim=-1) * seen).mean()


def uncertainty_loss(log_error: Float[Tensor, "b t _"], error: Float[Tensor, "b t j"]) -> Scalar:
    """Negative log-likelihood of each joint's error under an exponential distribution: mean of u + e / exp(u).

    It is least where exp(u) is the error to be expected, metres. Errors are constants here, and those below a
    millimetre count as one: the root's are all zero, which no finite u expects.
    """
    return (log_error + error.detach().clamp_min(LEAST_ERROR) * (-log_error).exp()).mean()


def action_loss(scores: Float[Tensor, "b n t _"], label: Int[Tensor, " b"]) -> Scalar:
    """Cross-entropy of a window's scores, averaged over its frames and joints; label -1 adds nothing."""
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).mean(dim=(2, 3))
    return F.cross_entropy(scores, label, ignore_index=-1, reduction="sum") / len(label)


class Lifting(Task):
    """Loss and errors of a lifter.

    Args:
        skeleton: of input and output.
        output: "root_relative" (the root is zero in the target), "global" (the root's path as well) or "image"
            (root-relative in image space; the evaluation takes the scale to metres from the ground truth).
        root: of a root-relative prediction: "zero", or "learned": predicted by the model, trained towards zero, and
            treated by the evaluation's protocol.
        losses: weight of each term; see `terms`. With "action" the model gets a head for the action, with "uncertainty"
            one for the logarithm of each joint's expected error in metres.
        actions: the classes of that head; null: the actions of the training recordings.
        joint_weights: joint name -> weight in the losses of position and smoothness; 1 where not named.
        motion_intervals: frames between the positions that the motion loss multiplies.

    Raises:
        InputError: a weight for a joint that the skeleton lacks.
    """

    name = "lifting"
    validation_losses = ("position", "mse", "motion", "trajectory")

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        output: Output = "root_relative",
        root: Literal["zero", "learned"] = "zero",
        losses: Annotated[dict[LossName, Annotated[float, Field(ge=0)]], Field(min_length=1)],
        joint_weights: dict[str, Annotated[float, Field(ge=0)]] = {},  # noqa: B006 - never written to
        motion_intervals: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (8, 12, 16, 24),
        actions: Annotated[list[str], Field(min_length=2)] | None = None,
    ) -> None:
        self.root = skeleton.root
        self.output: Output = output
        self.root_is_zero = output != "global" and root == "zero"
        self.classes = tuple(actions or ())
        self.losses = {name: weight for name, weight in losses.items()}
        self.motion_intervals = motion_intervals
        self.joint_weights = torch.ones(len(skeleton))
        for name, weight in joint_weights.items():
            self.joint_weights[skeleton.index(name)] = weight
        self.heads = {"pose": 3}
        self.heads |= {"uncertainty": 1} if losses.get("uncertainty") else {}
        self.heads |= {"action": len(self.classes)} if losses.get("action") else {}

    @staticmethod
    def inputs(batch: Batch) -> dict[str, Tensor]:
        """The model's inputs: 2D poses, and the cameras as far as they are known."""
        return {"x": batch["x"], "camera": batch["camera"]}

    @staticmethod
    def check_model(settings: dict, model: type[Model]) -> list[str]:
        """What needs an output of the root, where the model has none."""
        if model.predicts_root:
            return []
        needing = {"output": "global", "root": "learned"}
        return [
            f'{key}: found "{value}"; the root has no output'
            for key, value in needing.items()
            if settings[key] == value
        ]

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """Problems of the task's section for windows of this length."""
        problems = []
        losses = settings["losses"]
        of_path = [name for name in ("trajectory", "reprojection", "root_motion") if losses.get(name)]
        if settings["output"] != "global" and of_path:
            problems.append(f'losses: {", ".join(of_path)} need the root\'s path; set output to "global"')
        if settings["output"] == "global" and settings["root"] == "learned":
            problems.append('root: "learned" is for a root-relative output; with output "global" leave it out')
        if len(set(settings["actions"] or ())) < len(settings["actions"] or ()):
            problems.append("actions: a name stands in it twice; give each once")
        if settings["actions"] and not losses.get("action"):
            problems.append('actions: named, but nothing learns them; give losses an "action" or leave them out')
        if not any(losses.values()):
            problems.append("losses: every weight is 0; give at least one a positive weight")
        intervals = settings["motion_intervals"]
        if (losses.get("motion") or losses.get("root_motion")) and min(intervals) >= frames:
            problems.append(
                f"motion_intervals: all of {list(intervals)} are as long as a window of {frames} frames; "
                "give a shorter one or leave the motion loss out"
            )
        return problems

    @staticmethod
    def settle(settings: dict, actions: list[str], where: str) -> dict:
        """The task's section, once the actions of the training recordings are known.

        Raises:
            InputError: the section names other actions, or there is only one.
        """
        if not settings["losses"].get("action"):
            return settings
        named = settings["actions"] or actions
        if set(named) != set(actions):
            raise InputError(
                where="task.actions",
                found=", ".join(named),
                expected=f"the actions of the training recordings of {where}: {', '.join(actions)}",
                remedy="mend the list, or leave it out to take these",
            )
        if len(actions) < 2:
            problem = f"the training recordings of {where} have one action"
            raise InputError(problem, where="task.losses.action", remedy="leave it out")
        return settings | {"actions": list(named)}

    def without_root(self, pose: Pose) -> Pose:
        """The pose with the root's entry at zero."""
        keep = torch.ones(pose.shape[-2], 1, dtype=pose.dtype, device=pose.device)
        keep[self.root] = 0
        return pose * keep

    def prediction(self, outputs: dict[str, Tensor]) -> Pose:
        """The predicted pose (b t j 3), metres; the root's entry is its path, or if root-relative zero or predicted."""
        pose = rearrange(outputs["pose"], "b c t j -> b t j c")
        pose = pose.to(torch.promote_types(pose.dtype, torch.float32))
        return self.without_root(pose) if self.root_is_zero else pose

    def target(self, batch: Batch) -> Pose:
        """The batch's true pose in the same form."""
        if self.output == "image":
            return batch["image3d"]
        return batch["pose3d"] if self.output == "global" else self.without_root(batch["pose3d"])

    def in_metres(self, batch: Batch, outputs: Outputs) -> tuple[Pose, Pose]:
        """Prediction and target, metres; a prediction in image space by the scale of its true pose."""
        pred, target = self.prediction(outputs), self.target(batch)
        if self.output != "image":
            return pred, target
        return pred * batch["scale"][..., None, None], self.without_root(batch["pose3d"])

    def terms(self, batch: Batch, outputs: Outputs) -> dict[str, Scalar]:
        """The unweighted terms named in `losses`, each a mean over the batch.

        The root is zero in the target of the pose terms, and in their prediction unless it is learned; their means run
        over all joints. Where a recording's action is none of the classes, it adds nothing to the action's term.
        """
        pred, target = self.prediction(outputs), self.target(batch)
        path, true_path = pred[:, :, self.root], target[:, :, self.root]
        pose = self.without_root(pred) if self.output == "global" else pred
        true_pose = self.without_root(target)
        weights = self.joint_weights.to(pose)

        def absolute() -> Pose:
            return pose + path[:, :, None]

        functions = {
            "position": lambda: (joint_error(pose, true_pose) * weights).mean(),
            "mse": lambda: (pose - true_pose).square().mean(),
            "motion": lambda: motion_loss(pose, true_pose, self.motion_intervals),
            "velocity": lambda: velocity_error(pose, true_pose).mean(),
            "n_mpjpe": lambda: scale_error(pose, true_pose).mean(),
            "trajectory": lambda: trajectory_loss(path, true_path),
            "reprojection": lambda: reprojection_loss(
                absolute(), batch["pose2d"], batch["intrinsics"], batch["size"], batch["seen"]
            ),
            "root_motion": lambda: motion_loss(path[:, :, None], true_path[:, :, None], self.motion_intervals),
            # MixSTE's term: the prediction should change little from frame to frame.
            "smoothness": lambda: (pose.diff(dim=1).square() * weights[:, None]).mean(),
            "uncertainty": lambda: uncertainty_loss(outputs["uncertainty"][:, 0].float(), joint_error(pose, true_pose)),
            "action": lambda: action_loss(outputs["action"], batch["label"]),
        }
        return {name: functions[name]() for name, weight in self.losses.items() if weight}

    def errors(self, batch: Batch, outputs: Outputs) -> dict[str, Float[Tensor, "b t _"]]:
        """Unreduced errors by name; its ending is the unit (see `stgraph.scoring.metrics.UNITS`)."""
        pred, target = self.prediction(outputs), self.target(batch)
        error = joint_error(self.without_root(pred), self.without_root(target))
        if self.output == "image":
            errors = {"mpjpe_px": error * batch["size"][:, :1, None] / 2}
        else:
            errors = {"mpjpe_mm": 1000 * error}
        if self.output == "global":
            errors["path_mm"] = 1000 * joint_error(pred, target)[:, :, [self.root]]
        if "action" in self.heads:
            correct = outputs["action"].mean(-1).argmax(1, keepdim=True).mT == batch["label"][:, None, None]
            errors["action_percent"] = 100 * correct.to(pred)
        return errors
