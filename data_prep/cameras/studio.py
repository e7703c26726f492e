"""Takes of motion before cameras: recordings with exact 2D (`gt`) and that of a simulated detector (`sim`)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.noise import seeded, simulate_detections
from data_prep.cameras.options import StudioOptions
from data_prep.cameras.viewpoints import common_look_at, random_camera, see
from data_prep.reading.motion import (
    MOST_ACCELERATION,
    centred,
    check_upright,
    datasets_of,
    inputs_of,
    named_pieces,
    terms_of,
)
from data_prep.reading.takes import Motion, Take
from data_prep.source import Source
from stgraph.data.recording import Recording, Track, runs
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17


@dataclass(frozen=True)
class Studio(StudioOptions):
    """The cameras of a dataset, and which frames of a motion count as visible."""

    @property
    def views(self) -> int:
        """Recordings of a take."""
        return len(h36m_cameras(self.subject)) if self.subject else self.random

    @property
    def description(self) -> str:
        if self.subject:
            return f"the {self.views} Human3.6M cameras of {self.subject}"
        return f"{self.views} random cameras a take, seed {self.seed}"

    def placed(self, pose: Float[np.ndarray, "t j 3"]) -> Float[np.ndarray, "t j 3"]:
        """A motion moved to where the cameras look."""
        return centred(pose, common_look_at(h36m_cameras(self.subject))[:2] if self.subject else np.zeros(2))

    def cameras(self, pose: Float[np.ndarray, "t j 3"], take: str) -> Sequence[Camera]:
        """The cameras of a placed take; random ones depend on the seed, the take and their number alone."""
        if self.subject:
            return h36m_cameras(self.subject)
        names = [f"random{number}" for number in range(self.random)]
        return [random_camera(seeded(self.seed, f"{take}/{name}"), pose, name) for name in names]


@dataclass
class Counts:
    """Takes by how they were read, frames by camera, and the highest head of every rig, for the summary."""

    takes: Counter[str] = field(default_factory=Counter)
    upright: dict[str, float] = field(default_factory=dict)
    frames: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)
    short: Counter[str] = field(default_factory=Counter)

    def add_take(self, take: Take, motion: Motion) -> None:
        rig = f"{take.path.suffix.lower()[1:]} as {motion.mapping.name}, {motion.metres:.4g} m to the unit"
        self.takes[rig + (f", frames left out in front: {motion.skipped}" if motion.skipped else "")] += 1
        self.upright[rig] = max(self.upright.get(rig, -np.inf), motion.upright)


def film(
    takes: Sequence[Take],
    read: Callable[[Take], Motion],
    studio: Studio,
    *,
    up: str | None = None,
    terms: str | None = None,
    more_inputs: Sequence[Path | None] = (),
) -> Source:
    """Takes through cameras, as recordings "SUBJECT/TAKE/CAMERA".

    Args:
        up: the axis that was stated to point up, with which people who all lie are accepted.
        terms: what may be done with the motion, where it was stated.
        more_inputs: files whose sha256 is recorded beside those of the takes.

    Raises:
        InputError: while recordings are read, for what `read` and `named_pieces` refuse; at the end, for rigs in which
            no person ever stands.
    """
    allowed, notes = terms_of(takes, terms)
    result = Source(
        skeleton=H36M17,
        recordings=iter(()),
        total=len(takes) * studio.views,
        source=f"motion capture ({datasets_of(takes)}) through {studio.description}; "
        f"detector noise with seed {studio.seed}",
        terms=allowed,
        inputs=inputs_of(takes, *more_inputs),
        notes=notes,
    )
    result.recordings = _recordings(takes, read, studio, up, result)
    return result


def _recordings(
    takes: Sequence[Take], read: Callable[[Take], Motion], studio: Studio, up: str | None, result: Source
) -> Iterator[Recording]:
    counts = Counts()
    for take in takes:
        motion = read(take)
        counts.add_take(take, motion)
        segments = list(named_pieces(take, motion, studio.fps, studio.shortest))
        lost = len(motion.pose) / motion.rate - sum(len(segment) for _, segment in segments) / studio.fps
        if lost > 2 / studio.fps:
            reason = f"{lost:.2f} s beside joints that jump or in too short pieces; pieces kept: {len(segments)}"
            result.left_out.append((f"{take.subject}/{take.name}", reason))
        # One recording a take and camera was announced.
        result.total += (len(segments) - 1) * studio.views
        for name, segment in segments:
            pose = studio.placed(segment)
            for camera in studio.cameras(pose, f"{take.subject}/{name}"):
                recording = Recording(take.subject, take.action, name, camera=camera, fps=studio.fps, tracks=[])
                recording.tracks = _tracks(recording, pose, studio, counts)
                if recording.tracks:
                    yield recording
                else:
                    result.total -= 1
                    result.left_out.append((recording.id, "never seen properly for long enough"))
    result.notes += check_upright(counts.upright, up)
    _summarise(counts, studio, result)


def _tracks(recording: Recording, pose: Float[np.ndarray, "t j 3"], studio: Studio, counts: Counts) -> list[Track]:
    """A take as a camera sees it: a track for every run of frames in which all of the person can be seen."""
    camera = recording.camera
    pose3d, pixels, seen = see(pose, camera, studio.margin, studio.nearest)
    exact = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    # Drawn for the whole take, so that the noise of a frame does not depend on what is cut.
    noisy = simulate_detections(pixels, camera.width, camera.height, seeded(studio.seed, recording.id))
    counts.frames[camera.name] += len(seen)
    counts.unseen[camera.name] += int((~seen).sum())
    tracks = []
    for start, end in runs(seen):
        if end - start < studio.shortest:
            counts.short[camera.name] += end - start
            continue
        rows = slice(start, end)
        pose2d = {"gt": exact[rows].astype(np.float32), "sim": noisy[rows].astype(np.float32)}
        tracks.append(Track(pose2d, pose3d[rows].astype(np.float32), frame=start))
    return tracks


def _summarise(counts: Counts, studio: Studio, result: Source) -> None:
    """Notes and what was left out."""
    result.notes += [f"{count} takes: {rig}" for rig, count in counts.takes.items()]
    result.notes.append(
        f"takes are centred before the cameras, cut where a joint accelerates beyond {MOST_ACCELERATION:g} m/s2, "
        f"and resampled to {studio.fps:g} fps by a cubic spline"
    )
    result.notes.append("gt: exact projection; sim: simulated detector, drawn from seed and recording id")
    outside = f"a joint nearer than {studio.nearest:g} m or more than {studio.margin:.0%} of the image outside it"
    for camera, frames in counts.frames.items():
        for missing, reason in (
            (counts.unseen[camera], outside),
            (counts.short[camera], f"in runs shorter than {studio.shortest} frames"),
        ):
            if missing:
                result.left_out.append((f"camera {camera}: {missing:,} of {frames:,} frames", reason))
