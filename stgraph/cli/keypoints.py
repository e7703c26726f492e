"""Options that say of a file of keypoints what it does not say itself."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stgraph.cli.numbers import picture_size
from stgraph.errors import InputError
from stgraph.formats.keypoints.choices import ORDERS, SCALES

if TYPE_CHECKING:
    from stgraph.formats.keypoints.estimator import PoseEstimator


def keypoint_options(arguments: argparse.ArgumentParser) -> None:
    """Layout, scale, size of the images, and axes of arrays."""
    group = arguments.add_argument_group("keypoints", "only where the files do not say it")
    text = "order of the joints: coco17, h36m17, body25, halpe26, ... or a JSON file with names and parents"
    group.add_argument("--layout", metavar="NAME|FILE", help=text)
    group.add_argument("--image-size", metavar="WxH", help="pixels of the images, such as 1920x1080")
    text = f"what x and y are (by their range): {'; '.join(f'{name}: {words}' for name, words in SCALES.items())}"
    group.add_argument("--scale", choices=list(SCALES), default="", help=text)
    group.add_argument("--joints", type=int, help="how many keypoints a person has in text files and flat arrays")
    text = "axes of an array: t frames, m people, j joints, c channels (by their lengths)"
    group.add_argument("--order", choices=ORDERS, default="", help=text)


def keypoint_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The options as keyword arguments of `read_keypoints`. Raises InputError for a malformed size."""
    size = picture_size(args.image_size, "--image-size", "1920x1080") if args.image_size else None
    return {"layout": args.layout, "size": size, "scale": args.scale, "joints": args.joints, "order": args.order}


def video_options(arguments: argparse.ArgumentParser) -> None:
    """The weights that find people in a video."""
    group = arguments.add_argument_group("videos", "people are found by rtmlib (pip install 'stgraph[video]')")
    text = "ONNX file of a {} (rtmlib fetches one)"
    group.add_argument("--detector-weights", type=Path, metavar="FILE", help=text.format("YOLOX, the person detector"))
    group.add_argument("--pose-weights", type=Path, metavar="FILE", help=text.format("RTMPose of 17, 26 or 133 joints"))


def video_estimator(args: argparse.Namespace) -> "PoseEstimator | None":
    """What finds people in the input and shows how far it is; None where that is no video.

    Raises:
        InputError: weights without a video, or a device that is not there.
    """
    from stgraph.formats.keypoints.estimator import DETECTOR, POSE, PoseEstimator
    from stgraph.formats.video import is_video

    if not is_video(args.input):
        for option, path in ((DETECTOR, args.detector_weights), (POSE, args.pose_weights)):
            if path is not None:
                problem = f"is for videos, and {args.input} is none by its content"
                raise InputError(problem, where=option, remedy="leave it out, or give a video")
        return None
    from stgraph.training.engine import Engine
    from stgraph.training.progress import progress_of

    return PoseEstimator(args.detector_weights, args.pose_weights, Engine(args.device).device.type, progress_of)
