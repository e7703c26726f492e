"""PoseTrack's videos as `Keypoints`, and any keypoints as a `Video`, which trackers and scores work on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.poses import Options, Raw
from stgraph.formats.posetrack import Video, read_tree


def is_posetrack(tree: Any) -> bool:
    """Whether JSON is PoseTrack17's or PoseTrack18's annotations, or COCO's, whose form is the same."""
    return isinstance(tree, dict) and ("annolist" in tree or "images" in tree)


def read_posetrack(tree: Any, path: Path, options: Options) -> list[Raw]:
    """The videos of PoseTrack's JSON. Raises InputError for what is malformed."""
    return [raw_of(video) for video in read_tree(tree, path, options.layout, options.listed)]


def raw_of(video: Video) -> Raw:
    """A video as any reader gives it."""
    return Raw(
        video.name,
        "PoseTrack",
        video.frame_ids[video.frame],
        pose=video.pose,
        person=video.person,
        score=video.score,
        box=video.box if np.any(video.box) else None,
        joints=video.skeleton.names,
        size=video.size,
        fps=video.fps,
        frames=(int(video.frame_ids[0]), int(video.frame_ids[-1]) + 1),
        bones=tuple(video.skeleton.bones),
        video=video,
    )


def as_video(keypoints: Keypoints) -> Video:
    """Keypoints as a video of all frames of their range; PoseTrack's as its file has it."""
    size = None if keypoints.size is None else (round(keypoints.size[0]), round(keypoints.size[1]))
    if keypoints.video is not None:
        return replace(keypoints.video, fps=keypoints.fps, size=size)
    first, stop = keypoints.frames
    empty = np.zeros((len(keypoints), 4))
    return Video(
        name=keypoints.name,
        frame_ids=np.arange(first, stop),
        frame=keypoints.frame - first,
        person=keypoints.person,
        pose=keypoints.pose,
        box=empty if keypoints.box is None else keypoints.box,
        head_box=empty.copy(),
        score=keypoints.score,
        labelled=np.ones(stop - first, bool),
        ignore=[[] for _ in range(stop - first)],
        fps=keypoints.fps,
        size=size,
        skeleton=keypoints.skeleton,
        video_file=keypoints.video_file,
    )
