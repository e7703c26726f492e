"""Scores of pose tracking as PoseTrack defines them: AP, MOTA, MOTP, IDF1 and HOTA of every joint, and their means.

`strict` counts what was asked for; `official` also repeats what the public evaluator of PoseTrack does otherwise
(`MODES` says what), to compare with published numbers. Shares are percentages; None where there is
nothing to divide by.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from stgraph.errors import InputError
from stgraph.formats.posetrack import Video
from stgraph.scoring.tracking.matching import identified, paired_video
from stgraph.scoring.tracking.measures import COUNTED, Counts, average_precision, ranked_joints, track_counts
from stgraph.scoring.tracking.recovery import recovery_report

MODES = {
    "strict": "every labelled frame counts, and each miss and each false positive once; of annotations that a pose "
    "fits equally it stands for the nearest; MOTP is the mean of the joints of which something was found",
    "official": "as PoseTrack's public evaluator counts: for AP, MOTA and MOTP frames in which nobody is annotated "
    "are left out, and of annotations that a pose fits equally it stands for the first; for MOTA and MOTP the last "
    "frame of each video is left out, and a frame that has annotated people and no pose in the result (or has people "
    "in ignore regions alone) counts one object, one miss and one false positive of each joint however many people "
    "there are; the MOTP of a joint of which nothing was found is 0. IDF1 and HOTA, which that evaluator does not "
    "give, are as in strict mode",
}


def score(
    pairs: Sequence[tuple[Video, Video]], mode: str = "strict", detections: Sequence[Video] | None = None
) -> dict:
    """The scores of results against truths, as numbers that JSON can hold.

    Args:
        pairs: (truth, result) of each video. The truth needs a head box of every person that has joints.
        mode: one of `MODES`.
        detections: of each pair what the detector gave (identities are not looked at); with them the report says how
            many joints the tracker recovered that the detector had missed, see `tracking_scores.recovery`.

    Returns:
        mode, what it does in words, the joints that are scored, those that are never annotated and left out, counts,
        and the scores "overall" (the mean over joints; counts are sums), by "joint" and by "video". Where the result
        has no identities, AP is the only score.

    Raises:
        InputError: nothing to score, an unknown mode, or videos that cannot be scored (see `paired_video`).
    """
    if mode not in MODES:
        raise InputError(f"mode {mode!r}: expected one of {', '.join(MODES)}")
    if detections is not None and len(detections) != len(pairs):
        raise InputError(f"{len(detections)} videos of detections for {len(pairs)} pairs; give one for each")
    videos = [paired_video(truth, result) for truth, result in pairs]
    joints = pairs[0][0].skeleton.names if pairs else ()
    if other := [truth.name for truth, _ in pairs if truth.skeleton.names != joints]:
        raise InputError(f"{other[0]} has other joints than {pairs[0][0].name}; score each layout by itself")
    annotated = sum(frame.annotated.sum(0) for video in videos for frame in video.frames)
    if not np.any(annotated):
        raise InputError(f"nothing to score: no labelled frame of {len(pairs)} videos has an annotated joint")
    tracked = all((video.persons >= 0).all() for video in videos) and identified(videos)

    scored = np.flatnonzero(annotated)
    names = [joints[joint] for joint in scored]
    ranked = [ranked_joints(video, mode) for video in videos]
    counts = [track_counts(video, mode) for video in videos] if tracked else [{} for _ in videos]
    by_joint = _scores(ranked, counts, mode, scored)
    frames = [frame for video in videos for frame in video.frames]
    report = {
        "mode": mode,
        "what_it_does": MODES[mode],
        "tracked": tracked,
        "joints": names,
        "never_annotated": [joint for joint in joints if joint not in names],
        "scored": {
            "videos": len(videos),
            "frames": len(frames),
            "annotated_poses": sum(len(frame.truth) for frame in frames),
            "result_poses": sum(len(frame.result) for frame in frames),
        },
        "overall": _mean(by_joint),
        "joint": {name: _plain({key: values[j] for key, values in by_joint.items()}) for j, name in enumerate(names)},
        "video": {
            video.name: _mean(_scores([rank], [count], mode, scored))
            for video, rank, count in zip(videos, ranked, counts, strict=True)
        },
    }
    if detections is not None:
        if not tracked:
            raise InputError("the result has no identities, without which no recovered joint is told; track it first")
        found = [paired_video(truth, video, "detections") for (truth, _), video in zip(pairs, detections, strict=True)]
        report["recovery"] = recovery_report(videos, found, scored, names)
    return report


def _scores(
    ranked: Sequence[Counts], counts: Sequence[Counts], mode: str, scored: Int[np.ndarray, " k"]
) -> dict[str, Shaped[np.ndarray, " k"]]:
    """Scores by joint of some videos together; NaN where there is nothing to divide by."""
    joint, confidence, right = (
        np.concatenate([part[key] for part in ranked]) for key in ("joint", "confidence", "right")
    )
    objects = sum(part["objects"] for part in ranked)
    precision = [
        average_precision(confidence[joint == j], right[joint == j].astype(bool), objects[j]) if objects[j] else np.nan
        for j in scored
    ]
    scores = {"AP": 100 * np.array(precision)}
    if not counts[0]:
        return scores
    total = {name: sum(count[name] for count in counts)[..., scored] for name in counts[0]}
    errors = total["misses"] + total["switches"] + total["false_positives"]
    motp = 100 * (1 - _ratio(total["distance"], total["matches"]))
    both = total["truth_joints"] + total["result_joints"]
    detection = _ratio(total["hota_matches"], both - total["hota_matches"])
    association = total["association"] / np.maximum(1, total["hota_matches"])
    there = np.where(total["truth_joints"] > 0, 100.0, np.nan)
    scores |= {
        "MOTA": 100 * (1 - _ratio(errors, total["objects"])),
        "MOTP": np.where(np.isnan(motp) & (mode == "official"), 0 * there, motp),
        "IDF1": there * _ratio(2 * total["identity_matches"], both),
        "HOTA": there * np.sqrt(detection * association).mean(0),
        "DetA": there * detection.mean(0),
        "AssA": there * association.mean(0),
    }
    return scores | {name: total[name].astype(np.int64) for name in COUNTED}


def _ratio(above: Shaped[np.ndarray, "... k"], below: Shaped[np.ndarray, "... k"]) -> Float[np.ndarray, "... k"]:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _mean(scores: Mapping[str, Shaped[np.ndarray, " k"]]) -> dict:
    """Shares' means over the joints that have one, and sums of counts."""
    means = {}
    for name, values in scores.items():
        known = values[~np.isnan(values)]
        means[name] = values.sum() if name in COUNTED else known.mean() if len(known) else np.nan
    return _plain(means)


def _plain(scores: Mapping[str, float | np.number]) -> dict:
    """Numbers of Python, None for NaN."""
    return {
        name: None if np.isnan(value) else value.item() if hasattr(value, "item") else value
        for name, value in scores.items()
    }
