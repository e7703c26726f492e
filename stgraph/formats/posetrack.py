"""PoseTrack's annotation files, of people in the frames of a video: PoseTrack18 is read and written, PoseTrack17 read.

Videos of another skeleton than PoseTrack's are written with its joints' names and bones in `categories`.
"""

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from stgraph.errors import InputError
from stgraph.formats.files import accompanies, replaced
from stgraph.formats.json_files import garbage_kept, read_json, validated
from stgraph.formats.keypoint_names import category, keypoint_name, layout, unnamed_layout
from stgraph.formats.posetrack17 import PoseTrack17, as_posetrack18
from stgraph.formats.posetrack18 import (
    PoseTrack18,
    boxes,
    frame_numbers,
    ignored_regions,
    image_indices,
    marks_of,
    poses,
)
from stgraph.skeleton import POSETRACK15, POSETRACK17, Skeleton

EXPECTED = "annotations of PoseTrack18 (images, annotations, categories) or PoseTrack17 (annolist)"
# Digits after the point that are written, of pixels and of confidences.
PIXELS, CONFIDENCE = 4, 6
HEAD_SIZE = 0.6  # head size over the diagonal of the head box, as the benchmark defines it


class Mark(IntEnum):
    """The origin of a joint of a tracked person: detected, merged with a prediction, or predicted alone."""

    ABSENT = 0
    DETECTED = 1
    MERGED = 2
    PREDICTED = 3


@dataclass
class Video:
    """The people in the frames of one video: n poses in t frames, in order of their frames.

    Attributes:
        name: of the video.
        frame_ids: (t) number of each frame within the video, ascending.
        frame: (n) each pose's frame, an index into `frame_ids`, ascending.
        person: (n) identity, -1 where it has none.
        pose: (n j 3) pixels x, y and confidence; confidence 0 = not annotated, or not detected.
        box: (n 4) left, top, right, bottom in pixels; zeros where it is unknown.
        head_box: (n 4) as `box`, of the head.
        score: (n) of the pose as a whole.
        labelled: (t) whether the frame has labels; the others are not scored.
        ignore: for each frame polygons (v 2) in pixels within which nothing is scored.
        file_names, image_ids: (t) of the frames' images.
        mark: (n j) `Mark` of each joint; None where it is unknown.
        fps: frames per second, None where it is unknown.
        size: width and height of the images in pixels, None where it is unknown.
        skeleton: of the poses.
        names: of its joints as the file spells them; None where that is as the skeleton does, or PoseTrack.
        video_file: the video that the frames are of, where the people were found in it.
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
    names: tuple[str, ...] | None = None
    video_file: Path | None = None

    def __len__(self) -> int:
        """Frames."""
        return len(self.frame_ids)


def video_files(path: Path) -> list[Path]:
    """A file itself; or a folder's files and its folders', sorted by name, but for those that begin with a dot.

    What accompanies data, such as a licence, is left aside.

    Raises:
        InputError: there is none.
    """
    if not path.exists():
        raise InputError("no such file or folder", where=path, expected=EXPECTED, remedy="check the path")
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and not accompanies(file))
    if not files:
        remedy = "give the folder that holds them"
        raise InputError("no files in this folder", where=path, expected=EXPECTED, remedy=remedy)
    return files


def read_videos(path: Path) -> list[Video]:
    """The videos of a PoseTrack18 or PoseTrack17 file, of annotations or of results, or of a folder of such files.

    A joint's confidence is its entry of `scores` where there are any (below 0 counts as 0), else 1 where the joint is
    annotated; at (0, 0, 0) it is not. A pose's score is `score`, else the mean confidence of its joints. Boxes that the
    file does not have are 0, identities -1, and frames are labelled unless it says otherwise. Coordinates are those of
    the file in double precision.

    Args:
        path: of the file or folder.

    Raises:
        InputError: a file of another form, anything malformed in one, or a video in two files of a folder.
    """
    return [video for video, _ in videos_by_name([path]).values()]


def videos_by_name(paths: Sequence[Path]) -> dict[str, tuple[Video, Path]]:
    """As `read_videos`, the videos of some files or folders, each with its file. Raises InputError as it does."""
    videos: dict[str, tuple[Video, Path]] = {}
    for file in (file for path in paths for file in video_files(path)):
        with garbage_kept():
            found = read_tree(read_json(file, EXPECTED), file)
        for video in found:
            if video.name in videos:
                problem = f"video {video.name!r} is in {videos[video.name][1]} already"
                remedy = "leave one of the files out"
                raise InputError(problem, where=file, expected="each video once", remedy=remedy)
            videos[video.name] = video, file
    return videos


def read_tree(
    tree: object, path: Path, named: str | Skeleton | Sequence[str] | None = None, listed: bool = False
) -> list[Video]:
    """The videos of a file's content, in the order that they first appear in.

    Args:
        tree: the JSON.
        path: of the file, for names and messages.
        named: the layout of keypoints that no `categories` names, as `find_layout` takes it; by default PoseTrack's for
            files with its image ids, and for others the one that the positions have.
        listed: whether joints count whose score is 0 or below, or that are not visible, as `posetrack18.poses` says.

    Raises:
        InputError: anything malformed, or keypoints whose layout is not clear.
    """
    if not isinstance(tree, dict) or not {"images", "annolist"} & {*tree}:
        found = f"an object with the keys {', '.join(tree) or '-'}" if isinstance(tree, dict) else reprlib.repr(tree)
        raise InputError(where=path, found=found, expected=EXPECTED, remedy="leave the file out")
    places: list[str] = []
    if "annolist" in tree:
        file, places = as_posetrack18(validated(PoseTrack17, tree, path), path)
    else:
        file = validated(PoseTrack18, tree, path)
    images, annotations, key = file.images, file.annotations, f"{path}: {'annolist' if places else 'images'}"

    def where(index: int, name: str) -> str:
        return f"{path}: {places[index] if places else f'annotations[{index}]'}{name and f'.{name}'}"

    if file.categories or places or not annotations:
        skeleton, order, count = layout(file.categories, path)
    else:
        skeleton, order, count = unnamed_layout(images, annotations, path, named)
    spelled = file.categories[0].keypoints if file.categories else []
    names = tuple(spelled[place] for place in order) if spelled else None
    if names == (tuple(map(keypoint_name, skeleton.names)) if skeleton == POSETRACK15 else skeleton.names):
        names = None  # spelled so anyway
    image = image_indices(images, annotations, path, where)
    person = np.array([max(one.track_id, -1) for one in annotations], int)
    pose, score = poses(annotations, order, count, where, listed)
    box, head_box = (boxes(annotations, name, where) for name in ("bbox", "bbox_head"))
    mark = marks_of(annotations, order, count, where)
    numbers = frame_numbers(images, key)
    videos: dict[str, list[int]] = {}
    for index, one in enumerate(images):
        videos.setdefault(path.stem if one.vid_id is None else str(one.vid_id), []).append(index)
    result = []
    for name, members in videos.items():
        members = sorted(members, key=numbers.__getitem__)
        frame_of = np.full(len(images), -1)
        frame_of[members] = np.arange(len(members))
        rows = np.flatnonzero(frame_of[image] >= 0)
        rows = rows[np.argsort(frame_of[image[rows]], kind="stable")]
        frames = [images[member] for member in members]
        settings = {(one.fps, one.width, one.height) for one in frames}
        if len(settings) > 1:
            different = " and ".join(map(str, sorted(settings, key=str)[:2]))
            expected, remedy = "the same in all of its images", "correct the images"
            place = f"{path}: video {name}, (fps, width, height)"
            raise InputError(where=place, found=different, expected=expected, remedy=remedy)
        ((fps, width, height),) = settings
        result.append(
            Video(
                name=name,
                frame_ids=np.array([numbers[member] for member in members]),
                frame=frame_of[image[rows]],
                person=person[rows],
                pose=pose[rows],
                box=box[rows],
                head_box=head_box[rows],
                score=score[rows],
                labelled=np.array([one.is_labeled for one in frames]),
                ignore=[ignored_regions(images[member], f"{key}[{member}]") for member in members],
                file_names=[one.file_name for one in frames],
                image_ids=[one.id for one in frames],
                mark=None if mark is None else mark[rows],
                fps=fps,
                size=None if width is None or height is None else (int(width), int(height)),
                skeleton=skeleton,
                names=names,
            )
        )
    return result


def write_video(video: Video, path: Path) -> None:
    """Write a video as PoseTrack18 has it: whole, or not at all.

    Pixels are written to 0.0001, confidences and scores to 0.000001; unknown boxes are left out. PoseTrack's
    joints get their places among its 17 keypoints, the ears as zeros; another skeleton's stay as they are, and so do
    those of a file that spells them otherwise.

    Args:
        video: without ids of images its frames' numbers are written.
        path: of the file.

    Raises:
        InputError: numbers that are not finite.
        OSError: the file cannot be written.
    """
    for name in ("pose", "box", "head_box", "score"):
        wrong = np.argwhere(~np.isfinite(getattr(video, name)))
        if len(wrong):
            raise InputError(
                f"a value at frame {video.frame_ids[video.frame[wrong[0, 0]]]} is not finite",
                where=f"{path}: video {video.name}, {name}",
                expected="finite numbers",
                remedy="give confidence 0 to a joint that is not there, and zeros for a box that is not known",
            )
    image_ids = [int(number) for number in video.image_ids or video.frame_ids]
    with garbage_kept(), replaced(path) as temporary:
        tree = {
            "images": _image_entries(video, image_ids),
            "annotations": _annotation_entries(video, image_ids),
            "categories": [category(_stored(video)[0], video.names)],
        }
        temporary.write_text(json.dumps(tree))


def _stored(video: Video) -> tuple[Skeleton, Int[np.ndarray, " j"]]:
    """The skeleton whose joints a file has, and the places of a video's joints among them."""
    if video.skeleton.names == POSETRACK15.names and video.names is None:
        return POSETRACK17, POSETRACK15.select_from(POSETRACK17)
    return video.skeleton, np.arange(len(video.skeleton))


def _image_entries(video: Video, image_ids: Sequence[int]) -> list[dict[str, object]]:
    facts: dict[str, float] = {} if video.fps is None else {"fps": float(video.fps)}
    if video.size is not None:
        facts |= {"width": int(video.size[0]), "height": int(video.size[1])}
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
                **facts,
            }
        )
    return entries


def _annotation_entries(video: Video, image_ids: Sequence[int]) -> list[dict[str, object]]:
    stored, places = _stored(video)
    pose = np.asarray(video.pose, float)
    there = pose[..., 2] > 0
    keypoints, scores, marks = (np.zeros((len(pose), len(stored), *rest)) for rest in ((3,), (), ()))
    keypoints[:, places] = np.concatenate([np.round(pose[..., :2], PIXELS), there[..., None]], axis=-1)
    # A joint whose confidence would be rounded to 0 gets the smallest that is written.
    scores[:, places] = np.maximum(np.round(pose[..., 2], CONFIDENCE), there * 10.0**-CONFIDENCE)
    columns: dict[str, list] = {
        "keypoints": keypoints.reshape(len(pose), 3 * len(stored)).tolist(),
        "scores": scores.tolist(),
        "score": np.round(np.asarray(video.score, float), CONFIDENCE).tolist(),
    }
    if video.mark is not None:
        marks[:, places] = video.mark
        columns["marks"] = marks.astype(int).tolist()
    for key, box in (("bbox", video.box), ("bbox_head", video.head_box)):
        box = np.asarray(box, float)
        columns[key] = np.round(np.concatenate([box[:, :2], box[:, 2:] - box[:, :2]], axis=1), PIXELS).tolist()
    entries, count = [], [0] * len(video)
    for row, (frame, person) in enumerate(zip(video.frame.tolist(), video.person.tolist(), strict=True)):
        ids = {"id": 100 * image_ids[frame] + count[frame], "image_id": image_ids[frame], "track_id": person}
        count[frame] += 1
        values = {key: values[row] for key, values in columns.items() if not key.startswith("bbox") or any(values[row])}
        entries.append({**ids, "category_id": 1, **values})
    return entries
