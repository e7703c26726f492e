"""python -m data_prep posetrack FILES_OR_FOLDERS: videos of several people, annotated as PoseTrack17 and 18 are.

A video is a recording "VIDEO/VIDEO/none", each of its people a track from the first to the last appearance, in which
frames that have no labels are not valid. Poses without identity, and those of `--detections`, are the recordings'
detections. Folders named train, val and test, as PoseTrack's are, make the split `standard`.
"""

from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from data_prep.options import check_fps
from data_prep.reading.splitting import PART_NAMES, split_of
from data_prep.source import Source
from stgraph.cli.numbers import picture_size
from stgraph.data.recording import Detections, Recording, Track
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, video_files, videos_by_name
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

TRUTH = "gt"
UNIDENTIFIED = "unidentified"  # detections that the annotations have without identity


def read(args: Namespace) -> Source:
    """A recording of each video.

    Raises:
        InputError: options that do not go together, anything malformed in a file, a video in two files, or videos of
            different skeletons.
    """
    check_fps(args.fps)
    if bool(args.detections) != bool(args.detector):
        remedy = "give the files and the detector's name"
        raise InputError(where="--detections and --detector", expected="both or neither", remedy=remedy)
    if args.detector == UNIDENTIFIED:
        problem = "the annotations' poses without identity have this name"
        raise InputError(problem, where=f"--detector {UNIDENTIFIED}", expected="another name")
    size = picture_size(args.size, example="1280x720") if args.size else None
    annotated = videos_by_name(args.paths)
    videos = [video for video, _ in annotated.values()]
    detected = {name: video for name, (video, _) in videos_by_name(args.detections).items()}
    result = Source(
        one_skeleton([*videos, *detected.values()]),
        iter(()),
        len(videos),
        ", ".join(path.name or str(path) for path in args.paths) + ", annotations in PoseTrack's form",
        args.terms,
        inputs=[file for path in (*args.paths, *args.detections) for file in video_files(path)],
        notes=[*notes(videos, args.fps, size)],
        splits=splits({name: path for name, (_, path) in annotated.items()}),
    )
    if args.detections:
        result.source += f"; detections of {args.detector}"
        result.notes += unmatched(annotated, detected, args.detector)
    result.recordings = recordings(videos, detected, size, args, result)
    return result


def one_skeleton(videos: Sequence[Video]) -> Skeleton:
    """The skeleton of all videos. Raises InputError where there are two."""
    first = videos[0]
    for video in videos:
        if video.skeleton != first.skeleton:
            raise InputError(
                f"its joints are those of skeleton {video.skeleton.name!r}, but those of video {first.name} are of "
                f"{first.skeleton.name!r}",
                where=f"video {video.name}",
                expected="one skeleton",
                remedy="convert them one by one",
            )
    return first.skeleton


def splits(files: Mapping[str, Path]) -> dict[str, dict[str, list[str]]]:
    """The split by the innermost of a file's folders named train, val, valid, validation or test."""
    folders = {name: [part for part in path.resolve().parts[:-1] if part in PART_NAMES] for name, path in files.items()}
    return split_of((PART_NAMES[named[-1]], name) for name, named in folders.items() if named)


def notes(videos: Sequence[Video], fps: float, size: tuple[int, int] | None) -> Iterator[str]:
    """Notes on what was assumed of the videos."""
    if count := sum(video.fps is None for video in videos):
        yield f"{count} videos say no frame rate: {fps:g} frames per second are assumed (--fps)"
    if count := sum(video.size is None for video in videos):
        taken = f"{size[0]} x {size[1]}, as --size says" if size else "the extent of all people's joints (--size)"
        yield f"{count} videos say no size of their images: it is {taken}"
    if count := sum(len(polygons) for video in videos for polygons in video.ignore):
        yield f"{count} ignored regions are not in the dataset: score with the files to apply them"
    if count := sum(int((video.person < 0).sum()) for video in videos):
        yield f"{count} poses without identity are the detections {UNIDENTIFIED!r}"
    yield "the cameras are not known: no intrinsics, and rotation and place as if they were the world's"


def unmatched(annotated: Iterable[str], detected: Iterable[str], detector: str) -> Iterator[str]:
    """Notes on videos that are annotated or detected alone. Raises InputError where no video is both."""
    without, alone = sorted({*annotated} - {*detected}), sorted({*detected} - {*annotated})
    if not {*annotated} & {*detected}:
        actual = f"no video that is annotated, but {', '.join(without[:5])} and {', '.join(alone[:5])}"
        expected = "the same names, which are vid_id, or the files' where they have none"
        raise InputError(where="--detections", found=actual, expected=expected, remedy="rename them")
    for problem, names in (("no detections", without), ("detections, but no annotations,", alone)):
        if names:
            some = f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"
            yield f"{detector}: {problem} of {len(names)} videos ({some})"


def recordings(
    videos: Sequence[Video],
    detected: Mapping[str, Video],
    size: tuple[int, int] | None,
    args: Namespace,
    result: Source,
) -> Iterator[Recording]:
    """A recording of every video in which a person has an identity; the others are left out."""
    unidentified = any((video.person < 0).any() for video in videos)
    for video in videos:
        tracks = people(video)
        if not tracks:
            result.left_out.append((video.name, "no person has an identity"))
            result.total -= 1
            continue
        # Every recording has the same detectors, some of them without poses.
        detections = {UNIDENTIFIED: without_identity(video, video.person < 0)} if unidentified else {}
        if args.detector:
            other = detected.get(video.name, video)
            kept = np.full(len(other.frame), video.name in detected)
            detections[args.detector] = without_identity(other, kept)
        camera = Camera("none", *(video.size or size or extent(video)), np.zeros(9), np.eye(4)[0], np.zeros(3))
        fps = video.fps or args.fps
        yield Recording(video.name, "", video.name, camera, fps, tracks=tracks, detections=detections)


def people(video: Video) -> list[Track]:
    """A track for every person with an identity, from the first frame with a pose of theirs to the last.

    Rows of frames in between that have none are zeros; those of frames that have no labels, or that the file does not
    list, are not valid.
    """
    number = video.frame_ids[video.frame]
    labelled = video.frame_ids[video.labelled]
    tracks = []
    for person in np.unique(video.person[video.person >= 0]):
        at = np.flatnonzero(video.person == person)
        first, last = int(number[at[0]]), int(number[at[-1]])
        rows = number[at] - first
        pose = np.zeros((last - first + 1, *video.pose.shape[1:]), np.float32)
        box, head_box = (np.zeros((len(pose), 4), np.float32) for _ in range(2))
        pose[rows], box[rows], head_box[rows] = video.pose[at], video.box[at], video.head_box[at]
        valid = np.isin(np.arange(first, last + 1), labelled)
        tracks.append(Track({TRUTH: pose}, frame=first, person=int(person), valid=valid, box=box, head_box=head_box))
    return tracks


def without_identity(video: Video, kept: Bool[np.ndarray, " n"]) -> Detections:
    """Some of a video's poses without their identities."""
    return Detections(
        video.frame_ids[video.frame[kept]],
        video.pose[kept].astype(np.float32),
        video.score[kept].astype(np.float32),
        video.box[kept].astype(np.float32),
    )


def extent(video: Video) -> tuple[int, int]:
    """Width and height that hold all joints, one pixel at least."""
    seen = video.pose[video.pose[..., 2] > 0, :2]
    width, height = np.ceil(np.concatenate([seen, [[1, 1]]]).max(axis=0)).astype(int)
    return max(int(width), 1), max(int(height), 1)
