"""The components of tracking scores by joint: AP's ranking, CLEAR MOT's events, IDF1's and HOTA's pairs.

All but AP's add up over videos.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from stgraph.scoring.tracking.matching import NEAR, ScoredVideo, best_pairs, identity_columns, joint_pairs, pose_pairs

ALPHAS = np.arange(1, 20) / 20  # HOTA's thresholds of similarity
COUNTED = ("objects", "misses", "switches", "false_positives")

Counts = dict[str, Shaped[np.ndarray, "..."]]


def ranked_joints(video: ScoredVideo, mode: str) -> Counts:
    """AP's components: type, confidence and correctness of every resulting joint; annotated joints by type."""
    joint, confidence, right = [], [], []
    objects = np.zeros(len(video.result.skeleton))
    for frame in video.frames:
        if mode == "official" and not frame.annotated_people:
            continue
        pairs = pose_pairs(frame, first=mode == "official")
        hits = np.zeros(frame.present.shape, dtype=bool)
        paired = np.flatnonzero(pairs >= 0)
        hits[paired] = frame.near[pairs[paired], paired]
        joint.append(np.nonzero(frame.present)[1])
        confidence.append(frame.result[..., 2][frame.present])
        right.append(hits[frame.present])
        objects += frame.annotated.sum(0)
    columns = {"joint": joint, "confidence": confidence, "right": right}
    ranked = {name: np.concatenate(values) if values else np.zeros(0) for name, values in columns.items()}
    return ranked | {"objects": objects}


def average_precision(
    confidence: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], objects: float | np.number
) -> float:
    """Area under the precision-recall curve; precision is the maximum at that or a larger recall.

    Results of the same confidence form one point of the curve, so that their order does not matter.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2.0)
    0.8333333333333333
    """
    order = np.argsort(-confidence)
    last = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    hits = np.cumsum(right[order])[last]
    precision = np.maximum.accumulate((hits / (np.flatnonzero(last) + 1))[::-1])[::-1]
    return float(np.diff(hits, prepend=0) @ precision / objects)


def track_counts(video: ScoredVideo, mode: str) -> Counts:
    """The components of MOTA, MOTP, IDF1 and HOTA of a video by joint, which add up over videos."""
    return clear_counts(video, mode) | identity_counts(video) | hota_counts(video)


def clear_counts(video: ScoredVideo, mode: str) -> Counts:
    """CLEAR MOT by joint (j): objects, misses, switches, false positives, and the matches with their distances.

    A person keeps the identity of its last match while that is near, see `joint_pairs`; a match with another identity
    is a switch, however long ago the last match was. `listed` sums the distances of all rows in the table of events
    that motmetrics keeps today (1.4): of every near pair whether it is matched or not, and of the matches.
    """
    joints = len(video.result.skeleton)
    names = (*COUNTED, "matches", "distance", "listed")
    counts = {name: np.zeros(joints) for name in names}
    held = np.full((len(video.persons), joints), -1)
    # The person of each identity's last assignment that no earlier match decided, and whether it was ever matched.
    owner = np.full((len(video.identities), joints), -1)
    matched = np.zeros(owner.shape, bool)
    frames = [frame for frame in video.frames if frame.annotated_people][:-1] if mode == "official" else video.frames
    for frame in frames:
        if mode == "official" and not (len(frame.truth) and len(frame.result)):
            for name in ("objects", "misses", "false_positives"):
                counts[name] += 1
            continue
        pairs = joint_pairs(frame.distance, identity_columns(held[frame.person], frame.identity))
        p, joint = np.nonzero(pairs >= 0)
        identity, person = frame.identity[pairs[p, joint]], frame.person[p]
        matches = np.bincount(joint, minlength=joints)
        before = held[person, joint]
        switched = (before >= 0) & (before != identity)
        assigned = before != identity
        taken = assigned & (owner[identity, joint] >= 0) & (owner[identity, joint] != person)
        # motmetrics' rows of a match: MATCH or SWITCH; with ASCEND, TRANSFER and MIGRATE where they apply.
        rows = 1 + (switched & ~matched[identity, joint]) + taken * (1 + (before < 0))
        held[person, joint] = identity
        owner[identity[assigned], joint[assigned]] = person[assigned]
        matched[identity, joint] = True
        counts["objects"] += frame.annotated.sum(0)
        counts["misses"] += frame.annotated.sum(0) - matches
        counts["false_positives"] += frame.present.sum(0) - matches
        counts["switches"] += np.bincount(joint[switched], minlength=joints)
        counts["matches"] += matches
        apart = frame.distance[p, pairs[p, joint], joint]
        counts["distance"] += np.bincount(joint, apart, minlength=joints)
        counts["listed"] += np.where(frame.near, frame.distance, 0).sum((0, 1))
        counts["listed"] += np.bincount(joint, rows * apart, minlength=joints)
    return counts


def identity_counts(video: ScoredVideo) -> Counts:
    """IDF1 by joint (j): annotated and resulting joints, and the matches under the best pairing of identities.

    Each person is paired with one identity for the whole video (Ristani et al. 2016).
    """
    truth, result = _appearances(video)
    together = np.zeros((len(video.persons), len(video.identities), truth.shape[1]))
    for frame in video.frames:
        together[np.ix_(frame.person, frame.identity)] += frame.near
    pairs = best_pairs(together)
    person, joint = np.nonzero(pairs >= 0)
    agreeing = np.bincount(joint, together[person, pairs[person, joint], joint], minlength=truth.shape[1])
    return {"truth_joints": truth.sum(0), "result_joints": result.sum(0), "identity_matches": agreeing}


def hota_counts(video: ScoredVideo) -> Counts:
    """HOTA by threshold and joint (a j): matches, and the sum over them of the Jaccard index of their tracks.

    Luiten et al. 2021, with similarity 1 - distance / 0.5 head sizes. A frame's pairs have the largest sum of
    similarity x alignment, the soft Jaccard index of the two whole tracks.
    """
    truth, result = _appearances(video)
    joints = truth.shape[1]
    similarities = [np.clip(1 - frame.distance / NEAR, 0, None) for frame in video.frames]
    alike = np.zeros((len(video.persons), len(video.identities), joints))
    for frame, similarity in zip(video.frames, similarities, strict=True):
        shared = similarity.sum(0, keepdims=True) + similarity.sum(1, keepdims=True) - similarity
        alike[np.ix_(frame.person, frame.identity)] += similarity / np.where(shared > 0, shared, 1)
    either = truth[:, None] + result[None] - alike
    alignment = alike / np.where(either > 0, either, 1)
    tracks, values = [], []
    for frame, similarity in zip(video.frames, similarities, strict=True):
        pairs = best_pairs(alignment[np.ix_(frame.person, frame.identity)] * similarity)
        p, joint = np.nonzero(pairs >= 0)
        q = pairs[p, joint]
        tracks.append(np.ravel_multi_index((frame.person[p], frame.identity[q], joint), alike.shape))
        values.append(similarity[p, q, joint])
    if not tracks:
        return {"hota_matches": np.zeros((len(ALPHAS), joints)), "association": np.zeros((len(ALPHAS), joints))}
    track, index = np.unique(np.concatenate(tracks), return_inverse=True)
    value = np.concatenate(values)
    person, identity, joint = np.unravel_index(track, alike.shape)
    # As HOTA's authors: a similarity below the threshold by rounding only reaches it.
    reached = [value >= alpha - np.finfo(float).eps for alpha in ALPHAS]
    matches = np.stack([np.bincount(index[row], minlength=len(track)) for row in reached])
    agreement = matches / (truth[person, joint] + result[identity, joint] - matches)
    return {
        "hota_matches": np.stack([np.bincount(joint, row, joints) for row in matches]),
        "association": np.stack([np.bincount(joint, row, joints) for row in matches * agreement]),
    }


def _appearances(video: ScoredVideo) -> tuple[Int[np.ndarray, "persons j"], Int[np.ndarray, "identities j"]]:
    """Number of frames in which each person and each identity has each joint."""
    joints = len(video.result.skeleton)
    truth = np.zeros((len(video.persons), joints), dtype=np.int64)
    result = np.zeros((len(video.identities), joints), dtype=np.int64)
    for frame in video.frames:
        truth[frame.person] += frame.annotated
        result[frame.identity] += frame.present
    return truth, result
