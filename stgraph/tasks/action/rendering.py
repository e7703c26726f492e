"""A recognised clip of a dataset as an animation: contributions of the joints, and the prediction along time."""

from pathlib import Path
from typing import cast

import torch

from stgraph.errors import InputError
from stgraph.tasks.action.contributions import head_input, joint_contributions
from stgraph.tasks.action.drawing import RecognisedClip, animate_clip
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.samples import ClipBatch, Clips
from stgraph.tasks.action.task import Action
from stgraph.training.drawing import Drawing
from stgraph.training.run import Run


def watch(run: Run[Action], clips: Clips) -> RecognisedClip:
    """The first of some clips as a recogniser sees it, with the probabilities of the clip up to each frame.

    Where the features before the head belong to no joint, all joints contribute 1.
    """
    with head_input(run.model) as features:
        batch = cast(ClipBatch, run.outputs(clips, torch.tensor([0]), run.model.eval())[0])
    uniform, frame = clips.settings.sampling == "uniform", batch["frame"][0]
    # All frames where samples stand for all of them; else the model's input, which is consecutive.
    times = torch.arange(int(clips.lengths[0]), device=frame.device) if uniform else frame[frame >= 0]
    whole = clips.gather(torch.zeros_like(times[:1]), times[None])
    pose, (width, height) = whole.pose.cpu(), map(int, whole.size[0])
    live = Live(run, window=len(times), size=(width, height))
    running = torch.stack([live.update(pose[:, place]) for place in range(len(times))])
    present = joint_contributions(features[0], batch["clip"].cpu(), 1, len(run.skeleton))
    contribution = torch.ones(len(pose), 1, len(run.skeleton))
    if present is not None:
        contribution = torch.zeros(len(pose), *present.shape[1:]).index_copy(0, batch["person"].cpu(), present)
    share = 1.0 if uniform else len(times) / len(frame)
    classes, label, in_2d = run.task.classes, int(clips.labels[0]), clips.settings.detector is not None
    pose = torch.where(whole.seen.cpu()[..., None], pose, torch.nan).numpy()
    return RecognisedClip(
        pose=pose[..., :2] if in_2d else pose,
        contribution=contribution[:, : max(1, round(contribution.shape[1] * share))].numpy(),
        probabilities=running.numpy(),
        classes=classes,
        label=label if label >= 0 else None,
        image=(width, height) if in_2d else None,
        rotation=None if in_2d else clips.dataset.camera(int(clips.recording[0])).rotation,
    )


def draw_clip(run: Run[Action], clips: Clips, out: Path, drawing: Drawing) -> str:
    """Draw the first of some clips, as GIF or MP4; returns a line about it.

    Raises:
        InputError: a start after the clip's end, an option of lifters, or as `animate_clip`.
    """
    if drawing.flip:
        raise InputError("is for lifters", where="--flip", remedy="leave it out")
    id, action, fps = (clips.dataset.recordings[name][clips.recording[0]] for name in ("id", "action", "fps"))
    whole, fps = watch(run, clips), float(fps)
    first = round(drawing.start * fps)
    if first >= len(whole):
        where, remedy = f"--start {drawing.start:g}", "start earlier"
        raise InputError(f"{id} is {len(whole) / fps:.1f} s long", where=where, remedy=remedy)
    shown = whole.cut(first, first + max(1, round(drawing.seconds * fps)))
    last = whole.probabilities[-1]
    result = f"{whole.classes[last.argmax()]} ({100 * last.max():.0f} %)"
    caption = f"{run.name} from {clips.settings.detector or '3D poses'}: {result} in the end"
    synthetic = clips.dataset.synthetic or run.origin.synthetic
    animate_clip(shown, run.skeleton, out, drawing.clip(fps, str(id), caption, synthetic))
    return f"{out}: {id}, {len(shown) / fps:.1f} s, {action} recognised as {result}"
