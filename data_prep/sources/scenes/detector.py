"""The simulated detector of scenes: missed joints and people, false detections, and errors.

The numbers below are the default difficulty. They were set before any model was trained on the scenes, and are not to
be changed once results were published: another difficulty is another detector, under another name.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.noise import simulate_detections
from data_prep.cameras.options import h36m_subjects
from data_prep.cameras.viewpoints import common_look_at
from data_prep.sources.scenes.body import RENAMED
from data_prep.sources.scenes.view import View
from stgraph.data.recording import Detections, runs
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17, POSETRACK15

# Hidden joints: a detector reports some, with low confidence and errors of a limb's width. Whether it reports one is
# drawn every few frames only, since the image of a hidden limb changes little from frame to frame.
HIDDEN_MISSED = 0.8
HIDDEN_DRAWN_EVERY = 5  # frames
HIDDEN_NOISE = 0.06  # metres at the joint's depth: standard deviation, per axis and frame
HIDDEN_CONFIDENCE = (0.2, 0.6)  # times what the joint would have
# Joints in plain view are missed for some frames on end (blur, light, odd poses): 5 % of the joints in all, the quick
# and small ones more often.
BURST = 4.0  # frames: mean of a geometric distribution
MISSED = {"Wrist": 0.09, "Ankle": 0.09, "Elbow": 0.05, "Knee": 0.05}
MISSED_ELSEWHERE = 0.03
# Whole people are missed for a frame or for up to a second: log-uniform, so that short gaps are frequent.
PERSON_EVERY = 4.0  # seconds from the end of one gap to the next, on average
PERSON_GAP = (1, 30)  # frames
FEWEST = 5  # joints that make a detection
# False detections, once in five frames: people in pictures, heaps of clothes, and second poses of one person. They
# come and go within three frames and their scores overlap those of people who are half hidden.
FALSE_EACH_FRAME = 0.2
FALSE_FRAMES = (1, 3)
FALSE_DOUBLES = 0.3  # of them
FALSE_CONFIDENCE = (0.15, 0.6)
FALSE_SIZE = (0.1, 0.7)  # of the image's height, log-uniform
FALSE_MISSED = 0.25  # of their joints
FALSE_JITTER = 0.01  # of their size: standard deviation from frame to frame
DOUBLE_SHIFT = (0.05, 0.25)  # of the person's size
DOUBLE_CONFIDENCE = (0.5, 0.9)  # times the person's
LEAST = 0.05  # confidence of a joint that is reported
DETECTED_MARGIN = 0.1  # of the longer side of the box around the joints

NOISY_LIKE = RENAMED | {"HeadBottom": "Thorax"}
NOISE_OF = np.array([H36M17.index(NOISY_LIKE.get(name, name)) for name in POSETRACK15.names])
MISSED_SHARES = np.array([MISSED.get(name[1:], MISSED_ELSEWHERE) for name in POSETRACK15.names])
DIFFICULTY = (
    f"hidden joints are missed with probability {HIDDEN_MISSED:g}, else off by another {HIDDEN_NOISE * 100:g} cm; "
    f"{MISSED_SHARES.mean():.0%} of the joints are missed in bursts of {BURST:g} frames on average; people for "
    f"{PERSON_GAP[0]} to {PERSON_GAP[1]} frames about every {PERSON_EVERY:g} s, and where fewer than {FEWEST} joints "
    f"are found; {FALSE_EACH_FRAME:g} false detections a frame, less those that lie outside the image"
)


@cache
def h36m_width() -> float:
    """Metres across Human3.6M's images at its people's distance, over all cameras: what the noise's unit is half of."""
    widths = []
    for subject in h36m_subjects():
        cameras = h36m_cameras(subject)
        middle = common_look_at(cameras)
        widths += [
            camera.width * np.linalg.norm(camera.translation - middle) / camera.intrinsics[0] for camera in cameras
        ]
    return float(np.mean(widths))


def detect(view: View, fps: float, rng: np.random.Generator) -> Float[np.ndarray, "p t j 3"]:
    """What the detector reports of every person: pixels x, y and confidence, zeros for what it misses.

    Errors and confidences are those of `simulate_detections` in an image in which the person is as large as people are
    in Human3.6M's, so that errors grow with people. The nose has the error of H36M17's Neck/Nose, the base of the head
    that of its Thorax.
    """
    people, frames, joints, _ = view.pixels.shape
    reported = view.inside & ~missed_joints(people, frames, rng)
    guesses = rng.random((people, -(-frames // HIDDEN_DRAWN_EVERY), joints)) >= HIDDEN_MISSED
    reported &= ~view.hidden | np.repeat(guesses, HIDDEN_DRAWN_EVERY, axis=1)[:, :frames]
    scale = view.scale[..., None, None]
    error, confidence = np.empty((people, frames, joints, 2)), np.empty((people, frames, joints))
    for person in range(people):
        # In an image of 2 x 2 pixels a pixel is the unit of the noise; errors do not depend on where a joint is.
        drawn = simulate_detections(np.zeros((frames, len(H36M17), 2)), 2, 2, rng)[:, NOISE_OF]
        error[person], confidence[person] = drawn[..., :2], drawn[..., 2]
    error *= h36m_width() / 2 * scale
    unsure = rng.uniform(*HIDDEN_CONFIDENCE, confidence.shape)
    guessed = rng.normal(0, HIDDEN_NOISE, error.shape) * scale
    error += np.where(view.hidden[..., None], guessed, 0)
    confidence = np.maximum(confidence * np.where(view.hidden, unsure, 1), LEAST)
    reported &= ~missed_people(people, frames, fps, rng)[..., None]
    reported &= (reported.sum(axis=-1) >= FEWEST)[..., None]
    pose = np.concatenate([view.pixels + error, confidence[..., None]], axis=-1)
    return np.where(reported[..., None], pose, 0)


def missed_joints(people: int, frames: int, rng: np.random.Generator) -> Bool[np.ndarray, "p t j"]:
    """Joints that are missed in bursts of geometric lengths, each as large a share of the time as `MISSED` says."""
    begins, ends = MISSED_SHARES / (1 - MISSED_SHARES) / BURST, 1 / BURST
    missed = np.empty((people, frames, len(MISSED_SHARES)), bool)
    now = rng.random((people, len(MISSED_SHARES))) < MISSED_SHARES
    for frame in range(frames):
        drawn = rng.random(now.shape)
        missed[:, frame] = now
        now = np.where(now, drawn >= ends, drawn < begins)
    return missed


def missed_people(people: int, frames: int, fps: float, rng: np.random.Generator) -> Bool[np.ndarray, "p t"]:
    """Frames in which people are missed altogether: gaps of 1 to 30 frames, with at least a frame between them."""
    missed = np.zeros((people, frames), bool)
    low, high = PERSON_GAP
    for person in missed:
        frame = rng.geometric(1 / (PERSON_EVERY * fps))
        while frame < frames:
            length = int(low * ((high + 1) / low) ** rng.random())
            person[frame : frame + length] = True
            frame += length + rng.geometric(1 / (PERSON_EVERY * fps))
    return missed


def false_detections(
    detected: Float[np.ndarray, "p t j 3"], shapes: Float[np.ndarray, "n j 2"], camera: Camera, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n j 3"]]:
    """False detections: their frames and poses, doubles of true detections or random shapes anywhere in the image.

    Args:
        detected: true detections, zeros for missed joints.
        shapes: poses as high as one, about the origin.
    """
    frames = detected.shape[1]
    low, high = FALSE_FRAMES
    begun = rng.poisson(FALSE_EACH_FRAME / ((low + high) / 2), frames)
    size = np.array([camera.width, camera.height])
    where, poses = [], []
    for start in np.repeat(np.arange(frames), begun):
        length = min(int(rng.integers(low, high + 1)), frames - start)
        visible = np.flatnonzero(detected[:, start, :, 2].any(axis=-1))
        if rng.random() < FALSE_DOUBLES and len(visible):
            pose = detected[rng.choice(visible), start].copy()
            height = _extent(pose)
            angle = rng.uniform(0, 2 * np.pi)
            pose[:, :2] += rng.uniform(*DOUBLE_SHIFT) * height * np.array([np.cos(angle), np.sin(angle)])
            pose[:, 2] *= rng.uniform(*DOUBLE_CONFIDENCE)
        else:
            height = camera.height * np.exp(rng.uniform(*np.log(FALSE_SIZE)))
            at = shapes[rng.integers(len(shapes))] * height + rng.random(2) * size
            confidence = rng.uniform(*FALSE_CONFIDENCE) * rng.uniform(0.7, 1.3, len(at))
            pose = np.column_stack([at, confidence * (rng.random(len(at)) >= FALSE_MISSED)])
        for frame in range(start, start + length):
            noisy = pose.copy()
            noisy[:, :2] += rng.normal(0, FALSE_JITTER * height, (len(pose), 2))
            inside = ((noisy[:, :2] >= 0) & (noisy[:, :2] < size)).all(axis=-1) & (pose[:, 2] > 0)
            if inside.sum() >= FEWEST:
                where.append(frame)
                poses.append(np.where(inside[:, None], noisy, 0))
    return np.array(where, dtype=int), np.array(poses).reshape(-1, *detected.shape[2:])


def _extent(pose: Float[np.ndarray, "j 3"]) -> float:
    """Longer side of the box around detected joints."""
    return float(np.ptp(pose[pose[:, 2] > 0, :2], axis=0).max())


def detections(
    detected: Float[np.ndarray, "p t j 3"],
    false: tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n j 3"]],
    camera: Camera,
    rng: np.random.Generator,
) -> Detections:
    """All detections, true and false ones, of each frame in random order, with scores and boxes."""
    person, at = np.nonzero(detected[..., 2].any(axis=-1))
    frame = np.concatenate([at, false[0]])
    pose = np.concatenate([detected[person, at], false[1]])
    order = np.lexsort([rng.random(len(frame)), frame])
    frame, pose = frame[order], pose[order]
    return Detections(
        frame.astype(np.int32), pose.astype(np.float32), scores(pose).astype(np.float32), boxes(pose, camera)
    )


def scores(pose: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, " n"]:
    """Mean confidence of each pose's joints, of the detected ones."""
    return pose[..., 2].sum(-1) / np.maximum((pose[..., 2] > 0).sum(-1), 1)


def boxes(pose: Float[np.ndarray, "n j 3"], camera: Camera) -> Float[np.ndarray, "n 4"]:
    """Left, top, right, bottom around the detected joints, and a margin, cut off at the image's edges."""
    seen = pose[..., 2:] > 0
    low = np.where(seen, pose[..., :2], np.inf).min(axis=1)
    high = np.where(seen, pose[..., :2], -np.inf).max(axis=1)
    margin = DETECTED_MARGIN * (high - low).max(axis=-1, keepdims=True)
    box = np.concatenate([low - margin, high + margin], axis=-1)
    return np.clip(box, 0, np.tile([camera.width, camera.height], 2)).astype(np.float32)


def gaps(detected: Bool[np.ndarray, " t"]) -> list[int]:
    """Lengths of the stretches between two detections of a person.

    >>> gaps(np.array([False, True, False, False, True, False]))
    [2]
    """
    if not detected.any():
        return []
    first, last = np.flatnonzero(detected)[[0, -1]]
    return [end - start for start, end in runs(~detected[first : last + 1])]
