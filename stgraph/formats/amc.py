"""ASF skeletons and AMC motion, the files of Acclaim, Vicon and the CMU and HDM05 collections.

An ASF file gives every bone a direction, a length and the axes that its angles turn about; an AMC file gives the angles
of every frame. Positions are those of the bones' **ends**, which is where the next bone begins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from stgraph.errors import InputError
from stgraph.formats.motion_text import DAMAGED, parse_numbers, read_lines, whole_number
from stgraph.geometry import euler_to_matrix

ROTATIONS, TRANSLATIONS = ("rx", "ry", "rz"), ("tx", "ty", "tz")
SCALES = (1e-6, 1e6)  # of `:units length`, beyond which metres overflow


@dataclass(frozen=True)
class Bone:
    """A bone, or the root as the first of them.

    Attributes:
        parent: index of the bone at whose end this one begins, -1 for the root.
        offset: (3,) direction times length, in the file's unit; for the root its position.
        axes: (3, 3) rotation from the frame in which its angles turn into the skeleton's frame.
        dof: the numbers of an AMC line of this bone, in order: "rx", and "tx" for the root.
    """

    name: str
    parent: int
    offset: np.ndarray
    axes: np.ndarray
    dof: tuple[str, ...]


@dataclass(frozen=True)
class Asf:
    """An ASF skeleton, parents before children; `metres` is one unit of its lengths."""

    path: Path
    bones: tuple[Bone, ...]
    metres: float

    @property
    def names(self) -> tuple[str, ...]:
        """One name per bone, "root" first."""
        return tuple(bone.name for bone in self.bones)


def read_asf(path: Path | str) -> Asf:
    """Read a skeleton.

    `:units length` is the CMU convention: lengths are inches divided by it, so that 0.45 makes a unit 0.056444 m.

    Raises:
        InputError: a missing section, a bone without name, direction or length, one in no hierarchy, or a degree of
            freedom other than a rotation; with the line.
    """
    path = Path(path)
    sections = _sections(path)
    for name in ("root", "bonedata", "hierarchy"):
        if name not in sections:
            remedy = "the file is truncated or is no ASF skeleton"
            raise InputError(f"no section :{name} beside {', '.join(sections)}", where=path, remedy=remedy)
    units = {words[0]: words[1] for _, words in sections.get("units", []) if len(words) > 1}
    if (angle := units.get("angle", "deg")) not in ("deg", "rad"):
        raise InputError(where=f"{path}, :units", found=f"angle {angle!r}", expected="deg or rad")
    degree = 1.0 if angle == "deg" else 180 / math.pi
    where = f"{path}, :units length"
    [length] = parse_numbers([units.get("length", "1")], 1, where)
    if not SCALES[0] <= length <= SCALES[1]:
        raise InputError(f"{length}; expected {SCALES[0]:g} to {SCALES[1]:g}, such as 0.45", where=where)
    root = {words[0]: words[1:] for _, words in sections["root"]}
    where = f"{path}, :root"
    if not root.get("order"):
        raise InputError(where=where, found="no order of its numbers", expected="one such as TX TY TZ RX RY RZ")
    position = parse_numbers(root.get("position", ["0"] * 3), 3, f"{where} position")
    words = [*root.get("orientation", ["0"] * 3), *root.get("axis", ["XYZ"])]
    axes = _axes(words, degree, f"{where} orientation")
    bones = [Bone("root", -1, position, axes, _dof(root["order"], ROTATIONS + TRANSLATIONS, f"{where} order"))]
    blocks = dict(_blocks(path, sections["bonedata"]))
    index = {"root": 0}
    for line, (parent, *children) in sections["hierarchy"]:
        for name in children if parent not in ("begin", "end") else ():
            if parent not in index or name not in blocks or name in index:
                reason = "is doubled" if name in index else "is unknown or comes before its parent"
                problem = f"bone {name!r} below {parent!r} {reason}"
                raise InputError(problem, where=f"{path}, line {line}", remedy="mend the hierarchy")
            index[name] = len(bones)
            bones.append(_bone(name, index[parent], blocks[name], degree, f"{path}, bone {name}"))
    if left := sorted(set(blocks) - set(index)):
        remedy = "the file is truncated, or add their parents"
        raise InputError(f"{', '.join(left)} missing", where=f"{path}, :hierarchy", remedy=remedy)
    return Asf(path, tuple(bones), 0.0254 / length)


def read_amc(path: Path | str, asf: Asf) -> dict[str, Float[np.ndarray, "t dof"]]:
    """Read a motion: bone -> its degrees of freedom in every frame, angles in degrees, root translation in file units.

    Raises:
        InputError: an unknown bone, a wrong count of numbers, text that is no finite number, a frame that lacks
            a bone (also: the file ends within it) or does not follow its predecessor; with the line.
    """
    path = Path(path)
    dof = {bone.name: len(bone.dof) for bone in asf.bones if bone.dof}
    motion: dict[str, list[np.ndarray]] = {name: [] for name in dof}
    frames, degrees, previous, line = 0, True, None, 0

    def check_whole() -> None:
        if wrong := [name for name, rows in motion.items() if len(rows) != frames]:
            problem = f"frame {previous} ends here without one line each for {', '.join(wrong)}"
            remedy = "the file is truncated or of another skeleton, get it whole"
            raise InputError(problem, where=f"{path}, line {line}", remedy=remedy)

    for line, (name, *values) in _lines(path):
        where = f"{path}, line {line}"
        if name[0] == ":":
            degrees = degrees and name.upper() != ":RADIANS"
        elif not values and (number := whole_number(name)) is not None:
            check_whole()
            if previous is not None and number != previous + 1:
                raise InputError(f"frame {name} after frame {previous}", where=where, remedy="frames are missing")
            frames, previous = frames + 1, number
        elif name not in dof:
            problem = f"bone {name!r} is not in {asf.path}; its bones are {', '.join(dof)}"
            remedy = "give the ASF file that belongs to this motion, or get it whole if it ends here"
            raise InputError(problem, where=where, remedy=remedy)
        else:
            motion[name].append(parse_numbers(values, dof[name], f"{where}, bone {name}"))
    check_whole()
    if not frames:
        remedy = "the file is truncated or is no AMC motion"
        raise InputError(f"no frame in {line} lines", where=path, remedy=remedy)
    arrays = {name: np.array(rows) for name, rows in motion.items()}
    for bone in asf.bones if not degrees else ():
        turns = [column for column, name in enumerate(bone.dof) if name in ROTATIONS]
        if turns:
            arrays[bone.name][:, turns] *= 180 / math.pi
    return arrays


def bone_ends(asf: Asf, motion: dict[str, np.ndarray]) -> Float[np.ndarray, "t bone 3"]:
    """Forward kinematics: where every bone ends, in the file's unit and axes (`Asf.metres` makes metres of it).

    A bone's rotation is its parent's times C M C^-1, with C its axes and M its angles, each turning about fixed axes
    in the order of `dof` (Jeff Lander, "Skeletal animation", ASF/AMC format notes).
    """
    frames = len(motion["root"])
    ends = np.zeros((frames, len(asf.bones), 3))
    turns: list[np.ndarray] = []
    for number, bone in enumerate(asf.bones):
        values = motion.get(bone.name, np.zeros((frames, 0)))
        local = bone.axes @ _rotation(values, bone.dof) @ bone.axes.T
        if bone.parent < 0:
            turns.append(local)
            ends[:, number] = bone.offset
            for column, dof in enumerate(bone.dof):
                if dof in TRANSLATIONS:
                    ends[:, number, TRANSLATIONS.index(dof)] += values[:, column]
        else:
            turns.append(turns[bone.parent] @ local)
            ends[:, number] = ends[:, bone.parent] + turns[-1] @ bone.offset
    return ends


def _rotation(values: Float[np.ndarray, "*t dof"], dof: tuple[str, ...]) -> Float[np.ndarray, "... 3 3"]:
    """Rotation matrices of a bone's angles: fixed axes, the first is turned about first."""
    columns = [column for column, name in enumerate(dof) if name in ROTATIONS][::-1]
    if not columns:
        return np.eye(3)
    order = "".join(dof[column][1].upper() for column in columns)
    return euler_to_matrix(torch.from_numpy(values[..., columns].copy()), order).numpy()


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of every line with something on it but a comment."""
    for line, text in enumerate(read_lines(path), 1):
        if (words := text.split()) and words[0][0] != "#":
            yield line, words


def _sections(path: Path) -> dict[str, list[tuple[int, list[str]]]]:
    """ASF sections by name; the words on the heading's own line come first."""
    sections: dict[str, list] = {}
    current: list = []
    for line, words in _lines(path):
        if words[0][0] == ":":
            current = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            current.append((line, words))
    return sections


def _blocks(path: Path, lines: list[tuple[int, list[str]]]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """(bone, its fields) of every begin ... end."""
    block: dict[str, list[str]] | None = None
    for line, (key, *values) in lines:
        where = f"{path}, line {line}"
        if key == "begin":
            block = {}
        elif block is None:
            raise InputError(f"{key!r} outside `begin` and `end`", where=where, remedy=DAMAGED)
        elif key == "end":
            if not block.get("name"):
                raise InputError("the bone that ends here has no name", where=where, remedy=DAMAGED)
            yield block["name"][0], block
            block = None
        else:
            # The further rows of `limits` begin with a bracket and are not needed.
            block.setdefault(key, values)
    if block is not None:
        raise InputError("the last bone has no `end`", where=f"{path}, :bonedata", remedy=DAMAGED)


def _bone(name: str, parent: int, block: dict[str, list[str]], degree: float, where: str) -> Bone:
    for key in ("direction", "length"):
        if key not in block:
            raise InputError(f"no {key} (found {', '.join(block)})", where=where, remedy=DAMAGED)
    direction = parse_numbers(block["direction"], 3, f"{where} direction")
    [length] = parse_numbers(block["length"], 1, f"{where} length")
    axes = _axes(block.get("axis", ["0", "0", "0", "XYZ"]), degree, f"{where} axis")
    return Bone(name, parent, direction * length, axes, _dof(block.get("dof", []), ROTATIONS, f"{where} dof"))


def _axes(words: list[str], degree: float, where: str) -> Float[np.ndarray, "3 3"]:
    """ "0 0 20 XYZ" -> rotation matrix: fixed axes, the first is turned about first."""
    order = words[3] if len(words) > 3 else "XYZ"
    if sorted(order.upper()) != list("XYZ"):
        raise InputError(f"order {order!r}; expected the letters X, Y and Z in some order", where=where)
    return _rotation(degree * parse_numbers(words[:3], 3, where), tuple(f"r{letter}" for letter in order.lower()))


def _dof(words: list[str], allowed: tuple[str, ...], where: str) -> tuple[str, ...]:
    dof = tuple(word.lower() for word in words)
    if unknown := [word for word in dof if word not in allowed]:
        raise InputError(where=where, found=", ".join(unknown), expected=f"only {', '.join(allowed)}")
    if len(set(dof)) < len(dof):
        raise InputError(where=where, found=", ".join(dof), expected="each at most once")
    return dof
