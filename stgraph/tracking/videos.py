"""Tracking a video of detections, and drawing the result."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from stgraph.data.recording import runs
from stgraph.errors import InputError
from stgraph.figures.clip import Clip
from stgraph.formats.files import check_apart, check_kept, file_name
from stgraph.formats.keypoints.content import no_people
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.read import kind_of
from stgraph.formats.markdown import counted
from stgraph.formats.posetrack import Mark, Video
from stgraph.formats.video import open_video
from stgraph.tracking.options import FPS, FPS_NOTE, TrackerOptions
from stgraph.tracking.predictors import find_predictor
from stgraph.tracking.tracker import State, Tracker

GAP = 0.5  # seconds without any keypoint that are filled
SHORTEST = 3  # frames in a row for which a person is predicted, and detections of a person with an identity


def stretches(seen: Bool[np.ndarray, " t"], fps: float | int, shortest: int = SHORTEST) -> list[tuple[int, int]]:
    """(start, end) of the stretches in which a person is there: gaps of up to `GAP` seconds between two are filled.

    Stretches of fewer than `shortest` frames are left out.

    >>> stretches(np.array([1, 1, 0, 1, 0, 0, 0, 0, 1]) > 0, fps=4)
    [(0, 4)]
    """
    filled = seen.copy()
    for start, end in runs(~seen):
        if start > 0 and end < len(seen) and end - start <= round(GAP * fps):
            filled[start:end] = True
    return [part for part in runs(filled) if part[1] - part[0] >= shortest]


def known_rate(fps: float | int | None) -> tuple[float | int, list[str]]:
    """Frames per second, `FPS` where they are not known, and a note that says so."""
    return (fps, []) if fps else (FPS, [FPS_NOTE])


def left_out_note(people: int) -> list[str]:
    """A note about the people without a stretch; none without any."""
    return [f"People seen in fewer than {SHORTEST} frames in a row are left out: {people}."] if people else []


def never_long(keypoints: Keypoints) -> InputError:
    """The error for a video in which `stretches` finds nothing: no person, or none for long enough."""
    if not np.any(keypoints.pose[..., 2]):
        return no_people(keypoints.where)
    problem = f"no person is seen in {SHORTEST} frames in a row"
    remedy = "give more frames; or leave out the identities if they change too often, people are then tracked"
    return InputError(problem, where=keypoints.where, remedy=remedy, kind="no person")


def check_files(source: Path, out: Path, drawing: Path | None, *, several: bool) -> None:
    """Raises InputError where an output is the input or in it, or, for a single video, has a wrong ending."""
    for option, path, endings in (("--out", out, (".json",)), ("--gif", drawing, (".gif", ".mp4"))):
        if path and not several and path.suffix.lower() not in endings:
            raise InputError(where=f"{option} {path}", expected=f"a file ending in {' or '.join(endings)}")
    check_kept("--out", out, [source], kind_of)
    if drawing:
        check_kept("--gif", drawing, [source], kind_of)


def output_files(
    names: Sequence[str], source: Path, out: Path, drawing: Path | None, *, several: bool
) -> list[tuple[Path, Path | None]]:
    """The result and the drawing of each video; in a folder they are called after it.

    Raises:
        InputError: two videos whose files would be the same, or a result that would replace a file of the input.
    """
    if not several:
        return [(out, drawing)]
    files = [(out / f"{file_name(name)}.json", drawing and drawing / f"{file_name(name)}.gif") for name in names]
    check_apart(zip(names, (result for result, _ in files), strict=True))
    for result, _ in files:
        check_kept("--out", result, [source], kind_of)
    return files


def follow(
    tracker: Tracker,
    video: Video,
    fps: float,
    *,
    whole: bool = False,
    progress: Callable[[float], object] | None = None,
) -> Video:
    """Track the people in a video of detections, frame by frame, also in frames without detections.

    Args:
        tracker: a new one.
        video: of a detector; identities in it are ignored.
        fps: frames per second, which turn frame numbers into times.
        whole: report people from their first detection on; else as online, from the frame that confirms them.
        progress: called with the share that is done, from 0 to 1.

    Returns:
        the same frames with people's identities and the `Mark` of each joint.
    """
    bounds = np.searchsorted(video.frame, np.arange(len(video) + 1))
    frames = []
    for number, (first, last) in zip(video.frame_ids, pairwise(bounds), strict=True):
        pose, confidence = video.pose[first:last, :, :2], video.pose[first:last, :, 2]
        frames.append(tracker.update(pose, confidence, number / fps, tentative=whole))
        if progress is not None:
            progress(len(frames) / len(video))
    counts = np.array([len(people) for people in frames], int)
    pose, confidence, person, mark, score, detection, state = (
        np.concatenate([getattr(people, name) for people in frames])
        for name in ("pose", "confidence", "id", "mark", "score", "detection", "state")
    )
    pose = np.where((mark != Mark.ABSENT)[..., None], np.concatenate([pose, confidence[..., None]], axis=2), 0)
    row = np.repeat(bounds[:-1], counts) + detection
    box = np.where((detection >= 0)[:, None], video.box[row], 0) if len(video.box) else np.zeros((len(row), 4))
    known = np.isin(person, person[state != State.TENTATIVE])
    return replace(
        video,
        frame=np.repeat(np.arange(len(video)), counts)[known],
        person=person[known],
        pose=pose[known],
        box=np.where((box != 0).any(axis=1, keepdims=True), box, box_of(pose))[known],
        head_box=np.zeros((int(known.sum()), 4)),
        score=score[known],
        mark=mark[known],
    )


def box_of(pose: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom of the joints with a confidence above 0, pixels; zeros for a pose without any."""
    present = pose[..., 2:] > 0
    low = np.where(present, pose[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(present, pose[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(low).all(axis=1, keepdims=True), np.concatenate([low, high], axis=1), 0)


def identified(keypoints: Keypoints, fps: float) -> Keypoints:
    """People with identities: the file's, else the tracker's, which knows the whole video.

    A video that never shows two people is of person 0. Elsewhere people are tracked without training (a Kalman filter)
    and have their identity from their first pose on; a person detected fewer than `SHORTEST` times (in a shorter video,
    than it has frames) has none.

    Args:
        keypoints: of a video, with or without identities.
        fps: frames per second.
    """
    if (keypoints.person >= 0).any() or not len(keypoints):
        return keypoints
    frames, counts = np.unique(keypoints.frame, return_counts=True)
    if counts.max() == 1:
        note = "people have no identities, and no frame shows two: all are person 0"
        return replace(keypoints, person=np.zeros(len(keypoints), int), notes=(*keypoints.notes, note), video=None)
    options = TrackerOptions(min_hits=1, birth_score=0.0)
    tracker = Tracker(find_predictor("kalman"), keypoints.skeleton, size=None, options=options)
    person, ends = np.full(len(keypoints), -1), np.cumsum(counts)
    for number, first, last in zip(frames.tolist(), ends - counts, ends, strict=True):
        pose = keypoints.pose[first:last]
        people = tracker.update(pose[..., :2], pose[..., 2], number / fps)
        found = people.detection >= 0
        person[first + people.detection[found]] = people.id[found]
    known, hits = np.unique(person, return_counts=True)
    person[np.isin(person, known[hits < min(SHORTEST, len(frames))])] = -1
    kept = np.unique(person[person >= 0])
    person = np.where(person >= 0, np.searchsorted(kept, person), -1)
    note = f"people have no identities: {len(kept)} by tracking"
    return replace(keypoints, person=person, notes=(*keypoints.notes, note), video=None)


def draw_video(video: Video, path: Path, clip: Clip, start: float, seconds: float) -> str:
    """Draw the tracked people of a section of a video, each in a colour; returns a line about it.

    They are drawn over the frames where they were found in them. Nothing is drawn where no person is in the section.

    Args:
        video: with marks.
        path: of the .gif or .mp4.
        clip: how it is drawn, with the video's frame rate; a line about the people is added to its caption.
        start, seconds: beginning and length of the section.

    Raises:
        InputError: the section begins after the video's end, its frames cannot be read, or as `animate_people`.
    """
    from stgraph.figures.backdrop import pictures_of
    from stgraph.figures.people import TrackedPeople, animate_people

    first, count = round(start * clip.fps), max(1, round(seconds * clip.fps))
    if first >= len(video):
        length = f"{video.name} is {len(video) / clip.fps:.1f} s long"
        raise InputError(length, where=f"--start {start:g}", remedy="start earlier")
    rows = (video.frame >= first) & (video.frame < first + count)
    if not (video.pose[rows, :, 2] > 0).any():
        return f"{video.name}: nothing is drawn, since no person is in these frames"
    pose = np.where(video.pose[rows, :, 2:] > 0, video.pose[rows, :, :2], np.nan)
    width, height = video.size or np.ceil(np.nanmax(pose, axis=(0, 1), initial=1)).astype(int).tolist()
    mark = np.asarray(video.mark)[rows]
    pictures = video.video_file and pictures_of(open_video(video.video_file), int(video.frame_ids[first]))
    people = TrackedPeople(
        frame=video.frame[rows] - first,
        person=video.person[rows],
        pose=pose,
        # Joints that are absent are not drawn.
        origin=mark.clip(Mark.DETECTED).astype(int) - Mark.DETECTED,
        image=(width, height),
        frames=min(count, len(video) - first),
        pictures=pictures,
    )
    predicted = int((mark == Mark.PREDICTED).sum())
    count = len(np.unique(people.person))
    caption = f"{count} {'person' if count == 1 else 'people'}{clip.caption}; {counted(predicted, 'joint')} predicted"
    return str(animate_people(people, video.skeleton, path, replace(clip, caption=caption)))


def summary(tracked: Video, detections: int) -> str:
    """A line about a tracked video and the number of its detections."""
    counts = np.bincount(np.asarray(tracked.mark).ravel(), minlength=len(Mark))
    marks = ", ".join(f"{counts[mark]:,} {mark.name.lower()}" for mark in Mark if mark != Mark.ABSENT)
    people = len(np.unique(tracked.person))
    return (
        f"{tracked.name}, {len(tracked)} frames, {detections:,} detections became {len(tracked.frame):,} poses of "
        f"{people} {'person' if people == 1 else 'people'}; joints: {marks}"
    )


def losses(tracker: Tracker, video: Video, fps: float) -> list[str]:
    """What a tracker did not use of a video's detections, and where identities ended: a line each, with the option.

    Args:
        tracker: that followed the video to its end.
        video, fps: of the detections.
    """
    options, dropped = tracker.options, tracker.dropped
    waiting = int(tracker.tracks.hits[tracker.tracks.state == State.TENTATIVE].sum())
    reasons = (
        (dropped["unseen"], "without a joint of confidence above 0"),
        (dropped["nms_oks"], f"like a better one of the same frame (--nms-oks {options.nms_oks:g})"),
        (dropped["birth_score"], f"without a match and with a score below --birth-score {options.birth_score:g}"),
        (dropped["people"], f"beyond --people {options.people}"),
        (
            dropped["min_hits"] + waiting,
            f"of people detected fewer than --min-hits {options.min_hits} times in a row, never with a score of "
            f"--confirm-score {options.confirm_score:g}",
        ),
    )
    lines = [f"not used: {counted(count, 'detection')} {reason}" for count, reason in reasons if count]
    if dropped["max_age"]:
        ended = "1 identity" if dropped["max_age"] == 1 else f"{dropped['max_age']:,} identities"
        lines.append(f"{ended} ended {options.max_age:g} s after the last detection (--max-age)")
    step = float(np.median(np.diff(video.frame_ids))) / fps if len(video) > 1 else 0.0
    if step > options.max_age and not options.people:
        lines.append(
            f"frames are {step:g} s apart at {fps:g} frames/s, longer than people are kept without a detection: "
            f"all are new in every frame; give a larger --max-age, or the video's rate by --fps"
        )
    return lines
