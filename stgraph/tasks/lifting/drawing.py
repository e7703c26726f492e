"""A lifted recording as an animation: 2D input, ground truth and prediction side by side."""

from pathlib import Path

import numpy as np

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.figures.animation import ImagePanel, PosePanel, animate
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.training.drawing import Drawing


def draw_recording(run: LiftingRun, dataset: Dataset, id: str, out: Path, drawing: Drawing) -> str:
    """Draw a recording as a run lifts it; returns a line about it. Raises InputError for a start behind its end."""
    number, root = dataset.find(id), run.skeleton.root
    action, camera = str(dataset.recordings["action"][number]), dataset.camera(number)
    fps = float(dataset.recordings["fps"][number])
    shown = fps / run.data.frame_step
    tracks = run.follow(dataset, number, detector=drawing.detector, flip=drawing.flip)
    clip = cut(tracks, drawing.start * fps, max(1, round(drawing.seconds * shown)), id)
    error = 1000 * clip["error"].mean(-1)
    panels: list[ImagePanel | PosePanel] = [ImagePanel("2D input", clip["pose2d"], camera.width, camera.height)]
    for title, pose, mm in (("ground truth", clip["target"], None), ("prediction", clip["prediction"], error)):
        path = pose[:, root].copy() if run.task.output == "global" else clip["path"]
        pose[:, root] = 0
        panels.append(PosePanel(title, pose, camera.rotation, path, mm))
    detector = drawing.detector or run.data.detector
    true_path = "" if run.task.output == "global" else ", drawn on the true path of the root"
    title = id if action in id else f"{id}  ({action})"
    caption = f"{run.name} from {detector}: mean error of the clip {error.mean():.1f} mm{true_path}"
    synthetic = dataset.synthetic or run.origin.synthetic
    animate(panels, run.skeleton, out, drawing.clip(shown, title, caption, synthetic))
    return f"{out}: {id}, {len(error) / shown:.1f} s, mean error {error.mean():.1f} mm"


def cut(tracks: list[dict[str, np.ndarray]], start: float, frames: int, id: str) -> dict[str, np.ndarray]:
    """So many frames of the track that shows frame `start` of a recording, or the next one that it shows."""
    for track in tracks:
        if start <= track["frame"][-1]:
            first = int(np.searchsorted(track["frame"], start))
            return {name: values[first : first + frames] for name, values in track.items()}
    last = tracks[-1]["frame"][-1]
    raise InputError(f"{id} ends at frame {last}, before frame {start:.0f}", where="--start", remedy="start earlier")
