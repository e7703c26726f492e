"""recognise: people's poses over time become the probability of every class, without a dataset file."""

import numpy as np
import torch
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.geometry import check_size, coordinates_of
from stgraph.tasks.action.run import ActionRun


@torch.no_grad()
def recognise(
    run: ActionRun, poses: Float[np.ndarray, "m t j 3"], *, size: tuple[int, int] | None = None
) -> dict[str, float]:
    """Recognise a whole clip, sampled and prepared as in an evaluation.

    Args:
        run: a trained recogniser.
        poses: pixels x, y and confidence, or metres x, y, z in camera space, as it was trained; joints in the order of
            `run.skeleton`. Unseen joints and absent persons are zeros, or not finite.
        size: width and height of the image, pixels; for 2D.

    Returns:
        Class -> probability, the likeliest first.

    Raises:
        InputError: a run of another task, another number of joints or values, or 2D without the image's size.
    """
    if not isinstance(run, ActionRun):
        raise InputError(where="run", found=repr(run), expected="a trained recogniser", remedy="load one with Run.load")
    poses = coordinates_of(poses, "poses").astype(np.float32)
    if poses.ndim != 4 or poses.shape[2:] != (len(run.skeleton), 3) or not poses.size:
        expected = f"(persons, frames, {len(run.skeleton)} joints of {run.skeleton.name!r}, 3)"
        raise InputError(where="poses", found=f"shape {poses.shape}", expected=expected)
    if run.settings.data.detector and size is None:
        raise InputError("2D poses are normalised by the image", where="size", remedy="give its width and height")
    named = zip(run.task.classes, clip_probabilities(run, poses[None], size)[0].tolist(), strict=True)
    return dict(sorted(named, key=lambda pair: -pair[1]))


@torch.no_grad()
def clip_probabilities(
    run: ActionRun, poses: Float[np.ndarray, "b m t j 3"], size: tuple[int, int] | None
) -> Float[np.ndarray, "b n"]:
    """The probability of every class for clips of one length and number of persons.

    Persons that are missing where the run counts absent ones are added as zeros.

    Args:
        poses, size: see `recognise`.
    """
    absent = run.data.max_persons - poses.shape[1] if run.task.padded else 0
    clips = torch.from_numpy(np.pad(poses, [(0, 0), (0, max(absent, 0)), (0, 0), (0, 0), (0, 0)]))
    inputs = {"pose": clips.to(next(run.model.parameters()).dtype)}
    if size:
        inputs["size"] = torch.tensor([check_size(size)], dtype=torch.float32).expand(len(clips), -1)
    inputs = run.engine.to_device(inputs)
    with run.engine.autocast():
        return run.deployed(None)(**inputs)["probability"].float().cpu().numpy()
