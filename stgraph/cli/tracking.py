"""What `stgraph.track` does: a video or a folder of them in, identities out."""

import argparse
from dataclasses import replace
from pathlib import Path

from stgraph.cli.keypoints import keypoint_settings, video_estimator
from stgraph.cli.numbers import picture_size
from stgraph.cli.predictor import load_predictor
from stgraph.errors import InputError
from stgraph.figures.clip import Clip
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.posetrack import as_video
from stgraph.formats.keypoints.read import collected, read_all_keypoints
from stgraph.formats.markdown import counted
from stgraph.formats.posetrack import write_video
from stgraph.tracking.options import FPS, FPS_NOTE, TrackerOptions
from stgraph.tracking.tracker import Tracker
from stgraph.tracking.videos import check_files, draw_video, follow, losses, output_files, summary


def track_files(args: argparse.Namespace) -> None:
    """Track every video of the input, print what was found in it, and write and draw it.

    Raises:
        InputError: options that do not fit, before anything is read; or, after all else is written, the videos that
            cannot be tracked.
    """
    clip = Clip(FPS, args.rate, picture_size(args.size), args.bitrate, caption=f" by {args.exp}")
    failed: list[InputError] = []
    estimator = video_estimator(args)
    if estimator:  # before people are looked for, which takes long
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
        known = args.fps or video.fps
        if not known:
            print(f"{keypoints.name}: {FPS_NOTE}")
        fps = known or FPS
        tracker = Tracker(predictor, video.skeleton, size=video.size, options=options)
        tracked = follow(tracker, video, fps, whole=True)
        write_video(replace(tracked, fps=known), out)
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
