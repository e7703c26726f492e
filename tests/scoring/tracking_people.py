"""People of three joints in a video, for tests of tracking's scores: head sizes are 6 pixels, so 3 pixels are near."""

from dataclasses import replace

import numpy as np

from stgraph.formats.posetrack import Video
from stgraph.skeleton import Skeleton

JOINTS = Skeleton("three", ("Head", "Neck", "Hip"), (1, -1, 1))
SHAPE = np.array([[0.0, -8.0], [0.0, 0.0], [0.0, 30.0]])
HEAD_BOX = (0.0, 0.0, 6.0, 8.0)


def video(poses, frames, name="a", **changes):
    """A video of (frame, person, (j 3) pose) in any order, all frames labelled."""
    poses = sorted(poses, key=lambda pose: pose[0])
    n = len(poses)
    made = Video(
        name=name,
        frame_ids=np.arange(frames),
        frame=np.array([frame for frame, _, _ in poses], dtype=np.int64),
        person=np.array([person for _, person, _ in poses], dtype=np.int64),
        pose=np.array([pose for _, _, pose in poses], dtype=np.float64).reshape(n, len(JOINTS), 3),
        box=np.zeros((n, 4)),
        head_box=np.tile(HEAD_BOX, (n, 1)),
        score=np.ones(n),
        labelled=np.ones(frames, dtype=bool),
        ignore=[[] for _ in range(frames)],
        skeleton=JOINTS,
    )
    return replace(made, **changes)


def person(x, confidence=1.0, without=()):
    """A pose at x; joints by index that it is without."""
    pose = np.concatenate([SHAPE + [x, 50.0], np.full((len(JOINTS), 1), confidence)], axis=1)
    pose[list(without), 2] = 0
    return pose


def crowd(seed, frames=40, people=4, name="a"):
    """A truth and a result: people pass one another; joints and people missing, false, inexact and misnamed."""
    rng = np.random.default_rng(seed)
    start, speed = rng.uniform(0, 20, people), rng.uniform(-0.6, 0.6, people)
    true, found = [], []
    names = rng.permutation(people) + 10
    for frame in range(frames):
        if rng.random() < 0.15:
            one, other = rng.choice(people, 2, replace=False)
            names[[one, other]] = names[[other, one]]
        for who in rng.permutation(people):
            pose = person(start[who] + speed[who] * frame)
            pose[:, :2] += rng.normal(0, 0.3, (len(JOINTS), 2))
            if rng.random() < 0.1:
                continue
            true.append((frame, int(who), np.where(rng.random((len(JOINTS), 1)) < 0.1, 0, pose)))
            pose = pose + np.append(rng.normal(0, 1.2, 2), 0)
            pose[:, 2] = rng.uniform(0.1, 1, len(JOINTS)).round(1)
            if rng.random() < 0.85:
                found.append((frame, int(names[who]), np.where(rng.random((len(JOINTS), 1)) < 0.1, 0, pose)))
        if rng.random() < 0.3:
            found.append((frame, int(rng.integers(20, 23)), person(rng.uniform(0, 20), rng.uniform(0.1, 1))))
    return video(true, frames, name), video(found, frames, name)
