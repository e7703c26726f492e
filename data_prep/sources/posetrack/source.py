"""python -m data_prep posetrack FILES_OR_FOLDERS: videos of several people, annotated as PoseTrack17 and 18 are.

A video is a recording "VIDEO/VIDEO/none", each of its people a track from the first to the last appearance, in which
frames that have no labels are not valid. Poses without identity, and those of `--detections`, are the recordings'
detections. Folders named train, val and test, as PoseTrack's are, make the split `standard`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from data_prep.reading.clip_reading import TERMS
from data_prep.reading.splitting import PARTS, SPLIT
from data_prep.source import FPS, Source, source
from stgraph.cli.numbers import two_numbers
from stgraph.data.recording import Detections, Recording, Track
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, video_files, videos_by_name
from stgraph.geometry import Camera
from stgraph.skeleton import Skeleton

FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
TRUTH = "gt"
NOBODY = "unidentified"  # detections that the annotations have without identity


def arguments(parser: ArgumentParser) -> None:
    """Options of `python -m data_prep posetrack`."""
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="files or folders of annotations; in them all files are read",
    )
    add("--detections", nargs="+", type=Path, default=[], metavar="PATH", help="result files of a detector")
    add("--detector", default="", metavar="NAME", help="what the detector is called in the dataset")
    add("--fps", type=float, default=25.0, help="frames per second where a file says none (%(default)g)")
    add("--size", metavar="WxH", help="pixels of the images where a file says none, such as 1280x720")
    add("--terms", default=TERMS, help="what may be done with the annotations")


@source("posetrack", help="several people in videos, annotated as PoseTrack17 or PoseTrack18", arguments=arguments)
def read(args: Namespace) -> Source:
    """A recording of each video.

    Raises:
        InputError: options that do not go together, anything malformed in a file, a video in two files, or videos of
            different skeletons.
    """
    if not FPS[0] <= args.fps <= FPS[1]:
        raise InputError(f"--fps {args.fps}: expected {FPS[0]:g} to {FPS[1]:g} frames per second")
    if bool(args.detections) != bool(args.detector):
        raise InputError(
            "--detections and --detector: expected both or neither; give the files and the detector's name"
        )
    if args.detector == NOBODY:
        raise InputError(
            f"--detector {NOBODY}: so are the annotations' poses without identity called; expected another name"
        )
    size = args.size and two_numbers("--size", args.size, "WIDTHxHEIGHT in pixels, such as 1280x720")
    videos = videos_by_name(args.paths)
    found = {name: video for name, (video, _) in videos_by_name(args.detections).items()}
    skeleton = one_skeleton([video for video, _ in videos.values()] + [*found.values()])
    named = ", ".join(path.name or str(path) for path in args.paths)
    result = Source(
        skeleton,
        iter(()),
        len(videos),
        f"{named}, annotations in PoseTrack's form" + (f"; detections of {args.detector}" if found else ""),
        args.terms,
        inputs=[file for path in (*args.paths, *args.detections) for file in video_files(path)],
        notes=[*notes([video for video, _ in videos.values()], args.fps, size)],
        splits=splits({name: path for name, (_, path) in videos.items()}),
    )
    if args.detections:
        result.notes += unmatched(videos, found, args.detector)
    result.recordings = recordings([video for video, _ in videos.values()], found, size, args, result)
    return result


def one_skeleton(videos: Sequence[Video]) -> Skeleton:
    """The skeleton of all videos. Raises InputError where there are two."""
    first = videos[0]
    for video in videos:
        if video.skeleton != first.skeleton:
            raise InputError(
                f"video {video.name}: its joints are those of skeleton {video.skeleton.name!r}, but those of video "
                f"{first.name} are of {first.skeleton.name!r}; expected one skeleton; convert them one by one"
            )
    return first.skeleton


def splits(files: Mapping[str, Path]) -> dict[str, dict[str, list[str]]]:
    """Videos by the folder of their file that is called train, val, validation or test, the innermost if several."""
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for name, path in files.items():
        folders = [folder for folder in path.resolve().parts[:-1] if folder in FOLDERS]
        if folders:
            parts[FOLDERS[folders[-1]]].append(name)
    parts = {part: names for part, names in parts.items() if names}
    return {SPLIT: parts} if parts else {}


def notes(videos: Sequence[Video], fps: float, size: tuple[int, int] | None) -> Iterator[str]:
    """What was assumed of the videos."""
    if count := sum(video.fps is None for video in videos):
        yield f"{count} videos say no frame rate: {fps:g} frames per second are assumed (--fps)"
    if count := sum(video.size is None for video in videos):
        told = f"{size[0]} x {size[1]}, as --size says" if size else "what holds all of the people's joints (--size)"
        yield f"{count} videos say no size of their images: it is {told}"
    if count := sum(map(len, (polygons for video in videos for polygons in video.ignore))):
        yield f"{count} ignored regions are not in the dataset: score with the files where they are to count"
    if count := sum(int((video.person < 0).sum()) for video in videos):
        yield f"{count} poses without identity are the detections {NOBODY!r}"
    yield "the cameras are not known: no intrinsics, and rotation and place as if they were the world's"


def unmatched(videos: Mapping[str, object], found: Mapping[str, Video], detector: str) -> Iterator[str]:
    """Notes on videos and detections that have no counterpart. Raises InputError where none has."""
    if not {*videos} & {*found}:
        names = f"{', '.join([*videos][:5])} and {', '.join([*found][:5])}"
        raise InputError(
            f"--detections: found no video that is annotated, but {names}; expected the same names, which are vid_id, "
            "or the files' where they have none; rename them"
        )
    for what, names in (
        (f"{detector}: no detections", sorted({*videos} - {*found})),
        (f"{detector}: detections, but no annotations,", sorted({*found} - {*videos})),
    ):
        if names:
            yield f"{what} of {len(names)} videos ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"


def recordings(
    videos: Sequence[Video],
    found: Mapping[str, Video],
    size: tuple[int, int] | None,
    args: Namespace,
    result: Source,
) -> Iterator[Recording]:
    """A recording of every video in which somebody has an identity; the others are left out."""
    unidentified = any((video.person < 0).any() for video in videos)
    for video in videos:
        tracks = people(video)
        if not tracks:
            result.left_out.append((video.name, "nobody has an identity"))
            result.total -= 1
            continue
        # Every recording has the same detectors, some of which found nobody.
        detections = {NOBODY: detected(video, video.person < 0)} if unidentified else {}
        if args.detector:
            other = found.get(video.name, video)
            detections[args.detector] = detected(other, np.full(len(other.frame), video.name in found))
        camera = Camera("none", *(video.size or size or extent(video)), np.zeros(9), np.eye(4)[0], np.zeros(3))
        yield Recording(video.name, "", video.name, camera, video.fps or args.fps, tracks, detections=detections)


def people(video: Video) -> list[Track]:
    """A track for everybody with an identity, from the first frame with a pose of theirs to the last.

    Rows of frames in between that have none are zeros; those of frames that have no labels, or that the file does not
    list, are not valid.
    """
    number = video.frame_ids[video.frame]
    labelled = video.frame_ids[video.labelled]
    tracks = []
    for person in np.unique(video.person[video.person >= 0]):
        at = np.flatnonzero(video.person == person)
        first, last = number[at[0]], number[at[-1]]
        rows = number[at] - first
        pose = np.zeros((last - first + 1, *video.pose.shape[1:]), np.float32)
        box, head_box = (np.zeros((len(pose), 4), np.float32) for _ in range(2))
        pose[rows], box[rows], head_box[rows] = video.pose[at], video.box[at], video.head_box[at]
        valid = np.isin(np.arange(first, last + 1), labelled)
        about = {"frame": int(first), "person": int(person), "valid": valid, "box": box, "head_box": head_box}
        tracks.append(Track({TRUTH: pose}, **about))
    return tracks


def detected(video: Video, kept: Bool[np.ndarray, " n"]) -> Detections:
    """Some of a video's poses without their identities."""
    return Detections(
        video.frame_ids[video.frame[kept]],
        video.pose[kept].astype(np.float32),
        video.score[kept].astype(np.float32),
        video.box[kept].astype(np.float32),
    )


def extent(video: Video) -> tuple[int, int]:
    """Width and height that hold all joints, one pixel at least."""
    there = video.pose[video.pose[..., 2] > 0, :2]
    width, height = np.ceil(np.concatenate([there, [[1, 1]]]).max(axis=0)).astype(int)
    return max(int(width), 1), max(int(height), 1)
