"""Scenes of several people for pose trackers: motion-capture takes in one room, seen by one camera.

Every person has true joints (`gt`) and those of a simulated detector (`sim`), and an identity; `detections/sim` holds
what the detector reports without identities, false detections among it.
"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from data_prep.cameras.noise import seeded
from data_prep.options import PARTS, SPLIT, check_fps
from data_prep.reading.motion import (
    check_upright,
    datasets_of,
    inputs_of,
    named_pieces,
    subject_splits,
    take_reader,
    terms_of,
)
from data_prep.reading.takes import find_takes
from data_prep.source import Source
from data_prep.sources.scenes.body import body_boxes, head_boxes, posetrack_joints
from data_prep.sources.scenes.detector import DIFFICULTY, detect, detections, false_detections, gaps
from data_prep.sources.scenes.layout import (
    BODIES_APART,
    HIPS_APART,
    Layout,
    Piece,
    lay_out,
    random_shapes,
    scene_camera,
)
from data_prep.sources.scenes.posetrack_files import DETECTOR, write_json
from data_prep.sources.scenes.view import View, view_of
from stgraph.cli.numbers import two_numbers
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.skeleton import POSETRACK15

SHORTEST = 1.5  # seconds that a person is there at least, or as long as the scene


@dataclass
class Counts:
    """Counts over scenes, for the notes; lists hold a number for every scene, or gap."""

    people: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    refused: int = 0
    persons: int = 0  # in the image, over all frames
    unseen_persons: int = 0  # of them, not detected
    joints: int = 0  # in the image, over all frames
    hidden: int = 0
    hidden_missed: int = 0
    missed: int = 0  # of joints in plain view of people who are detected
    plain: int = 0
    false: int = 0
    gaps: list[int] = field(default_factory=list)

    def add(self, layout: Layout, view: View, detected: Float[np.ndarray, "p t j 3"], false: int) -> None:
        """Count a scene. Args: detected: true detections. false: how many false ones."""
        reported = detected[..., 2] > 0
        in_image, person_reported = np.any(view.inside, axis=-1), np.asarray(reported.any(axis=-1))
        plain = view.inside & ~view.hidden & person_reported[..., None]
        self.people.append(len(layout.stays))
        self.frames.append(layout.frames)
        self.refused += layout.refused
        self.persons += int(in_image.sum())
        self.unseen_persons += int((in_image & ~person_reported).sum())
        self.joints += int(view.inside.sum())
        self.hidden += int(view.hidden.sum())
        self.hidden_missed += int((view.hidden & ~reported).sum())
        self.plain += int(plain.sum())
        self.missed += int((plain & ~reported).sum())
        self.false += false
        self.gaps += [length for person in person_reported for length in gaps(person)]

    def notes(self) -> list[str]:
        """Sentences on all scenes."""
        frames, lengths = sum(self.frames), np.array(self.gaps or [0])
        return [
            f"{len(self.frames)} scenes of {min(self.people)} to {max(self.people)} people and {min(self.frames)} to "
            f"{max(self.frames)} frames; {self.persons / frames:.2f} people in the image; {self.refused} people could "
            "not be placed without collision and were replaced",
            f"sim: hidden are {self.hidden / max(self.joints, 1):.1%} of the joints in the image, and "
            f"{self.hidden_missed / max(self.hidden, 1):.0%} of these are missed; of joints in plain view of "
            f"detected people {self.missed / max(self.plain, 1):.1%}",
            f"sim: people are missed in {self.unseen_persons / max(self.persons, 1):.1%} of the frames in which they "
            f"are in the image; {len(self.gaps)} gaps between detections of {np.median(lengths):g} frames in the "
            f"median and {lengths.max()} at most; {self.false / frames:.3f} false detections a frame",
        ]


def read(args: Namespace) -> Source:
    """Scenes as recordings "SUBJECT+SUBJECT.../PART NUMBER/camera". Raises InputError for unusable options or files."""
    people, scenes = _numbers(args)
    takes = find_takes(args.paths, args.names, args.rate)
    part_of = {subject: part for part in PARTS[1:] for subject in getattr(args, part)}
    subject_splits({take.subject for take in takes}, args.validation, args.test)
    terms, notes = terms_of(takes, args.terms)
    result = Source(
        skeleton=POSETRACK15,
        recordings=iter(()),
        total=sum(scenes.values()),
        source=f"scenes of motion capture ({datasets_of(takes)}) before one camera; simulated detector, "
        f"seed {args.seed}",
        terms=terms,
        inputs=inputs_of(takes, args.mapping),
        notes=notes,
    )
    reader, upright, shortest = take_reader(args), {}, min(SHORTEST, args.seconds)
    pools: dict[str, list[Piece]] = {part: [] for part in scenes}
    for take in takes:
        part = part_of.get(take.subject, PARTS[0])
        if part not in pools:
            continue
        motion = reader(take)
        upright[motion.mapping.name] = max(upright.get(motion.mapping.name, -np.inf), motion.upright)
        segments = [
            Piece(take.subject, name, posetrack_joints(pose))
            for name, pose in named_pieces(take, motion, args.fps, max(round(shortest * args.fps), 1))
        ]
        if not segments:
            result.left_out.append(
                (f"{take.subject}/{take.name}", f"no stretch of {shortest:g} s in which no joint jumps")
            )
        pools[part] += segments
    result.notes += check_upright(upright, args.up)
    for part, pool in pools.items():
        if len(pool) < people[1]:
            option, count = ("training", "--scenes") if part == PARTS[0] else (f"--{part}", f"--{part}-scenes")
            raise InputError(
                where=f"scenes of {args.people} people",
                found=f"{len(pool)} takes of {SHORTEST:g} s or longer for the scenes of {option} "
                f"(subjects {', '.join(sorted({piece.subject for piece in pool})) or 'none'})",
                expected=f"at least {people[1]}, one for each person",
                remedy=f"give fewer --people, more files or subjects, or no scenes with {count} 0",
            )
    result.recordings = _recordings(pools, scenes, people, args, result)
    return result


def _numbers(args: Namespace) -> tuple[tuple[int, int], dict[str, int]]:
    """People of a scene, from and to, and scenes of every part that has some."""
    people = two_numbers("--people", args.people, "two numbers, FEWESTxMOST, such as 2x6")
    if not 2 <= people[0] <= people[1]:
        raise InputError(where=f"--people {args.people}", expected="FEWESTxMOST of 2 or more, such as 2x6")
    check_fps(args.fps)
    if not 1 <= args.seconds < np.inf:
        raise InputError(where=f"--seconds {args.seconds}", expected="1 or more")
    scenes = {PARTS[0]: args.scenes}
    scenes |= {part: getattr(args, f"{part}_scenes") for part in PARTS[1:] if getattr(args, part)}
    options = {"--seed": args.seed}
    options |= {"--scenes" if part == PARTS[0] else f"--{part}-scenes": count for part, count in scenes.items()}
    for option, number in options.items():
        if number < 0:
            raise InputError(where=f"{option} {number}", expected="a number of 0 or more")
    scenes = {part: count for part, count in scenes.items() if count}
    if not scenes:
        raise InputError("no scenes at all", where="--scenes 0", remedy="ask for one or more")
    return people, scenes


def _recordings(
    pools: dict[str, list[Piece]], scenes: dict[str, int], people: tuple[int, int], args: Namespace, result: Source
) -> Iterator[Recording]:
    """The scenes of all parts; split and notes are entered when all are made."""
    counts, ids = Counts(), {part: [] for part in pools}
    for part, pool in pools.items():
        for number in range(scenes[part]):
            recording = make_scene(pool, people, args, part, number, counts=counts)
            if args.json:
                write_json(recording, args.json)
            ids[part].append(recording.id)
            yield recording
    result.splits[SPLIT] = ids
    seeds = ", ".join(f"{part} {args.seed} to {args.seed + scenes[part] - 1}" for part in pools)
    result.notes += [
        f"a scene depends on its seed, its part's name, the options and the part's takes: seeds {seeds}; "
        f"hips stay {HIPS_APART:g} m apart and bodies {BODIES_APART:g} m",
        "gt: exact projection, also of joints that are hidden, confidence 0 outside the image; the base of the head is "
        "the captured one, the top lies on the captured axis at the stature's length, the nose, which is not captured, "
        "at 0.45 of it and 0.10 m in front of it; a head box's size is the head's length at its depth",
        f"sim: {DIFFICULTY}",
        *counts.notes(),
    ]


def make_scene(
    pool: Sequence[Piece], people: tuple[int, int], args: Namespace, part: str, number: int, *, counts: Counts
) -> Recording:
    """A scene of a part, which depends on these values alone; what is in it is counted.

    Args:
        pool: the part's takes.
        people: fewest and most.
        part: its name; number: of the scene in it.
    """
    seed, fps = args.seed + number, args.fps
    rng = seeded(seed, f"{part}, layout")
    layout = lay_out(pool, people, round(args.seconds * fps), rng)
    bodies = layout.bodies()
    camera = scene_camera(bodies, "camera", rng)
    shapes = random_shapes(pool, rng)
    view = view_of(bodies, camera)
    # A generator of its own, so that the layout does not depend on the detector.
    rng = seeded(seed, f"{part}, detector")
    detected = detect(view, fps, rng)
    false = false_detections(detected, shapes, camera, rng)
    exact = np.concatenate([view.pixels, np.ones_like(view.pixels[..., :1])], axis=-1)
    exact = np.where(view.inside[..., None], exact, 0)
    tracks = []
    for person, stay in enumerate(layout.stays):
        rows = slice(stay.start, stay.end)
        body, seen = view.bodies[person, rows], view.inside[person, rows].any(axis=-1, keepdims=True)
        pose2d = {"gt": exact[person, rows], DETECTOR: detected[person, rows]}
        tracks.append(
            Track(
                {name: pose.astype(np.float32) for name, pose in pose2d.items()},
                body.astype(np.float32),
                frame=stay.start,
                person=person,
                box=np.where(seen, body_boxes(body, camera), 0).astype(np.float32),
                head_box=np.where(seen, head_boxes(body, camera), 0).astype(np.float32),
            )
        )
    counts.add(layout, view, detected, len(false[0]))
    subjects = [stay.subject for stay in layout.stays]
    return Recording(
        subject="+".join(sorted(subjects)),
        action="scene",
        take=f"{part} {number:04}",
        camera=camera,
        fps=fps,
        tracks=tracks,
        label=", ".join(subjects),
        detections={DETECTOR: detections(detected, false, camera, rng)},
    )
