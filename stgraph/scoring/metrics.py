"""Errors of predicted poses per joint and frame, and exact means of them.

Functions take (..., t, j, 3) in any unit of length; thresholds are in metres. Only `grouped_sum` reduces: a mean over a
group of frames is a sum over a count, never a mean of means of different sizes.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.geometry import procrustes

UNITS = {"_mm": "mm", "_px": "pixels", "_percent": "%"}  # ending of a measure's name -> its unit


def named_unit(name: str) -> tuple[str, str] | None:
    """A measure's name without its unit, and the unit; None for a name without one, such as a loss's.

    >>> named_unit("mpjpe_mm")
    ('mpjpe', 'mm')
    """
    return next(((name.removesuffix(ending), unit) for ending, unit in UNITS.items() if name.endswith(ending)), None)


def joint_error(pred: Float[Tensor, "... j 3"], target: Float[Tensor, "... j 3"]) -> Float[Tensor, "... j"]:
    """Distance between predicted and true joints; its mean is P1, the MPJPE."""
    return (pred - target).norm(dim=-1)


def procrustes_error(pred: Float[Tensor, "... j 3"], target: Float[Tensor, "... j 3"]) -> Float[Tensor, "... j"]:
    """Distance after the best rotation, translation and scale of each frame, without reflection: P2, P-MPJPE."""
    return joint_error(procrustes(pred, target), target)


def scale_error(pred: Float[Tensor, "... j 3"], target: Float[Tensor, "... j 3"]) -> Float[Tensor, "... j"]:
    """Distance after the best scale <p, q> / <p, p> of each frame, not centred: P3, N-MPJPE (Rhodin et al. 2018)."""
    size = pred.square().sum((-2, -1), keepdim=True).clamp(min=torch.finfo(pred.dtype).tiny)
    return joint_error((pred * target).sum((-2, -1), keepdim=True) / size * pred, target)


def velocity_error(pred: Float[Tensor, "... t j 3"], target: Float[Tensor, "... t j 3"]) -> Float[Tensor, "... s j"]:
    """Length of the difference of first differences in time, s = t - 1, per frame: MPJVE."""
    return (pred - target).diff(dim=-3).norm(dim=-1)


def acceleration_error(
    pred: Float[Tensor, "... t j 3"], target: Float[Tensor, "... t j 3"]
) -> Float[Tensor, "... s j"]:
    """Length of the difference of second differences in time, s = t - 2, per frame squared."""
    return (pred - target).diff(n=2, dim=-3).norm(dim=-1)


def axis_error(pred: Float[Tensor, "... 3"], target: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """Distance along each axis: in camera space right, down and forward."""
    return (pred - target).abs()


@dataclass(frozen=True)
class Correctness:
    """Definition of a correct joint, and thresholds (metres) over which the area under the PCK curve is taken.

    Attributes:
        text: the definition in words.
        inclusive: whether an error of exactly the threshold is correct.
        thresholds: evenly spaced, ascending.
        trapezoid: the trapezoid rule over the thresholds' span, else their plain mean.
        threshold: of PCK.
    """

    text: str
    inclusive: bool
    thresholds: tuple[float, ...]
    trapezoid: bool
    threshold: float = 0.150

    @cached_property
    def _area(self) -> tuple[float, ...]:
        """AUC of an error between thresholds i - 1 and i, for every i."""
        weights = torch.ones(len(self.thresholds), dtype=torch.float64)
        if self.trapezoid:
            weights[0] = weights[-1] = 0.5
        return (*(weights / weights.sum()).flip(0).cumsum(0).flip(0).tolist(), 0.0)

    def pck(self, error: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """1 where the joint is correct at `threshold`, else 0; its mean is the share of correct keypoints."""
        return (error <= self.threshold if self.inclusive else error < self.threshold).to(error.dtype)

    def auc(self, error: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Area under the PCK curve of each joint alone, in [0, 1]; its mean is the AUC.

        The area is linear in the joints, so it can be computed per joint and averaged over any group.
        """
        thresholds = torch.tensor(self.thresholds, dtype=error.dtype, device=error.device)
        area = torch.tensor(self._area, dtype=error.dtype, device=error.device)
        return area[torch.searchsorted(thresholds, error.contiguous(), right=not self.inclusive)]


CORRECTNESS = {
    "3dhp": Correctness(
        "PCK strictly below 150 mm; AUC the mean of PCK at 0, 5, ..., 150 mm (MPI-INF-3DHP)",
        inclusive=False,
        thresholds=tuple(step / 200 for step in range(31)),
        trapezoid=False,
    ),
    "tgraphnet": Correctness(
        "PCK at or below 150 mm; AUC the trapezoid integral of PCK over 0, 1, ..., 154 mm (TGraphNet)",
        inclusive=True,
        thresholds=tuple(step / 1000 for step in range(155)),
        trapezoid=True,
    ),
}


def grouped_sum(values: Float[Tensor, "n j"], group: Int[Tensor, " n"], groups: int) -> Float[Tensor, "groups j"]:
    """Sum of the rows of each group, in float64; zeros for an empty group."""
    total = torch.zeros(groups, values.shape[1], dtype=torch.float64, device=values.device)
    return total.index_add_(0, group, values.double())
