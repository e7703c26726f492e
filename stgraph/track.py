"""python -m stgraph.track --in FILE --out FILE: give the people of a video identities, and fill their gaps.

Reads the keypoints of any known pose estimator, file or folder (stgraph/README.md lists the formats), or a video, in
which rtmlib finds the people; identities in it are not used. Writes PoseTrack18 JSON with the names of the joints that
came in. A Kalman filter, which needs no training, predicts where joints are next; --exp names another predictor: hold,
velocity, or a trained run of pose dynamics, whose joints are taken by name.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, keypoint_settings, video_estimator, video_options
from stgraph.cli.numbers import picture_size
from stgraph.cli.options import engine_options, positive
from stgraph.cli.predictor import load_predictor
from stgraph.errors import InputError
from stgraph.formats.markdown import counted
from stgraph.tracking.options import UNTRAINED, TrackerOptions

FPS = 25.0  # where neither the file nor the command has a frame rate


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
    from stgraph.figures.clip import Clip
    from stgraph.formats.keypoints.keypoints import Keypoints
    from stgraph.formats.keypoints.posetrack import as_video
    from stgraph.formats.keypoints.read import collected, read_all_keypoints
    from stgraph.formats.posetrack import write_video
    from stgraph.tracking.tracker import Tracker
    from stgraph.tracking.videos import check_files, draw_video, follow, losses, output_files, summary

    positive("fps", args.fps)
    positive("seconds", args.seconds)
    if not 0 <= args.start < float("inf"):
        raise InputError(where="--start", found=f"{args.start:g}", expected="a finite number of 0 or more")
    clip = Clip(FPS, args.rate, picture_size(args.size), args.bitrate, caption=f" by {args.exp}")
    failed: list[InputError] = []
    estimator = video_estimator(args)
    if estimator:  # what takes long is not begun in vain
        check_files(args.input, args.out, args.gif, several=False)
    videos = read_all_keypoints(args.input, failed, estimator=estimator, **keypoint_settings(args))
    # A folder with the frames of one video becomes a file, if that is what --out names.
    folder = args.out.suffix.lower() != ".json" and bool(failed or args.input.is_dir())
    several = len(videos) > 1 or folder
    check_files(args.input, args.out, args.gif, several=several)
    if args.gif:
        clip.check(args.gif / "name.gif" if several else args.gif)
    predictor, skeleton = load_predictor(args.exp, args.device, args.precision)
    options = TrackerOptions(**{name: getattr(args, name) for name in TrackerOptions.described()})

    def track(keypoints: Keypoints, out: Path, gif: Path | None) -> None:
        for note in keypoints.notes:
            print(f"{keypoints.name}: {note}")
        video = as_video(keypoints.to(skeleton) if skeleton else keypoints)
        fps = args.fps or video.fps or FPS
        tracker = Tracker(predictor, video.skeleton, size=video.size, options=options)
        tracked = follow(tracker, video, fps, whole=True)
        write_video(replace(tracked, fps=fps), out)
        print(f"{out}: {summary(tracked, len(video.frame))}", flush=True)
        for line in losses(tracker, video, fps):
            print(f"{video.name}: {line}")
        if gif:
            print(draw_video(tracked, gif, replace(clip, fps=fps, title=video.name), args.start, args.seconds))

    files = output_files([keypoints.name for keypoints in videos], args.input, args.out, args.gif, several=several)
    for keypoints, (out, gif) in zip(videos, files, strict=True):
        with collected(failed):
            track(keypoints, out, gif)
    if failed and not (several or args.input.is_dir()):
        raise failed[0]
    if failed:
        head = f"{counted(len(failed), 'problem')}; what is not named here is written"
        raise InputError("\n  ".join([head, *map(str, failed)]), where=args.input)


if __name__ == "__main__":
    run_command(parser(), main)
