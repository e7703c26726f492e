"""Scores of pose tracking as PoseTrack defines them: AP, MOTA, MOTP, IDF1 and HOTA of every joint, and their means.

`strict` counts by the definitions; `official` as the public evaluator of PoseTrack where that differs (see `MODES`), to
compare with published numbers. Shares are percentages; None where the denominator is 0.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from stgraph.errors import InputError
from stgraph.formats.posetrack import Video
from stgraph.scoring.tracking import MODES
from stgraph.scoring.tracking.matching import identified, paired_video
from stgraph.scoring.tracking.measures import COUNTED, Counts, average_precision, ranked_joints, track_counts
from stgraph.scoring.tracking.recovery import recovery_report


def paired(truths: Sequence[Video], videos: Sequence[Video], path: Path) -> list[Video]:
    """The videos of `path` in the order of the truths. Raises InputError for missing or surplus videos."""
    by_name, names = {video.name: video for video in videos}, {truth.name for truth in truths}
    missing, surplus = sorted(names - {*by_name}), sorted({*by_name} - names)
    if missing or surplus:
        problems = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has also {', '.join(surplus)}"] * bool(surplus)
        remedy = "give the videos of the truth under the same names, all of them and no others"
        raise InputError(" and ".join(problems), where=path, remedy=remedy)
    return [by_name[truth.name] for truth in truths]


def score(
    pairs: Sequence[tuple[Video, Video]], mode: str = "strict", detections: Sequence[Video] | None = None
) -> dict:
    """The scores of results against truths, as numbers for JSON.

    Args:
        pairs: (truth, result) of each video. Every person with joints in the truth needs a head box.
        mode: one of `MODES`.
        detections: the tracked detections of each pair (identities are ignored), to report which missed joints the
            tracker recovered, see `stgraph.scoring.tracking.recovery`.

    Returns:
        mode, its description, the scored joints, those that are never annotated (in strict mode they are left out),
        counts, and the scores "overall" (the mean over joints; counts are sums), by "joint" and by "video". Without
        identities in the result, AP is the only score.

    Raises:
        InputError: nothing to score, an unknown mode, or as `paired_video`.
    """
    if mode not in MODES:
        raise InputError(where="mode", found=repr(mode), expected=f"one of {', '.join(MODES)}")
    if detections is not None and len(detections) != len(pairs):
        raise InputError(
            where="detections", found=f"{len(detections)} videos", expected=f"one for each of {len(pairs)}"
        )
    videos = [paired_video(truth, result) for truth, result in pairs]
    joints = pairs[0][0].skeleton.names if pairs else ()
    if others := [truth.name for truth, _ in pairs if truth.skeleton.names != joints]:
        problem = f"has other joints than {pairs[0][0].name}"
        raise InputError(problem, where=others[0], remedy="score each layout by itself")
    frames = [frame for video in videos for frame in video.frames]
    annotated = np.sum([frame.annotated.sum(0) for frame in frames], axis=0)
    if not np.any(annotated):
        problem = f"nothing to score: no labelled frame of {len(pairs)} videos has an annotated joint"
        raise InputError(problem, where="truth", remedy="give videos with annotated joints")
    tracked = all((video.persons >= 0).all() for video in videos) and identified(videos)

    # The public evaluator has all joints in its means.
    scored = np.arange(len(joints)) if mode == "official" else np.flatnonzero(annotated)
    names = [joints[joint] for joint in scored]
    ranked = [ranked_joints(video, mode) for video in videos]
    counts = [track_counts(video, mode) for video in videos] if tracked else [{} for _ in videos]
    by_joint = _scores(ranked, counts, mode, scored)
    report = {
        "mode": mode,
        "what_it_does": MODES[mode],
        "tracked": tracked,
        "joints": names,
        "never_annotated": [joint for joint, count in zip(joints, annotated, strict=True) if not count],
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
            problem = "the result has no identities, without which recovered joints are not defined"
            raise InputError(problem, remedy="track it first")
        detected = [
            paired_video(truth, video, "detections") for (truth, _), video in zip(pairs, detections, strict=True)
        ]
        report["recovery"] = recovery_report(videos, detected, scored, names)
    return report


def _scores(
    ranked: Sequence[Counts], counts: Sequence[Counts], mode: str, scored: Int[np.ndarray, " k"]
) -> dict[str, Shaped[np.ndarray, " k"]]:
    """Scores by joint of some videos together; NaN where the denominator is 0."""
    joint, confidence, right = (
        np.concatenate([ranks[key] for ranks in ranked]) for key in ("joint", "confidence", "right")
    )
    objects = np.sum([ranks["objects"] for ranks in ranked], axis=0)
    # The public evaluator counts AP 0 of a joint that is in neither file.
    absent = [0.0 if mode == "official" and not (joint == j).any() else np.nan for j in scored]
    precision = [
        average_precision(confidence[joint == j], right[joint == j].astype(bool), objects[j]) if objects[j] else other
        for j, other in zip(scored, absent, strict=True)
    ]
    scores = {"AP": 100 * np.array(precision)}
    if not counts[0]:
        return scores
    total = {name: np.sum([count[name] for count in counts], axis=0)[..., scored] for name in counts[0]}
    errors = total["misses"] + total["switches"] + total["false_positives"]
    motp, listed = (100 * (1 - _ratio(total[name], total["matches"])) for name in ("distance", "listed"))
    both = total["truth_joints"] + total["result_joints"]
    detection = _ratio(total["hota_matches"], both - total["hota_matches"])
    association = total["association"] / np.maximum(1, total["hota_matches"])
    share = np.where(total["truth_joints"] > 0, 100.0, np.nan)
    scores |= {
        "MOTA": 100 * (1 - _ratio(errors, total["objects"])),
        "MOTP": np.nan_to_num(motp) if mode == "official" else motp,
        **({"MOTP_listed": np.nan_to_num(listed)} if mode == "official" else {}),
        "IDF1": share * _ratio(2 * total["identity_matches"], both),
        "HOTA": share * np.sqrt(detection * association).mean(0),
        "DetA": share * detection.mean(0),
        "AssA": share * association.mean(0),
    }
    return scores | {name: total[name].astype(np.int64) for name in COUNTED}


def _ratio(above: Shaped[np.ndarray, "... k"], below: Shaped[np.ndarray, "... k"]) -> Float[np.ndarray, "... k"]:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _mean(scores: Mapping[str, Shaped[np.ndarray, " k"]]) -> dict:
    """Means of shares over the joints that are not NaN, and sums of counts."""
    means = {}
    for name, values in scores.items():
        known = values[~np.isnan(values)]
        means[name] = values.sum() if name in COUNTED else known.mean() if len(known) else np.nan
    return _plain(means)


def _plain(scores: Mapping[str, float | np.number]) -> dict:
    """Python numbers, None for NaN."""
    return {name: None if np.isnan(value) else np.asarray(value).item() for name, value in scores.items()}
