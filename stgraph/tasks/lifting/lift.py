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
    run: LiftingRun,
    keypoints: Float[np.ndarray, "t j c"],
    *,
    size: tuple[int, int],
    bone: tuple[str, str, float] | None = None,
) -> Float[np.ndarray, "t j 3"]:
    """Lift one person's keypoints, every frame from the window in whose centre it lies.

    Args:
        run: a trained lifter.
        keypoints: pixels x, y and perhaps a confidence, joints in the order of `run.skeleton`. A joint that is not
            finite or has a confidence of 0 is unseen.
        size: width and height of the image, pixels.
        bone: two joints and the distance between them in metres, which gives the scale of a run that predicts in image
            space (`task.output` "image"): all frames get the one with which the median of that distance is right.

    Returns:
        Metres, x right, y down, z forward. Joints are relative to the root, which is zero or, where the task predicts
        it (`task.output` "global"), its path in camera space.

    Raises:
        InputError: a run of another task, another number of joints or values, no frame, no size, no confidence where
            the network has it as an input, or a bone where the run needs none, or none where it does.
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
    if run.data.confidence and keypoints.shape[2] == 2:
        raise InputError(
            f"no confidence, which is an input of {run.name}",
            where="keypoints",
            remedy="give it as a third value of every joint, 1 where the detector has none",
        )
    ends = joints_of(bone, run)
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
    if ends is None or bone is None:
        return pose.numpy()
    length = (pose[:, ends[0]] - pose[:, ends[1]]).norm(dim=-1).median()
    return (pose * (bone[2] / length)).numpy()


def joints_of(bone: tuple[str, str, float] | None, run: LiftingRun) -> tuple[int, int] | None:
    """The joints of the bone that gives the scale of a run in image space; None for any other run.

    Raises:
        InputError: a bone where the run needs none, none where it does, an unknown joint, or a length that is none.
    """
    in_image = run.task.output == "image"
    if in_image != (bone is not None):
        raise InputError(
            f"{run.name} predicts in {'image space, without a metric scale' if in_image else 'metres'}",
            where="bone",
            remedy='give the length of one, such as bone=("RHip", "RKnee", 0.45)' if in_image else "leave it out",
        )
    if bone is None:
        return None
    first, second, length = bone
    if not 0 < length < float("inf"):
        raise InputError(where="bone", found=f"a length of {length}", expected="metres, above 0")
    return run.skeleton.index(first), run.skeleton.index(second)
