"""python -m data_prep synthetic: seven people who were never filmed do the fifteen actions of Human3.6M.

It is written as VideoPose3D-layout files into a temporary folder and read by the Human3.6M reader like anybody's files.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from rich.progress import track

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.noise import seeded, simulate_detections
from data_prep.cameras.viewpoints import common_look_at
from data_prep.source import Source, source
from data_prep.sources.h36m.source import FPS, read_h36m
from data_prep.sources.synthetic.motions import Take
from data_prep.sources.synthetic.puppet import Array, Body
from stgraph.errors import InputError
from stgraph.geometry import project, world_to_camera
from stgraph.skeleton import H36M17, H36M32

SOURCE = "synthetic: a puppet of stgraph's, seen through Human3.6M's cameras; nobody was filmed"
TERMS = "free for any use"
TAKES = ("", " 1")  # an action's two files are numbered like this
SECONDS, SHORTEST = 5.0, 2.0
STATURES = {"S1": 1.66, "S5": 1.58, "S6": 1.72, "S7": 1.80, "S8": 1.88, "S9": 1.76, "S11": 1.68}  # metres

# The actions: what each does with a Take. Two takes of an action differ by chance alone.


def directions(take: Take) -> None:
    take.stand(gap=2.4, turn=0.6)
    side = int(take.chance(take.style["right_handed"]))
    take.hands("hang", ("point", "point wide", "point up", "point", "point down"), gap=1.5, both=0.12, main=side)
    take.look(0.5)


def discussion(take: Take) -> None:
    take.stand(gap=2.6)
    take.hands(
        take.pick(("hang", "low", "belly")), ("low", "open", "offer", "stop", "wide", "chest", "point down"), gap=0.9
    )
    take.look(0.35)


def eating(take: Take) -> None:
    take.sit(cross=take.chance(0.2))
    main = int(take.chance(take.style["right_handed"]))
    take.hand(main, (0, 1, "plate"))
    take.hand(1 - main, (0, 1, take.pick(("table", "thigh", "plate"))))
    for at in take.moments(1.9):
        take.hand(main, (at, 0.7, "mouth"), (at + 1.0, 0.7, "plate"))
    take.shake(main, 0, take.end, 1.1, (1.5, 1, 3, 2))
    take.head[:, 1] += 0.22 + take.drift(0.06, 1.5)
    take.look(0.25, gap=2.0)


def greeting(take: Take) -> None:
    take.stand(gap=2.8)
    main = int(take.chance(take.style["right_handed"]))
    take.hands("hang")
    start = take.rng.uniform(0.2, 0.35) * take.end
    if take.chance(0.6):
        take.hand(main, (start - 0.6, 0.7, "wave"), (start + 1.7, 0.7, "hang"))
        take.shake(main, start, 1.8, take.rng.uniform(1.6, 2.3), (8, 10, 14, 22))
    else:
        take.hand(main, (start - 0.6, 0.7, "shake"), (start + 1.8, 0.7, "hang"))
        take.shake(main, start, 1.6, take.rng.uniform(2.0, 2.6), (7, 0, 9, 0))
    later = start + take.rng.uniform(2.0, 2.4)
    if take.chance(0.5):
        take.bow(take.course((0, 0, 0), (later, 0.8, take.rng.uniform(0.4, 0.8)), (later + 1.0, 0.8, 0)))
    else:
        for s in range(2):
            take.hand(s, (later, 0.6, "wide"), (later + 1.1, 0.7, "hang"))
    take.look(0.25)


def phoning(take: Take) -> None:
    if take.chance(0.5):
        take.sit(cross=take.chance(0.6))
        other = ("thigh", "armrest", "folded", "knee")
    else:
        take.stand(gap=1.4, reach=0.35, turn=0.9)
        other = ("hang", "pocket", "waist", "folded")
    main = int(take.chance(take.style["right_handed"]))
    take.hand(main, (0, 1, "ear"))
    take.hand(1 - main, (0, 1, take.pick(other)))
    for at in take.moments(1.5):
        take.hand(1 - main, (at, 0.6, take.pick((*other, "open", "low"))))
    take.look(0.3)


def photo(take: Take) -> None:
    take.stand(gap=2.2, turn=0.8)
    up = take.rng.uniform(0.15, 0.3) * take.end
    down = up + take.rng.uniform(0.4, 0.6) * take.end
    for s in range(2):
        take.hand(s, (0, 1, "chest" if take.chance(0.5) else "hang"), (up, 0.8, "eyes"), (down, 0.8, "chest"))
    if take.chance(0.5):
        take.bow(take.course((0, 0, 0), (up + 0.5, 0.9, 0.55), (down, 0.9, 0)), knees=0.55)
    take.head += np.stack([take.drift(0.05), take.drift(0.05), take.drift(0.06)], -1)


def posing(take: Take) -> None:
    take.stand(gap=1.8, turn=0.9)
    take.hands("hang", ("waist", "waist", "head", "folded", "wide", "up", "chin", "back", "pocket"), gap=1.5, both=0.65)
    lean = take.moments(1.5)
    take.spine[:, 2] += take.course((0, 0, 0), *((at, 0.8, take.rng.normal(0, 0.13)) for at in lean))
    take.spine[:, 0] += take.course((0, 0, 0), *((at, 0.8, take.rng.normal(0, 0.2)) for at in lean))
    take.look(0.4)


def purchases(take: Take) -> None:
    take.stand(gap=1.6, reach=0.45, turn=0.9)
    main = int(take.chance(take.style["right_handed"]))
    take.hand(main, (0, 1, "hang"))
    take.hand(1 - main, (0, 1, take.pick(("hang", "leash", "belly"))))
    at = take.rng.uniform(0.3, 0.8)
    while at < take.end - 1.2:
        if take.chance(0.6):
            angle = take.rng.uniform(0.7, 1.25)
            take.bow(take.course((0, 0, 0), (at, 0.9, angle), (at + 1.1, 0.9, 0)), knees=take.rng.uniform(0.1, 0.4))
            take.hand(main, (at, 0.8, "pick"), (at + 1.1, 0.8, "chest"))
        else:
            take.hand(main, (at, 0.7, "shelf"), (at + 0.9, 0.7, "chest"))
        at += take.rng.uniform(2.3, 2.9)
    take.look(0.35)


def sitting(take: Take) -> None:
    take.sit(cross=take.chance(0.6))
    take.hands(
        take.pick(("thigh", "knee", "armrest", "folded")),
        ("thigh", "belly", "folded", "chin", "low", "knee", "head"),
        gap=1.6,
    )
    lean = take.course((0, 0, 0), *((at, 1.0, take.rng.uniform(-0.1, 0.45)) for at in take.moments(2.0)))
    take.tilt[:, 1] += 0.6 * lean
    take.spine[:, 1] += 0.5 * lean
    take.look(0.4)


def sitting_down(take: Take) -> None:
    start, pause = take.rng.uniform(0.06, 0.14) * take.end, take.rng.uniform(0.3, 0.42) * take.end
    floor = take.chance(0.35)
    seconds = take.rng.uniform(1.3, 1.6) if floor else take.rng.uniform(1.0, 1.3)
    down = take.course((0, 0, 0), (start, seconds, 1), (start + seconds + pause, seconds, 0))
    take.sit(down, floor=floor)
    seat = ("ground", "shin", "knee") if floor else ("thigh", "knee", "armrest")
    for s, place in enumerate([take.pick(seat)] * 2 if take.chance(0.6) else [take.pick(seat), take.pick(seat)]):
        take.hand(s, (0, 1, "hang"), (start + 0.15 * seconds, seconds, place))
        take.hand(s, (start + seconds + pause + 0.2 * seconds, 0.9 * seconds, "hang"))
    take.look(0.3)


def smoking(take: Take) -> None:
    seated = take.chance(0.5)
    if seated:
        take.sit(cross=take.chance(0.6))
    else:
        take.stand(gap=2.4)
    rest = ("thigh", "armrest") if seated else ("hang", "low")
    main = int(take.chance(take.style["right_handed"]))
    take.hand(main, (0, 1, take.pick(rest)))
    take.hand(1 - main, (0, 1, take.pick((*rest, "folded", "pocket" if not seated else "knee"))))
    for at in take.moments(2.4):
        take.hand(main, (at, 0.8, "mouth"), (at + 1.2, 0.8, take.pick((*rest, "low"))))
    take.look(0.3)


def waiting(take: Take) -> None:
    if take.chance(0.2):
        take.sit(cross=take.chance(0.5))
        rests = ("thigh", "folded", "armrest", "chin")
    else:
        take.stand(gap=1.9, reach=0.3, turn=0.9)
        rests = ("hang", "folded", "pocket", "waist", "back", "belly")
    take.hands(take.pick(rests), (*rests, "chin", "chest"), gap=1.9, both=0.7)
    take.look(0.6, gap=1.1)


def walk_dog(take: Take) -> None:
    take.walk(take.rng.uniform(0.8, 1.15) * take.style["tempo"])
    main = int(take.chance(take.style["right_handed"]))
    take.hands("hang")
    take.hand(main, (0, 1, "leash"))
    for at in take.moments(1.3):  # the dog pulls
        take.hand(main, (at, 0.35, take.pick(("leash", "shake", "point down"))), (at + 0.6, 0.5, "leash"))
    take.head[:, 1] += 0.15 + take.drift(0.08, 1.5)
    take.look(0.35)


def walking(take: Take) -> None:
    take.walk(take.rng.uniform(0.95, 1.25) * take.style["tempo"])
    take.hands("hang")
    take.look(0.2, gap=2.0)


def walk_together(take: Take) -> None:
    take.walk(take.rng.uniform(0.8, 1.15) * take.style["tempo"])
    take.hands("hang", ("low", "open", "hang"), gap=2.2, both=0.2)
    take.head[:, 0] += take.rng.choice((-1, 1)) * take.rng.uniform(0.25, 0.6)  # towards the companion
    take.look(0.2)


ACTIONS: dict[str, Callable[[Take], None]] = {
    "Directions": directions,
    "Discussion": discussion,
    "Eating": eating,
    "Greeting": greeting,
    "Phoning": phoning,
    "Photo": photo,
    "Posing": posing,
    "Purchases": purchases,
    "Sitting": sitting,
    "SittingDown": sitting_down,
    "Smoking": smoking,
    "Waiting": waiting,
    "WalkDog": walk_dog,
    "Walking": walking,
    "WalkTogether": walk_together,
}


def person(seed: int, subject: str) -> tuple[Body, dict[str, float]]:
    """A subject's bones and habits."""
    rng = np.random.default_rng([seed, int(subject[1:])])
    style = {
        "arm_swing": rng.uniform(0.7, 1.25),
        "stoop": rng.normal(0.03, 0.04),
        "tempo": rng.uniform(0.9, 1.1),
        "width": rng.uniform(0.10, 0.15),
        "toes_out": rng.uniform(4, 14),
        "right_handed": rng.choice((0.9, 0.9, 0.9, 0.15)),
    }
    return Body.of(STATURES[subject], rng), style


def perform_take(seed: int, subject: str, action: str, number: int, seconds: float) -> Float[Array, "t 32 3"]:
    """One take on the floor around the origin, metres, z up. The same for the same arguments, whatever else is made."""
    body, style = person(seed, subject)
    rng = np.random.default_rng([seed, int(subject[1:]), list(ACTIONS).index(action), number])
    frames = round(seconds * rng.uniform(0.85, 1.15) * FPS)
    take = Take(body, np.arange(frames) / FPS, rng, style)
    ACTIONS[action](take)
    return take.joints()


def write_videopose3d(folder: Path, subjects: Sequence[str], seed: int, seconds: float) -> None:
    """Write VideoPose3D's files: 3D in the world (metres, 32 joints), exact 2D (`gt`) and noisy 2D (`sim`, pixels)."""
    kept = H36M17.select_from(H36M32)
    world: dict[str, dict] = {subject: {} for subject in subjects}
    views = {name: {subject: {} for subject in subjects} for name in ("gt", "sim")}
    takes = [(subject, action, number) for subject in subjects for action in ACTIONS for number in range(len(TAKES))]
    for subject, action, number in track(takes, "performing", transient=True):
        cameras = h36m_cameras(subject)
        name = action + TAKES[number]
        joints = perform_take(seed, subject, action, number, seconds)
        joints[..., :2] += common_look_at(cameras)[:2]
        world[subject][name] = joints.astype(np.float32)
        pose = torch.from_numpy(world[subject][name][:, kept].astype(np.float64))
        for camera in cameras:
            exact = project(world_to_camera(pose, camera.rotation, camera.translation), camera.intrinsics).numpy()
            rng = seeded(seed, f"{subject}/{name}/{camera.name}")
            noisy = simulate_detections(exact, camera.width, camera.height, rng)
            for detector, value in (("gt", exact), ("sim", noisy)):
                views[detector][subject].setdefault(name, []).append(value.astype(np.float32))
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(world, dtype=object))
    metadata = {"num_joints": len(H36M17), "keypoints_symmetry": [list(H36M17.left), list(H36M17.right)]}
    for detector, poses in views.items():
        np.savez(
            folder / f"data_2d_h36m_{detector}.npz",
            positions_2d=np.array(poses, dtype=object),
            metadata=np.array(metadata, dtype=object),
        )


def read_synthetic(subjects: Sequence[str] = tuple(STATURES), seed: int = 0, seconds: float = SECONDS) -> Source:
    """Perform, write, and read with the Human3.6M reader.

    Raises:
        InputError: a subject that is not one of the seven, a negative seed, or less than two seconds.
    """
    unknown = [subject for subject in subjects if subject not in STATURES]
    if unknown or len(set(subjects)) != len(subjects):
        raise InputError(f"--subjects {' '.join(subjects)}: expected each at most once of {', '.join(STATURES)}")
    if seed < 0:
        raise InputError(f"--seed {seed}: expected a number from 0 up")
    if not SHORTEST <= seconds <= 3600:
        raise InputError(f"--seconds {seconds:g}: expected {SHORTEST:g} to 3600 seconds for a take to take place in")
    with TemporaryDirectory() as folder:
        write_videopose3d(Path(folder), subjects, seed, seconds)
        made = read_h36m([Path(folder)], source=SOURCE, terms=TERMS, corrupt={})
    made.inputs = []  # they were ours and are gone
    made.notes = [f"synthetic motion, seed {seed}, takes of about {seconds:g} s; sim: gt with simulated detector noise"]
    return made


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--subjects", nargs="+", default=list(STATURES), metavar="S1", help="which of the seven")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="mean length of a take (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other people and takes (%(default)s)")


@source("synthetic", help="made-up motion of seven people, for when there is no data", arguments=add_arguments)
def read(args: Namespace) -> Source:
    return read_synthetic(args.subjects, args.seed, args.seconds)
