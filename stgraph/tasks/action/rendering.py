"""A recognised clip as an animation: what every joint contributes, and the prediction as it grows."""

from pathlib import Path

import numpy as np

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.tasks.action.drawing import RecognisedClip, animate_clip
from stgraph.tasks.action.live import watch
from stgraph.tasks.action.run import ActionRun
from stgraph.training.drawing import Drawing


def draw_clip(run: ActionRun, dataset: Dataset, id: str, out: Path, drawing: Drawing) -> str:
    """Draw a clip as a run recognises it; returns a line about it.

    Raises:
        InputError: a start behind the clip's end, or the mirrored input, which recognisers do not average with.
    """
    if drawing.flip:
        raise InputError("is for lifters", where="--flip", remedy="leave it out")
    number = dataset.find(id)
    camera, data = dataset.camera(number), run.data
    watched, fps = watch(run, dataset, number, drawing.detector), float(dataset.recordings["fps"][number])
    first, count = round(drawing.start * fps), max(1, round(drawing.seconds * fps))
    length, action = len(watched["probabilities"]), str(dataset.recordings["action"][number])
    if first >= length:
        raise InputError(
            f"{id} is {length / fps:.1f} s long", where=f"--start {drawing.start:g}", remedy="start earlier"
        )
    steps = watched["contribution"].shape[1]
    shown = np.arange(first, min(first + count, length))
    detector = drawing.detector or data.detector
    pose, seen = watched["pose"][:, shown, :, : 2 if detector else 3], watched["seen"][:, shown]
    clip = RecognisedClip(
        np.where(seen[..., None], pose, np.nan),
        watched["contribution"][:, shown * steps // length],
        watched["probabilities"][shown],
        run.task.classes,
        label=run.task.classes.index(action) if action in run.task.classes else None,
        seen=seen,
        image=(camera.width, camera.height) if detector else None,
        rotation=None if detector else camera.rotation,
    )
    last = watched["probabilities"][-1]
    recognised = f"{run.task.classes[last.argmax()]} ({100 * last.max():.0f} %)"
    caption = f"{run.name} from {detector or '3D poses'}: {recognised} in the end"
    synthetic = dataset.synthetic or run.origin.synthetic
    animate_clip(clip, run.skeleton, out, drawing.clip(fps, id, caption, synthetic))
    return f"{out}: {id}, {len(shown) / fps:.1f} s, {action} recognised as {recognised}"
