"""Motion-capture takes as several sources use them: options, terms, and pieces at the frame rate of a dataset."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data_prep.checks.anatomy import check_bones
from data_prep.reading.rigs import metres, read_mapping
from data_prep.reading.splitting import check_subjects, split_of
from data_prep.reading.takes import UNKNOWN_TERMS, Motion, Take, read_take
from stgraph.data.detector_noise import noise_model
from stgraph.data.recording import runs
from stgraph.errors import InputError
from stgraph.skeleton import H36M17

MOST_ACCELERATION = 1500.0  # m/s2; a human's joint stays below, a marker that jumps does not
SHORTEST = 0.5  # seconds of a piece between two cuts
FLOOR_OFF, FLOOR = 0.25, 0.03  # metres: a lowest joint further than the first from 0 is moved to the second
UPRIGHT = 0.4  # metres that a head must be above the feet in half of the frames of a take, in some take


def take_reader(args: Namespace) -> Callable[[Take], Motion]:
    """A reader of takes by the options of `motion_arguments`. Raises InputError for a mapping or unit."""
    mapping = read_mapping(args.mapping) if args.mapping else None
    unit = metres(args.unit, "--unit") if args.unit else None
    return lambda take: read_take(take, mapping, unit, args.up)


def inputs_of(takes: Sequence[Take], *more: Path | None) -> list[Path]:
    """Files of the takes, and further ones that are not None."""
    return sorted({path for take in takes for path in (take.path, take.asf) if path} | {*filter(None, more)})


def datasets_of(takes: Sequence[Take]) -> str:
    """Names of the collections that takes belong to, for the sentence on a file's source."""
    return ", ".join(sorted({take.dataset for take in takes} - {""})) or "files"


def terms_of(takes: Sequence[Take], stated: str | None = None) -> tuple[str, list[str]]:
    """What may be done with takes and the noise on them, and a note where that is not known."""
    terms = stated or "; ".join(sorted({take.terms for take in takes}))
    note = "terms of the motion are unknown: ask whose it is before you pass anything on, and state them"
    return f"{terms}. Detector noise: {noise_model()['source']}", [note] if UNKNOWN_TERMS in terms else []


def subject_splits(
    subjects: set[str], validation: Sequence[str], test: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """The split `standard` of --validation and --test; none without them.

    Raises:
        InputError: a subject that is unknown, or in both.
    """
    check_subjects(validation, test, "--validation, --test", subjects)
    part_of = dict.fromkeys(validation, "validation") | dict.fromkeys(test, "test")
    return split_of((part_of.get(subject, "train"), subject) for subject in sorted(subjects)) if part_of else {}


def pieces(pose: Float[np.ndarray, "t j 3"], rate: float, fps: float, shortest: int) -> list[np.ndarray]:
    """The stretches of a motion in which no joint jumps, resampled to `fps`: each (frames, j, 3), at t = i / fps.

    Every frame within one frame of an acceleration above 1500 m/s2 (second difference at the native rate) goes, and one
    beside it; so do pieces under half a second or `shortest` frames. The spline is cubic, through all frames of the
    piece.
    """
    from scipy.interpolate import CubicSpline

    jump = np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1).max(axis=-1, initial=0) * rate**2 > MOST_ACCELERATION
    smooth = np.ones(len(pose), dtype=bool)
    for offset in range(3):
        smooth[offset : offset + len(jump)] &= ~jump
    resampled = []
    for start, end in runs(smooth):
        frames = int((end - start - 1) / rate * fps + 1e-6) + 1
        if frames >= shortest and (end - start) / rate >= SHORTEST:
            spline = CubicSpline(np.arange(end - start) / rate, pose[start:end])
            resampled.append(spline(np.arange(frames) / fps))
    return resampled


def named_pieces(take: Take, motion: Motion, fps: float, shortest: int) -> Iterator[tuple[str, np.ndarray]]:
    """The `pieces` of a take with their names: the take's, and a letter where there are several.

    Raises:
        InputError: a joint that is far from its place in some frame.
    """
    segments = pieces(motion.pose, motion.rate, fps, shortest)
    for number, segment in enumerate(segments):
        check_bones(segment, take.where)
        yield take.name + (letter(number) if len(segments) > 1 else ""), segment


def letter(number: int) -> str:
    """The suffix of a piece's name: a, b, ... z, then -27, -28, ...

    >>> letter(0), letter(26)
    ('a', '-27')
    """
    return chr(ord("a") + number) if number < 26 else f"-{number + 1}"


def check_upright(upright: Mapping[str, float], up: str | None) -> list[str]:
    """Notes on rigs in which no person stands in any take, by the most metres of the head above the feet of a take.

    Raises:
        InputError: there is one and the axis was not stated.
    """
    lying = [
        f"{rig}: the head is no more than {height:.2f} m above the feet in half of the frames of any take"
        for rig, height in upright.items()
        if height < UPRIGHT
    ]
    if lying and up is None:
        remedy = "if up is another axis, give `--up z` or `--up y`; if they all lie, state the present axis"
        raise InputError(lying[0], remedy=remedy)
    return [f"{note}; taken as they are because of --up {up}" for note in lying]


def floor_shift(pose: Float[np.ndarray, "t j 3"]) -> float:
    """Metres by which a motion is to be raised: none, unless its floor is far off."""
    return FLOOR - lowest if abs(lowest := pose[..., 2].min()) > FLOOR_OFF else 0.0


def centred(pose: Float[np.ndarray, "t j 3"], spot: Float[np.ndarray, "2"]) -> Float[np.ndarray, "t j 3"]:
    """The motion with the middle of its path on a spot of the floor, and its floor, if it is far off, at 0."""
    path = pose[:, H36M17.root, :2]
    return pose + np.append(spot - (path.min(axis=0) + path.max(axis=0)) / 2, floor_shift(pose))
