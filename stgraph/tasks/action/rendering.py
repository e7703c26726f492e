"""A recognised clip of a dataset as an animation, and the choice of clips that are worth one."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float

from stgraph.errors import InputError
from stgraph.figures.clip import Clip, View
from stgraph.tasks.action.contributions import head_input, joint_contributions
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.samples import ClipBatch, Clips
from stgraph.tasks.action.task import Action
from stgraph.training.drawing import Drawing
from stgraph.training.run import Run

CANDIDATES = 8  # clips of each class among which a typical one is chosen


@dataclass(frozen=True)
class Watched:
    """What a recogniser sees of a clip of t frames, and how it decides.

    Attributes:
        pose: as in the file. seen: whether the joint is there.
        contribution: of the features before the head, 0 to 1, of s steps evenly over the clip; 1 where the features
            belong to no joint.
        probabilities: of the classes, for the clip up to each frame.
    """

    pose: Float[np.ndarray, "m t j 3"]
    seen: Bool[np.ndarray, "m t j"]
    contribution: Float[np.ndarray, "m s j"]
    probabilities: Float[np.ndarray, "t n"]


def watch(run: Run[Action], clips: Clips) -> Watched:
    """The first of some clips as a recogniser sees it."""
    with head_input(run.model) as features:
        batch = cast(ClipBatch, run.outputs(clips, torch.tensor([0]), run.model.eval())[0])
    uniform, frame = clips.settings.sampling == "uniform", batch["frame"][0]
    # All frames where samples stand for all of them; else the model's input, which is consecutive.
    times = torch.arange(int(clips.lengths[0]), device=frame.device) if uniform else frame[frame >= 0]
    whole = clips.gather(torch.zeros_like(times[:1]), times[None])
    pose, (width, height) = whole.pose.cpu(), whole.size[0].tolist()
    live = Live(run, window=len(times), size=(int(width), int(height)))
    running = torch.stack([live.update(pose[:, place]) for place in range(len(times))])
    present = joint_contributions(features[0], batch["clip"].cpu(), 1, len(run.skeleton))
    contribution = torch.ones(len(pose), 1, len(run.skeleton))
    if present is not None:
        contribution = torch.zeros(len(pose), *present.shape[1:]).index_copy(0, batch["person"].cpu(), present)
    share = 1.0 if uniform else len(times) / len(frame)
    contribution = contribution[:, : max(1, round(contribution.shape[1] * share))]
    return Watched(pose.numpy(), whole.seen.cpu().numpy(), contribution.numpy(), running.numpy())


def draw_clip(run: Run[Action], clips: Clips, out: Path, drawing: Drawing) -> str:
    """Draw the first of some clips, as GIF or MP4; returns a line about it.

    Raises:
        InputError: a start behind the clip's end, an option of lifters, or what `animate_clip` raises.
    """
    from stgraph.tasks.action.drawing import RecognisedClip, animate_clip

    if drawing.flip:
        raise InputError("is for lifters", where="--flip", remedy="leave it out")
    number, classes = int(clips.recording[0]), run.task.classes
    table, camera = clips.dataset.recordings, clips.dataset.camera(number)
    id, action, fps = str(table["id"][number]), str(table["action"][number]), float(table["fps"][number])
    watched, first = watch(run, clips), round(drawing.start * fps)
    length, steps = len(watched.probabilities), watched.contribution.shape[1]
    if first >= length:
        where, remedy = f"--start {drawing.start:g}", "start earlier"
        raise InputError(f"{id} is {length / fps:.1f} s long", where=where, remedy=remedy)
    shown = np.arange(first, min(first + max(1, round(drawing.seconds * fps)), length))
    detector = clips.settings.detector
    pose = watched.pose[:, shown, :, : 2 if detector else 3]
    recognised = RecognisedClip(
        pose=np.where(watched.seen[:, shown, :, None], pose, np.nan),
        contribution=watched.contribution[:, shown * steps // length],
        probabilities=watched.probabilities[shown],
        classes=classes,
        label=classes.index(action) if action in classes else None,
        image=(camera.width, camera.height) if detector else None,
        rotation=None if detector else camera.rotation,
    )
    last = watched.probabilities[-1]
    result = f"{classes[last.argmax()]} ({100 * last.max():.0f} %)"
    clip = Clip(
        fps=fps,
        rate=drawing.rate,
        size=drawing.size,
        view=View(drawing.azimuth, drawing.elevation),
        bitrate=drawing.bitrate,
        title=id,
        caption=f"{run.name} from {detector or '3D poses'}: {result} in the end",
        note="synthetic data" if clips.dataset.synthetic or run.origin.synthetic else "",
    )
    animate_clip(recognised, run.skeleton, out, clip)
    return f"{out}: {id}, {len(shown) / fps:.1f} s, {action} recognised as {result}"


def candidates(actions: np.ndarray, part: Bool[np.ndarray, " recording"]) -> Bool[np.ndarray, " recording"]:
    """A few recordings of each action in a part, evenly chosen."""
    chosen = np.zeros_like(part)
    for action in np.unique(actions[part]):
        mine = np.flatnonzero(part & (actions == action))
        chosen[mine[np.linspace(0, len(mine) - 1, min(len(mine), CANDIDATES)).round().astype(int)]] = True
    return chosen


def typical_clips(run: Run[Action], clips: Clips) -> list[str]:
    """Of every class, the id of the clip whose probability of its own class is the median one."""
    batch, outputs = run.outputs(clips, torch.arange(len(clips)), run.model.eval())
    label = clips.labels.cpu().numpy()
    probabilities = run.task.scores(batch, outputs).float().softmax(1).cpu().numpy()
    chosen = []
    for number in np.unique(label[label >= 0]):
        mine = np.flatnonzero(label == number)
        order = np.argsort(probabilities[mine, number], kind="stable")
        chosen.append(str(clips.dataset.recordings["id"][clips.recording[mine[order[len(mine) // 2]]]]))
    return chosen
