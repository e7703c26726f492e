"""The online tracker: from detections without identity, frame by frame, to people with identities and joints."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.special import gammainc

from stgraph.errors import InputError
from stgraph.formats.posetrack import Mark
from stgraph.geometry import FARTHEST, numbers_of
from stgraph.skeleton import Skeleton
from stgraph.tracking.assignment import assigned
from stgraph.tracking.limbs import Limbs
from stgraph.tracking.options import TrackerOptions
from stgraph.tracking.predictors import Forecast, Predictor, concatenate, positive_scale, select
from stgraph.tracking.similarity import SMALLEST, Others, Poses, alike, box, circle, nms, sigmas, touching

HALF_HEAD = 0.2  # half a head size in body scales: a prediction with a larger error is wrong
SAME = 1e-6  # relative difference of coordinates below which a joint counts as not merged
# Skeletons of fewer joints have no shape by which predictions differ from other people; and so many times the size of
# both bodies, the diagonals of their boxes and at least `SMALLEST`, one moves between two frames.
SHAPELESS, LEAP = 5, 4.0
CONFIRMED_FIRST = 0.02  # reduction of a track's OKS in the assignment if it was not matched in the frame before


class State(IntEnum):
    """Of a track. Tentative: not confirmed, not reported. Confirmed: matched. Lost: confirmed before, not matched."""

    TENTATIVE = 0
    CONFIRMED = 1
    LOST = 2


# As plain numbers: NumPy takes 20 times as long to compare small arrays with members of an enumeration.
TENTATIVE, CONFIRMED, LOST = map(int, State)
ABSENT, DETECTED, MERGED, PREDICTED = map(int, Mark)


@dataclass(frozen=True)
class People:
    """The people that are reported in a frame, in order of their identities.

    Attributes:
        id: (p) identity. state: (p) `State`. detection: (p) index into the frame's detections, -1 for none.
        pose: (p j d). confidence: (p j), 0 where nothing is reported; that of predicted joints falls with time.
        mark: (p j) `Mark` of each joint.
    """

    id: Int[np.ndarray, " p"]
    state: Int[np.ndarray, " p"]
    detection: Int[np.ndarray, " p"]
    pose: Float[np.ndarray, "p j d"]
    confidence: Float[np.ndarray, "p j"]
    mark: UInt8[np.ndarray, "p j"]

    @property
    def score(self) -> Float[np.ndarray, " p"]:
        """Mean confidence of the joints that are reported."""
        return self.confidence.sum(axis=1) / (self.mark != ABSENT).sum(axis=1).clip(1)

    def __len__(self) -> int:
        return len(self.id)


@dataclass
class Tracks:
    """The tracks, beside the predictor's state.

    Attributes:
        seen: time of the last detection, seconds.
        limbs: usual lengths of the bones, see `stgraph.tracking.limbs`.
    """

    id: Int[np.ndarray, " p"]
    state: Int[np.ndarray, " p"]
    hits: Int[np.ndarray, " p"]
    seen: Float[np.ndarray, " p"]
    limbs: Float[np.ndarray, "p b 2"]

    def __len__(self) -> int:
        return len(self.id)

    def select(self, mask: Bool[np.ndarray, " p"]) -> "Tracks":
        """Some of them."""
        return Tracks(*(values[mask] for values in vars(self).values()))

    def add(self, other: "Tracks") -> "Tracks":
        """These and others."""
        return Tracks(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Detections:
    """The detections of a frame that are used: m poses (m j d), confidences (m j), indices into the input, and scores,
    the mean confidences of the detected joints.
    """

    pose: Float[np.ndarray, "m j d"]
    confidence: Float[np.ndarray, "m j"]
    index: Int[np.ndarray, " m"]
    score: Float[np.ndarray, " m"]

    def __len__(self) -> int:
        return len(self.index)

    def select(self, at: Int[np.ndarray, " n"]) -> "Detections":
        """Some of them."""
        return Detections(self.pose[at], self.confidence[at], self.index[at], self.score[at])


class Tracker:
    """Tracks people online: no later frame is used, and the memory of a person has a fixed size.

    In each frame the tracks are predicted; predictions and detections are matched one to one by OKS, whose variances
    include the uncertainty of each prediction; pairs below the gate are not matched. Matched joints are merged, missed
    joints are predicted. An unmatched track continues by predictions, each made from those before, until `max_age`.
    Predicted joints keep the lengths of the person's limbs.

    Skeletons of fewer than 5 joints are then matched by the distance from the last pose, and if `people` says how many
    there are, whatever is left with the nearest.

        tracker = Tracker(run.predictor(), run.skeleton)
        for poses, scores, time in frames:                # (m j d); (m j) or (m); seconds
            people = tracker.update(poses, scores, time)

    Args:
        predictor: of a trained run (`run.predictor()`), or one of `stgraph.tracking.predictors.PREDICTORS`.
        skeleton: of the poses.
        size: width and height of the image in pixels; predicted joints outside it are not reported. None: unlimited.
        options: see `TrackerOptions`.

    Attributes:
        dropped: option -> detections that were not used because of it; "max_age" counts identities that ended.
    """

    def __init__(
        self,
        predictor: Predictor,
        skeleton: Skeleton,
        *,
        size: tuple[int, int] | None = None,
        options: TrackerOptions | None = None,
    ) -> None:
        self.predictor, self.skeleton, self.size = predictor, skeleton, size
        self.options = options or TrackerOptions()
        self.sigmas = sigmas(skeleton)
        self.limbs = Limbs(skeleton)
        empty = (np.zeros(0, kind) for kind in (int, int, int, float))
        self.tracks = Tracks(*empty, limbs=np.zeros((0, len(self.limbs), 2)))
        self.dropped: Counter[str] = Counter()
        self.memory: tuple = ()  # the predictor's state, empty without tracks
        self.frames, self.next_id, self.time, self.dimensions = 0, 1, -np.inf, 0

    def update(
        self,
        poses: Float[np.ndarray, "m j d"] | Float[np.ndarray, "0"] | Sequence,
        scores: Float[np.ndarray, "m j"] | Float[np.ndarray, " m"] | Sequence,
        time: float,
        *,
        tentative: bool = False,
    ) -> People:
        """Add a frame; returns the detected and the predicted people in it.

        Args:
            poses: (m j 2) pixels or (m j 3) metres; coordinates of a joint that was not detected are ignored.
            scores: (m j) confidence of each joint, 0 = not detected; or (m) of each pose. A joint with a number that is
                not finite was not detected. A pose without a detected joint is ignored.
            time: seconds; later than that of the frame before.
            tentative: also return people who are not confirmed yet, for callers that know what follows.

        Raises:
            InputError: a time that is not later, a wrong number of joints or coordinates, no numbers, or numbers beyond
                any image. The tracker is then unchanged.
        """
        detections = self.suppressed(self.checked(poses, scores, time))
        self.frames, self.time = self.frames + 1, float(time)
        if len(self.tracks) and not self.options.people:
            young = self.time - self.tracks.seen <= self.options.max_age
            self.dropped["max_age"] += int((~young).sum())
            self.keep(young)
        match = np.full(len(self.tracks), -1)
        if len(match):
            forecast = self.predictor.predict(self.memory, self.time)
            match = self.match(forecast, detections)
            match = match[self.advance(forecast, match, detections)]
        free = left(match, len(detections))
        likely = free[detections.score[free] >= self.options.birth_score]
        born = likely[: max(0, self.options.people - len(self.tracks))] if self.options.people else likely
        self.dropped.update(birth_score=len(free) - len(likely), people=len(likely) - len(born))
        if len(born):
            self.begin(detections.select(born))
        return self.report(np.concatenate([match, born]).astype(int), detections, tentative)

    # Input ------------------------------------------------------------------------------------------------------------

    def checked(self, poses: object, scores: object, time: object) -> Detections:
        """The frame's detections, zero at undetected joints. Raises InputError, see `update`."""
        where = f"frame {self.frames}"
        seconds = numbers_of(time, f"{where}, time")
        if seconds.shape or not np.isfinite(seconds) or seconds <= self.time:
            given = f"{time}" if seconds.shape else f"{seconds:g}"
            problem = f"its time is {given} s, that of the frame before {self.time:g} s"
            raise InputError(problem, where=where, remedy="give every frame once, in order")
        pose, confidence = numbers_of(poses, f"{where}, poses"), numbers_of(scores, f"{where}, scores")
        if pose.ndim and not len(pose):
            pose, confidence = self.empty()
            return Detections(pose, confidence, np.zeros(0, int), np.zeros(0))
        dimensions = (self.dimensions,) if self.dimensions else (2, 3)
        if pose.ndim != 3 or pose.shape[1] != len(self.skeleton) or pose.shape[2] not in dimensions:
            expected = (
                f"(persons, {len(self.skeleton)} joints of {self.skeleton.name!r}, {' or '.join(map(str, dimensions))})"
            )
            raise InputError(where=where, found=f"poses of shape {pose.shape}", expected=f"{expected} as in all frames")
        if confidence.shape == pose.shape[:1]:
            confidence = np.repeat(confidence[:, None], pose.shape[1], axis=1)
        if confidence.shape != pose.shape[:2]:
            expected = f"one for each of {len(pose)} poses, or for each of their {pose.shape[1]} joints"
            raise InputError(where=where, found=f"scores of shape {confidence.shape}", expected=expected)
        seen = np.isfinite(confidence) & (confidence != 0) & np.isfinite(pose).all(axis=2)
        broken = seen & ((confidence < 0) | (confidence > FARTHEST) | (np.abs(pose) > FARTHEST).any(axis=2))
        if broken.any():
            person, joint = np.argwhere(broken)[0]
            raise InputError(
                where=f"{where}, detection {person}, joint {self.skeleton.names[joint]}",
                found=f"{pose[person, joint]} with confidence {confidence[person, joint]}",
                expected=f"numbers up to {FARTHEST:.0f}, and a confidence from 0 on",
            )
        self.dimensions = pose.shape[2]
        pose, confidence = np.where(seen[..., None], pose, 0), np.where(seen, confidence, 0)
        score = confidence.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        return Detections(pose, confidence, np.arange(len(pose)), score)

    def empty(self) -> tuple[Float[np.ndarray, "0 j d"], Float[np.ndarray, "0 j"]]:
        """Poses of no people, and their confidences."""
        shape = (0, len(self.skeleton), self.dimensions or 2)
        return np.zeros(shape), np.zeros(shape[:2])

    def suppressed(self, detections: Detections) -> Detections:
        """The best detections, best first; those without a joint or too similar to a better one are dropped."""
        there = detections.select(np.flatnonzero(detections.score))
        kept = nms(there.pose, there.confidence > 0, there.score, self.options.nms_oks, self.sigmas)
        self.dropped.update(nms_oks=len(there) - len(kept), unseen=len(detections) - len(there))
        return there.select(kept)

    # One frame --------------------------------------------------------------------------------------------------------

    def match(self, forecast: Forecast, detections: Detections) -> Int[np.ndarray, " p"]:
        """The detection of each track, -1 for none: the assignment of the largest OKS above the gate, in sum."""
        known, seen = forecast.known, detections.confidence > 0
        shape, gate = (len(known), len(seen)), self.options.gate
        pairs = (forecast.pose, known), (detections.pose, seen)
        track, detection, value = alike(*pairs, gate, self.sigmas, forecast.spread)
        gain = value - gate - CONFIRMED_FIRST * (self.tracks.state != CONFIRMED)[track]
        match = assigned(track[gain > 0], detection[gain > 0], gain[gain > 0], shape)
        if len(self.skeleton) < SHAPELESS:
            match = self.match_left(match, *pairs, LEAP)
        if len(self.tracks) >= self.options.people > 0:
            match = self.match_left(match, *pairs, np.inf)
        return match

    def match_left(self, match: Int[np.ndarray, " p"], tracks: Poses, detections: Others, leap: float) -> np.ndarray:
        """The match, with tracks and detections that are left matched by their distance.

        Args:
            tracks, detections: predicted and detected poses.
            leap: the largest distance between their centres, by the mean of their sizes.
        """
        rows, columns = np.flatnonzero(match < 0), left(match, len(detections[0]))
        if not len(rows) or not len(columns):
            return match
        circles = []
        for (pose, seen), at in ((tracks, rows), (detections, columns)):
            centre, radius = circle(box(pose[at], seen[at]), 0.0)
            size = np.maximum(2 * radius, SMALLEST[pose.shape[2]])
            circles += [centre, np.full(len(at), leap) if np.isinf(leap) else leap * size / 2]
        track, detection = touching(*circles)
        apart = np.linalg.norm(circles[0][track] - circles[2][detection], axis=1)
        # Any pair is better than none; then the sum of distances is the least.
        gain = 1 + (len(rows) + 1) * (apart.max(initial=0) + 1) - apart
        found = assigned(track, detection, gain, (len(rows), len(columns)))
        match = match.copy()
        match[rows[found >= 0]] = columns[found[found >= 0]]
        return match

    def advance(
        self, forecast: Forecast, match: Int[np.ndarray, " p"], detections: Detections
    ) -> Bool[np.ndarray, " p"]:
        """Merge matched detections and set the tracks' states; returns which tracks are kept."""
        tracks, hit = self.tracks, match >= 0
        matched = detections.select(match[hit])
        pose, confidence = np.zeros_like(forecast.pose), np.zeros(forecast.pose.shape[:2])
        pose[hit], confidence[hit] = matched.pose, matched.confidence
        self.memory = self.predictor.merge(self.memory, forecast, pose, confidence, self.time)
        tracks.hits = tracks.hits + hit
        tracks.seen = np.where(hit, self.time, tracks.seen)
        tracks.limbs = self.limbs.observed(tracks.limbs, pose, confidence > 0)
        confirmed = (tracks.hits >= self.options.min_hits) | (tracks.state != TENTATIVE)
        confirmed[hit] |= matched.score >= self.options.confirm_score
        tentative = tracks.state == TENTATIVE
        tracks.state = np.where(
            hit,
            np.where(confirmed, CONFIRMED, TENTATIVE),
            np.where(tentative, TENTATIVE, LOST),
        )
        # Drop tentative tracks that were not matched.
        kept = hit | ~tentative
        self.dropped["min_hits"] += int(tracks.hits[~kept].sum())
        self.keep(kept)
        return kept

    def keep(self, mask: Bool[np.ndarray, " p"]) -> None:
        """Drop all other tracks."""
        if not mask.all():
            self.tracks, self.memory = self.tracks.select(mask), select(self.memory, mask)

    def begin(self, detections: Detections) -> None:
        """Start tracks."""
        count = len(detections)
        at_once = (detections.score >= self.options.confirm_score) | (self.options.min_hits == 1)
        none = np.zeros((count, len(self.limbs), 2))
        tracks = Tracks(
            id=np.arange(self.next_id, self.next_id + count),
            state=np.where(at_once, CONFIRMED, TENTATIVE),
            hits=np.ones(count, int),
            seen=np.full(count, self.time),
            limbs=self.limbs.observed(none, detections.pose, detections.confidence > 0),
        )
        state = self.predictor.start(detections.pose, detections.confidence, self.time)
        self.memory = concatenate([self.memory, state]) if len(self.tracks) else state
        self.tracks, self.next_id = self.tracks.add(tracks), self.next_id + count

    def report(self, match: Int[np.ndarray, " p"], detections: Detections, tentative: bool) -> People:
        """The people that are reported, with the joints that are probably right."""
        tracks = self.tracks
        if not len(tracks):
            (pose, confidence), none = self.empty(), np.zeros(0, int)
            mark = confidence.astype(np.uint8)
            return People(id=none, state=none, detection=none, pose=pose, confidence=confidence, mark=mark)
        pose, spread, certainty = self.predictor.estimate(self.memory)
        hit = match >= 0
        matched, detected = detections.select(match[hit]), np.zeros(certainty.shape)
        detected[hit] = matched.confidence
        seen, moved = detected > 0, np.zeros(certainty.shape, bool)
        moved[hit] = (np.abs(pose[hit] - matched.pose) > SAME * (1 + np.abs(pose[hit]))).any(axis=2)
        mark = np.where(seen, np.where(moved, MERGED, DETECTED), np.where(certainty > 0, PREDICTED, ABSENT))
        confidence = detected
        if (mark == PREDICTED).any():
            pose, mark, confidence = self.with_predicted(pose, spread, certainty, mark, detected)
        # A track with few hits is reported only while it is detected, others for a short time after.
        coasting = (tracks.hits >= self.options.coast_hits) & (self.time - tracks.seen <= self.options.coast_seconds)
        reported = (tracks.state == CONFIRMED) | (tracks.state == LOST) & coasting
        reported |= (tracks.state == TENTATIVE) & tentative
        order = np.flatnonzero(reported & (mark != ABSENT).any(axis=1))
        detection = np.full(len(tracks), -1)
        detection[hit] = matched.index
        mark = mark.astype(np.uint8)
        return People(*(values[order] for values in (tracks.id, tracks.state, detection, pose, confidence, mark)))

    def with_predicted(
        self,
        pose: Float[np.ndarray, "p j d"],
        spread: Float[np.ndarray, "p j"],
        certainty: Float[np.ndarray, "p j"],
        mark: Int[np.ndarray, "p j"],
        detected: Float[np.ndarray, "p j"],
    ) -> tuple[Float[np.ndarray, "p j d"], Int[np.ndarray, "p j"], Float[np.ndarray, "p j"]]:
        """Poses with usual lengths of limbs, marks that leave out what is probably wrong, and confidences.

        Args:
            pose, spread, certainty: as estimated.
            mark: of each joint.
            detected: confidence of the joints that were detected, 0 for others.
        """
        # Probability of an error below half a head size, where its density falls as exp(-error / s) in d dimensions.
        dimensions, scale = pose.shape[2], positive_scale(pose, certainty > 0)
        probability = gammainc(dimensions, np.sqrt(dimensions + 1) * HALF_HEAD * scale / np.maximum(spread, 1e-9))
        pose, impossible = self.limbs.kept(pose, mark == PREDICTED, self.tracks.limbs)
        shown = (probability >= self.options.min_probability) & ~impossible
        if self.size is not None:
            shown &= ((pose[..., :2] >= 0) & (pose[..., :2] < np.array(self.size))).all(axis=2)
        mark = np.where((mark == PREDICTED) & ~shown, ABSENT, mark)
        confidence = np.where(mark == PREDICTED, certainty.clip(0.05) * probability, detected)
        return pose, mark, confidence


def left(match: Int[np.ndarray, " p"], count: int) -> Int[np.ndarray, " n"]:
    """Which of so many detections no track was matched to."""
    free = np.ones(count, bool)
    free[match[match >= 0]] = False
    return np.flatnonzero(free)
