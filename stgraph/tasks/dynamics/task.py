"""Dynamics: from a person's joints in past frames to those of the current frame, with their uncertainty."""

from typing import Annotated, Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from stgraph.skeleton import Skeleton
from stgraph.training.task import Batch, Outputs, Scalar, Task

STEP = 0.04  # seconds up to which errors have weight 1; it falls with the root of longer times
LossName = Literal["position", "likelihood", "merged", "candidate"]
LEARNED = {"position": "to predict", "likelihood": "the uncertainty by which a prediction is merged"}
INPUTS = ("x", "confidence", "time", "ahead", "features", "candidates", "candidate_confidence", "candidate_features")


def distance(pred: Float[Tensor, "b d t j"], target: Float[Tensor, "b t j d"]) -> Float[Tensor, "b t j"]:
    """Distance of joints, whose gradient is finite where it is zero."""
    return ((rearrange(pred, "b d t j -> b t j d") - target).square().sum(-1) + 1e-12).sqrt()


def negative_log_likelihood(
    error: Float[Tensor, "b t j"], spread: Float[Tensor, "b t j"], dimensions: int
) -> Float[Tensor, "b t j"]:
    """d log(s) + |e| / s: of the density that falls as exp(-|e| / s) in d dimensions, less a constant.

    `spread` is its standard deviation along an axis, s sqrt(d + 1). Its tails are heavier than a normal
    distribution's, which suits outliers among the detections.
    """
    s = spread / (dimensions + 1) ** 0.5
    return dimensions * s.log() + error / s


class Dynamics(Task):
    """Loss and errors of a model that predicts each frame from past frames.

    Lengths are over the body's scale: the root mean square distance of its annotated joints from their mean, a third of
    an upright person's height.

    Args:
        skeleton: of the input.
        losses: weight of each term; see `terms`. With "candidate" the model has a second head, which classifies each
            candidate joint of the current frame.
    """

    name = "dynamics"

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        losses: Annotated[dict[LossName, Annotated[float, Field(ge=0)]], Field(min_length=1)],
    ) -> None:
        self.losses = {name: weight for name, weight in losses.items()}
        self.predicts_candidates = bool(losses.get("candidate"))
        # A displacement along each coordinate, and the classes of a candidate: each joint, or none.
        self.heads = {"displacement": 1} | ({"candidate": len(skeleton) + 1} if self.predicts_candidates else {})

    @staticmethod
    def inputs(batch: Batch) -> dict[str, Tensor]:
        """The entries of a batch that are the model's input."""
        return {name: batch[name] for name in INPUTS if name in batch}

    @staticmethod
    def check(settings: dict, frames: int) -> list[str]:
        """Problems of the task's section for sequences of this length."""
        losses = settings["losses"]
        return [
            f"losses: {name} has no weight, and nothing else learns {effect}"
            for name, effect in LEARNED.items()
            if not losses.get(name)
        ]

    @staticmethod
    def counted(batch: Batch) -> Bool[Tensor, "b t j"]:
        """Joints that can be scored: annotated, of a person who was detected before."""
        return batch["annotated"] & batch["inside"][..., None]

    def terms(self, batch: Batch, outputs: Outputs) -> dict[str, Scalar]:
        """The unweighted terms named in `losses`, each a mean over the joints that can be scored.

        position: length of the prediction's error. likelihood: `negative_log_likelihood` of the detached error, so
        that only the spread learns from it; otherwise joints of small spread would dominate. merged: length of the
        error after the frame's detections are merged. candidate: cross-entropy.
        """
        counted, target, scale = self.counted(batch), batch["target"], batch["scale"][..., None]
        error = distance(outputs["pose"], target) / scale
        spread = outputs["spread"][:, 0] / scale
        functions = {
            "position": lambda: error,
            "likelihood": lambda: negative_log_likelihood(error.detach(), spread, target.shape[-1]),
            "merged": lambda: distance(outputs["merged"], target) / scale,
        }
        count = counted.sum().clamp_min(1)
        # Errors grow with about the root of the time; the weights make long times count as much as short ones.
        known = torch.arange(error.shape[1], device=error.device) - batch["ahead"]
        elapsed = batch["time"] - batch["time"].gather(1, known.clamp_min(0))
        growth = (elapsed / STEP).clamp_min(1).sqrt()[..., None]
        weight = {"position": counted / growth, "likelihood": counted, "merged": counted / growth}
        terms = {name: (functions[name]() * weight[name]).sum() / count for name in functions if self.losses.get(name)}
        if self.predicts_candidates:
            each = F.cross_entropy(outputs["candidate"], self.labels(batch), ignore_index=-1, reduction="sum")
            terms["candidate"] = each / (self.labels(batch) >= 0).sum().clamp_min(1)
        return terms

    @staticmethod
    def labels(batch: Batch) -> Int[Tensor, "b 1 q"]:
        """The class of each candidate, -1 without a candidate or before the person's first detection."""
        return torch.where(batch["inside"][:, -1:, None], batch["candidate_label"], -1)

    def errors(self, batch: Batch, outputs: Outputs) -> dict[str, Float[Tensor, "b t 1"]]:
        """Unreduced, by name; its ending is the unit (`metrics.UNITS`): means of each frame's joints."""
        counted = self.counted(batch)
        percent = 100 / batch["scale"][..., None]
        errors = {
            "prediction_percent": mean_where(distance(outputs["pose"], batch["target"]) * percent, counted),
            "merged_percent": mean_where(distance(outputs["merged"], batch["target"]) * percent, counted),
        }
        if self.predicts_candidates:
            label = self.labels(batch)
            right = 100 * (outputs["candidate"].argmax(1) == label).to(percent)
            errors["candidate_percent"] = mean_where(right, label >= 0).expand_as(errors["merged_percent"])
        return errors


def mean_where(values: Float[Tensor, "b t n"], counted: Bool[Tensor, "b t n"]) -> Float[Tensor, "b t 1"]:
    """Means over the counted values of each frame; frames without any get the mean of the other frames."""
    weight = counted.to(values)
    count = weight.sum(-1, keepdim=True)
    mean = (values * weight).sum(-1, keepdim=True) / count.clamp_min(1)
    some = count > 0
    return torch.where(some, mean, (mean * some).sum() / some.sum().clamp_min(1))
