"""The online tracker: detections without identity in, frame by frame; people who keep their names and joints out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.optimize import linear_sum_assignment
from scipy.special import gammainc

from stgraph.errors import InputError
from stgraph.formats.posetrack import Video
from stgraph.skeleton import Skeleton
from stgraph.tracking.predictors import Forecast, Predictor, body_scale, chosen, joined
from stgraph.tracking.similarity import area, nms, oks, sigmas

MARKS = ("absent", "detected", "merged", "predicted")
ABSENT, DETECTED, MERGED, PREDICTED = range(len(MARKS))
NEAR = 0.2  # body scales, about half a head: a prediction that is further off is wrong
SAME = 1e-6  # of a coordinate: by less a joint is as it was detected
CROWD = 128  # detections of a frame that are used, the best ones; people who are remembered


class State(IntEnum):
    """Of a person: seen too rarely to be reported, reported, or reported without having been detected."""

    TENTATIVE = 0
    CONFIRMED = 1
    LOST = 2


@dataclass(frozen=True)
class People:
    """The people of a frame, in order of their identities.

    Attributes:
        id: (p) identity. state: (p) `State`. detection: (p) index into the frame's detections, -1 for who is lost.
        pose: (p j d). confidence: (p j), 0 where nothing is reported; that of predicted joints falls with time.
        mark: (p j) index into `MARKS`: how each joint came about.
        score: (p) mean confidence of the joints that are reported.
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
class Known:
    """What is kept of the people who are followed, beside the predictor's state."""

    id: Int[np.ndarray, " p"]
    state: Int[np.ndarray, " p"]
    hits: Int[np.ndarray, " p"]
    seen: Float[np.ndarray, " p"]  # time of the last detection

    def keep(self, mask: Bool[np.ndarray, " p"]) -> "Known":
        """Some of them."""
        return Known(*(values[mask] for values in vars(self).values()))

    def add(self, other: "Known") -> "Known":
        """And others."""
        return Known(*(np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


class Tracker:
    """Follows people, online: no frame is waited for, and what is kept of a person has a fixed size.

    Each person is predicted; predictions and detections are matched one to one by OKS, whose variances include how
    unsure each prediction is; a pair below the gate is not matched. Matched joints are merged, missed ones predicted,
    and who is not detected lives on by predictions, each made from those before, until `max_age`.

        tracker = Tracker(run.predictor(), run.skeleton)
        for poses, scores, time in frames:                # (m j 3): x, y, confidence; (m j) or (m); seconds
            people = tracker.update(poses, scores, time)

    Args:
        predictor: a trained model's (`DynamicsRun.predictor`) or one of `stgraph.tracking.predictors.PREDICTORS`.
        skeleton: of the poses.
        size: width and height of the image in pixels, outside which no predicted joint is reported; None: everywhere.
        gate: least OKS of a match.
        confirm: frames in which a person has to be detected to be reported.
        sure: score of a detection that is reported at once.
        least: score below which a detection begins no person.
        proven: frames in which a person has to be detected to be reported while it is not.
        linger: seconds that a person is reported without being detected.
        likely: chance of being within half a head's size from which a predicted joint is reported.
        max_age: seconds that a person is remembered without being detected, and keeps its identity.
        duplicate: OKS from which two detections are one person, of whom the better one counts.

    Raises:
        InputError: a setting that cannot work.
    """

    def __init__(
        self,
        predictor: Predictor,
        skeleton: Skeleton,
        *,
        size: tuple[int, int] | None = None,
        gate: float = 0.2,
        confirm: int = 4,
        sure: float = 0.7,
        least: float = 0.3,
        proven: int = 8,
        linger: float = 0.4,
        likely: float = 0.25,
        max_age: float = 1.3,
        duplicate: float = 0.7,
    ) -> None:
        for name, value in (("gate", gate), ("duplicate", duplicate)):
            if not 0 < value <= 1:
                raise InputError(f"{name}: found {value}; expected an OKS, more than 0 and at most 1")
        if confirm < 1 or not max_age >= 0:
            raise InputError(f"confirm {confirm}, max_age {max_age}: expected 1 frame or more, and 0 seconds or more")
        self.predictor, self.skeleton, self.size = predictor, skeleton, size
        self.gate, self.confirm, self.sure, self.least = gate, confirm, sure, least
        self.proven, self.linger, self.likely = proven, linger, likely
        self.max_age, self.duplicate = max_age, duplicate
        self.sigmas = sigmas(skeleton)
        self.people = Known(*(np.zeros(0, kind) for kind in (int, int, int, float)))
        self.memory: tuple | None = None
        self.frames, self.next_id, self.time, self.dimensions = 0, 1, -np.inf, 0

    def update(
        self,
        poses: Float[np.ndarray, "m j d"] | Float[np.ndarray, "0"] | Sequence,
        scores: Float[np.ndarray, "m j"] | Float[np.ndarray, " m"] | Sequence,
        time: float,
    ) -> People:
        """Add a frame; returns the people in it, and those who are believed to be.

        Args:
            poses: (m j 2) pixels or (m j 3) metres; what stands where a joint was not detected does not matter.
            scores: (m j) confidence of each joint, 0 = not detected; or (m) one for all joints of a pose. A pose
                without any joint is nobody.
            time: seconds; later than that of the frame before.

        Raises:
            InputError: a time that is not later, another number of joints or coordinates, or numbers that are not
                finite. The tracker is then as it was.
        """
        pose, confidence = self.checked(poses, scores, time)
        index = self.usable(pose, confidence)
        pose, confidence = pose[index], confidence[index]
        self.frames, self.time = self.frames + 1, float(time)
        if len(self.people.id):
            self.keep(self.time - self.people.seen <= self.max_age)
        match = np.full(len(self.people.id), -1)
        if len(match):
            forecast = self.predictor.predict(self.memory, self.time)
            match = self.match(forecast, pose, confidence)
            match = match[self.follow(forecast, match, pose, confidence)]
        free = np.setdiff1d(np.arange(len(pose)), match)
        begun = free[score_of(confidence[free]) >= self.least][: max(0, CROWD - len(self.people.id))]
        match = np.concatenate([match, begun]).astype(int)
        if len(begun):
            self.begin(pose[begun], confidence[begun])
        return self.report(match, index, pose, confidence)

    # Input ------------------------------------------------------------------------------------------------------------

    def checked(self, poses: object, scores: object, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Poses (m j d) with zeros where a joint was not detected, and the confidence of each joint (m j)."""
        where = f"frame {self.frames}"
        if not np.isfinite(time) or time <= self.time:
            raise InputError(
                f"{where}: its time is {time:g} s, that of the frame before {self.time:g} s; give every frame once, in "
                "order"
            )
        try:
            pose, confidence = (np.asarray(values, dtype=np.float64) for values in (poses, scores))
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {error}; give every pose as many joints, all of them numbers") from error
        if not len(pose):
            shape = (0, len(self.skeleton), self.dimensions or 2)
            return np.zeros(shape), np.zeros(shape[:2])
        dimensions = (self.dimensions,) if self.dimensions else (2, 3)
        if pose.ndim != 3 or pose.shape[1] != len(self.skeleton) or pose.shape[2] not in dimensions:
            raise InputError(
                f"{where}: poses of shape {pose.shape}; expected (persons, {len(self.skeleton)} joints of "
                f"{self.skeleton.name!r}, {' or '.join(map(str, dimensions))}); the joints of all frames are the same"
            )
        if confidence.shape == pose.shape[:1]:
            confidence = np.repeat(confidence[:, None], pose.shape[1], axis=1)
        if confidence.shape != pose.shape[:2]:
            raise InputError(
                f"{where}: scores of shape {confidence.shape}; expected one for each of {len(pose)} poses, or for each "
                f"of their {pose.shape[1]} joints"
            )
        broken = ~np.isfinite(confidence) | ((confidence != 0) & ~np.isfinite(pose).all(axis=2)) | (confidence < 0)
        if broken.any():
            person, joint = np.argwhere(broken)[0]
            raise InputError(
                f"{where}, detection {person}, joint {self.skeleton.names[joint]}: {pose[person, joint]} with "
                f"confidence {confidence[person, joint]}; give finite numbers, and confidence 0 for what was not seen"
            )
        self.dimensions = pose.shape[2]
        return np.where(confidence[..., None] > 0, pose, 0), confidence

    def usable(self, pose: np.ndarray, confidence: np.ndarray) -> Int[np.ndarray, " n"]:
        """Detections that are somebody: the best ones, each person once."""
        score = score_of(confidence)
        index = np.flatnonzero((confidence > 0).any(axis=1))
        index = index[np.argsort(-score[index], kind="stable")[: 2 * CROWD]]
        kept = nms(pose[index], confidence[index] > 0, score[index], self.duplicate, self.sigmas)
        return index[kept][:CROWD]

    # One frame --------------------------------------------------------------------------------------------------------

    def match(self, forecast: Forecast, pose: np.ndarray, confidence: np.ndarray) -> Int[np.ndarray, " p"]:
        """The detection of each person, -1 for none: the assignment of least cost; being lost costs 1 - gate."""
        known = self.predictor.believed(self.memory).confidence > 0
        seen = confidence > 0
        if not len(pose):
            return np.full(len(known), -1)
        areas = area(forecast.pose, known), area(pose, seen)
        likeness = oks(forecast.pose, pose, known, seen, self.sigmas, *areas, spread=forecast.spread)
        # Those who were seen just now come first where two would do: a little, so that no better match is lost to it.
        likeness = likeness - 0.02 * (self.people.state != State.CONFIRMED)[:, None]
        lost = np.full((len(known), len(known)), 1 - self.gate)
        person, detection = linear_sum_assignment(np.concatenate([1 - likeness, lost], axis=1))
        found = np.full(len(known), -1)
        found[person] = np.where(detection < len(pose), detection, -1)
        return found

    def follow(self, forecast: Forecast, match: np.ndarray, pose: np.ndarray, confidence: np.ndarray) -> np.ndarray:
        """Merge what was matched, and predict the others; returns who of them is followed further."""
        people, found = self.people, match >= 0
        detected = np.zeros_like(forecast.pose)
        certain = np.zeros(forecast.pose.shape[:2])
        detected[found], certain[found] = pose[match[found]], confidence[match[found]]
        self.memory = self.predictor.merge(self.memory, forecast, detected, certain, self.time)
        people.hits = people.hits + found
        people.seen = np.where(found, self.time, people.seen)
        reported = (people.hits >= self.confirm) | (people.state != State.TENTATIVE)
        sure = np.zeros(len(found), bool)
        sure[found] = score_of(certain[found]) >= self.sure
        people.state = np.where(
            found,
            np.where(reported | sure, State.CONFIRMED, State.TENTATIVE),
            np.where(people.state == State.TENTATIVE, State.TENTATIVE, State.LOST),
        )
        # Whoever was seen once and then not at all was nobody.
        kept = found | (people.state != State.TENTATIVE)
        self.keep(kept)
        return kept

    def keep(self, mask: Bool[np.ndarray, " p"]) -> None:
        """Forget all others."""
        if not mask.all():
            self.people, self.memory = self.people.keep(mask), chosen(self.memory, mask)

    def begin(self, pose: np.ndarray, confidence: np.ndarray) -> None:
        """Follow people who were not known."""
        count = len(pose)
        state = np.where((score_of(confidence) >= self.sure) | (self.confirm == 1), State.CONFIRMED, State.TENTATIVE)
        new = Known(
            np.arange(self.next_id, self.next_id + count), state, np.ones(count, int), np.full(count, self.time)
        )
        begun = self.predictor.start(pose, confidence, self.time)
        self.next_id += count
        self.memory = joined([self.memory, begun]) if len(self.people.id) else begun
        self.people = self.people.add(new)

    def report(self, match: np.ndarray, index: np.ndarray, given: np.ndarray, confidence: np.ndarray) -> People:
        """The people who are reported, with the joints that are likely right."""
        people = self.people
        if not len(people.id):
            shape = (0, len(self.skeleton), self.dimensions or 2)
            none = np.zeros(0, int)
            return People(none, none, none, np.zeros(shape), np.zeros(shape[:2]), np.zeros(shape[:2], np.uint8))
        pose, spread, believed = self.predictor.believed(self.memory)
        found = match >= 0
        detected = np.zeros(believed.shape)
        detected[found] = confidence[match[found]]
        seen, moved = detected > 0, np.zeros(believed.shape, bool)
        moved[found] = (np.abs(pose[found] - given[match[found]]) > SAME * (1 + np.abs(pose[found]))).any(axis=2)
        mark = np.where(seen, np.where(moved, MERGED, DETECTED), np.where(believed > 0, PREDICTED, ABSENT))
        # How likely the error is below half a head's size, where its density falls as exp(-error / s) in d dimensions.
        size, dimensions = body_scale(pose, believed > 0)[:, None], pose.shape[2]
        right = gammainc(dimensions, np.sqrt(dimensions + 1) * NEAR * size / np.maximum(spread, 1e-9))
        certain = np.where(seen, detected, believed.clip(0.05) * right)
        mark = np.where((mark == PREDICTED) & (right < self.likely), ABSENT, mark)
        if self.size is not None:
            inside = ((pose[..., :2] >= 0) & (pose[..., :2] < np.array(self.size))).all(axis=2)
            mark = np.where((mark == PREDICTED) & ~inside, ABSENT, mark)
        # Who was seen too rarely is somebody only while seen, and nobody for long.
        recent = self.time - people.seen <= self.linger
        shown = (people.state == State.CONFIRMED) | (people.state == State.LOST) & (people.hits >= self.proven) & recent
        shown &= (mark != ABSENT).any(axis=1)
        detection = np.where(found, index[match] if len(index) else -1, -1)
        order = np.flatnonzero(shown)
        return People(
            people.id[order],
            people.state[order],
            detection[order],
            pose[order],
            np.where(mark == ABSENT, 0, certain)[order],
            mark.astype(np.uint8)[order],
        )


def score_of(confidence: Float[np.ndarray, "m j"]) -> Float[np.ndarray, " m"]:
    """Mean confidence of the joints that were detected."""
    return confidence.sum(axis=1) / (confidence > 0).sum(axis=1).clip(1)


def follow(tracker: Tracker, video: Video, fps: float) -> Video:
    """Everybody in a video of detections, followed frame by frame; frames without detections, too.

    Args:
        video: of a detector; identities in it are not looked at.
        fps: frames per second, by which the numbers of frames become times.

    Returns:
        the same frames with people who carry identities, and how each joint came about.
    """
    bounds = np.searchsorted(video.frame, np.arange(len(video) + 1))
    found: list[People] = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        rows = slice(first, last)
        found.append(tracker.update(video.pose[rows, :, :2], video.pose[rows, :, 2], video.frame_ids[number] / fps))
    counts = np.array([len(people) for people in found], int)
    pose, confidence, person, mark, score = (
        np.concatenate([getattr(people, name) for people in found])
        for name in ("pose", "confidence", "id", "mark", "score")
    )
    there = mark != ABSENT
    pose = np.where(there[..., None], np.concatenate([pose, confidence[..., None]], axis=2), 0)
    detection = np.concatenate([people.detection for people in found])
    row = np.repeat(bounds[:-1], counts) + detection
    box = np.where((detection >= 0)[:, None], video.box[row], 0) if len(video.box) else np.zeros((len(row), 4))
    return replace(
        video,
        frame=np.repeat(np.arange(len(video)), counts),
        person=person,
        pose=pose,
        box=np.where((box != 0).any(axis=1, keepdims=True), box, box_of(pose)),
        head_box=np.zeros((len(pose), 4)),
        score=score,
        mark=mark,
    )


def box_of(pose: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom of the joints that are there, pixels; zeros where none is."""
    there = pose[..., 2:] > 0
    low = np.where(there, pose[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(there, pose[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(low).all(axis=1, keepdims=True), np.concatenate([low, high], axis=1), 0)
