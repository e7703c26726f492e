"""Every reader of files, with good files of each form that it reads, for `test_readers.py` and `make fuzz`."""

import io
import json
import pickle
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors.torch
import torch

from data_prep.reading.labels import actions, class_names, read_labels
from data_prep.reading.pose_files import read_poses
from data_prep.reading.rigs import read_mapping
from data_prep.sources.kinetics.source import read_labels as read_kinetics_labels
from stgraph.data.dataset import Dataset
from stgraph.formats.amc import read_amc, read_asf
from stgraph.formats.bvh import read_bvh
from stgraph.formats.json_files import read_json
from stgraph.formats.keypoints.layouts import skeleton_file
from stgraph.formats.keypoints.read import read_all_keypoints
from stgraph.formats.numpy_files import load_npz
from stgraph.formats.posetrack import read_videos
from stgraph.formats.safe_pickle import load_pickle
from stgraph.formats.video import open_video
from stgraph.motion.motion import Motion
from stgraph.scoring.clip_scores import ClipScores
from stgraph.settings.params import validate
from stgraph.skeleton import H36M17, SKELETONS
from stgraph.training.checkpoint import Origin, load_last, load_weights
from stgraph.training.engine import Engine
from stgraph.training.run import Run
from tests.conftest import write as write_dataset
from tests.data_prep import clip_people
from tests.formats import test_posetrack
from tests.formats.keypoints.onnx_people import write_video
from tests.formats.keypoints.people import SIZE, walker
from tests.formats.keypoints.test_bad_input import WRITERS
from tests.formats.test_amc import ASF, amc
from tests.formats.test_bvh import BVH
from tests.fuzz.mutation import ODD
from tests.fuzz.reader import Reader, Write, tree
from tests.fuzz.sources import source_readers
from tests.fuzz.streams import stream_readers

ROOT = Path(__file__).parents[2]


def of_form(folder: Path, form: str) -> bytes:
    """A file of keypoints."""
    place = folder / form.replace(" ", "_")
    place.mkdir()
    write, name = WRITERS[form]
    return write(place / name, walker("coco17", 6)).read_bytes()


def of_clip(folder: Path, write: Callable[[Path, Any], object], values: Any) -> bytes:
    """A file of a clip."""
    path = folder / "clip.any"
    write(path, values)
    path = path if path.exists() else path.with_suffix(".any.npy")
    return path.read_bytes()


def of_video(folder: Path) -> bytes:
    """A video of a few frames."""
    return write_video(folder / "video.mp4", [np.zeros((32, 48, 3), np.uint8)] * 3).read_bytes()


def watch(path: Path) -> object:
    """All frames of a video."""
    return sum(1 for _ in open_video(path).frames())


def saved(save: Callable[..., object], *values: Any, **named: Any) -> bytes:
    """What a function writes into a file."""
    file = io.BytesIO()
    save(file, *values, **named)
    return file.getvalue()


def readers(folder: Path) -> dict[str, Reader]:
    """The readers by name; good files are made in an empty folder."""
    found = {f"keypoints {form}": Reader((of_form(folder, form),), read_size, "") for form in WRITERS}
    pixels, metres = clip_people.pixels(0), clip_people.kinect(0)
    clips = {
        "array": (np.save, pixels, ".npy"),
        "kinetics": (clip_people.write_kinetics, pixels, ".json"),
        "ntu": (clip_people.write_skeleton, metres[:, :4], ".skeleton"),
        "pyskl": (clip_people.dump, clip_people.annotation("a", 0, pixels), ".pkl"),
        "csv": (write_rows, metres[:, :3], ".csv"),
    }
    for name, (write, values, suffix) in clips.items():
        found[f"clip {name}"] = Reader((of_clip(folder, write, values),), read_poses, suffix)
    labels = (b"[0, 1, 2]", b'{"a": 1, "b": 0}', b'[["a", "b"], [0, 1]]')
    found |= {
        "video": Reader((of_video(folder),), watch, ".mp4", rare=True),
        "labels json": Reader(labels, read_actions),
        "labels csv": Reader((b"name,label\na,0\nb,1\n", b"0\n1\n2\n"), read_actions, ".csv"),
        "labels npy": Reader(
            (saved(np.save, np.array([0, 1])), saved(np.save, np.array([0.0, 2.0]))), read_actions, ".npy"
        ),
        "classes": Reader((b'["walk", "sit"]',), lambda path: class_names(str(path))),
        "kinetics labels": Reader(
            (b'{"clip": {"has_skeleton": true, "label": "abseiling", "label_index": 0}}',), read_kinetics_labels
        ),
        "skeleton": Reader(
            (b'{"name": "arm", "names": ["Elbow", "Wrist"], "parents": [null, "Elbow"]}',), own_skeleton
        ),
        "rig": Reader(
            tuple(path.read_bytes() for path in sorted((ROOT / "data_prep/mappings").glob("*.json"))), read_mapping
        ),
        "bvh": Reader((BVH.encode(),), lambda path: read_bvh(path).positions(), ".bvh"),
        "asf": Reader((ASF.encode("latin-1"),), read_asf, ".asf"),
        "amc": Reader((amc().encode(),), in_amc(folder), ".amc"),
        "posetrack": Reader(tuple(json.dumps(make()).encode() for make in POSETRACK), read_videos),
        "params": Reader(params(), read_params),
        "npz": Reader((saved(np.savez, a=pixels[:1, :2], b=np.array({"a": [1, 2]}, object)),), load_npz, ".npz"),
        "pickle": Reader((pickle.dumps({"a": pixels[:1, :2], "b": [1, "x"]}),), load_pickle, ".pkl"),
        "checkpoint bytes": Reader((checkpoint(CHECKPOINT),), load_weights, ".safetensors"),
        "checkpoint": Reader((json.dumps(CHECKPOINT).encode(),), load_checkpoint, ".safetensors", write_checkpoint),
        "last.pt": Reader((saved_torch({"a": torch.ones(3), "b": {"c": [1, 2.5, "x"]}}),), load_last, ".pt"),
        "motion": Reader((motion_arrays(),), load_motion, ".npz", write_arrays),
        "clip scores": Reader((SCORES,), lambda path: ClipScores.load(path, "score again"), ".npz", write_arrays),
    }
    data = write_dataset(folder / "data.h5").read_bytes()
    patches = json.dumps([["tracks/first_row", 0, 0], ["tracks/rows", 3, 7], ["recordings/fps", 1, 30.0]])
    more = json.dumps([[name, 0, GOOD.get(name, 0)] for name in COLUMNS])
    found["dataset bytes"] = Reader((data,), use_dataset, ".h5", rare=True)
    found["dataset"] = Reader((patches.encode(), more.encode()), use_dataset, ".h5", dataset_patched(data), rare=True)
    return found | source_readers(folder) | stream_readers(folder)


POSETRACK = (test_posetrack.posetrack17, test_posetrack.posetrack18)
COLUMNS = (
    *("tracks/recording", "tracks/person", "tracks/first_row", "tracks/rows", "recordings/fps", "recordings/width"),
    *("recordings/frames", "recordings/intrinsics", "recordings/rotation", "skeleton/parents", "skeleton/left"),
    *("rows/frame", "rows/pose3d", "rows/pose2d/gt", "splits/standard", "recordings/id", "skeleton/names"),
)
# Where 0 is refused.
GOOD = {"recordings/fps": 30.0, "recordings/width": 640, "recordings/rotation": 0.5, "tracks/rows": 7}
GOOD |= {"skeleton/parents": -1, "skeleton/left": H36M17.left[0]}
CHECKPOINT = {
    "settings": {
        "task": {"name": "lifting", "losses": {"position": 1.0}},
        "data": {"dataset": "small", "detector": "gt", "frames": 12},
        "model": {"name": "linear", "channels": 8, "layers": 1},
    },
    "skeleton": asdict(H36M17),
    "origin": asdict(Origin("a recipe", "none", "0", True, 50.0)),
    "epoch": 3.0,
    "scores": {"loss": 1.0},
    "trained": None,
}
SCORES = json.dumps(
    {
        "classes": ["a", "b"],
        "about": "{}",
        "id": ["x", "y"],
        "action": ["a", "b"],
        "subject": ["S1", "S2"],
        "camera": ["c", "c"],
        "label": [0, 1],
        "probabilities": [[0.5, 0.5], [0.1, 0.9]],
        "person_clip": [0, 1],
        "person": [0, 0],
        "person_probabilities": [[0.5, 0.5], [0.1, 0.9]],
        "frames": [[3, 1], [0, 4]],
        "joints": ["Hip"],
        "contributions": [[0.5], [1.0]],
    }
).encode()


def read_size(path: Path) -> object:
    """Keypoints of images whose size is known."""
    return read_all_keypoints(path, size=SIZE)


def read_actions(path: Path) -> object:
    """Labels, and the class of every clip."""
    return actions(read_labels(path).values, [], str(path))


def own_skeleton(path: Path) -> object:
    """A layout, with all that is derived from it."""
    skeleton = skeleton_file("--skeleton", str(path), SKELETONS)
    return skeleton.depths, skeleton.mirror, skeleton.bones


def write_rows(path: Path, values: np.ndarray) -> None:
    """A clip in 3D as CSV."""
    clip_people.write_csv(path, [("a", "", values)], ["x", "y", "z"], clip_people.NTU25)


def in_amc(folder: Path) -> Callable[[Path], object]:
    """Reads AMC files of one ASF file."""
    (folder / "good.asf").write_text(ASF, encoding="latin-1")
    asf = read_asf(folder / "good.asf")
    return lambda path: read_amc(path, asf)


def params() -> tuple[bytes, ...]:
    """One experiment of each task."""
    return tuple(
        (ROOT / f"params/{exp}/params.json").read_bytes() for exp in ("root_rel", "action_small", "pose_dynamics")
    )


def read_params(path: Path) -> object:
    """Settings of a file."""
    return validate(read_json(path), str(path))


def checkpoint(about: Mapping[str, Any]) -> bytes:
    """A checkpoint's file."""
    return safetensors.torch.save(weights(), {str(key): json.dumps(value) for key, value in about.items()})


@cache
def weights() -> dict[str, torch.Tensor]:
    """Of the model that `CHECKPOINT` describes."""
    origin = Origin("a recipe", "none", "0", True, 50.0)
    run = Run.of_task("a", validate(CHECKPOINT["settings"], "here"), H36M17, origin, Engine("cpu"))
    return run.model.state_dict()


def write_checkpoint(path: Path, content: bytes) -> None:
    """A checkpoint whose metadata is a JSON object."""
    about = tree(content)
    path.write_bytes(checkpoint(about if isinstance(about, dict) else {"settings": about}))


def load_checkpoint(path: Path) -> object:
    """A run of a checkpoint, with all that is derived from its skeleton."""
    run = Run.load(str(path), Engine("cpu"))
    return run.skeleton.depths, f"{run.epoch:g}"


def saved_torch(state: Any) -> bytes:
    """What torch writes."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def write_arrays(path: Path, content: bytes) -> None:
    """An `.npz` file with the arrays of a JSON object; lists that are no arrays become objects."""
    about = tree(content)
    arrays = {}
    for name, value in (about if isinstance(about, dict) else {"a": about}).items():
        try:
            arrays[str(name)[:50].replace("/", "-").encode("ascii", "replace").decode()] = np.array(value)
        except (ValueError, OverflowError):
            arrays["object"] = np.array([str(value)[:9]], object)
    arrays.pop("file", None)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def motion_arrays() -> bytes:
    """The arrays of a motion, as `Motion.save` names them."""
    skeleton, pose = H36M17, np.zeros((2, 1, len(H36M17), 3)).tolist()
    return json.dumps(
        {
            "format": "stgraph motion 1",
            "fps": 30.0,
            "size": [640, 480],
            "notes": ["a"],
            "frame": [0, 1],
            "person": [0],
            "pose": pose,
            "guessed": np.zeros((2, 1, len(skeleton)), bool).tolist(),
            "keypoints": pose,
            "skeleton": skeleton.name,
            "skeleton_names": skeleton.names,
            "skeleton_parents": skeleton.parents,
            "skeleton_left": skeleton.left,
            "skeleton_right": skeleton.right,
        }
    ).encode()


def load_motion(path: Path) -> object:
    """A motion and its description."""
    motion = Motion.load(path)
    return motion.rate, motion.time, motion.present


def dataset_patched(data: bytes) -> Write:
    """Writes a dataset with other numbers at some places: a JSON list of [column, row, value]."""

    def write(path: Path, content: bytes) -> None:
        path.write_bytes(data)
        changes = tree(content)
        with h5py.File(path, "r+") as file:
            if not isinstance(changes, list):
                drawn = random.Random(content)
                changes = [[drawn.choice(COLUMNS), drawn.randrange(-2, 9), drawn.choice(ODD)]]
            for change in changes:
                try:
                    name, row, value = change
                    if isinstance(value, list | dict):
                        del file[str(name)]
                        file[str(name)] = np.array(value if isinstance(value, list) else [*value], "f8")
                    else:
                        file[str(name)][row] = value
                # What cannot be written is left as it is.
                except Exception:
                    continue

    return write


def use_dataset(path: Path) -> object:
    """A dataset: its tables, a row of every track, and its cameras."""
    data = Dataset(path)
    for name in ("pose3d", "pose2d/gt", "frame", "valid"):
        if data.has(name):
            rows = data.rows(name)
            first = data.tracks["first_row"].astype(np.int64)
            rows[first], rows[first + data.tracks["rows"].astype(np.int64) - 1]
    return data.camera(0), data.select("subject", None), [data.detections(name) for name in data.detected]
