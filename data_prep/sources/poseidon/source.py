"""python -m data_prep poseidon FOLDER: frames with actions and without sequences, as POSEIDON takes them.

`{train,test}_2d_poses.npy` (N, 16, 2), `_3d_poses.npy` (N, 16, 3) and `_actions.npy` (N,): Human3.6M's joints without
Neck/Nose. Such arrays say nothing of camera and subject, and not in which unit they are, whether the image is
normalised, or what became of the root: that is read off the numbers, and refused where two readings fit. Every frame
becomes a track of its own, so that no velocity is ever taken between two that have nothing to do with one another.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from data_prep.checks.anatomy import (
    BONE_FACTOR,
    UNIT_NAMES,
    UNITS,
    adult_bones,
    bone_lengths,
    check_bones,
    check_finite,
    check_order,
    check_person,
    check_sides,
    shape_error,
)
from data_prep.reading.h36m import FPS, SOURCE, TERMS, action_of, renamed
from data_prep.reading.layouts import detections, level_camera
from data_prep.source import Source, source, two_numbers
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy
from stgraph.geometry import screen_denormalise
from stgraph.skeleton import H36M16

PARTS = ("train", "test")
FILES = "{train,test}_2d_poses.npy, _3d_poses.npy and _actions.npy"
# Frames of a part that the readings are told by.
SAMPLED = 10_000
# A person's size in the image: in pixels and on the normalised screen, which is 2 wide.
PIXEL_SIZE, SCREEN_SIZE = (20.0, 5000.0), (0.02, 3.0)
# Metres to the camera where the root's place is not known; Human3.6M's stand 3 to 7 m away.
DISTANCE = 5.0
# Of a person's size: by how much the 2D may differ from the 3D's image, the camera not being known.
SHAPE = 0.08

READINGS = {
    "pose2d": {
        "pixels": "pixels",
        "screen": "normalised by the image's width, x / w * 2 - (1, h / w)",
    },
    "unit": {unit: UNIT_NAMES[unit] for unit in ("m", "mm")},
    "root": {
        "relative": "joints relative to the root, which is at zero",
        "camera": "every joint in camera space",
        "path": "joints relative to the root, with its place in camera space in its own entry",
    },
}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=f"with {FILES}")
    for name, choices in READINGS.items():
        text = f"{'; '.join(f'{choice}: {what}' for choice, what in choices.items())} (told by the numbers)"
        parser.add_argument(f"--{name}", choices=list(choices), help=text)
    parser.add_argument("--image", default="1000x1000", help="width and height of the images, pixels (%(default)s)")
    parser.add_argument("--detector", default="2d_poses", help="what the 2D is called in the file (%(default)s)")


@source(
    "poseidon", help="frames with actions, as POSEIDON takes them (train_2d_poses.npy, ...)", arguments=add_arguments
)
def read(args: Namespace) -> Source:
    given = {name: getattr(args, name) for name in READINGS if getattr(args, name)}
    image = two_numbers("--image", args.image, "WIDTHxHEIGHT in pixels, such as 1000x1002")
    return read_poseidon(args.folder, image=image, detector=args.detector, given=given)


@dataclass(frozen=True)
class Part:
    """The arrays of one part, of equal length: poses memory-mapped, and the rows of every action."""

    name: str
    paths: dict[str, Path]
    pose2d: np.ndarray
    pose3d: np.ndarray
    rows: dict[str, Int[np.ndarray, " row"]]

    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Some 2D and 3D poses from all over the part."""
        step = max(1, len(self.pose3d) // SAMPLED)
        return tuple(np.array(poses[::step], np.float64) for poses in (self.pose2d, self.pose3d))


def read_poseidon(
    folder: Path,
    *,
    image: tuple[int, int] = (1000, 1000),
    detector: str = "2d_poses",
    given: dict[str, str] | None = None,
) -> Source:
    """The frames of a folder: a recording for every part and action.

    Args:
        image: width and height in pixels.
        detector: name of the 2D poses in the dataset.
        given: readings that are not to be told by the numbers, of READINGS.

    Raises:
        InputError: files missing, damaged or of other shapes; readings that the numbers leave open or contradict; and,
            while recordings are read, poses that cannot be a person's or 2D that does not show the 3D.
    """
    if detector == "gt":
        raise InputError("--detector gt: the name of exact 2D, which the files do not say theirs is; give another")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one with {FILES}")
    parts = [open_part(folder, name) for name in PARTS if any(folder.glob(f"{name}_*.npy"))]
    if not parts:
        raise InputError(f"{folder}: no frames in POSEIDON's layout; expected {FILES}, {H36M16.name}, in this folder")
    readings = {part.name: readings_of(part, given or {}, image) for part in parts}
    first, *others = readings.values()
    for other in others:
        if other != first:
            differing = [name for name in first if first[name] != other[name]]
            raise InputError(
                f"{folder}: the parts differ: "
                + "; ".join(f"{name} is {first[name]} in train and {other[name]} in test" for name in differing)
                + f"; convert one of them, or say what holds by {', '.join(f'--{name}' for name in differing)}"
            )
    return Source(
        H36M16,
        iterate(parts, first, image, detector),
        sum(len(part.rows) for part in parts),
        f"{SOURCE}, single frames in POSEIDON's layout",
        TERMS,
        [path for part in parts for path in part.paths.values()],
        notes=notes(parts, first, image),
        splits={"standard": {part.name: [part.name] for part in parts}},
    )


def open_part(folder: Path, name: str) -> Part:
    """Open a part's three files. Raises InputError where one is missing, or shapes or types are others."""
    paths = {kind: folder / f"{name}_{kind}.npy" for kind in ("2d_poses", "3d_poses", "actions")}
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        raise InputError(
            f"{folder}: no {', '.join(missing)}; {name} needs {', '.join(path.name for path in paths.values())}; give "
            "all of them, or none"
        )
    poses = []
    for kind, axes in (("2d_poses", 2), ("3d_poses", 3)):
        values = load_npy(paths[kind])
        if (
            values.dtype.kind not in "iuf"
            or values.ndim != 3
            or values.shape[1:] != (len(H36M16), axes)
            or not len(values)
        ):
            raise InputError(
                f"{paths[kind]}: {values.dtype} of shape {values.shape}; expected numbers (frames, {len(H36M16)}, "
                f"{axes}), the joints {', '.join(H36M16.names)}"
            )
        check_finite(values, H36M16.names, str(paths[kind]))
        poses.append(values)
    actions = load_npy(paths["actions"])
    if {len(values) for values in poses} != {len(actions)} or actions.ndim != 1:
        counts = ", ".join(
            f"{path.name} {np.shape(values)}" for path, values in zip(paths.values(), (*poses, actions), strict=True)
        )
        raise InputError(
            f"{folder}: {counts}; expected the same number of frames in each, and one action for every frame"
        )
    return Part(name, paths, *poses, rows_by_action(actions, paths["actions"]))


def rows_by_action(actions: np.ndarray, path: Path) -> dict[str, Int[np.ndarray, " row"]]:
    """Rows by action under its published name, in the order of appearance. Raises InputError for what is no text."""
    names = [name.decode(errors="replace") if isinstance(name, bytes) else name for name in actions.tolist()]
    wrong = next((frame for frame, name in enumerate(names) if not isinstance(name, str) or not name.strip()), None)
    if wrong is not None:
        raise InputError(f"{path}: {names[wrong]!r} at frame {wrong}; expected the name of an action, as text")
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(name, len(numbers)) for name in names])
    takes: dict[str, list[int]] = {}
    for name, code in numbers.items():
        takes.setdefault(renamed(name.strip()), []).append(code)
    return {take: np.flatnonzero(np.isin(codes, chosen)) for take, chosen in takes.items()}


# What the numbers are -------------------------------------------------------------------------------------------------


def readings_of(part: Part, given: dict[str, str], image: tuple[int, int]) -> dict[str, str]:
    """What a part's numbers are, by the names of READINGS. Raises InputError where that is open."""
    pose2d, pose3d = part.sample()
    where2d, where3d = str(part.paths["2d_poses"]), str(part.paths["3d_poses"])
    root = given.get("root") or root_reading(pose3d, where3d)
    unit = given.get("unit") or unit_reading(placed(pose3d, root), where3d)
    check_upright(placed(pose3d, root), where3d)
    pixels = given.get("pose2d") or image_reading(pose2d, where2d)
    if pixels == "pixels" and (np.percentile(pose2d, 95, axis=(0, 1)) > image).any():
        reach = " x ".join(f"{value:.0f}" for value in np.percentile(pose2d, 95, axis=(0, 1)))
        raise InputError(
            f"{where2d}: joints reach to {reach} pixels, outside images of {image[0]} x {image[1]}; "
            "say how large they are by --image WIDTHxHEIGHT"
        )
    return {"pose2d": pixels, "unit": unit, "root": root}


def root_reading(pose: Float[np.ndarray, "t j 3"], where: str) -> str:
    """Told by the bones at the root, which are a person's in one reading and metres long in the other."""
    root = pose[:, H36M16.root]
    if np.abs(root).max() < 1e-4 * np.abs(pose).max():
        return "relative"
    children = [joint for joint, parent in H36M16.bones if parent == H36M16.root]
    # Whatever the unit: bones at the root beside the other bones.
    usual = np.median(bone_lengths(pose, H36M16)) / np.median(adult_bones(H36M16))
    adult = np.array(
        [bone for bone, (_, parent) in zip(adult_bones(H36M16), H36M16.bones, strict=True) if parent == H36M16.root]
    )

    def fits(origin: np.ndarray) -> bool:
        ratios = np.median(np.linalg.norm(pose[:, children] - origin, axis=-1), axis=0) / adult / usual
        return bool((ratios > 1 / BONE_FACTOR).all() and (ratios < BONE_FACTOR).all())

    holds = {
        "camera": fits(root[:, None]) and bool((pose[..., 2] > 0).mean() > 0.5),
        "path": fits(np.zeros(3)) and bool((root[:, 2] > 0).mean() > 0.5),
    }
    found = [name for name, fitting in holds.items() if fitting]
    if len(found) != 1:
        what = "both fit" if found else f"neither fits joints in the order {', '.join(H36M16.names)}"
        raise InputError(
            f"{where}: the root is not at zero, and may be {READINGS['root']['camera']} (--root camera), or "
            f"{READINGS['root']['path']} (--root path): {what}, by the bones at the root and the depth; say which it "
            "is, or have the root taken off by --root relative"
        )
    return found[0]


def placed(pose: Float[np.ndarray, "t j 3"], root: str) -> Float[np.ndarray, "t j 3"]:
    """Poses in camera space as far as the root's place is known, else relative to it."""
    if root == "camera":
        return pose
    origin = pose[:, [H36M16.root]]
    if root == "relative":
        return pose - origin
    pose = pose + origin
    pose[:, [H36M16.root]] = origin
    return pose


def unit_reading(pose: Float[np.ndarray, "t j 3"], where: str) -> str:
    """Told by the bones. Raises InputError that says what each unit would make of them."""
    scale = float(np.median(np.median(bone_lengths(pose, H36M16), axis=0) / adult_bones(H36M16)))
    found = [unit for unit in READINGS["unit"] if 1 / BONE_FACTOR < scale * UNITS[unit] < BONE_FACTOR]
    if len(found) != 1:
        told = ", ".join(f"as {UNIT_NAMES[unit]} {scale * UNITS[unit]:.3g}" for unit in READINGS["unit"])
        raise InputError(
            f"{where}: in no unit that is read are these an adult's bones: {told} times as long; expected metres or "
            "millimetres, convert them (poses scaled by their spread have lost their size)"
        )
    return found[0]


def check_upright(pose: Float[np.ndarray, "t j 3"], where: str) -> None:
    """Raises InputError where heads are not towards the image's top, -y of the camera."""
    feet = np.mean([pose[:, H36M16.index(f"{side}Foot")] for side in "LR"], axis=0)
    up = pose[:, H36M16.index("Head")] - feet
    up = np.mean(up / np.linalg.norm(up, axis=-1, keepdims=True).clip(1e-12), axis=0)
    if up[1] > -0.5:
        axis = int(np.abs(up).argmax())
        raise InputError(
            f"{where}: heads are towards {'-' if up[axis] < 0 else '+'}{'xyz'[axis]}, so these are not camera axes but "
            "the world's or others; expected x right, y down, z away from the camera, turn them first"
        )


def image_reading(pose: Float[np.ndarray, "t j 2"], where: str) -> str:
    """Told by a person's size in the image. Raises InputError with the readings there are."""
    size = float(np.median(np.linalg.norm(pose.max(1) - pose.min(1), axis=-1)))
    about = f"{where}: people are {size:.3g} large and at {pose.min():.3g} to {pose.max():.3g}"
    readings = "; ".join(f"{what} (--pose2d {name})" for name, what in READINGS["pose2d"].items())
    if not pose[:, H36M16.root].any():
        raise InputError(f"{about}, all with the root at zero: their place in the image is lost; expected {readings}")
    if PIXEL_SIZE[0] < size < PIXEL_SIZE[1]:
        return "pixels"
    if SCREEN_SIZE[0] < size < SCREEN_SIZE[1] and (pose[..., 0] < 0).mean() > 0.01:
        return "screen"
    also = "; or fractions of the image, which are multiplied by its width and height first" if pose.min() >= 0 else ""
    raise InputError(f"{about}, which can be {readings}{also}; say which it is")


# Recordings -----------------------------------------------------------------------------------------------------------


def iterate(parts: list[Part], readings: dict[str, str], image: tuple[int, int], detector: str) -> Iterator[Recording]:
    """A recording of every part and action, all of whose frames stand alone."""
    camera = level_camera("unknown", *image, np.zeros(9))
    for part in parts:
        for take, rows in part.rows.items():
            where2d, where3d = (f"{part.paths[kind]}, {take!r}" for kind in ("2d_poses", "3d_poses"))
            pose3d = placed(part.pose3d[rows].astype(np.float64), readings["root"]) * UNITS[readings["unit"]]
            check_person(pose3d, where3d, readings["unit"], H36M16)
            check_bones(pose3d, where3d, H36M16)
            given = pixels = part.pose2d[rows].astype(np.float64)
            if readings["pose2d"] == "screen":
                pixels = screen_denormalise(torch.from_numpy(given), *image).numpy()
            pose2d = detections(pixels, given)
            check_shown(pose2d, pose3d, readings["root"] != "relative", where2d, where3d)
            track = Track({detector: pose2d.astype(np.float32)}, pose3d.astype(np.float32), apart=True)
            yield Recording(part.name, action_of(take), take, camera, FPS, [track])


def check_shown(
    pose2d: Float[np.ndarray, "t j 3"], pose3d: Float[np.ndarray, "t j 3"], in_place: bool, where2d: str, where3d: str
) -> None:
    """Raises InputError where the 2D does not show the 3D, by its shape alone, as the camera is not known.

    Args:
        pose2d: pixels and confidence. pose3d: metres, camera space; relative to the root unless `in_place`.
    """
    depth = pose3d[..., 2:] if in_place else DISTANCE + pose3d[..., 2:]
    if (depth <= 0).any():
        t, j, _ = np.argwhere(depth <= 0)[0]
        raise InputError(
            f"{where3d}: joint {H36M16.names[j]} is behind the camera in its frame {t} (depth {depth[t, j, 0]:.2f} m); "
            "expected camera space; for poses relative to the root say --root relative"
        )

    def centred(pose: np.ndarray) -> np.ndarray:
        return pose - np.nanmean(pose, 1, keepdims=True)

    def spread(pose: np.ndarray) -> np.ndarray:
        return np.sqrt(np.nanmean(pose**2, (1, 2), keepdims=True)).clip(1e-12)

    seen = pose2d[..., 2:] > 0
    some = seen.sum((1, 2)) > 1  # one joint has no shape
    if not some.any():
        raise InputError(f"{where2d}: no frame has more than one joint that is not at (0, 0); leave the action out")
    found, true = (centred(np.where(seen, pose, np.nan)[some]) for pose in (pose2d[..., :2], pose3d[..., :2] / depth))
    true = true * (spread(found) / spread(true))
    size = float(np.median(np.linalg.norm(np.nanmax(true, 1) - np.nanmin(true, 1), axis=-1)))
    check_sides(found, true, size, where2d, H36M16)
    if shape_error(found, true) > SHAPE * size:
        raise InputError(
            f"{where2d}: the 2D does not show the 3D poses: joints are off by {shape_error(found, true) / size:.0%} of "
            f"the person's size; expected row by row the same frames, x right and y down, joints "
            f"{', '.join(H36M16.names)}"
        )
    check_order(found, true, size, where2d, H36M16)


def notes(parts: list[Part], readings: dict[str, str], image: tuple[int, int]) -> list[str]:
    """What was read how, and what is not known."""
    about = {name: READINGS[name][value] for name, value in readings.items()}
    lines = [
        "every frame is a track of one frame: there is no motion in these files, and frames a second mean nothing",
        f"2D: {about['pose2d']}; stored as pixels of images of {image[0]} x {image[1]}",
        f"3D: {about['unit']}; {about['root']}",
        "camera unknown: intrinsics are written as 0, and the camera as level and at the world's origin",
    ]
    if readings["root"] == "relative":
        lines.append("the root's path is not known and written as 0: for root-relative tasks alone")
    if {part.name for part in parts} == set(PARTS):
        train, test = ({action_of(take) for take in part.rows} for part in parts)
        if new := sorted(test - train):
            lines.append(f"actions of test that train does not have: {', '.join(new)}")
    return lines
