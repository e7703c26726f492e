"""python -m stgraph.render --exp NAME: what a run makes of a recording, as GIF or MP4.

A lifter's 2D input, ground truth and prediction side by side; or a recogniser's clip with what every joint contributes
to the decision, and the prediction as it grows.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from stgraph.cli.command import run_command
from stgraph.cli.numbers import picture_size
from stgraph.cli.options import check_task, open_run, run_options
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.figures.animation import ImagePanel, PosePanel, animate
from stgraph.figures.clip import Clip, View
from stgraph.tasks.action.run import ActionRun
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.training.drawing import Drawing
from stgraph.training.run import REPORTS, Run


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.render", description=__doc__)
    run_options(arguments)
    arguments.add_argument("--recording", metavar="ID", help='"S9/Walking 1/54138969" (a typical one of every action)')
    arguments.add_argument("--start", type=float, default=0.0, help="seconds into the recording (%(default)s)")
    arguments.add_argument("--seconds", type=float, default=4.0, help="length (%(default)s)")
    arguments.add_argument("--out", type=Path, help=".gif or .mp4 (reports/NAME/RECORDING.gif)")
    arguments.add_argument("--size", default="960x340", help="width and height in pixels (%(default)s)")
    arguments.add_argument("--rate", type=float, default=25.0, help="frames a second to draw (%(default)s)")
    arguments.add_argument("--azimuth", type=float, default=View.azimuth, help="view round the person, degrees")
    arguments.add_argument("--elevation", type=float, default=View.elevation, help="view from above, degrees")
    arguments.add_argument("--bitrate", type=int, default=1500, help="of an MP4, kbit/s (%(default)s)")
    arguments.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored input")
    return arguments


def typical(run: Run, dataset: Dataset, detector: str | None) -> list[str]:
    """Of every action, the recording whose error is the median one."""
    scores = run.evaluate(dataset, find_protocol("standard"), detector=detector)["by"]["recording"]
    actions = dict(zip(dataset.recordings["id"], dataset.recordings["action"], strict=True))
    chosen = []
    for action in sorted(set(actions[id] for id in scores)):
        ids = sorted((id for id in scores if actions[id] == action), key=lambda id: scores[id]["P1"])
        chosen.append(ids[len(ids) // 2])
    return chosen


def cut(tracks: list[dict[str, np.ndarray]], start: float, frames: int, id: str) -> dict[str, np.ndarray]:
    """So many frames of the track that shows frame `start` of a recording, or the next one that it shows."""
    for track in tracks:
        if start <= track["frame"][-1]:
            first = int(np.searchsorted(track["frame"], start))
            return {name: values[first : first + frames] for name, values in track.items()}
    raise InputError(f"--start: {id} ends at frame {tracks[-1]['frame'][-1]}, before frame {start:.0f}; start earlier")


def render(run: Run, dataset: Dataset, id: str, out: Path, args: argparse.Namespace) -> str:
    """Draw a recording; returns a line about it."""
    number, root = dataset.find(id), run.skeleton.root
    action = str(dataset.recordings["action"][number])
    camera, fps = dataset.camera(number), float(dataset.recordings["fps"][number])
    shown = fps / run.settings.data.frame_step
    tracks = run.follow(dataset, number, detector=args.detector, flip=args.flip)
    clip = cut(tracks, args.start * fps, max(1, round(args.seconds * shown)), id)
    error = 1000 * clip["error"].mean(-1)
    panels = [ImagePanel("2D input", clip["pose2d"], camera.width, camera.height)]
    for title, pose, mm in (("ground truth", clip["target"], None), ("prediction", clip["prediction"], error)):
        path = pose[:, root].copy() if run.task.output == "global" else clip["path"]
        pose[:, root] = 0
        panels.append(PosePanel(title, pose, camera.rotation, path, mm))
    detector = args.detector or run.settings.data.detector
    source = "" if run.task.output == "global" else ", drawn on the true path of the root"
    animate(
        panels,
        run.skeleton,
        out,
        Clip(
            fps=shown,
            rate=args.rate,
            size=picture_size(args.size),
            view=View(args.azimuth, args.elevation),
            bitrate=args.bitrate,
            title=id if action in id else f"{id}  ({action})",
            caption=f"{run.name} from {detector}: mean error of the clip {error.mean():.1f} mm{source}",
            note="synthetic data" if dataset.synthetic or run.origin.synthetic else "",
        ),
    )
    return f"{out}: {id}, {len(error) / shown:.1f} s, mean error {error.mean():.1f} mm"


def render_recognised(run: ActionRun, dataset: Dataset, id: str, out: Path, args: argparse.Namespace) -> str:
    """Draw a clip that is recognised; returns a line about it."""
    names = ("detector", "start", "seconds", "rate", "azimuth", "elevation", "bitrate", "flip")
    options = {name: getattr(args, name) for name in names}
    return run.draw(dataset, id, out, Drawing(**options, size=picture_size(args.size)))


def main(args: argparse.Namespace) -> None:
    for option, least in (("start", 0), ("seconds", 0), ("azimuth", -360), ("elevation", -360)):
        value = getattr(args, option)
        if not least <= value < math.inf or (option == "seconds" and not value):
            raise InputError(f"--{option} {value:g}: expected a finite number of {least} or more")
    run, dataset = open_run(args)
    check_task(args.exp, run.settings, "lifting", "action")
    recognises = isinstance(run, ActionRun)
    draw, choose = (render_recognised, run.typical) if recognises else (render, lambda *of: typical(run, *of))
    if args.recording:
        dataset.find(args.recording)
        out = args.out or REPORTS / run.name / f"{args.recording.replace('/', '_')}.gif"
        print(draw(run, dataset, args.recording, out, args))
        return
    out = args.out or REPORTS / run.name / "typical.gif"
    for id in choose(dataset, args.detector):
        action = str(dataset.recordings["action"][dataset.find(id)]).replace("/", "_")
        print(draw(run, dataset, id, out.with_stem(f"{out.stem}-{action}"), args), flush=True)


if __name__ == "__main__":
    run_command(parser(), main)
