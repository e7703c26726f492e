"""Joints that a tracker adds where the detector missed them: recovered joints, kept identities, false joints.

Counted in labelled frames, taken as consecutive, after ignore regions; pairs are one to one within 0.5 head sizes.

- A joint is missed where it is annotated and no detected joint is paired with it. A gap is a run of frames in which a
  person's joint is missed, right after a frame in which it was detected; it ends with a detection, a frame without its
  annotation, or the video (an online tracker does not know the future). Missed joints of other runs (from the video's
  beginning, or after frames without annotation) are counted separately.
- It is recovered if a joint of the result is paired with it and has the last identity that the result gave the person
  before the gap; "placed" counts joints of other identities as well.
- A joint is added if the tracker marked it as predicted; where the result has no marks, if it is farther than 0.5 head
  sizes (of the person with the nearest annotated joint) from every detected joint of its type. It is false if no
  annotated joint is paired with it. It is not judged if the person that its pose follows (the last that this identity
  was paired with) has no annotation of that joint in the frame but has annotations then or later: the true position is
  unknown. Its gap's length is the run of frames in which that identity's joint is added.
- A person's gap is a run of frames without any detected joint of the person, between frames with detected joints. The
  identity is kept if the first one after the gap is the last one before it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, Shaped

from stgraph.formats.posetrack import Mark
from stgraph.scoring.tracking.matching import (
    NEAR,
    LabelledFrame,
    ScoredVideo,
    identity_columns,
    joint_pairs,
    pose_pairs,
)

GAPS = {"1": 1, "2": 2, "3-5": 3, "6-10": 6, "11-30": 11, "over 30": 31}  # bin -> its shortest gap, frames
OF_PERSONS = ("gaps", "kept")  # counts of whole persons, without an axis of joints

Recovery = dict[str, Shaped[np.ndarray, "..."]]


def recovery_report(
    videos: Sequence[ScoredVideo],
    detections: Sequence[ScoredVideo],
    scored: Int[np.ndarray, " k"],
    names: Sequence[str],
) -> dict:
    """Recall, precision and kept identities: "overall", by length of the "gap", by "joint" and by "video".

    Args:
        videos, detections: the same truths, paired with the tracker's results and with its input.
        scored, names: the joints that are scored.
    """
    counts = [
        {name: values if name in OF_PERSONS else values[..., scored] for name, values in count.items()}
        for count in map(recovery_counts, videos, detections)
    ]
    total = {name: np.sum([count[name] for count in counts], axis=0) for name in counts[0]}
    joints = {name: values for name, values in total.items() if name not in OF_PERSONS}
    return {
        "overall": _shares({name: values.sum() for name, values in total.items()}),
        "gap": {
            gap: _shares({name: values[number].sum() for name, values in total.items() if name != "outside_gaps"})
            for number, gap in enumerate(GAPS)
        },
        "joint": {
            joint: _shares({name: values[..., number].sum() for name, values in joints.items()})
            for number, joint in enumerate(names)
        },
        "video": {
            video.name: _shares({name: values.sum() for name, values in count.items()})
            for video, count in zip(videos, counts, strict=True)
        },
    }


def recovery_counts(video: ScoredVideo, detections: ScoredVideo) -> Recovery:
    """Counts of a video: by bin and joint (bins j), those of whole persons by bin, `outside_gaps` by joint.

    missed, recovered and placed count annotated joints; added, recovering, right, false and not_judged count resulting
    joints (right: on an annotated joint that was detected, missed from the beginning, or is another person's); gaps and
    kept count whole persons' gaps; outside_gaps counts missed joints outside of gaps.
    """
    shape = (len(video.frames), len(video.persons), len(video.result.skeleton))
    annotated, detected = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    identities = np.full(shape[:2], -1)
    followed = np.full((len(video.frames), len(video.identities)), -1)
    for t, (frame, seen) in enumerate(zip(video.frames, detections.frames, strict=True)):
        annotated[t, frame.person] = frame.annotated
        detected[t, frame.person] = joint_pairs(seen.distance) >= 0
        pairs = pose_pairs(frame)
        paired = np.flatnonzero(pairs >= 0)
        identities[t, frame.person[pairs[paired]]] = frame.identity[paired]
        followed[t, frame.identity[paired]] = frame.person[pairs[paired]]
    last_identity, followed = _last_known(identities), _last_known(followed)

    missed = annotated & ~detected
    place, length = run_lengths(missed)
    begin = np.arange(len(missed))[:, None, None] - place
    # A run from the first frame has no frame before it, and its joint is not detected in the first frame either.
    begin = begin.clip(min=0)
    opened = missed & np.take_along_axis(detected, begin, 0)
    expected = np.where(opened, np.take_along_axis(last_identity[..., None], begin, 0), -1)
    matched = np.full(shape, -1)
    added, on_truth, recovering, unknown = (
        np.zeros((len(video.frames), len(video.identities), shape[2]), dtype=bool) for _ in range(4)
    )
    heads = np.concatenate([frame.head for frame in video.frames] or [np.zeros(0)])
    usual = float(np.median(heads)) if len(heads) else 0.0  # for frames without annotated people
    still_present = np.flip(np.maximum.accumulate(np.flip(annotated.any(2), 0), 0), 0)
    for t, (frame, seen) in enumerate(zip(video.frames, detections.frames, strict=True)):
        wanted = expected[t, frame.person]
        pairs = joint_pairs(frame.distance, identity_columns(wanted, frame.identity))
        p, joint = np.nonzero(pairs >= 0)
        identity = frame.identity[pairs[p, joint]]
        matched[t, frame.person[p], joint] = identity
        on_truth[t, identity, joint] = True
        recovering[t, identity, joint] = identity == wanted[p, joint]
        marks = video.result.mark
        added[t, frame.identity] = frame.present & (
            _undetected(frame, seen, usual) if marks is None else marks[frame.rows] == Mark.PREDICTED
        )
        follows = followed[t, frame.identity]
        # Only poses that follow a person can be not judged.
        unknown[t, frame.identity] = ((follows >= 0) & still_present[t, follows])[:, None] & ~annotated[t, follows]
    unknown &= ~on_truth
    recovered = opened & (matched >= 0) & (matched == expected)

    of_annotated = {"missed": opened, "recovered": recovered, "placed": opened & (matched >= 0)}
    of_result = {
        "added": added,
        "recovering": added & recovering,
        "right": added & on_truth & ~recovering,
        "false": added & ~on_truth & ~unknown,
        "not_judged": added & unknown,
    }
    added_length = run_lengths(added)[1]
    return {
        "outside_gaps": (missed & ~opened).sum((0, 1)),
        **{name: _binned(joints, length) for name, joints in of_annotated.items()},
        **{name: _binned(joints, added_length) for name, joints in of_result.items()},
        **_kept(identities, detected),
    }


def run_lengths(mask: Bool[np.ndarray, "t ..."]) -> tuple[Int[np.ndarray, "t ..."], Int[np.ndarray, "t ..."]]:
    """Number of every True within its run along the first axis, from 1, and the run's length; 0 for False.

    >>> run_lengths(np.array([True, True, False, True]))
    (array([1, 2, 0, 1]), array([2, 2, 0, 1]))
    """
    place = np.zeros(mask.shape, dtype=np.int64)
    for t in range(len(mask)):
        place[t] = mask[t] * (1 + (place[t - 1] if t else 0))
    length = place.copy()
    for t in range(len(mask) - 2, -1, -1):
        length[t] = np.where(mask[t] & mask[t + 1], length[t + 1], place[t])
    return place, length


def _kept(identities: Int[np.ndarray, "t persons"], detected: Bool[np.ndarray, "t persons j"]) -> Recovery:
    """Whole persons' gaps by bin, and those with the same identity before and after."""
    gone = np.asarray(~detected.any(2))
    place, _ = run_lengths(gone)
    before, after = _last_known(identities), np.flip(_last_known(np.flip(identities, 0)), 0)
    t, person = np.nonzero(gone[:-1] & ~gone[1:])
    begin = t - place[t, person]
    t, person, begin = t[begin >= 0], person[begin >= 0], begin[begin >= 0]
    same = (before[begin, person] == after[t + 1, person]) & (before[begin, person] >= 0)
    lengths = t - begin
    return {"gaps": _histogram(lengths), "kept": _histogram(lengths[same])}


def _last_known(values: Int[np.ndarray, "t n"]) -> Int[np.ndarray, "t n"]:
    """Each frame's value, or the last earlier one that is not -1."""
    when = np.where(values >= 0, np.arange(len(values))[:, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(when, 0), 0)


def _undetected(frame: LabelledFrame, seen: LabelledFrame, usual: float) -> Bool[np.ndarray, "q j"]:
    """Resulting joints that are farther than `NEAR` from every detected joint of their type."""
    distance = np.linalg.norm(frame.result[:, None, :, :2] - seen.result[None, :, :, :2], axis=-1)
    distance = np.where(seen.present[None], distance, np.inf).min(1, initial=np.inf)
    if not len(frame.truth):
        return distance > NEAR * usual
    # The head size of the person with the nearest annotated joint of any type.
    persons, joints = np.nonzero(frame.annotated)
    offset = frame.result[:, :, None, :2] - frame.truth[persons, joints, :2]
    nearest = (offset[..., 0] ** 2 + offset[..., 1] ** 2).argmin(-1)
    return distance > NEAR * frame.head[persons[nearest]]


def _binned(joints: Bool[np.ndarray, "t n j"], length: Int[np.ndarray, "t n j"]) -> Int[np.ndarray, "bins j"]:
    return np.stack([_histogram(length[..., joint][joints[..., joint]]) for joint in range(joints.shape[2])], 1)


def _histogram(lengths: Int[np.ndarray, " n"]) -> Int[np.ndarray, " bins"]:
    return np.bincount(np.searchsorted([*GAPS.values()], lengths, side="right") - 1, minlength=len(GAPS))


def _shares(counts: dict[str, np.integer]) -> dict:
    """The counts, and in % recall with the same and with any identity, precision, false joints and kept identities."""
    judged = counts["added"] - counts["not_judged"]
    shares = {
        "recall": (counts["recovered"], counts["missed"]),
        "placed_recall": (counts["placed"], counts["missed"]),
        "precision": (counts["recovering"], judged),
        "false_share": (counts["false"], judged),
    }
    if "gaps" in counts:
        shares["kept_share"] = (counts["kept"], counts["gaps"])
    return {name: int(count) for name, count in counts.items()} | {
        name: 100 * float(share) / float(whole) if whole else None for name, (share, whole) in shares.items()
    }
