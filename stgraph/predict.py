"""python -m stgraph.predict KEYPOINTS --out FILE ...: the 3D motion of the people in a video, from their 2D keypoints.

Reads what any pose estimator wrote: OpenPose folders, COCO, AlphaPose, MMPose, Detectron2, Ultralytics, MediaPipe,
SLEAP, DeepLabCut, PoseTrack, arrays, CSV. Writes .npz, .csv, .json, .bvh, .trc, .c3d, .html, .gif and .mp4, by ending.
"""

import argparse
import json
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, keypoint_settings
from stgraph.cli.options import engine_options, positive
from stgraph.errors import InputError
from stgraph.formats.files import check_kept
from stgraph.settings.places import LIFTER, weights_file


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.predict", description=__doc__)
    add = arguments.add_argument
    add("input", type=Path, metavar="KEYPOINTS", help="a file or a folder")
    add("--out", type=Path, nargs="+", required=True, metavar="FILE", help="one or several, in the formats above")
    add("--exp", default=LIFTER, help="a trained lifter or its .safetensors file (%(default)s: the one that ships)")
    add("--video", default="", help="name of one of several videos in the input")
    add("--fps", type=float, help="frames per second of the video (that of the file, else 30)")
    add("--height", type=float, help="metres of a standing person, for the scale (as the lifter expects people)")
    add("--camera", type=Path, metavar="FILE", help='JSON {"fx": ..., "fy": ..., "cx": ..., "cy": ...}, pixels')
    add("--fov", type=float, help="degrees that the camera sees across the image's longer side (49)")
    text = "trunk: estimated from upright people; camera: the camera is level (%(default)s)"
    add("--up", choices=("trunk", "camera"), default="trunk", help=text)
    add("--smooth", type=float, default=0.0, help="seconds of a Gaussian over time, such as 0.05 (off)")
    add("--seconds", type=float, default=20.0, help="of a .gif or .mp4 (%(default)g)")
    keypoint_options(arguments)
    engine_options(arguments)
    return arguments


def intrinsics(args: argparse.Namespace, size: tuple[int, int]) -> "list[float] | None":
    """Focal lengths and centre in pixels, from --camera or --fov; None without either."""
    if args.camera:
        from stgraph.formats.json_files import read_json

        tree = read_json(args.camera, "an object of fx, fy, cx, cy")
        values = [tree.get(name) if isinstance(tree, dict) else None for name in ("fx", "fy", "cx", "cy")]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) < len(values) or not min(numbers[:2]) > 0:
            raise InputError(where=args.camera, found=json.dumps(tree)[:80], expected="fx, fy, cx, cy in pixels")
        return numbers
    if args.fov is None:
        return None
    if not 5 <= args.fov <= 150:
        raise InputError(where="--fov", found=f"{args.fov:g}", expected="degrees from 5 to 150")
    from math import radians, tan

    focal = max(size) / 2 / tan(radians(args.fov) / 2)
    return [focal, focal, size[0] / 2, size[1] / 2]


def main(args: argparse.Namespace) -> None:
    from stgraph.motion.saving import check_outputs

    for name in ("fps", "height", "seconds"):
        positive(name, getattr(args, name))
    check_outputs(args.out)
    for path in args.out:
        check_kept("--out", path, [args.input, *([args.camera] if args.camera else [])])
    weights_file(args.exp)  # a wrong name is refused before anything is read
    from stgraph.formats.keypoints.read import read_keypoints

    keypoints = read_keypoints(args.input, video=args.video, fps=args.fps, **keypoint_settings(args))
    if keypoints.size is None:
        raise InputError("the image's size is not known", where=args.input, remedy="give it: --image-size 1920x1080")
    import numpy as np

    from stgraph.training.engine import Engine
    from stgraph.training.task_run import TaskRun

    run = TaskRun.load(args.exp, Engine(args.device, precision=args.precision))
    camera = intrinsics(args, keypoints.size)
    motion = run.predict(
        keypoints,
        camera=None if camera is None else np.array(camera),
        height=args.height,
        up=args.up,
        smooth=args.smooth,
    )
    print(f"{keypoints.name} ({keypoints.format}): {len(motion):,} frames at {motion.fps:g} fps")
    print(f"people: {', '.join(map(str, motion.person))}; joints guessed: {motion.guessed[motion.present].mean():.0%}")
    for note in motion.notes:
        print(f"  {note}")
    for saved in motion.save(*args.out, seconds=args.seconds):
        print(f"{saved.path}{': ' if saved.note else ''}{saved.note}")


if __name__ == "__main__":
    run_command(parser(), main)
