"""lift: a person's 2D keypoints over time become 3D motion, without a dataset file."""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.geometry import check_size, screen_normalise
from stgraph.tasks.lifting.plan import plan_windows
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.tasks.lifting.run import LiftingRun


@torch.no_grad()
def lift(
    run: LiftingRun, keypoints: Float[np.ndarray, "t j c"], *, size: tuple[int, int]
) -> Float[np.ndarray, "t j 3"]:
    """Lift one person's keypoints, every frame from the window in whose centre it lies.

    Args:
        run: a trained lifter.
        keypoints: pixels x, y and perhaps a confidence, joints in the order of `run.skeleton`. A joint that is not
            finite or has a confidence of 0 is unseen.
        size: width and height of the image, pixels.

    Returns:
        Metres, x right, y down, z forward. Joints are relative to the root, which is zero or, where the task predicts
        it (`task.output` "global"), its path in camera space.

    Raises:
        InputError: a run of another task, another number of joints or values, no frame, or no size.
    """
    if not isinstance(run, LiftingRun):
        raise InputError(where="run", found=repr(run), expected="a trained lifter", remedy="load one with Run.load")
    keypoints = np.asarray(keypoints, dtype=np.float32)
    if keypoints.ndim != 3 or keypoints.shape[1] != len(run.skeleton) or keypoints.shape[2] not in (2, 3):
        expected = f"(frames, {len(run.skeleton)} joints of {run.skeleton.name!r}, 2 or 3)"
        remedy = f"order the joints as {', '.join(run.skeleton.names)}"
        raise InputError(where="keypoints", found=f"shape {keypoints.shape}", expected=expected, remedy=remedy)
    if not len(keypoints):
        raise InputError("there is no frame", where="keypoints", remedy="give at least one")
    model = run.model.eval()
    pixels = torch.from_numpy(keypoints[..., :2])
    confidence = torch.from_numpy(keypoints[..., 2]) if keypoints.shape[2] == 3 else torch.ones(pixels.shape[:2])
    seen = pixels.isfinite().all(-1) & (confidence > 0)
    width, height = torch.tensor(check_size(size), dtype=torch.float32)
    values = screen_normalise(pixels, width, height)
    if run.data.confidence:
        values = torch.cat([values, confidence[..., None]], dim=-1)
    values = torch.where(seen[..., None], values, 0).to(next(model.parameters()).dtype)
    plan = plan_windows(find_protocol("standard"), np.array([len(keypoints)]), run.model_window)
    pose = torch.zeros(*pixels.shape[:2], 3)
    for index in plan.batches():
        start = torch.from_numpy(plan.table)[index, 1]
        frame = (start[:, None] + torch.arange(plan.frames)).clamp(0, len(keypoints) - 1)
        batch = run.engine.to_device(
            {"x": rearrange(values[frame], "b t j c -> b c t j"), "camera": torch.zeros(len(index), 4)}
        )
        with run.engine.autocast():
            predicted = run.task.prediction(model(**run.task.inputs(batch))).float().cpu()
        frame, scored = plan.predicted(index)
        pose[frame[scored]] = predicted[scored]
    return pose.numpy()
