"""Writers of every format, each in its official form, of one person's poses (t j 3) in pixels with confidence."""

import csv
import json

import h5py
import numpy as np

from stgraph.formats.keypoints.layouts import LAYOUTS
from tests.formats.keypoints.people import SIZE

BOX = [400.0, 100.0, 700.0, 600.0]  # left, top, right, bottom; the people are in it
NAMES = ("Nose", "Thorax", "Tail")


def dump(path, tree):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree))
    return path


def openpose(folder, pose, people=None, name="clip", numbers=None):
    """A folder; `people` of each frame are the one person, unless given."""
    for place, one in enumerate(pose):
        number = place if numbers is None else numbers[place]
        there = [one] if people is None else people[place]
        persons = [{"person_id": [-1], "pose_keypoints_2d": person.ravel().tolist()} for person in there]
        dump(folder / f"{name}_{number:012d}_keypoints.json", {"version": 1.3, "people": persons})
    return folder


def coco(path, pose):
    entries = [
        {"image_id": number, "category_id": 1, "keypoints": one.ravel().tolist(), "score": 0.75}
        for number, one in enumerate(pose)
    ]
    return dump(path, entries)


def alphapose(path, pose, idx=3):
    box = [BOX[0], BOX[1], BOX[2] - BOX[0], BOX[3] - BOX[1]]
    entries = [
        {
            **{"image_id": f"{number}.jpg", "category_id": 1, "keypoints": one.ravel().tolist(), "score": 2.5},
            **{"box": box, "idx": idx},
        }
        for number, one in enumerate(pose)
    ]
    return dump(path, entries)


def instance(one):
    return {
        **{"keypoints": one[:, :2].tolist(), "keypoint_scores": one[:, 2].tolist()},
        **{"bbox": [BOX], "bbox_score": 0.875},
    }


def mmpose(path, pose):
    return dump(path, [{"frame_id": number, "instances": [instance(one)]} for number, one in enumerate(pose)])


def mmpose_images(folder, pose):
    for number, one in enumerate(pose):
        dump(folder / f"image_{number:03d}.json", [instance(one)])
    return folder


def mmpose_demo(path, pose):
    frames = [{"frame_id": number, "instances": [instance(one)]} for number, one in enumerate(pose)]
    names = {str(place): name for place, name in enumerate(LAYOUTS["coco17"])}
    return dump(path, {"meta_info": {"dataset_name": "coco", "keypoint_id2name": names}, "instance_info": frames})


def objects(items):
    array = np.empty(len(items), object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def detectron(path, pose):
    boxes = [[[], np.array([[*BOX, 0.5]], np.float32)] for _ in pose]
    keypoints = [[[], one.T[[0, 1, 2, 2]][None].astype(np.float64)] for one in pose]
    metadata = {"w": SIZE[0], "h": SIZE[1]}
    np.savez(
        path,
        boxes=objects(boxes),
        segments=objects([None] * len(pose)),
        keypoints=objects(keypoints),
        metadata=metadata,
    )
    return path


def videopose3d(path, pose):
    metadata = {
        "layout_name": "coco",
        "num_joints": pose.shape[1],
        "keypoints_symmetry": [[1, 3], [2, 4]],
        "video_metadata": {"clip.mp4": {"w": SIZE[0], "h": SIZE[1]}},
    }
    np.savez(path, positions_2d={"clip.mp4": {"custom": [pose[..., :2]]}}, metadata=metadata)
    return path


def ultralytics(folder, pose, confidence=True, rest=()):
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(pose):
        low, high = (end(one[one[:, 2] > 0, :2], axis=0) / SIZE for end in (np.min, np.max))
        box = [*((low + high) / 2).tolist(), *(high - low).tolist()]
        values = one / [*SIZE, 1] if confidence else one[:, :2] / SIZE
        row = [0, *box, *values.ravel().tolist(), *rest]
        (folder / f"clip_{number + 1}.txt").write_text(" ".join(f"{value:.8g}" for value in row) + "\n")
    return folder


def mediapipe(path, pose):
    """A list of frames, each a list of landmarks."""
    frames = [
        [{"x": x / SIZE[0], "y": y / SIZE[1], "z": -0.1, "visibility": c} for x, y, c in one.tolist()] for one in pose
    ]
    return dump(path, frames)


def mediapipe_csv(path, pose):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"{channel}{joint}" for joint in range(1, pose.shape[1] + 1) for channel in "xyzv"])
        for one in pose:
            writer.writerow([value for x, y, c in one.tolist() for value in (x / SIZE[0], y / SIZE[1], 0.1, c)])
    return path


def mediapipe_npy(path, pose):
    z = np.full_like(pose[..., :1], -0.1)
    np.save(path, np.concatenate([pose[..., :2] / SIZE, z, pose[..., 2:]], axis=-1))
    return path


def rtmlib(path, pose):
    np.savez(path, keypoints=pose[:, None, :, :2], scores=pose[:, None, :, 2])
    return path


def array(path, pose):
    np.save(path, pose)
    return path


def table(path, pose, joints=LAYOUTS["coco17"]):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", *(f"{joint}_{channel}" for joint in joints for channel in ("x", "y", "confidence"))])
        for number, one in enumerate(pose):
            writer.writerow([number, *one.ravel().tolist()])
    return path


def sleap(path, pose, tracks=("a",), names=NAMES):
    """(t j 3) -> an analysis file, as MATLAB orders axes."""
    with h5py.File(path, "w") as file:
        count = max(len(tracks), 1)
        xy = np.where(pose[..., 2:] > 0, pose[..., :2], np.nan).transpose(2, 1, 0)
        file["tracks"] = np.repeat(xy[None], count, axis=0) + np.arange(count)[:, None, None, None]
        file["point_scores"] = np.repeat(pose[..., 2].T[None], count, axis=0)
        file["track_occupancy"] = np.ones((len(pose), count), np.uint8)
        file["node_names"] = np.array([name.encode() for name in names])
        file["track_names"] = np.array([name.encode() for name in tracks], "S8")
        file["edge_inds"] = np.array([[0, 1], [1, 2]])
    return path


def sleap_csv(path, pose, tracks=("track_0",), names=NAMES):
    """(t j 3) -> a row for each frame and track; without tracks, two instances of none."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        channels = [f"{name}.{channel}" for name in names for channel in ("x", "y", "score")]
        writer.writerow(["track", "frame_idx", "instance.score", *channels])
        for number, one in enumerate(pose):
            cells = np.where(one[:, 2:] > 0, one, np.nan).ravel().tolist()
            for track in tracks or ("", ""):
                writer.writerow([track, number, 0.75, *("" if np.isnan(cell) else cell for cell in cells)])
    return path


def deeplabcut_columns(individuals, names):
    levels = [("DLC_resnet50",)] + ([individuals] if individuals else []) + [names, ("x", "y", "likelihood")]
    columns = [()]
    for level in levels:
        columns = [(*column, name) for column in columns for name in level]
    return columns, ["scorer", *(["individuals"] if individuals else []), "bodyparts", "coords"]


def deeplabcut_csv(path, pose, individuals=(), names=NAMES):
    columns, levels = deeplabcut_columns(individuals, names)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for place, level in enumerate(levels):
            writer.writerow([level, *(column[place] for column in columns)])
        for number, one in enumerate(pose):
            writer.writerow([number, *np.tile(one.ravel(), max(len(individuals), 1)).tolist()])
    return path


def deeplabcut_h5(path, pose, individuals=(), fixed=False, names=NAMES):
    """As pandas writes it by PyTables, in its form "table" or "fixed"."""
    columns, levels = deeplabcut_columns(individuals, names)
    values = np.tile(pose.reshape(len(pose), -1), (1, max(len(individuals), 1)))
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame" if fixed else b"frame_table")
        if fixed:
            for axis in ("axis0", "block0_items"):
                for place in range(len(levels)):
                    names = [*dict.fromkeys(column[place] for column in columns)]
                    group[f"{axis}_level{place}"] = np.array([name.encode() for name in names])
                    group[f"{axis}_label{place}"] = np.array(
                        [names.index(column[place]) for column in columns], np.int8
                    )
            group["axis1"] = np.arange(len(pose))
            group["block0_values"] = values
            return path
        rows = np.zeros(len(pose), [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))])
        rows["index"], rows["values_block_0"] = np.arange(len(pose)), values
        data = group.create_dataset("table", data=rows)
        # Protocol 0 without back references, which is what PyTables stores.
        texts = "".join("(" + "".join(f"V{name}\n" for name in column) + "ta" for column in columns)
        data.attrs["values_block_0_kind"] = np.bytes_(f"(l{texts}.".encode())
    return path


def posetrack(path, pose, joints=LAYOUTS["coco17"], **image):
    """PoseTrack18's and COCO's form, with the names of the joints unless there are none."""
    flat = np.concatenate([pose[..., :2], (pose[..., 2:] > 0)], axis=-1).reshape(len(pose), -1).tolist()
    scores = pose[..., 2].tolist()
    tree = {
        "images": [{"id": number, "file_name": f"{number:06d}.jpg", **image} for number in range(len(pose))],
        "annotations": [
            {"image_id": number, "track_id": 4, "keypoints": flat[number], "scores": scores[number]}
            for number in range(len(pose))
        ],
    }
    if joints:
        tree["categories"] = [{"name": "person", "keypoints": [*joints]}]
    return dump(path, tree)
