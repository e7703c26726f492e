"""Motion-capture files of any rig, seen through cameras: ASF/AMC, BVH and `.npz` of joint positions.

A take is mapped to the Human3.6M skeleton by joint names, cut where it jumps, resampled by a cubic spline, placed
before the cameras and projected; `gt` holds the exact 2D joints, `sim` those of a simulated detector.
"""

import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from data_prep.cameras.calibration import h36m_cameras, h36m_subjects
from data_prep.cameras.noise import noise_model, seeded, simulate_detections
from data_prep.cameras.viewpoints import common_look_at, random_camera, runs, see
from data_prep.checks.anatomy import UNITS, check_bones
from data_prep.reading.rigs import metres, read_mapping
from data_prep.reading.takes import FASTEST, UNKNOWN_TERMS, Motion, Take, find_takes, read_take
from data_prep.source import Source, source
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17

MOST_ACCELERATION = 1500.0  # m/s2; a human's joint stays below, a marker that jumps does not
SHORTEST = 0.5  # seconds of a piece between two cuts
FLOOR_OFF, FLOOR = 0.25, 0.03  # metres: a lowest joint further than the first from 0 is moved to the second
FPS = (1.0, 1000.0)  # of a dataset
UPRIGHT = 0.4  # metres that a head must be above the feet somewhere in a collection


def arguments(parser: ArgumentParser) -> None:
    """Options of `python -m data_prep mocap`."""
    motion_arguments(parser)
    add = parser.add_argument
    add("--cameras", choices=("h36m", "random"), default="h36m", help="Human3.6M's four, or drawn for every take")
    add("--camera-subject", default="S1", help=f"whose cameras: {', '.join(h36m_subjects())} (%(default)s)")
    add("--views", type=int, default=4, help="random cameras a take (%(default)s)")
    add("--seed", type=int, default=0, help="of random cameras and of the simulated detector (%(default)s)")
    add("--fps", type=float, default=50.0, help="frames per second of the dataset (%(default)g)")
    add("--actions", type=Path, help='JSON: file name without ending -> action, {"35_01": "walk"}')
    add("--validation", nargs="+", default=[], metavar="SUBJECT", help="subjects of the split `standard`")
    add("--test", nargs="+", default=[], metavar="SUBJECT", help="subjects of the split `standard`")
    add("--margin", type=float, default=0.05, help="how far outside a joint may be, of the longer side (%(default)g)")
    add("--min-depth", type=float, default=1.0, help="metres of a joint from the camera (%(default)g)")
    add("--min-frames", type=int, default=20, help="shortest run of frames that is kept (%(default)s)")


def motion_arguments(parser: ArgumentParser) -> None:
    """Which files of motion there are, and how they are read."""
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="files or folders: .asf with .amc, .bvh, .npz")
    add("--rate", type=float, default=0.0, help="frames per second of AMC (as the name says, else 120) and .npz (50)")
    add("--mapping", type=Path, help="JSON: joint names of the rig (an unknown rig shows what to write)")
    add("--unit", help=f"of lengths: {', '.join(UNITS)} or the metres of one unit (by default as the mapping says)")
    add("--up", choices=("y", "z"), help="axis that points up in the files (by default as the mapping says)")
    add("--names", default="", help="regular expression for file names, with groups subject, action, take, rate")
    add("--terms", help="what may be done with the motion (CMU and HDM05 files are known by their names)")


def take_reader(args: Namespace) -> Callable[[Take], Motion]:
    """What reads a take as the options of `motion_arguments` say. Raises InputError for a mapping or unit."""
    mapping = read_mapping(args.mapping) if args.mapping else None
    unit = metres(args.unit, "--unit") if args.unit else None
    return lambda take: read_take(take, mapping, unit, args.up)


def inputs_of(takes: Sequence[Take], *more: Path | None) -> list[Path]:
    """Files that takes come from, and further ones, where given."""
    return sorted({path for take in takes for path in (take.path, take.asf) if path} | {*filter(None, more)})


def datasets_of(takes: Sequence[Take]) -> str:
    """Names of the collections that takes belong to, for the sentence on a file's source."""
    return ", ".join(sorted({take.dataset for take in takes} - {""})) or "files"


def terms_of(takes: Sequence[Take], stated: str | None) -> tuple[str, list[str]]:
    """What may be done with takes and the noise on them, and a note where that is not known."""
    terms = stated or "; ".join(sorted({take.terms for take in takes}))
    note = "terms of the motion are unknown: ask whose it is before you pass anything on, and state them"
    return f"{terms}. Detector noise: {noise_model()['source']}", [note] if UNKNOWN_TERMS in terms else []


@source("mocap", help="motion-capture files (ASF/AMC, BVH, .npz) seen through cameras", arguments=arguments)
def read(args: Namespace) -> Source:
    """Takes through cameras, as recordings "SUBJECT/TAKE/CAMERA". Raises InputError for what cannot be used."""
    _check_numbers(args)
    actions = _actions(args.actions)
    takes = find_takes(args.paths, args.names, args.rate, actions)
    notes = _unused_actions(args.actions, actions, takes)
    reader = take_reader(args)
    studio = Studio(args)
    terms, unknown = terms_of(takes, args.terms)
    result = Source(
        skeleton=H36M17,
        recordings=iter(()),
        total=len(takes) * studio.views,
        source=f"motion capture ({datasets_of(takes)}) through {studio.description}; "
        f"detector noise with seed {args.seed}",
        terms=terms,
        inputs=inputs_of(takes, args.mapping, args.actions),
        notes=notes + unknown,
        splits=subject_splits(args, {take.subject for take in takes}),
    )
    result.recordings = _recordings(takes, reader, studio, args, result)
    return result


def _check_numbers(args: Namespace) -> None:
    for option in ("views", "min_frames", "min_depth", "rate", "margin", "seed"):
        value, zero = getattr(args, option), option in ("rate", "margin", "seed")
        if not (0 < value < np.inf or (zero and value == 0)):
            flag = f"--{option.replace('_', '-')}"
            raise InputError(f"{flag} {value}: expected a number {'of 0 or more' if zero else 'above 0'}")
    if not FPS[0] <= args.fps <= FPS[1]:
        raise InputError(f"--fps {args.fps}: expected {FPS[0]:g} to {FPS[1]:g} frames per second")
    if args.rate > FASTEST:
        raise InputError(f"--rate {args.rate}: expected up to {FASTEST:g} frames per second")


def _actions(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        table = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f'{path}: {error}; expected a JSON file such as {{"35_01": "walk"}}') from error
    if not isinstance(table, dict) or not all(isinstance(action, str) for action in table.values()):
        raise InputError(f'{path}: expected file names and actions, such as {{"35_01": "walk"}}')
    return table


def _unused_actions(path: Path | None, actions: dict[str, str], takes: Sequence[Take]) -> list[str]:
    """Notes on names that no file has. Raises InputError where none of the names is a file's."""
    files = {take.path.stem for take in takes if not take.key}
    unused = sorted(set(actions) - files)
    text = ", ".join(unused[:10]) + (f" and {len(unused) - 10} more" if len(unused) > 10 else "")
    if path and len(unused) == len(actions):
        named = f"the files are {', '.join(sorted(files)[:10])}" if files else "arrays in .npz files carry theirs"
        raise InputError(
            f"{path}: no motion file is called {text or 'as it says, for it is empty'}; {named}; "
            "expected names of files without folder and ending, or leave `--actions` out"
        )
    return [f"{path.name}: no file is called {text}"] if unused else []


def subject_splits(args: Namespace, subjects: set[str]) -> dict[str, dict[str, list[str]]]:
    """The split `standard` that --validation and --test ask for. Raises InputError for a subject unknown or in both."""
    named = [*args.validation, *args.test]
    if unknown := [subject for subject in named if subject not in subjects]:
        known = ", ".join(sorted(subjects))
        raise InputError(f"--validation, --test: no subject {', '.join(unknown)}; there are {known}")
    if both := set(args.validation) & set(args.test):
        raise InputError(f"--validation, --test: {', '.join(sorted(both))} in both; name a subject once")
    if not named:
        return {}
    parts = {"train": sorted(subjects - set(named)), "validation": args.validation, "test": args.test}
    return {"standard": {part: keys for part, keys in parts.items() if keys}}


def pieces(pose: Float[np.ndarray, "t j 3"], rate: float, fps: float, shortest: int) -> list[np.ndarray]:
    """The stretches of a take in which no joint jumps, resampled to `fps`: each (frames, j, 3), at t = i / fps.

    Every frame that is within one frame of an acceleration above 1500 m/s2 (second difference at the native rate) goes,
    and one beside it; pieces under half a second or `shortest` frames go as well. The spline is cubic, through all
    frames of the piece.
    """
    jump = np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1).max(axis=-1, initial=0) * rate**2 > MOST_ACCELERATION
    smooth = np.ones(len(pose), dtype=bool)
    for offset in range(3):
        smooth[offset : offset + len(jump)] &= ~jump
    found = []
    for start, end in runs(smooth):
        frames = int((end - start - 1) / rate * fps + 1e-6) + 1
        if frames >= shortest and (end - start) / rate >= SHORTEST:
            spline = CubicSpline(np.arange(end - start) / rate, pose[start:end])
            found.append(spline(np.arange(frames) / fps))
    return found


class Studio:
    """The cameras of a dataset and the spot that takes are placed on."""

    def __init__(self, args: Namespace) -> None:
        self.seed, self.random = args.seed, args.cameras == "random"
        self.fixed: Sequence[Camera] = () if self.random else h36m_cameras(args.camera_subject)
        self.views = args.views if self.random else len(self.fixed)
        self.spot = np.zeros(2) if self.random else common_look_at(self.fixed)[:2]
        self.description = (
            f"{self.views} random cameras a take, seed {args.seed}"
            if self.random
            else f"the {self.views} Human3.6M cameras of {args.camera_subject}"
        )

    def place(self, pose: Float[np.ndarray, "t j 3"]) -> Float[np.ndarray, "t j 3"]:
        """Move a motion so that the middle of its path is on the spot and its floor, if it is far off, at 0."""
        path = pose[:, H36M17.root, :2]
        return pose + np.append(self.spot - (path.min(axis=0) + path.max(axis=0)) / 2, floor_shift(pose))

    def cameras(self, pose: Float[np.ndarray, "t j 3"], take: str) -> Sequence[Camera]:
        """The cameras of a placed take; random ones depend on the seed, the take and their number alone."""
        if not self.random:
            return self.fixed
        return [
            random_camera(seeded(self.seed, f"{take}/random{number}"), pose, f"random{number}")
            for number in range(self.views)
        ]


def check_upright(upright: Mapping[str, float], up: str | None) -> list[str]:
    """Notes on rigs in which nobody ever stands, by the metres of the highest head above the feet of each.

    Raises:
        InputError: there is one and the axis was not stated.
    """
    lying = [
        f"{rig}: the head is never more than {height:.2f} m above the feet"
        for rig, height in upright.items()
        if height < UPRIGHT
    ]
    if lying and up is None:
        raise InputError(
            f"{lying[0]}; if up is another axis, give `--up z` or `--up y`; if they all lie, state the present axis"
        )
    return [f"{found}; taken as they are because of --up {up}" for found in lying]


def floor_shift(pose: Float[np.ndarray, "t j 3"]) -> float:
    """Metres by which a motion is to be raised: none, unless its floor is far off."""
    return FLOOR - lowest if abs(lowest := pose[..., 2].min()) > FLOOR_OFF else 0.0


@dataclass
class Tally:
    """What happened on the way, for the summary."""

    takes: Counter = field(default_factory=Counter)
    upright: dict[str, float] = field(default_factory=dict)
    frames: Counter = field(default_factory=Counter)
    unseen: Counter = field(default_factory=Counter)
    short: Counter = field(default_factory=Counter)


def _recordings(
    takes: Sequence[Take], read: Callable[[Take], Motion], studio: Studio, args: Namespace, result: Source
) -> Iterator[Recording]:
    tally = Tally()
    for take in takes:
        motion = read(take)
        rig = f"{take.path.suffix.lower()[1:]} as {motion.mapping.name}, {motion.metres:.4g} m to the unit"
        tally.takes[rig + (f", frames left out in front: {motion.skipped}" if motion.skipped else "")] += 1
        tally.upright[rig] = max(tally.upright.get(rig, -np.inf), motion.upright)
        parts = pieces(motion.pose, motion.rate, args.fps, args.min_frames)
        lost = len(motion.pose) / motion.rate - sum(map(len, parts)) / args.fps
        if lost > 2 / args.fps:
            reason = f"{lost:.2f} s beside joints that jump or in too short pieces; pieces kept: {len(parts)}"
            result.left_out.append((f"{take.subject}/{take.name}", reason))
        # One recording a take and camera was announced.
        result.total += (len(parts) - 1) * studio.views
        for number, part in enumerate(parts):
            name = take.name + (letter(number) if len(parts) > 1 else "")
            check_bones(part, take.where)
            placed = studio.place(part)
            for camera in studio.cameras(placed, f"{take.subject}/{name}"):
                recording = Recording(take.subject, take.action, name, camera, args.fps, [])
                recording.tracks = _tracks(recording, placed, args, tally)
                if recording.tracks:
                    yield recording
                else:
                    result.total -= 1
                    result.left_out.append((recording.id, "never seen properly for long enough"))
    _summarise(tally, args, result)


def letter(number: int) -> str:
    """What tells the pieces of a take apart: a, b, ... z, then -27, -28, ...

    >>> letter(0), letter(26)
    ('a', '-27')
    """
    return chr(ord("a") + number) if number < 26 else f"-{number + 1}"


def _tracks(recording: Recording, placed: Float[np.ndarray, "t j 3"], args: Namespace, tally: Tally) -> list[Track]:
    """A take as a camera sees it: a track for every run of frames in which all of the person can be seen."""
    camera = recording.camera
    pose3d, pixels, seen = see(placed, camera, args.margin, args.min_depth)
    exact = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    # Drawn for the whole take, so that the noise of a frame does not depend on what is cut.
    noisy = simulate_detections(pixels, camera.width, camera.height, seeded(args.seed, recording.id))
    tally.frames[camera.name] += len(seen)
    tally.unseen[camera.name] += int((~seen).sum())
    tracks = []
    for start, end in runs(seen):
        if end - start < args.min_frames:
            tally.short[camera.name] += end - start
            continue
        rows = slice(start, end)
        both = {"gt": exact[rows].astype(np.float32), "sim": noisy[rows].astype(np.float32)}
        tracks.append(Track(both, pose3d[rows].astype(np.float32), frame=start))
    return tracks


def _summarise(tally: Tally, args: Namespace, result: Source) -> None:
    """Notes and what was left out; refuses collections in which nobody ever stands, unless their axis was stated."""
    result.notes += check_upright(tally.upright, args.up)
    result.notes += [f"{count} takes: {rig}" for rig, count in tally.takes.items()]
    result.notes.append(
        f"takes are centred before the cameras, cut where a joint accelerates beyond {MOST_ACCELERATION:g} m/s2, "
        f"and resampled to {args.fps:g} fps by a cubic spline"
    )
    result.notes.append("gt: exact projection; sim: simulated detector, drawn from seed and recording id")
    for camera, frames in tally.frames.items():
        if gone := tally.unseen[camera]:
            reason = f"a joint nearer than {args.min_depth:g} m or more than {args.margin:.0%} of the image outside it"
            result.left_out.append((f"camera {camera}: {gone:,} of {frames:,} frames", reason))
        if gone := tally.short[camera]:
            reason = f"in runs shorter than {args.min_frames} frames"
            result.left_out.append((f"camera {camera}: {gone:,} of {frames:,} frames", reason))
