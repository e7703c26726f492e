"""python -m data_prep motionbert FILE.pkl: Human3.6M in image space (`h36m_*_cam_source_final.pkl`).

{"train": {...}, "test": {...}}, each with joint_2d (N, 17, 2) in pixels, confidence (N, 17), joint3d_image (N, 17, 3),
camera_name and source (N); `test` also with 2.5d_factor (N) in millimetres per pixel, joints_2.5d_image (N, 17, 3) in
millimetres, and action (N). Where the factor is there, the poses are known in metres, relative to the hip; where it is
not, as in the training part, only in image space (task.output "image").
"""

import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.options import h36m_subjects
from data_prep.reading.h36m import FPS, SOURCE, TERMS
from data_prep.source import Source
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.formats.safe_pickle import load_pickle
from stgraph.skeleton import H36M17

# Actions by their numbers in the official index, from 2 on.
ACTIONS = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Posing", "Purchases", "Sitting", "SittingDown"),
    *("Smoking", "Photo", "Waiting", "Walking", "WalkDog", "WalkTogether"),
)
RECORDING = re.compile(r"s_(\d+)_(act_(\d+)_subact_\d+)_ca_\d+")
DETECTOR = re.compile(r"h36m_([a-z0-9]+)_.*")
JOINTS = len(H36M17)
NEEDED = {"joint_2d": (JOINTS, None), "joint3d_image": (JOINTS, 3), "camera_name": (), "source": ()}
OPTIONAL = {"confidence": None, "2.5d_factor": (), "joints_2.5d_image": (JOINTS, 3)}
TEXT = ("camera_name", "source")
EXPECTED = f"a dict of train and test, each with {', '.join(NEEDED)} for each frame, as in h36m_*_cam_source_final.pkl"


@dataclass(frozen=True)
class Part:
    """The frames of one part.

    Attributes:
        pose2d: (n j 3) pixels x, y and confidence. image3d: (n j 3) pixels.
        factor: (n) millimetres per pixel, 0 where not known. metric: (n j 3) metres, 0 where not known.
        camera, source: names of the frame's camera and recording.
    """

    name: str
    pose2d: Float[np.ndarray, "n j 3"]
    image3d: Float[np.ndarray, "n j 3"]
    factor: Float[np.ndarray, " n"]
    metric: Float[np.ndarray, "n j 3"]
    camera: np.ndarray
    source: np.ndarray


def read(args: Namespace) -> Source:
    """Every recording of the file.

    Raises:
        InputError: no such file, or one without the arrays; and, while recordings are read, for implausible values.
    """
    content = load_pickle(args.path)
    if not isinstance(content, dict) or not any(isinstance(content.get(part), dict) for part in ("train", "test")):
        found = f"a dict of {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
        raise InputError(where=args.path, found=found, expected=EXPECTED)
    named = DETECTOR.fullmatch(args.path.name)
    detector, notes = args.detector or (named[1] if named else "detected"), []
    given = {name: content[name] for name in ("train", "test") if isinstance(content.get(name), dict)}
    parts = [read_part(arrays, name, args.path, notes) for name, arrays in given.items()]
    splits = {part.name: sorted({parsed(str(source), args.path)[0] for source in set(part.source)}) for part in parts}
    unknown = sum(int((part.factor == 0).sum()) for part in parts)
    if unknown:
        notes.append(f"{unknown} frames have no factor to metres: they can be trained on with task.output image alone")
    return Source(
        skeleton=H36M17,
        recordings=iterate(parts, detector, args.path),
        total=sum(len(runs_of(part.source)) for part in parts),
        source=f"{SOURCE}, in image space ({args.path.name})",
        terms=TERMS,
        inputs=[args.path],
        notes=notes,
        splits={"standard": splits},
    )


def read_part(arrays: Mapping[str, Any], name: str, path: Path, notes: list[str]) -> Part:
    """The arrays of a part. Raises InputError for one that is missing or of another shape."""
    where = f"{path}, {name}"
    if missing := [key for key in NEEDED if key not in arrays]:
        raise InputError(f"no {', '.join(missing)}, but {', '.join(arrays)}", where=where, expected=EXPECTED)
    there = [key for key in (*NEEDED, *OPTIONAL) if key in arrays]
    values = {key: array_of(arrays[key], key in TEXT, f"{where}, {key}") for key in there}
    frames = values["source"].size
    for key, shape in (NEEDED | OPTIONAL).items():
        if key in values and shape is not None:
            check_shape(values[key], (frames, *shape), f"{where}, {key}")
    image, factor = values["joint3d_image"].astype(np.float64), values.get("2.5d_factor", np.zeros(frames))
    metric = metres(image, factor.astype(np.float64), values.get("joints_2.5d_image"))
    confidence = values.get("confidence")
    if confidence is None:
        confidence = np.ones((frames, JOINTS))
        notes.append(f"{name}: no confidence, so every joint counts as seen with confidence 1")
    if confidence.size != frames * JOINTS:
        check_shape(confidence, (frames, JOINTS), f"{where}, confidence")
    pose2d = np.concatenate([values["joint_2d"][..., :2], confidence.reshape(frames, JOINTS, 1)], -1).astype(np.float32)
    cameras, sources = (np.array([str(text) for text in values[key]]) for key in ("camera_name", "source"))
    return Part(
        name,
        pose2d,
        image.astype(np.float32),
        factor=factor.astype(np.float32),
        metric=metric,
        camera=cameras,
        source=sources,
    )


def array_of(value: Any, text: bool, where: str) -> np.ndarray:
    """An array of text or of numbers. Raises InputError for anything else, and for lists of unlike length."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(str(error), where=where, expected="an array") from error
    if array.dtype.kind not in ("USO" if text else "biuf"):
        raise InputError(where=where, found=f"an array of {array.dtype}", expected="text" if text else "numbers")
    return array


def check_shape(values: np.ndarray, shape: tuple[int | None, ...], where: str) -> None:
    """Raises InputError for another shape; None stands for any length."""
    sides = zip(shape, values.shape, strict=False)
    if values.ndim == len(shape) and all(side in (None, length) for side, length in sides):
        return
    expected = f"({', '.join('2 or more' if side is None else str(side) for side in shape)})"
    raise InputError(where=where, found=f"shape {values.shape}", expected=f"{expected}, an entry for each frame")


def metres(
    image: Float[np.ndarray, "n j 3"], factor: Float[np.ndarray, " n"], given: np.ndarray | None
) -> Float[np.ndarray, "n j 3"]:
    """Poses relative to the hip, metres: those in the file if there are any, else the image's times the factor.

    The file's are in millimetres, being the image's times the factor already; where they are not, they are in pixels.
    """
    scaled = relative(image) * factor[:, None, None] / 1000
    if given is None:
        return scaled.astype(np.float32)
    as_given = relative(given.astype(np.float64)) / 1000
    in_pixels = as_given * factor[:, None, None]
    nearer = np.abs(as_given - scaled).mean() <= np.abs(in_pixels - scaled).mean()
    return (as_given if nearer else in_pixels).astype(np.float32)


def relative(pose: Float[np.ndarray, "n j 3"]) -> Float[np.ndarray, "n j 3"]:
    """Joints relative to the root."""
    return pose - pose[:, H36M17.root, None]


def runs_of(source: np.ndarray) -> list[slice]:
    """The frames of every recording, which lie in a row."""
    ends = [*(np.flatnonzero(source[1:] != source[:-1]) + 1), len(source)]
    return [slice(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]


def parsed(source: str, path: Path) -> tuple[str, str, str]:
    """Subject, action and take of a recording's name. Raises InputError for a name of another form."""
    match = RECORDING.fullmatch(source)
    subject, expected = f"S{int(match[1])}" if match else "", "s_09_act_05_subact_02_ca_01, one of Human3.6M's"
    if match is None or subject not in h36m_subjects() or not 2 <= int(match[3]) < 2 + len(ACTIONS):
        raise InputError(f"source {source!r} is no recording of Human3.6M", where=path, expected=f"such as {expected}")
    return subject, ACTIONS[int(match[3]) - 2], match[2]


def iterate(parts: list[Part], detector: str, path: Path) -> Iterator[Recording]:
    """The recordings, one after another."""
    for part in parts:
        for rows in runs_of(part.source):
            source, camera_name = str(part.source[rows.start]), str(part.camera[rows.start])
            subject, action, take = parsed(source, path)
            cameras = {camera.name: camera for camera in h36m_cameras(subject)}
            if camera_name not in cameras or (part.camera[rows] != camera_name).any():
                found = ", ".join(sorted(set(part.camera[rows])))
                expected = f"one of {', '.join(cameras)} for all of its frames"
                raise InputError(where=f"{path}, {source}, camera_name", found=found, expected=expected)
            factor = part.factor[rows]
            track = Track(
                {detector: part.pose2d[rows]},
                part.metric[rows],
                valid=factor > 0,
                image3d=part.image3d[rows],
                metres_per_pixel=factor / 1000,
            )
            yield Recording(subject, action, take, camera=cameras[camera_name], fps=FPS, tracks=[track])
