"""python -m data_prep poseidon FOLDER: frames with actions and without sequences, as POSEIDON takes them.

`{train,test}_2d_poses.npy` (N, 16, 2), `_3d_poses.npy` (N, 16, 3) and `_actions.npy` (N,): Human3.6M's joints without
Neck/Nose. Such arrays say nothing of camera and subject, and not in which unit they are, whether the image is
normalised, or where the root is: that is inferred from the numbers, and refused where two conventions fit. Every
frame becomes a track of its own, so that no velocity is taken between unrelated frames.
"""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from data_prep.cameras.projection import check_in_front
from data_prep.checks.anatomy import Shown, check_bones, check_finite, check_person, person_size
from data_prep.options import UNITS
from data_prep.reading.h36m import FPS, SOURCE, TERMS, action_of, renamed
from data_prep.reading.layouts import detections, level_camera
from data_prep.source import Source
from data_prep.sources.poseidon.conventions import check_upright, infer_image, infer_root, infer_unit, placed
from data_prep.sources.poseidon.options import CONVENTIONS, FILES
from stgraph.cli.numbers import picture_size
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npy
from stgraph.geometry import screen_denormalise
from stgraph.skeleton import H36M16

PARTS = ("train", "test")
# Frames of a part that the conventions are inferred from.
SAMPLED = 10_000
# Metres to the camera where the root's place is not known; Human3.6M's stand 3 to 7 m away.
DISTANCE = 5.0
# Of a person's size: by how much the 2D may differ from the 3D's image, the camera not being known.
SHAPE = 0.08


@dataclass(frozen=True)
class Part:
    """The arrays of one part, of equal length: poses memory-mapped, and the rows of every action."""

    name: str
    paths: dict[str, Path]
    pose2d: Float[np.ndarray, "row j 2"]
    pose3d: Float[np.ndarray, "row j 3"]
    rows: dict[str, Int[np.ndarray, " row"]]


def read(args: Namespace) -> Source:
    """The frames of a folder: a recording for every part and action.

    Raises:
        InputError: files missing, damaged or of other shapes; conventions that are ambiguous or contradicted;
            and, while recordings are read, poses that cannot be a person's or 2D that does not show the 3D.
    """
    folder, stated = args.folder, {name: getattr(args, name) for name in CONVENTIONS if getattr(args, name)}
    image = picture_size(args.image, "--image", "1000x1002")
    if args.detector == "gt":
        problem = "the name of exact 2D, which the files do not say theirs is"
        raise InputError(problem, where="--detector gt", remedy="give another")
    if not folder.is_dir():
        raise InputError("no such folder", where=folder, remedy=f"give the one with {FILES}")
    parts = [open_part(folder, name) for name in PARTS if any(folder.glob(f"{name}_*.npy"))]
    if not parts:
        expected = f"{FILES}, {H36M16.name}, in this folder"
        raise InputError("no frames in POSEIDON's layout", where=folder, expected=expected)
    conventions = [infer(part, stated, image) for part in parts]
    first, last = conventions[0], conventions[-1]
    if differing := [name for name in first if first[name] != last[name]]:
        raise InputError(
            "the parts differ: "
            + "; ".join(f"{name} is {first[name]} in train and {last[name]} in test" for name in differing),
            where=folder,
            remedy=f"convert one of them, or say what holds by {', '.join(f'--{name}' for name in differing)}",
        )
    return Source(
        skeleton=H36M16,
        recordings=iterate(parts, first, image, args.detector),
        total=sum(len(part.rows) for part in parts),
        source=f"{SOURCE}, single frames in POSEIDON's layout",
        terms=TERMS,
        inputs=[path for part in parts for path in part.paths.values()],
        notes=notes(parts, first, image),
        splits={"standard": {part.name: [part.name] for part in parts}},
    )


def open_part(folder: Path, name: str) -> Part:
    """Open a part's three files. Raises InputError where one is missing, or shapes or types are others."""
    paths = {kind: folder / f"{name}_{kind}.npy" for kind in ("2d_poses", "3d_poses", "actions")}
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        problem = f"no {', '.join(missing)}; {name} needs {', '.join(path.name for path in paths.values())}"
        raise InputError(problem, where=folder, remedy="give all of them, or none")
    pose2d, pose3d = (_load_poses(paths[f"{axes}d_poses"], axes) for axes in (2, 3))
    actions = load_npy(paths["actions"])
    if len(pose2d) != len(pose3d) or actions.shape != (len(pose2d),):
        arrays = zip(paths.values(), (pose2d, pose3d, actions), strict=True)
        actual = ", ".join(f"{path.name} {np.shape(values)}" for path, values in arrays)
        expected = "the same number of frames in each, and one action for every frame"
        raise InputError(where=folder, found=actual, expected=expected)
    return Part(name, paths, pose2d, pose3d, rows_by_action(actions, paths["actions"]))


def _load_poses(path: Path, axes: int) -> Float[np.ndarray, "row j axes"]:
    values = load_npy(path)
    if values.dtype.kind not in "iuf" or values.shape[1:] != (len(H36M16), axes) or not len(values):
        expected = f"numbers (frames, {len(H36M16)}, {axes}), the joints {', '.join(H36M16.names)}"
        raise InputError(where=path, found=f"{values.dtype} of shape {values.shape}", expected=expected)
    check_finite(values, H36M16.names, str(path))
    return values


def rows_by_action(actions: np.ndarray, path: Path) -> dict[str, Int[np.ndarray, " row"]]:
    """Rows by action under its published name, in the order of appearance. Raises InputError for what is no text."""
    names = [name.decode(errors="replace") if isinstance(name, bytes) else name for name in actions.tolist()]
    takes: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            problem = f"{name!r} at frame {row}"
            raise InputError(problem, where=path, expected="the name of an action, as text")
        takes.setdefault(renamed(name.strip()), []).append(row)
    return {take: np.array(rows) for take, rows in takes.items()}


def infer(part: Part, stated: Mapping[str, str], image: tuple[int, int]) -> dict[str, str]:
    """The conventions of a part, by the names of CONVENTIONS. Raises InputError where they are ambiguous."""
    step = max(1, len(part.pose3d) // SAMPLED)
    pose2d, pose3d = (np.array(poses[::step], np.float64) for poses in (part.pose2d, part.pose3d))
    where2d, where3d = str(part.paths["2d_poses"]), str(part.paths["3d_poses"])
    root = stated.get("root") or infer_root(pose3d, where3d)
    unit = stated.get("unit") or infer_unit(placed(pose3d, root), where3d)
    check_upright(placed(pose3d, root), where3d)
    pixels = stated.get("pose2d") or infer_image(pose2d, where2d)
    reach = np.percentile(pose2d, 95, axis=(0, 1))
    if pixels == "pixels" and (reach > image).any():
        problem = f"joints reach to {reach[0]:.0f} x {reach[1]:.0f} pixels, outside images of {image[0]} x {image[1]}"
        raise InputError(problem, where=where2d, remedy="say how large they are by --image WIDTHxHEIGHT")
    return {"pose2d": pixels, "unit": unit, "root": root}


def iterate(
    parts: list[Part], conventions: Mapping[str, str], image: tuple[int, int], detector: str
) -> Iterator[Recording]:
    """A recording of every part and action, all of whose frames stand alone."""
    camera = level_camera("unknown", *image)
    root, unit = conventions["root"], conventions["unit"]
    for part in parts:
        for take, rows in part.rows.items():
            where2d, where3d = (f"{part.paths[kind]}, {take!r}" for kind in ("2d_poses", "3d_poses"))
            pose3d = placed(part.pose3d[rows].astype(np.float64), root) * UNITS[unit]
            check_person(pose3d, where3d, unit, H36M16)
            check_bones(pose3d, where3d, H36M16)
            stored = pixels = part.pose2d[rows].astype(np.float64)
            if conventions["pose2d"] == "screen":
                pixels = screen_denormalise(torch.from_numpy(stored), *image).numpy()
            pose2d = detections(pixels, stored)
            in_place = pose3d if root != "relative" else pose3d + [0, 0, DISTANCE]
            check_in_front(in_place, H36M16.names, where3d, "for poses relative to the root say --root relative")
            check_shown(pose2d, in_place, where2d)
            track = Track({detector: pose2d.astype(np.float32)}, pose3d.astype(np.float32), apart=True)
            yield Recording(part.name, action_of(take), take, camera=camera, fps=FPS, tracks=[track])


def check_shown(pose2d: Float[np.ndarray, "t j 3"], pose3d: Float[np.ndarray, "t j 3"], where: str) -> None:
    """Raises InputError where the 2D does not show the 3D, by its shape alone, as the camera is not known.

    Args:
        pose2d: pixels and confidence.
        pose3d: metres, camera space.
    """

    def centred(pose: np.ndarray) -> np.ndarray:
        return pose - np.nanmean(pose, 1, keepdims=True)

    def spread(pose: np.ndarray) -> np.ndarray:
        return np.sqrt(np.nanmean(pose**2, (1, 2), keepdims=True)).clip(1e-12)

    seen = pose2d[..., 2:] > 0
    rows = seen.sum((1, 2)) > 1  # one joint has no shape
    if not rows.any():
        problem = "no frame has more than one joint that is not at (0, 0)"
        raise InputError(problem, where=where, remedy="leave the action out")
    images = (pose2d[..., :2], pose3d[..., :2] / pose3d[..., 2:])
    pixels, true = (centred(np.where(seen, pose, np.nan)[rows]) for pose in images)
    true = true * (spread(pixels) / spread(true))
    shown = Shown(pixels, true, person_size(true), H36M16, where)
    shown.check_sides()
    if shown.shape_error > SHAPE:
        problem = f"the 2D does not show the 3D poses: joints are off by {shown.shape_error:.0%} of the person's size"
        expected = "row by row the same frames, x right and y down, joints " + ", ".join(H36M16.names)
        raise InputError(problem, where=where, expected=expected)
    shown.check_order()


def notes(parts: list[Part], conventions: Mapping[str, str], image: tuple[int, int]) -> list[str]:
    """Notes on the conventions, and on what is unknown."""
    read_as = {name: CONVENTIONS[name][value] for name, value in conventions.items()}
    lines = [
        "every frame is a track of one frame: there is no motion in these files, and frames a second mean nothing",
        f"2D: {read_as['pose2d']}; stored as pixels of images of {image[0]} x {image[1]}",
        f"3D: {read_as['unit']}; {read_as['root']}",
        "camera unknown: intrinsics are written as 0, and the camera as level and at the world's origin",
    ]
    if conventions["root"] == "relative":
        lines.append("the root's path is not known and written as 0: for root-relative tasks alone")
    if len(parts) == len(PARTS):
        train, test = ({action_of(take) for take in part.rows} for part in parts)
        if new := sorted(test - train):
            lines.append(f"actions of test that train does not have: {', '.join(new)}")
    return lines
