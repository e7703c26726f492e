"""python -m stgraph.track --in FILE --out FILE: give the people of a video identities, and fill their gaps.

Reads the keypoints of any known pose estimator, file or folder (stgraph/README.md lists the formats), or a video, in
which rtmlib finds the people; identities in it are not used. Writes PoseTrack18 JSON with the names of the joints that
came in. A Kalman filter, which needs no training, predicts where joints are next; --exp names another predictor: hold,
velocity, or a trained run of pose dynamics, whose joints are taken by name.
"""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, video_options
from stgraph.cli.options import engine_options, positive
from stgraph.errors import InputError
from stgraph.tracking.options import FPS, UNTRAINED, TrackerOptions


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.track", description=__doc__)
    add = arguments.add_argument
    text = f"predictor: a trained run or its .safetensors file, or {', '.join(UNTRAINED)} (%(default)s)"
    add("--exp", default="kalman", help=text)
    add("--in", dest="input", type=Path, required=True, metavar="PATH", help="keypoints (file or folder), or a video")
    add("--out", type=Path, required=True, metavar="PATH", help="the JSON file to write, or for a folder a folder")
    add("--gif", type=Path, metavar="FILE", help="draw the result, a colour a person: .gif or .mp4 (or a folder)")
    add("--fps", type=float, help=f"frames per second of the video (that of the file, else {FPS:g})")
    add("--start", type=float, default=0.0, help="seconds into the video at which the drawing begins (%(default)s)")
    add("--seconds", type=float, default=10.0, help="of the drawing (%(default)s)")
    add("--size", default="960x600", help="of the drawing, width and height in pixels (%(default)s)")
    add("--rate", type=float, default=12.5, help="frames a second to draw (%(default)s)")
    add("--bitrate", type=int, default=1500, help="of an MP4, kbit/s (%(default)s)")
    tracker = arguments.add_argument_group("tracker")
    for name, (kind, text) in TrackerOptions.described().items():
        default = getattr(TrackerOptions, name)
        tracker.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=f"{text} (%(default)s)")
    keypoint_options(arguments)
    video_options(arguments)
    engine_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.cli.tracking import track_files

    positive("fps", args.fps)
    positive("seconds", args.seconds)
    if not 0 <= args.start < float("inf"):
        raise InputError(where="--start", found=f"{args.start:g}", expected="a finite number of 0 or more")
    track_files(args)


if __name__ == "__main__":
    run_command(parser(), main)
