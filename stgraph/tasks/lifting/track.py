"""A run of a lifter over one person's frames, without a dataset file: overlapping windows, blended."""

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from stgraph.geometry import screen_normalise
from stgraph.tasks.lifting.plan import PIECE
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.training.prediction import Progressed, silent

AT_ONCE = 4096  # frames: larger batches are no faster, and take more memory
OVERLAP = 3  # windows that a frame lies in


class Lifted(NamedTuple):
    """What a run predicts for t frames.

    Attributes:
        pose: metres in camera space, relative to the root; in image space for a run that predicts there.
        path: of the root, metres in camera space; None for a run that does not predict it.
        expected: distance from the truth, metres; None for a run that does not predict it.
    """

    pose: Float[np.ndarray, "t j 3"]
    path: Float[np.ndarray, "t 3"] | None
    expected: Float[np.ndarray, "t j"] | None


@torch.no_grad()
def lift_track(
    run: LiftingRun,
    keypoints: Float[np.ndarray, "t j 3"],
    size: tuple[int, int],
    camera: Float[np.ndarray, "4"],
    *,
    step: int = 1,
    progress: Progressed = silent,
) -> Lifted:
    """Lift one person's consecutive frames.

    Every frame lies in `OVERLAP` windows, whose predictions are averaged with weights that fall linearly from the
    window's middle to its ends, so that no window begins or ends visibly.

    Args:
        run: a trained lifter.
        keypoints: pixels and confidence, 0 for what was not seen; joints as the run has them.
        size: width and height of the image, pixels.
        camera: focal length and centre on the normalised screen; zeros where it is not known.
        step: frames from one that a window sees to the next, for videos faster than the run was trained on.
        progress: called with the share that is done, from 0 to 1.
    """
    values = network_input(run, keypoints, size)
    window = run.model_window
    predicts = max(PIECE, window.before + window.after) if window.sliding else window.outputs
    frames = window.before + predicts + window.after
    starts, weights = windows(len(values), predicts, step, whole=window.sliding)
    sums, total = torch.zeros(len(values), 3 * len(run.skeleton)), torch.zeros(len(values), 1)
    logs = torch.zeros(len(values), len(run.skeleton)) if "uncertainty" in run.task.heads else None
    seen = (torch.arange(frames) - window.before) * step
    batches = starts.split(max(1, AT_ONCE // frames))
    for number, begin in enumerate(batches, start=1):
        frame = (begin[:, None] + seen).clamp(0, len(values) - 1)
        predicted, log = network_output(run, rearrange(values[frame], "b t j c -> b c t j"), camera)
        made = begin[:, None] + torch.arange(predicts) * step
        inside = (made >= 0) & (made < len(values))
        weight = weights.expand(len(begin), -1)[inside][:, None]
        sums.index_add_(0, made[inside], predicted.flatten(2)[inside] * weight)
        total.index_add_(0, made[inside], weight)
        if logs is not None and log is not None:
            logs.index_add_(0, made[inside], log[inside] * weight)
        progress(number / len(batches))
    pose = (sums / total).view(len(values), -1, 3)
    path = pose[:, run.skeleton.root].clone().numpy() if run.task.output == "global" else None
    expected = None if logs is None else (logs / total).exp().numpy()
    return Lifted(run.task.without_root(pose[None])[0].numpy(), path, expected)


def network_input(
    run: LiftingRun, keypoints: Float[np.ndarray, "*t j 3"], size: tuple[int, int]
) -> Float[Tensor, "*t j c"]:
    """Pixels and confidence as the network takes them: screen-normalised, zeros for what was not seen."""
    values = torch.from_numpy(np.ascontiguousarray(keypoints, dtype=np.float32))
    width, height = torch.tensor(size, dtype=torch.float32)
    screen = screen_normalise(values[..., :2], width, height)
    values = torch.cat([screen, values[..., 2:]], dim=-1) * (values[..., 2:] > 0)
    return values[..., : run.data.channels].to(next(run.model.parameters()).dtype)


def network_output(
    run: LiftingRun, x: Float[Tensor, "b c t j"], camera: Float[np.ndarray, "4"], **options: int
) -> tuple[Float[Tensor, "b s j 3"], Float[Tensor, "b s j"] | None]:
    """The pose that is predicted for windows, and the logarithm of each joint's expected error, if it is predicted.

    Args:
        options: of the model's `forward`.
    """
    given = torch.from_numpy(camera).to(x).expand(len(x), -1)
    batch = run.engine.to_device({"x": x, "camera": given})
    with run.engine.autocast():
        outputs = run.model.eval()(**run.task.inputs(batch), **options)
    return in_float(run, outputs)


def in_float(
    run: LiftingRun, outputs: dict[str, Tensor]
) -> tuple[Float[Tensor, "b s j 3"], Float[Tensor, "b s j"] | None]:
    """The outputs of a network as `network_output` returns them."""
    log = outputs["uncertainty"][:, 0].float().cpu() if "uncertainty" in run.task.heads else None
    pose = run.task.prediction(outputs).float().cpu()
    return pose, None if log is None else log.expand(-1, -1, len(run.skeleton))


def windows(frames: int, outputs: int, step: int, whole: bool) -> tuple[Tensor, Float[Tensor, " s"]]:
    """First predicted frames of windows over so many frames, and the weight of each frame of a window.

    For every phase of `step` they begin before the first frame and end behind the last, `OVERLAP` of them over each.
    `whole`: windows side by side, for a model whose prediction does not depend on where in a window a frame lies.
    """
    apart = outputs if whole else max(outputs // OVERLAP, 1)
    first = torch.arange(apart - outputs, -(-frames // step), apart)
    starts = (first[:, None] * step + torch.arange(step)).flatten()
    if whole or outputs == 1:
        return starts, torch.ones(outputs)
    place = torch.arange(outputs) - (outputs - 1) / 2
    return starts, 1 - place.abs() / (outputs / 2 + 1)
