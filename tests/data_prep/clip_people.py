"""Clips whose every joint is known, and the files that they may come in, for tests of readers."""

import csv
import json
import pickle

import numpy as np

from stgraph.skeleton import NTU25, OPENPOSE18

SIZE = (340, 256)
# x to the person's left, y up, metres, of joints by what their names end with.
PLACES = {
    **{"Hip": (0.1, 0.9), "Knee": (0.11, 0.48), "Ankle": (0.12, 0.08), "Foot": (0.14, 0.0)},
    **{"Shoulder": (0.19, 1.4), "Elbow": (0.28, 1.15), "Wrist": (0.3, 0.9), "Hand": (0.31, 0.82)},
    **{"HandTip": (0.32, 0.74), "Thumb": (0.27, 0.8), "Eye": (0.03, 1.68), "Ear": (0.07, 1.65)},
}
MIDDLE = {"SpineBase": 0.95, "SpineMid": 1.15, "SpineShoulder": 1.4, "Neck": 1.45, "Nose": 1.63, "Head": 1.7}


def standing(skeleton):
    """(j 2) metres: x to the left, y up."""
    sides = {"L": 1, "R": -1}
    return np.array(
        [
            (0.0, MIDDLE[name]) if name in MIDDLE else np.array(PLACES[name[1:]]) * (sides[name[0]], 1)
            for name in skeleton.names
        ]
    )


def moving(skeleton, seed, frames=12, persons=2, axes=2):
    """(m t j a) metres, x left, y up and z away: people who stand apart, sway and raise joints."""
    rng = np.random.default_rng(seed)
    pose = np.zeros((persons, frames, len(skeleton), axes))
    pose[..., :2] = standing(skeleton)
    pose[..., 0] += np.arange(persons)[:, None, None] - 0.3 + 0.02 * np.arange(frames)[:, None]
    pose[..., 1] += 0.1 * np.sin(np.arange(frames) + rng.uniform(0, 6, (persons, 1)))[..., None]
    if axes == 3:
        pose[..., 2] = 3 + 0.05 * rng.normal(size=pose.shape[:-1])
    return pose


def pixels(seed, skeleton=OPENPOSE18, **options):
    """(m t j 3) pixels and confidence in an image of 340 x 256; a joint unseen, a gap, and the end of one person."""
    pose = moving(skeleton, seed, **options) * (-60, -110) + (150, 235)
    confidence = np.random.default_rng(seed).uniform(0.2, 0.99, pose.shape[:-1])
    confidence[0, 2, 3] = 0
    if len(pose) > 1:
        confidence[1] = np.where(np.isin(np.arange(pose.shape[1]), (4, 10, 11))[:, None], 0, confidence[1] / 2)
    seen = confidence[..., None] > 0
    return np.where(seen, np.concatenate([pose, confidence[..., None]], axis=-1), 0).astype(np.float32)


def kinect(seed, skeleton=NTU25, **options):
    """(m t j 3) metres in Kinect's axes; of the second person a gap and no end."""
    pose = moving(skeleton, seed, axes=3, **options)
    pose[1:, [4, 10, 11]] = 0
    return pose.astype(np.float32)


def write_csv(path, clips, channels, skeleton):
    """`clips`: (clip, label, values (m t j c))."""
    names = [f"{joint}_{channel}" for joint in skeleton.names for channel in channels]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "label", "frame", "person", *names])
        for clip, label, values in clips:
            for person, frame in np.argwhere(values.any((2, 3))):
                cells = [
                    "" if channels != ["x", "y", "z"] and not any(joint) else joint for joint in values[person, frame]
                ]
                flat = [cell for joint in cells for cell in ([""] * len(channels) if isinstance(joint, str) else joint)]
                writer.writerow([clip, label, frame, person, *flat])


def write_kinetics(path, values):
    """Kinetics' JSON, whose frames count from 0 here."""
    fractions = values[..., :2] / SIZE
    data = [
        {
            "frame_index": frame,
            "skeleton": [
                {"pose": fractions[person, frame].ravel().tolist(), "score": values[person, frame, :, 2].tolist()}
                for person in range(len(values))
                if values[person, frame].any()
            ],
        }
        for frame in range(values.shape[1])
    ]
    path.write_text(json.dumps({"data": data, "label": "any", "label_index": 0}))


def write_skeleton(path, values):
    """NTU's text."""
    lines = [str(values.shape[1])]
    for frame in range(values.shape[1]):
        there = [person for person in range(len(values)) if values[person, frame].any()]
        lines.append(str(len(there)))
        for person in there:
            lines += [f"7205759403792795{person} 0 1 1 1 1 0 0.1 0.2 2", str(values.shape[2])]
            lines += [
                f"{x:.7g} {y:.7g} {z:.7g} 200 200 900 500 0 0 0 0 2" for x, y, z in values[person, frame].tolist()
            ]
    path.write_text("\n".join(lines) + "\n")


def annotation(name, label, values, size=SIZE):
    """pyskl's, of (m t j 3): 2D with scores if there is a size, else 3D."""
    about = {"frame_dir": name, "label": label, "total_frames": values.shape[1]}
    if size is None:
        return {**about, "keypoint": values}
    shape = size[::-1]
    return {
        **about,
        **{"img_shape": shape, "original_shape": shape},
        **{"keypoint": values[..., :2], "keypoint_score": values[..., 2]},
    }


def dump(path, value):
    path.write_bytes(pickle.dumps(value, protocol=4))


def tracks(data):
    """(person, first frame, frames) of every track of a dataset, by the clip's take."""
    frame = data.rows("frame")
    return [
        (str(data.recordings["take"][recording]), int(person), int(frame[first]), int(rows))
        for recording, person, first, rows in zip(
            *(data.tracks[name] for name in ("recording", "person", "first_row", "rows")), strict=True
        )
    ]
