"""Scenes of several people for pose trackers: motion-capture takes in one room, seen by one camera.

Every person has true joints (`gt`) and those of a simulated detector (`sim`), and an identity; `detections/sim` holds
what the detector found without identities, among it what is nobody.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data_prep.cameras.noise import seeded
from data_prep.reading.frame_rate import check_fps
from data_prep.reading.motion import (
    check_upright,
    datasets_of,
    inputs_of,
    motion_arguments,
    named_pieces,
    subject_splits,
    take_reader,
    terms_of,
)
from data_prep.reading.splitting import PARTS, SPLIT
from data_prep.reading.takes import find_takes
from data_prep.source import Source, source
from data_prep.sources.scenes.body import body_boxes, head_boxes, posetrack_joints
from data_prep.sources.scenes.detector import DIFFICULTY, Sight, detect, detections, false_detections, gaps
from data_prep.sources.scenes.layout import (
    BODIES_APART,
    HIPS_APART,
    Layout,
    Piece,
    lay_out,
    scene_camera,
    strangers,
    through,
)
from stgraph.cli.numbers import two_numbers
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, write_video
from stgraph.skeleton import POSETRACK15

SHORTEST = 1.5  # seconds that a person is there at least, or as long as the scene
DETECTOR = "sim"


def arguments(parser: ArgumentParser) -> None:
    """Options of `python -m data_prep scenes`."""
    motion_arguments(parser)
    add = parser.add_argument
    add("--scenes", type=int, default=20, help="for training, of subjects in no other part (%(default)s)")
    for part, count in zip(PARTS[1:], (10, 20), strict=True):
        add(f"--{part}", nargs="+", default=[], metavar="SUBJECT", help=f"subjects of the scenes for {part}")
        add(f"--{part}-scenes", type=int, default=count, help="where subjects are named (%(default)s)")
    add("--people", default="2x6", help="fewest and most people in a scene (%(default)s)")
    add("--seconds", type=float, default=10.0, help="longest scene (%(default)g)")
    add("--fps", type=float, default=25.0, help="frames per second (%(default)g)")
    add("--seed", type=int, default=0, help="of the first scene of each part, the next has the next (%(default)s)")
    add(
        "--json", type=Path, metavar="FOLDER", help="also write truth/NAME.json and detections/NAME.json as PoseTrack18"
    )


@dataclass
class Tally:
    """What was in the scenes, for the notes; lists hold a number for every scene, or gap."""

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

    def notes(self) -> list[str]:
        """Sentences on all scenes."""
        frames, long = sum(self.frames), np.array(self.gaps or [0])
        return [
            f"{len(self.frames)} scenes of {min(self.people)} to {max(self.people)} people and {min(self.frames)} to "
            f"{max(self.frames)} frames; {self.persons / frames:.2f} people in the image; {self.refused} people found "
            "no place without collision and gave way to others",
            f"sim: hidden are {self.hidden / max(self.joints, 1):.1%} of the joints in the image, of which "
            f"{self.hidden_missed / max(self.hidden, 1):.0%} are missed; of joints in plain view of detected people "
            f"{self.missed / max(self.plain, 1):.1%}",
            f"sim: people are missed in {self.unseen_persons / max(self.persons, 1):.1%} of the frames in which they "
            f"are in the image; {len(self.gaps)} gaps between detections of {np.median(long):g} frames in the median "
            f"and {long.max()} at most; {self.false / frames:.3f} false detections a frame",
        ]


@source("scenes", help="scenes of several people from motion-capture files, for pose trackers", arguments=arguments)
def read(args: Namespace) -> Source:
    """Scenes as recordings "SUBJECT+SUBJECT.../PART NUMBER/camera". Raises InputError for what cannot be used."""
    people, counts = _numbers(args)
    takes = find_takes(args.paths, args.names, args.rate)
    part_of = {subject: part for part in PARTS[1:] for subject in getattr(args, part)}
    subject_splits({take.subject for take in takes}, args.validation, args.test)
    terms, notes = terms_of(takes, args.terms)
    result = Source(
        skeleton=POSETRACK15,
        recordings=iter(()),
        total=sum(counts.values()),
        source=f"scenes of motion capture ({datasets_of(takes)}) before one camera; simulated detector, "
        f"seed {args.seed}",
        terms=terms,
        inputs=inputs_of(takes, args.mapping),
        notes=notes,
    )
    reader, upright, shortest = take_reader(args), {}, min(SHORTEST, args.seconds)
    pools: dict[str, list[Piece]] = {part: [] for part in counts}
    for take in takes:
        part = part_of.get(take.subject, PARTS[0])
        if part not in pools:
            continue
        motion = reader(take)
        upright[motion.mapping.name] = max(upright.get(motion.mapping.name, -np.inf), motion.upright)
        parts = [
            Piece(take.subject, name, posetrack_joints(pose))
            for name, pose in named_pieces(take, motion, args.fps, max(round(shortest * args.fps), 1))
        ]
        if not parts:
            result.left_out.append(
                (f"{take.subject}/{take.name}", f"no stretch of {shortest:g} s in which no joint jumps")
            )
        pools[part] += parts
    result.notes += check_upright(upright, args.up)
    for part, pool in pools.items():
        if len(pool) < people[1]:
            option = "--scenes" if part == PARTS[0] else f"--{part}"
            raise InputError(
                where=f"--people {args.people}",
                found=f"{len(pool)} takes of {SHORTEST:g} s or longer for the scenes of {option} "
                f"(subjects {', '.join(sorted({piece.subject for piece in pool})) or 'none'})",
                expected=f"at least {people[1]}, one for each person",
                remedy=f"give fewer people, more files or subjects, or {option} 0 scenes",
            )
    result.recordings = _recordings(pools, counts, people, args, result)
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
    pools: dict[str, list[Piece]], counts: dict[str, int], people: tuple[int, int], args: Namespace, result: Source
) -> Iterator[Recording]:
    """The scenes of all parts; split and notes are entered when all are made."""
    tally, ids = Tally(), {part: [] for part in pools}
    for part, pool in pools.items():
        for number in range(counts[part]):
            seed = args.seed + number
            recording = make_scene(pool, people, args.seconds, args.fps, seed, part, f"{part} {number:04}", tally)
            if args.json:
                write_json(recording, args.json)
            ids[part].append(recording.id)
            yield recording
    result.splits[SPLIT] = ids
    seeds = ", ".join(f"{part} {args.seed} to {args.seed + counts[part] - 1}" for part in pools)
    result.notes += [
        f"a scene depends on its seed, its part's name, the options and the part's takes: seeds {seeds}; "
        f"hips stay {HIPS_APART:g} m apart and bodies {BODIES_APART:g} m",
        "gt: exact projection, also of joints that are hidden, confidence 0 outside the image; the base of the head is "
        "the captured one, the top lies on the captured axis at the stature's length, the nose, which is not captured, "
        "at 0.45 of it and 0.10 m in front of it; a head box's size is the head's length at its depth",
        f"sim: {DIFFICULTY}",
        *tally.notes(),
    ]


def make_scene(
    pool: Sequence[Piece],
    people: tuple[int, int],
    seconds: float,
    fps: float,
    seed: int,
    part: str,
    name: str,
    tally: Tally,
) -> Recording:
    """One scene, which depends on what it is given alone."""
    rng = seeded(seed, f"{part}, layout")
    layout = lay_out(pool, people, round(seconds * fps), rng)
    bodies = layout.bodies()
    camera = scene_camera(bodies, "camera", rng)
    others = strangers(pool, rng)
    # Of its own, so that the same people meet however the detector is.
    rng = seeded(seed, f"{part}, detector")
    bodies, pixels, inside, covered = through(bodies, camera)
    scale = camera.intrinsics[0] / bodies[..., 2].mean(axis=-1)
    sight = Sight(pixels, scale, inside, covered)
    found = detect(sight, fps, rng)
    false = false_detections(found, others, camera, rng)
    exact = np.concatenate([sight.pixels, np.ones_like(sight.pixels[..., :1])], axis=-1)
    exact = np.where(sight.inside[..., None], exact, 0)
    tracks = []
    for person, stay in enumerate(layout.stays):
        rows = slice(stay.start, stay.end)
        body = bodies[person, rows]
        seen = sight.inside[person, rows].any(axis=-1, keepdims=True)
        tracks.append(
            Track(
                {"gt": exact[person, rows].astype(np.float32), DETECTOR: found[person, rows].astype(np.float32)},
                body.astype(np.float32),
                frame=stay.start,
                person=person,
                box=np.where(seen, body_boxes(body, camera), 0).astype(np.float32),
                head_box=np.where(seen, head_boxes(body, camera), 0).astype(np.float32),
            )
        )
    _count(tally, layout, sight, found, len(false[0]))
    subjects = [stay.subject for stay in layout.stays]
    recording = Recording("+".join(sorted(subjects)), "scene", name, camera, fps, tracks, label=", ".join(subjects))
    recording.detections = {DETECTOR: detections(found, false, camera, rng)}
    return recording


def _count(tally: Tally, layout: Layout, sight: Sight, found: np.ndarray, false: int) -> None:
    reported = found[..., 2] > 0
    here, detected = sight.inside.any(axis=-1), reported.any(axis=-1)
    plain = sight.inside & ~sight.hidden & detected[..., None]
    tally.people.append(len(layout.stays))
    tally.frames.append(layout.frames)
    tally.refused += layout.refused
    tally.persons += int(here.sum())
    tally.unseen_persons += int((here & ~detected).sum())
    tally.joints += int(sight.inside.sum())
    tally.hidden += int(sight.hidden.sum())
    tally.hidden_missed += int((sight.hidden & ~reported).sum())
    tally.plain += int(plain.sum())
    tally.missed += int((plain & ~reported).sum())
    tally.false += false
    tally.gaps += [length for person in detected for length in gaps(person)]


def write_json(recording: Recording, folder: Path) -> None:
    """Write a scene as PoseTrack18's files: truth/NAME.json with identities, detections/NAME.json without."""
    name = recording.take.replace(" ", "_")
    frames = max(track.frame + len(track) for track in recording.tracks)
    rows = [np.flatnonzero(track.pose2d["gt"][..., 2].any(axis=-1)) for track in recording.tracks]
    joined = {
        key: np.concatenate([values(track)[kept] for track, kept in zip(recording.tracks, rows, strict=True)])
        for key, values in {
            "frame": lambda track: track.frame + np.arange(len(track)),
            "person": lambda track: np.full(len(track), track.person),
            "pose": lambda track: track.pose2d["gt"],
            "box": lambda track: track.box,
            "head_box": lambda track: track.head_box,
        }.items()
    }
    order = np.argsort(joined["frame"], kind="stable")
    truth = {key: values[order] for key, values in joined.items()}
    found = recording.detections[DETECTOR]
    detected = {
        "frame": found.frame,
        "person": np.full(len(found), -1),
        "pose": found.pose,
        "box": found.box,
        "head_box": np.zeros((len(found), 4), np.float32),
    }
    for kind, fields, score in (
        ("truth", truth, np.ones(len(order), np.float32)),
        ("detections", detected, found.score),
    ):
        video = Video(
            name,
            np.arange(frames),
            **fields,
            score=score,
            labelled=np.ones(frames, bool),
            ignore=[[] for _ in range(frames)],
            file_names=[f"{name}/{frame:06}.jpg" for frame in range(frames)],
            image_ids=list(range(frames)),
            fps=recording.fps,
            size=(recording.camera.width, recording.camera.height),
        )
        write_video(video, folder / kind / f"{name}.json")
