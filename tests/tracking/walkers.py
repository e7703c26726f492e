"""People of PoseTrack's 15 joints who stand or walk, 160 pixels tall, for tests of the tracker."""

import numpy as np

from stgraph.formats.posetrack import Video
from stgraph.skeleton import POSETRACK15
from stgraph.tracking.options import TrackerOptions
from stgraph.tracking.predictors import find_predictor
from stgraph.tracking.tracker import Tracker

# Right side, pixels from the middle of the body; the left is its mirror image.
PLACES = {
    **{"Ankle": (-14, 80), "Knee": (-12, 40), "Hip": (-10, 0), "Wrist": (-28, -4), "Elbow": (-26, -30)},
    **{"Shoulder": (-20, -52), "Nose": (2, -66), "HeadBottom": (0, -56), "HeadTop": (0, -80)},
}
SHAPE = np.array([PLACES[name.lstrip("LR")] for name in POSETRACK15.names], float)
SHAPE[list(POSETRACK15.left), 0] *= -1
FPS = 25.0


def person(x, y=200.0):
    """(j 2) pixels."""
    return SHAPE + [x, y]


def scored(count, value=0.9):
    """(m j) confidences."""
    return np.full((count, len(POSETRACK15)), value)


def video(people, name="walk", **changes):
    """A video of detections: for each frame a list of (j 2) poses."""
    frame = np.repeat(np.arange(len(people)), [len(poses) for poses in people])
    poses = np.array([pose for poses in people for pose in poses], float).reshape(len(frame), len(POSETRACK15), 2)
    pose = np.concatenate([poses, scored(len(frame))[..., None]], axis=2)
    box = np.concatenate([poses.min(1), poses.max(1)], axis=1)
    about = {"fps": FPS, "size": (640, 400)} | changes
    return Video(
        name,
        np.arange(len(people)),
        frame,
        np.full(len(frame), -1),
        pose,
        box,
        np.zeros((len(frame), 4)),
        np.full(len(frame), 0.9),
        np.ones(len(people), bool),
        [[] for _ in people],
        **about,
    )


def tracker(name="kalman", size=None, **options):
    return Tracker(find_predictor(name), POSETRACK15, size=size, options=TrackerOptions(**options))


def run(tracker, frames, scores=0.9, start=0):
    """The people of each frame; frames are lists of (j d) poses."""
    found = []
    for number, poses in enumerate(frames, start):
        poses = np.array(poses).reshape(len(poses), *(poses[0].shape if len(poses) else SHAPE.shape))
        found.append(tracker.update(poses, scored(len(poses), scores), number / FPS))
    return found


def same(one, other):
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name), err_msg=name)


def walk(frames, x=100.0, speed=4.0, gone=()):
    """Frames of a person who walks to the right."""
    return [[] if frame in gone else [person(x + speed * frame)] for frame in range(frames)]
