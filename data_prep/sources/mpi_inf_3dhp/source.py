"""python -m data_prep 3dhp PATH ...: MPI-INF-3DHP, official or as other projects' .npz files.

The 3D of a test sequence and of most published numbers is `univ_annot3`, rescaled about the pelvis to the height of a
universal skeleton, so that the 2D differs from its projection; `annot3` is the person's own. The exact 2D `gt` is that
of the files. Intrinsics come from `camera.calibration` if it exists, else they are estimated from the pairs of 2D and
3D. Frames that the test set calls not valid are kept, for the models to see, and marked: they are not scored.
"""

from argparse import Namespace
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from data_prep.cameras.projection import check_in_front, image
from data_prep.checks.anatomy import COMPARED, check_bones, check_finite, check_image, check_person, person_size
from data_prep.options import SPLIT, UNITS
from data_prep.reading.arrays import AGAIN
from data_prep.reading.layouts import detections, last_valid, layout, level_camera
from data_prep.source import Source
from data_prep.sources.mpi_inf_3dhp.files import FAST, FRAMES, TEST, Values, View, find
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

Pose = Float[np.ndarray, "t j 3"]

SOURCE = "MPI-INF-3DHP (Mehta et al. 2017)"
TERMS = "MPI-INF-3DHP: research purposes only, no commercial use; cite its paper; not to be passed on"
SPLITS = {SPLIT: {"train": [f"S{number}" for number in range(1, 9)], "test": list(TEST)}}
FPS, FAST_FPS = 25.0, 50.0
# Of a person's size in the image: the most that 2D may be off the projection of the 3D by estimated intrinsics, root
# mean square. Lens distortion puts it off by less than 0.01, another order of joints by 0.2.
MISFIT = 0.06
# Of the person's own size: the range of universal skeletons of people from 1.3 to 2.2 m, and the least that counts.
SCALES, RESCALED = (0.75, 1.35), 0.003
# Of the squared error that is left: undoing a rescaling lowers it to less, or there is none. Noise has any scale.
EXPLAINED = 0.5
FOCAL = (0.3, 10)  # of the image's width: focal lengths that lenses have
CENTRE = 0.15  # of the image's width: how far from its middle a lens is centred at most


def read(args: Namespace) -> Source:
    """Every view of every sequence in the given files and folders.

    Raises:
        InputError: nothing usable was found, or two files hold one sequence; and, while recordings are read, for
            damaged files and for implausible values.
    """
    views, inputs = find(args.paths, args.annotation)
    annotations = dict.fromkeys(view.annotation or f"as in {view.path.name}, which does not say" for view in views)
    source = f"{SOURCE}; 3D: {', '.join(annotations)}"
    left_out, notes = missing(views), decided(views)
    recordings = iterate(views, notes, left_out)
    return Source(
        H36M17, recordings, len(views), source, TERMS, inputs=inputs, left_out=left_out, notes=notes, splits=SPLITS
    )


def missing(views: list[View]) -> list[tuple[str, str]]:
    """Sequences missing of the subjects that occur, and of the test set if it occurs."""
    present = {view.name for view in views}
    of_subjects = [[name for name in FRAMES if name.split()[0] == subject] for subject in SPLITS[SPLIT]["train"]]
    groups = [names for names in (*of_subjects, TEST) if present.intersection(names)]
    absent = [name for names in groups for name in names if name not in present]
    return [(name, "no files") for name in absent]


def decided(views: list[View]) -> list[str]:
    """Notes on assumptions."""
    notes = []
    if any(view.path.name == "annot.mat" for view in views):
        notes.append("annot.mat: 8 of the 14 cameras, as papers use them; the others were not read")
    if any(view.name in TEST for view in views):
        notes.append(f"test sequences: no file says their frame rate; {FPS:g} a second is taken")
    notes.append("Neck/Nose is the joint in the head, Thorax the neck, Head the top of the head")
    return notes


def iterate(views: list[View], notes: list[str], left_out: list[tuple[str, str]]) -> Iterator[Recording]:
    """A recording of every view that has valid frames, read one after another."""
    off: dict[str, list[float]] = {"calibrated cameras": [], "cameras estimated from 2D and 3D": []}
    cut: dict[str, int] = {}
    scales: list[float] = []
    for view in views:
        values = view.load()
        if not values.valid.any():
            left_out.append((view.name, "no frame is valid"))
            continue
        valid, (pose3d, exact2d, shown) = values.valid, in_h36m_order(view, values)
        pixels = np.where(exact2d[..., 2:] > 0, exact2d[..., :2], np.nan)
        some = valid & (exact2d[..., 2] > 0).any(1)
        if not some.any():
            raise InputError("all 2D joints are at (0, 0)", where=view.where, remedy=f"{AGAIN} or leave it out")
        if values.exact is None:
            scale = inferred_scale(shown[some], pixels[some])
            scales += [scale] if abs(scale - 1) > RESCALED else []
            shown = resized(shown, 1 / scale)
        camera = view.calibrated or estimated(shown[some], pixels[some], view)
        error = np.linalg.norm(image(pose3d, camera) - pixels, axis=-1)[some]
        off["calibrated cameras" if view.calibrated else "cameras estimated from 2D and 3D"].append(rms(error))
        cut |= {view.name: values.cut} if values.cut else {}
        check_image(exact2d[last_valid(valid)], shown[last_valid(valid)], camera, [camera], view.where)
        track = Track({"gt": exact2d.astype(np.float32)}, pose3d.astype(np.float32), valid=valid)
        subject, _, sequence = view.name.partition(" ")
        sequence = sequence or subject
        fps = view.fps if view.fps is not None else FAST_FPS if view.name in FAST else FPS
        yield Recording(subject, sequence, sequence, camera, fps, tracks=[track])
    notes += conclusions(off, scales, cut)


def conclusions(off: dict[str, list[float]], scales: list[float], cut: dict[str, int]) -> list[str]:
    """Notes on how well 2D and 3D agree by kind of camera, on rescaled 3D and on frames that were cut off."""
    notes = [
        f"gt: off the projection of the 3D by {np.mean(errors):.2f} pixels (root mean square) in {len(errors)} "
        f"recordings of {kind}, {max(errors):.2f} at most"
        for kind, errors in off.items()
        if errors
    ]
    if scales:
        notes.append(
            f"3D of {len(scales)} recordings is {min(scales):.3f} to {max(scales):.3f} times the size that its 2D "
            "shows, rescaled about the pelvis: univ_annot3"
        )
    return notes + [f"{name}: {count} frames beyond the official {FRAMES[name]} cut off" for name, count in cut.items()]


def in_h36m_order(view: View, values: Values) -> tuple[Pose, Pose, Pose]:
    """Poses (metres), pixels with confidence and the poses that a camera saw, checked, in Human3.6M's order.

    Values that are not finite in frames that are not valid become zero.
    """
    table, stand_in = layout("mpi-inf-3dhp"), last_valid(values.valid)
    shown = values.pose3d if values.exact is None else values.exact
    for array in (values.pose3d, shown, values.pixels):
        check_finite(array[stand_in], view.joints, view.where)
    points = np.nan_to_num(np.concatenate([values.pixels, np.zeros_like(values.pixels[..., :1])], axis=-1))
    poses = [table.apply(np.nan_to_num(array), view.joints, view.where) for array in (values.pose3d, shown, points)]
    pose3d, exact, pixels = poses[0] * UNITS["mm"], poses[1] * UNITS["mm"], poses[2][..., :2]
    for pose in (pose3d, exact):
        check_person(pose[stand_in], view.where, "mm", order=view.joints)
        check_bones(pose[stand_in], view.where)
        check_in_front(pose[stand_in], H36M17.names, view.where, "make the file again without subtracting the pelvis")
    return pose3d, detections(pixels), exact


def estimated(pose3d: Float[np.ndarray, "t j 3"], pixels: Float[np.ndarray, "t j 2"], view: View) -> Camera:
    """The camera, level and without distortion, whose projection of the 3D is nearest to the 2D.

    Raises InputError where none comes near, or its centre is not near the image's.

    Args:
        pixels: NaN for what is not seen.
    """
    intrinsics = fit_intrinsics(pose3d, pixels)
    camera = level_camera(view.camera, *view.size, intrinsics)
    error = rms(np.linalg.norm(image(pose3d, camera) - pixels, axis=-1))
    size = person_size(pixels)
    focal = intrinsics[:2] / view.size[0]
    if error > MISFIT * size or (focal < FOCAL[0]).any() or (focal > FOCAL[1]).any():
        raise InputError(
            "no camera makes this 2D of this 3D: the best one (focal lengths {:.0f}, {:.0f}, centre {:.0f}, {:.0f}) is "
            "off by {:.1f} pixels for a person of {:.0f}".format(*intrinsics[:4], error, size),
            where=view.where,
            expected=f"pixels of the same frames, {MISFIT * size:.1f} off at most",
            remedy="are they of one camera, in one order of joints, and not normalised?",
        )
    if (np.abs(intrinsics[2:4] - np.array(view.size) / 2) > CENTRE * view.size[0]).any():
        raise InputError(
            "the camera that makes this 2D of this 3D is centred at {:.0f}, {:.0f}, which is not near the middle of "
            "images of {} x {}".format(*intrinsics[2:4], *view.size),
            where=view.where,
            expected="pixels of these",
            remedy="are the images of another size? Then scale the 2D to this one",
        )
    return camera


def fit_intrinsics(pose3d: Float[np.ndarray, "t j 3"], pixels: Float[np.ndarray, "t j 2"]) -> Float[np.ndarray, "9"]:
    """Focal lengths and centre of the pinhole camera that maps the poses to the pixels best, by least squares.

    Each axis is a line, u = f X / Z + c. No distortion. Pixels that are NaN are left out.
    """
    visible = ~np.isnan(pixels).any(axis=-1)
    ratio, seen = (pose3d[..., :2] / pose3d[..., 2:])[visible], pixels[visible]
    lines = [
        np.linalg.lstsq(np.stack([x, np.ones_like(x)], axis=1), u, rcond=None)[0]
        for x, u in zip(ratio.T, seen.T, strict=True)
    ]
    return np.concatenate([*np.stack(lines, axis=1), np.zeros(5)])


def inferred_scale(pose3d: Float[np.ndarray, "t j 3"], pixels: Float[np.ndarray, "t j 2"]) -> float:
    """The factor by which poses were rescaled about their root: the one without which a camera fits the pixels best.

    1 unless that explains most of the error.
    """
    sampled = slice(None, None, max(len(pose3d) // COMPARED, 1))
    pose3d, pixels = pose3d[sampled], pixels[sampled]

    from scipy.optimize import minimize_scalar

    def misfit(scale: float) -> float:
        pose = resized(pose3d, 1 / scale)
        camera = level_camera("", 1, 1, fit_intrinsics(pose, pixels))
        return rms(image(pose, camera) - pixels) ** 2

    best = minimize_scalar(misfit, bounds=SCALES, method="bounded", options={"xatol": 1e-9})
    return float(best.x) if best.fun < EXPLAINED * misfit(1.0) else 1.0


def resized(pose: Float[np.ndarray, "t j 3"], scale: float) -> Float[np.ndarray, "t j 3"]:
    """Poses of another size about their root."""
    root = pose[:, H36M17.root, None]
    return root + scale * (pose - root)


def rms(error: Float[np.ndarray, "..."]) -> float:
    """Root mean square of what is not NaN."""
    return float(np.sqrt(np.nanmean(np.square(error))))
