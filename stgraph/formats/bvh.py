"""BVH, read and written: a tree of joints with offsets, and the channels of every frame."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.formats.motion_text import DAMAGED, parse_numbers, read_lines
from stgraph.geometry import euler_to_matrix

MOST_PLACES = 10  # coordinates of joints for each number of a file: end sites have places without numbers
ALWAYS = 1_000_000  # coordinates that are calculated whatever the file
FRAME_TIMES = (1e-4, 10.0)  # seconds, from the fastest camera to a time lapse
CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ")


@dataclass(frozen=True)
class Joint:
    """A joint, or an end site, which has no channels and is called after its parent: "Head end".

    Attributes:
        parent: index of the parent, -1 for the root.
        offset: (3,) from the parent, in the file's unit.
        channels: the numbers that the file has for it, in order, e.g. "Zrotation".
    """

    name: str
    parent: int
    offset: np.ndarray
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Bvh:
    """A BVH file.

    Attributes:
        joints: parents before children, end sites included.
        frame_time: seconds a frame.
        motion: (t, channel) in the file's unit and degrees, joint after joint.
    """

    joints: tuple[Joint, ...]
    frame_time: float
    motion: Float[np.ndarray, "t channel"]

    @property
    def names(self) -> tuple[str, ...]:
        """One name per joint."""
        return tuple(joint.name for joint in self.joints)

    @property
    def fps(self) -> float:
        """Frames per second; files round the frame time (.0083333), so a rate next to a whole number is that number."""
        rate = 1 / self.frame_time
        return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate

    @property
    def starts_at_rest(self) -> bool:
        """Whether the first frame is the rest pose that some exporters put in front: no joint below the root turned."""
        columns = [name.endswith("rotation") and joint.parent >= 0 for joint in self.joints for name in joint.channels]
        turned = np.abs(self.motion[:, columns]).max(axis=1, initial=0) > 1e-4
        return not turned[0] and bool(turned.any())

    def positions(self) -> Float[np.ndarray, "t j 3"]:
        """Forward kinematics, in the file's unit and axes.

        A joint's rotation is its parent's times R_c1 R_c2 ... in the order of its channels. Position channels
        **replace** the offset on their axes, on the root and elsewhere, as common software reads and writes them.
        """
        positions = np.zeros((len(self.motion), len(self.joints), 3))
        turns: list[np.ndarray] = []
        column = 0
        for number, joint in enumerate(self.joints):
            values = self.motion[:, column : column + len(joint.channels)]
            column += len(joint.channels)
            local = np.tile(joint.offset, (len(values), 1))
            rotations = [i for i, name in enumerate(joint.channels) if name.endswith("rotation")]
            for i, name in enumerate(joint.channels):
                if i not in rotations:
                    local[:, "XYZ".index(name[0])] = values[:, i]
            turn = np.eye(3)
            if rotations:
                order = "".join(joint.channels[i][0] for i in rotations)
                turn = euler_to_matrix(torch.from_numpy(values[:, rotations].copy()), order).numpy()
            if joint.parent < 0:
                positions[:, number] = local
            else:
                positions[:, number] = positions[:, joint.parent] + (turns[joint.parent] @ local[..., None])[..., 0]
                turn = turns[joint.parent] @ turn
            turns.append(np.broadcast_to(turn, (len(values), 3, 3)))
        return positions


def read_bvh(path: Path | str) -> Bvh:
    """Read a file with one root.

    Raises:
        InputError: no HIERARCHY or MOTION, braces that do not match, unknown channels, a wrong count of numbers or
            frames, text that is no finite number; with the line.
    """
    path = Path(path)
    lines = read_lines(path)
    start = next((number for number, line in enumerate(lines) if line.strip() == "MOTION"), None)
    if start is None or not lines[0].strip().startswith("HIERARCHY"):
        problem = f"{len(lines)} lines without HIERARCHY in the first and MOTION alone in a later one"
        raise InputError(problem, where=path, remedy="the file is truncated or is no BVH")
    joints = _hierarchy(path, lines[1:start])
    frames = _field(path, lines, start + 1, "Frames:")
    frame_time = _field(path, lines, start + 2, "Frame Time:")
    low, high = FRAME_TIMES
    if not low <= frame_time <= high:
        where = f"{path}, line {start + 3}"
        raise InputError(where=where, found=f"frame time {frame_time}", expected=f"{low:g} to {high:g} s a frame")
    motion = _motion(path, lines, start + 3, frames, joints)
    if motion.size < (places := 3 * len(joints) * len(motion)) / MOST_PLACES and places > ALWAYS:
        found = f"{len(joints)} joints with {motion.shape[1]} channels in {len(motion)} frames"
        raise InputError(where=path, found=found, expected="about three channels for each joint", remedy=DAMAGED)
    return Bvh(joints, frame_time, motion)


def write_bvh(bvh: Bvh, path: Path | str) -> None:
    """Write a file, whole or not at all, with six decimals.

    Its joints are in the order in which the file nests them: children directly after their parent and its earlier
    children. An end site is a joint without channels.
    """
    lines, nested = ["HIERARCHY"], []

    def close(parent: int) -> None:
        while nested and nested[-1] != parent:
            nested.pop()
            lines.append("  " * len(nested) + "}")

    for number, joint in enumerate(bvh.joints):
        close(joint.parent)
        kind = "ROOT" if joint.parent < 0 else "JOINT"
        indent = "  " * len(nested)
        lines += [indent + (f"{kind} {joint.name}" if joint.channels else "End Site"), indent + "{"]
        lines.append(f"{indent}  OFFSET " + " ".join(f"{value:.6f}" for value in joint.offset))
        if joint.channels:
            lines.append(f"{indent}  CHANNELS {len(joint.channels)} {' '.join(joint.channels)}")
        nested.append(number)
    close(-1)
    lines += ["MOTION", f"Frames: {len(bvh.motion)}", f"Frame Time: {bvh.frame_time:.9g}"]
    with replaced(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
        np.savetxt(file, bvh.motion, fmt="%.6f")


def _hierarchy(path: Path, lines: list[str]) -> tuple[Joint, ...]:
    """Joints from the lines after HIERARCHY; braces may share a line with other words."""
    names: list[str] = []
    parents: list[int] = []
    offsets: dict[int, np.ndarray] = {}
    channels: dict[int, tuple[str, ...]] = {}
    open_joints: list[int] = []
    opened = 0  # joints, the last of which may not be opened again
    for number, text in enumerate(lines, 2):
        where = f"{path}, line {number}"
        for statement in text.replace("{", "\n{\n").replace("}", "\n}\n").splitlines():
            key, *words = statement.split() or [""]
            if key in ("ROOT", "JOINT", "End"):
                if (key == "ROOT") == bool(names) or (key != "ROOT" and not open_joints):
                    raise InputError(where=where, found=f"{key} here", expected="one ROOT that holds every joint")
                parents.append(open_joints[-1] if open_joints else -1)
                names.append(f"{names[parents[-1]]} end" if key == "End" else " ".join(words))
            elif key == "{":
                if opened == len(names):
                    expected = "one brace after each ROOT, JOINT and End Site"
                    raise InputError(where=where, found="{ here", expected=expected)
                opened = len(names)
                open_joints.append(opened - 1)
            elif key == "}" and open_joints:
                open_joints.pop()
            elif key == "OFFSET" and open_joints:
                offsets[open_joints[-1]] = parse_numbers(words, 3, where)
            elif key == "CHANNELS" and open_joints:
                channels[open_joints[-1]] = tuple(words[1:])
                if words[:1] != [str(len(words) - 1)] or not set(words[1:]) <= set(CHANNELS):
                    raise InputError(f"{statement.strip()!r}; expected a count and as many of {CHANNELS}", where=where)
            elif key:
                problem = f"{statement.strip()!r}; expected ROOT, JOINT, End Site, OFFSET or CHANNELS"
                raise InputError(problem, where=where)
    if open_joints or not names:
        raise InputError(f"{len(open_joints)} braces are not closed at its end", where=path, remedy=DAMAGED)
    if missing := [name for joint, name in enumerate(names) if joint not in offsets]:
        raise InputError(f"joint {missing[0]!r} has no OFFSET", where=path, remedy=DAMAGED)
    return tuple(
        Joint(name, parents[joint], offsets[joint], channels.get(joint, ())) for joint, name in enumerate(names)
    )


def _field(path: Path, lines: list[str], line: int, key: str) -> float:
    """The number after a keyword."""
    text, where = lines[line].strip() if line < len(lines) else "", f"{path}, line {line + 1}"
    if not text.startswith(key):
        raise InputError(where=where, found=repr(text[:60]), expected=f"{key!r} and a number")
    return float(parse_numbers(text[len(key) :].split(), 1, where)[0])


def _motion(
    path: Path, lines: list[str], first: int, frames: float, joints: tuple[Joint, ...]
) -> Float[np.ndarray, "t channel"]:
    columns = sum(len(joint.channels) for joint in joints)
    rows = [(number, line.split()) for number, line in enumerate(lines[first:], first + 1) if line.strip()]
    # Row by row: what a header says is not allocated before as many numbers are there.
    motion = np.array([parse_numbers(words, columns, f"{path}, line {number}") for number, words in rows])
    if len(rows) != frames or not rows:
        problem = f"the file ends after {len(rows)} frames, its header says {frames:g}"
        remedy = f"get it whole, or set `Frames:` to {len(rows)}"
        raise InputError(problem, where=f"{path}, line {rows[-1][0] if rows else first}", remedy=remedy)
    return motion
