"""PoseTrack's annotation files: people in the frames of a video.

PoseTrack18 has `images[] {id, frame_id, vid_id, file_name, nframes, is_labeled, ignore_regions_x, ignore_regions_y}`,
`annotations[] {id, image_id, track_id, category_id, bbox, bbox_head, keypoints, scores}`, boxes as x, y, width, height,
and `categories[] {keypoints, skeleton}`, the names of the joints and pairs of them counted from 1. Files of ours add
what is known of `width`, `height` and `fps` to an image and of `score` and `marks` to an annotation; those of another
skeleton than PoseTrack's have its joints' names and bones in `categories`. PoseTrack17 is read as well.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.formats.json_values import entry, load, refused, short, uncollected
from stgraph.formats.keypoint_names import category, layout
from stgraph.formats.posetrack17 import as_posetrack18
from stgraph.formats.posetrack18 import Image, boxes, frames_and_people, image_of, marks_of, numbers_of, poses
from stgraph.skeleton import POSETRACK15, POSETRACK17, Skeleton

EXPECTED = "annotations of PoseTrack18 (images, annotations, categories) or PoseTrack17 (annolist)"
# Digits after the point that are written, of pixels and of confidences.
PIXELS, CONFIDENCE = 4, 6


@dataclass
class Video:
    """The people in the frames of one video: n poses in t frames, in order of their frames.

    Attributes:
        name: what the video is called.
        frame_ids: (t) number of each frame within the video, ascending.
        frame: (n) each pose's frame, an index into `frame_ids`, ascending.
        person: (n) identity, -1 where it has none.
        pose: (n j 3) pixels x, y and confidence; confidence 0 = not annotated, or not detected.
        box: (n 4) left, top, right, bottom in pixels; zeros where it is not known.
        head_box: (n 4) as `box`, of the head.
        score: (n) of the pose as a whole.
        labelled: (t) whether the frame has labels; the others are not scored.
        ignore: for each frame polygons (v 2) in pixels within which nothing is scored.
        file_names, image_ids: (t) of the frames' images.
        mark: (n j) how each joint came about, an index into `stgraph.tracking.tracker.MARKS`; None where nobody says.
        fps: frames per second, None where nobody says.
        size: width and height of the images in pixels, None where nobody says.
        skeleton: whose joints they are.
    """

    name: str
    frame_ids: Int[np.ndarray, " t"]
    frame: Int[np.ndarray, " n"]
    person: Int[np.ndarray, " n"]
    pose: Float[np.ndarray, "n j 3"]
    box: Float[np.ndarray, "n 4"]
    head_box: Float[np.ndarray, "n 4"]
    score: Float[np.ndarray, " n"]
    labelled: Bool[np.ndarray, " t"]
    ignore: Sequence[Sequence[Float[np.ndarray, "_ 2"]]]
    file_names: Sequence[str] = field(default_factory=list)
    image_ids: Sequence[int] = field(default_factory=list)
    mark: UInt8[np.ndarray, "n j"] | None = None
    fps: float | None = None
    size: tuple[int, int] | None = None
    skeleton: Skeleton = POSETRACK15

    def __len__(self) -> int:
        """Frames."""
        return len(self.frame_ids)


def video_files(path: Path) -> list[Path]:
    """A file itself; or a folder's files and its folders', sorted by name, but for those that begin with a dot.

    Raises:
        InputError: there is none.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected {EXPECTED}; check the path")
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not found:
        raise InputError(f"{path}: no files in this folder; expected {EXPECTED}; give the folder that holds them")
    return found


def read_videos(path: Path) -> list[Video]:
    """The videos of a PoseTrack18 or PoseTrack17 file, of annotations or of results, or of a folder of such files.

    A joint's confidence is its entry of `scores` where there are any (below 0 counts as 0), else 1 where the joint is
    annotated; at (0, 0, 0) it is not. A pose's score is `score`, else the mean confidence of its joints. Boxes that the
    file does not tell are 0, identities -1, and frames are labelled unless it says otherwise. Coordinates are those of
    the file in double precision.

    Args:
        path: of the file or folder.

    Raises:
        InputError: a file that is none, anything malformed in one, or a video in two files of a folder.
    """
    return [video for video, _ in videos_by_name([path]).values()]


def videos_by_name(paths: Sequence[Path]) -> dict[str, tuple[Video, Path]]:
    """As `read_videos`, the videos of some files or folders, each with its file. Raises InputError as it does."""
    found: dict[str, tuple[Video, Path]] = {}
    for file in (file for path in paths for file in video_files(path)):
        with uncollected():
            videos = read_file(file)
        for video in videos:
            if video.name in found:
                raise InputError(
                    f"{file}: video {video.name!r} is in {found[video.name][1]} already; expected each video once; "
                    "leave one of the files out"
                )
            found[video.name] = video, file
    return found


def read_file(path: Path) -> list[Video]:
    """The videos of one file, in the order that they first appear in. Raises InputError for anything malformed."""
    tree = load(path, EXPECTED)
    if not isinstance(tree, dict) or not {"images", "annolist"} & {*tree}:
        found = f"an object with the keys {', '.join(tree) or '-'}" if isinstance(tree, dict) else short(tree)
        raise InputError(f"{path}: found {found}; expected {EXPECTED}; leave the file out")
    places = None
    if "annolist" in tree:
        tree, places = as_posetrack18(tree, path)
    skeleton, order, count = layout(tree.get("categories"), path)
    key = "images" if places is None else "annolist"
    entries = entry(tree, "images", list, path)
    if not entries:
        raise refused(path, key, "an empty list", "the frames of a video", "leave the file out")
    images = [image_of(image, f"{key}[{index}]", index, path) for index, image in enumerate(entries)]
    numbers = numbers_of(images, path)
    annotations = entry(tree, "annotations", list, path)

    def place(index: int) -> str:
        return places[index] if places else f"annotations[{index}]"

    frame, person = frames_and_people(annotations, numbers, path, place)
    pose, score = poses(annotations, order, count, path, place)
    box, head_box = (boxes(annotations, key, path, place) for key in ("bbox", "bbox_head"))
    mark = marks_of(annotations, order, count, path, place)
    of_video = defaultdict(list)
    for number, image in enumerate(images):
        of_video[image.video].append(number)
    videos = []
    for name, members in of_video.items():
        members = sorted(members, key=lambda number: images[number].frame_id)
        _check_frame_ids(members, images, path)
        index = np.full(len(images), -1)
        index[members] = np.arange(len(members))
        rows = np.flatnonzero(index[frame] >= 0)
        rows = rows[np.argsort(index[frame[rows]], kind="stable")]
        there = [images[number] for number in members]
        videos.append(
            Video(
                name=name,
                frame_ids=np.array([image.frame_id for image in there]),
                frame=index[frame[rows]],
                person=person[rows],
                pose=pose[rows],
                box=box[rows],
                head_box=head_box[rows],
                score=score[rows],
                labelled=np.array([image.labelled for image in there]),
                ignore=[image.ignore for image in there],
                file_names=[image.file_name for image in there],
                image_ids=[image.id for image in there],
                mark=None if mark is None else mark[rows],
                fps=_one({image.fps for image in there}, "fps", name, path),
                size=_one({image.size for image in there}, "width and height", name, path),
                skeleton=skeleton,
            )
        )
    return videos


def _check_frame_ids(members: Sequence[int], images: Sequence[Image], path: Path) -> None:
    for one, other in pairwise(members):
        if images[one].frame_id == images[other].frame_id:
            found = f"{images[one].frame_id}, which {images[one].place} of the same video has"
            where = f"{images[other].place}.frame_id"
            raise refused(path, where, found, "a number of its own", "number the frames of a video")


def _one(values: set, what: str, video: str, path: Path) -> Any:
    """What all frames of a video say. Raises InputError where they differ."""
    if len(values) > 1:
        found = " and ".join(map(str, sorted(values, key=str)[:2]))
        raise refused(path, f"video {video}, {what}", found, "the same in all of its images", "mend the images")
    return next(iter(values))


def write_video(video: Video, path: Path) -> None:
    """Write a video as PoseTrack18 has it: whole, or not at all.

    Pixels are written to 0.0001, confidences and scores to 0.000001; boxes that are not known are left out. PoseTrack's
    joints get their places among its 17 keypoints, the ears as zeros; another skeleton's stay as they are.

    Args:
        video: without ids of images its frames' numbers are written.
        path: of the file.

    Raises:
        InputError: numbers that are not finite.
        OSError: the file cannot be written.
    """
    for what in ("pose", "box", "head_box", "score"):
        wrong = np.argwhere(~np.isfinite(getattr(video, what)))
        if len(wrong):
            frame = video.frame_ids[video.frame[wrong[0, 0]]]
            raise InputError(
                f"{path}: video {video.name}, {what}: a value at frame {frame} is not finite; expected finite numbers; "
                "give confidence 0 to a joint that is not there, and zeros for a box that is not known"
            )
    image_ids = [int(number) for number in video.image_ids or video.frame_ids]
    with uncollected(), replaced(path) as temporary:
        tree = {
            "images": _image_entries(video, image_ids),
            "annotations": _annotation_entries(video, image_ids),
            "categories": [category(_stored(video.skeleton)[0])],
        }
        temporary.write_text(json.dumps(tree))


def _stored(skeleton: Skeleton) -> tuple[Skeleton, Int[np.ndarray, " j"]]:
    """The skeleton whose joints a file has, and the places of a video's joints among them."""
    if skeleton.names == POSETRACK15.names:
        return POSETRACK17, POSETRACK15.select_from(POSETRACK17)
    return skeleton, np.arange(len(skeleton))


def _image_entries(video: Video, image_ids: Sequence[int]) -> list[dict[str, Any]]:
    known = {} if video.size is None else dict(zip(("width", "height"), map(int, video.size), strict=True))
    known |= {} if video.fps is None else {"fps": float(video.fps)}
    entries = []
    for index, number in enumerate(video.frame_ids.tolist()):
        polygons = [np.round(np.asarray(polygon, float), PIXELS) for polygon in video.ignore[index]]
        entries.append(
            {
                "id": image_ids[index],
                "frame_id": number,
                "vid_id": video.name,
                "file_name": video.file_names[index] if video.file_names else f"{video.name}/{number:06d}.jpg",
                "nframes": len(video),
                "is_labeled": bool(video.labelled[index]),
                "ignore_regions_x": [polygon[:, 0].tolist() for polygon in polygons],
                "ignore_regions_y": [polygon[:, 1].tolist() for polygon in polygons],
                **known,
            }
        )
    return entries


def _annotation_entries(video: Video, image_ids: Sequence[int]) -> list[dict[str, Any]]:
    stored, places = _stored(video.skeleton)
    pose = np.asarray(video.pose, float)
    there = pose[..., 2] > 0
    keypoints, scores, marks = (np.zeros((len(pose), len(stored), *rest)) for rest in ((3,), (), ()))
    keypoints[:, places] = np.concatenate([np.round(pose[..., :2], PIXELS), there[..., None]], axis=-1)
    # A joint that is hardly there is not written as one that is not.
    scores[:, places] = np.maximum(np.round(pose[..., 2], CONFIDENCE), there * 10.0**-CONFIDENCE)
    columns: dict[str, list] = {
        "keypoints": keypoints.reshape(len(pose), 3 * len(stored)).tolist(),
        "scores": scores.tolist(),
    }
    columns["score"] = np.round(np.asarray(video.score, float), CONFIDENCE).tolist()
    if video.mark is not None:
        marks[:, places] = video.mark
        columns["marks"] = marks.astype(int).tolist()
    for key, box in (("bbox", video.box), ("bbox_head", video.head_box)):
        box = np.asarray(box, float)
        columns[key] = np.round(np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1), PIXELS).tolist()
    entries, found = [], [0] * len(video)
    for row, (frame, person) in enumerate(zip(video.frame.tolist(), video.person.tolist(), strict=True)):
        about = {"id": 100 * image_ids[frame] + found[frame], "image_id": image_ids[frame], "track_id": person}
        found[frame] += 1
        values = {key: values[row] for key, values in columns.items() if key[:4] != "bbox" or any(values[row])}
        entries.append({**about, "category_id": 1, **values})
    return entries
