"""Motion-capture takes: their files, subjects and terms, and their joints in metres with z up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from data_prep.checks.anatomy import check_finite
from data_prep.reading.files import find_files, listed
from data_prep.reading.rigs import RigMapping, array_mapping, check_mapped, find_mapping, with_neck
from stgraph.errors import InputError
from stgraph.formats.amc import bone_ends, read_amc, read_asf
from stgraph.formats.bvh import read_bvh
from stgraph.formats.numpy_files import load_npz, npz_names
from stgraph.skeleton import H36M17

ENDINGS = (".amc", ".bvh", ".npz")
# Metres of a unit, and the axis up, where neither the command, the mapping nor the file states them.
UNIT = {".bvh": 0.01, ".npz": 1.0}
UP = {".amc": "y", ".bvh": "y", ".npz": "z"}
UNNAMED = "unnamed"


@dataclass(frozen=True)
class Naming:
    """A collection's file names.

    Attributes:
        pattern: groups subject, action, take and rate of a regular expression on the stem of a take's file.
        dataset, terms: the collection, and what may be done with it.
        archive: what the name of an `.npz` of its takes begins with, in lower case.
    """

    pattern: str
    dataset: str
    terms: str
    archive: str = ""


NAMINGS = (
    Naming(
        r"(?P<subject>\d+)_(?P<take>\d+)",
        "CMU Graphics Lab Motion Capture Database",
        "free for all uses, the data itself not to be resold; the data used was obtained from mocap.cs.cmu.edu, "
        "created with funding from NSF EIA-0196217",
        "cmu",
    ),
    Naming(
        r"HDM_(?P<subject>[a-z]+)_(?P<action>.+)_(?P<take>\d+)_(?P<rate>\d+)",
        "HDM05",
        "CC BY-SA 3.0; the data used was obtained from HDM05",
        "hdm05",
    ),
)
ANY_NAME = re.compile(r"(?P<action>.*?)[ _-]*(?P<take>\d*)")
UNKNOWN_TERMS = "UNKNOWN (the motion files do not state what may be done with them; state it with `--terms TEXT`)"
FASTEST = 10_000.0  # frames per second of any camera system


@dataclass(frozen=True)
class Take:
    """One take before it is read.

    Attributes:
        path: the file; `key` is the array in it if it is an `.npz`, `asf` the skeleton of an AMC file.
        subject, action: as the dataset will have them.
        number: distinguishes the takes of an action.
        rate: frames per second, 0 where the file says it.
        dataset, terms: the collection it belongs to, as far as its name shows.
    """

    path: Path
    subject: str
    action: str
    number: str
    rate: float
    dataset: str = ""
    terms: str = UNKNOWN_TERMS
    key: str = ""
    asf: Path | None = None

    @property
    def name(self) -> str:
        """The take's name: "kickLFront1Reps 001"; the number alone where no action is known."""
        return " ".join(word for word in (self.action, self.number) if word and word != UNNAMED) or self.path.stem

    @property
    def where(self) -> str:
        """For messages: the file, and the place in it."""
        return f"{self.path}, {self.key}" if self.key else str(self.path)


def find_takes(
    paths: Sequence[Path], names: str = "", rate: float = 0, actions: Mapping[str, str] | None = None
) -> list[Take]:
    """Takes in files and folders, sorted by file.

    Subject, action and take of an `.npz` come from its keys, "S1/walk 02", and the collection from its name ("cmu...",
    "hdm05..."). Those of a file come from its name: by `names` (a regular expression with groups subject, action, take
    and rate, each of which may be missing), else as the CMU ("35_01") and HDM05 ("HDM_bd_clap_001_120") collections
    have it, else the folder is the subject and the name, less a number at its end, the action.

    Args:
        rate: frames per second of AMC and `.npz` files; 0 = as the name says, else 120 and 50.
        actions: action by the stem of a file's name, for collections whose names do not state it.

    Raises:
        InputError: nothing found, an AMC file without its ASF, a key or name that cannot be read, two takes with the
            same subject and name.
    """
    try:
        namings = (Naming(names, "", UNKNOWN_TERMS),) if names else NAMINGS
        patterns = [(re.compile(naming.pattern), naming) for naming in namings]
    except re.error as error:
        raise InputError(str(error), where=f"--names {names!r}", expected="a regular expression") from error
    files = _files(paths)
    named = [file.stem for file in files if file.suffix.lower() in ENDINGS and file.suffix.lower() != ".npz"]
    if names and not any(patterns[0][0].fullmatch(stem) for stem in named):
        problem = "fits no file's name (those of .npz files are not read, their arrays carry the names)"
        remedy = f"the files are called {', '.join(named[:5])}" if named else "leave it out"
        raise InputError(problem, where=f"--names {names!r}", remedy=remedy)
    skeletons = [file for file in files if file.suffix.lower() == ".asf"]
    takes: list[Take] = []
    for file in files:
        if file.suffix.lower() == ".npz":
            takes += [_array_take(file, key, rate) for key in npz_names(file)]
        elif file.suffix.lower() in ENDINGS:
            takes.append(_named_take(file, patterns, rate, actions or {}))
        if file.suffix.lower() == ".amc":
            takes[-1] = replace(takes[-1], asf=_skeleton_of(file, skeletons))
    if not takes:
        raise InputError(f"no {', '.join(ENDINGS)} files; name files or folders of them", where=listed(paths))
    seen: dict[tuple[str, str], Take] = {}
    for take in takes:
        if (other := seen.setdefault((take.subject, take.name), take)) is not take:
            problem = f"{take.where} and {other.where} would both be {take.subject}/{take.name}"
            raise InputError(problem, remedy="prepare them apart, rename one, or distinguish them by `--names`")
    return takes


def _files(paths: Sequence[Path]) -> list[Path]:
    """Files of motion and skeletons, also the skeletons beside a motion that is named alone."""
    known = (*ENDINGS, ".asf")
    named = [path for path in paths if path.is_file()]
    if wrong := [path for path in named if path.suffix.lower() not in known]:
        raise InputError(where=wrong[0], found=f"ending {wrong[0].suffix!r}", expected=f"one of {', '.join(known)}")
    beside = [file for path in named for file in path.parent.iterdir() if file.suffix.lower() == ".asf"]
    pattern = rf"(?i).*({'|'.join(map(re.escape, known))})"
    return sorted(find_files([*paths, *beside], pattern, f"{', '.join(ENDINGS)} files or folders of them"))


def _array_take(path: Path, key: str, rate: float) -> Take:
    subject, _, rest = key.partition("/")
    action, _, number = rest.rpartition(" ")
    if not subject or not rest:
        expected = 'an array (frames, joints, x y z) for each take, called "SUBJECT/ACTION TAKE", such as "S1/walk 02"'
        raise InputError(where=f"{path}, key {key!r}", expected=expected, remedy="rename the array")
    if not action or not number[:1].isdigit():
        action, number = rest, ""
    fitting = [naming for naming in NAMINGS if naming.archive and path.stem.lower().startswith(naming.archive)]
    naming = fitting[0] if fitting else Naming("", path.name, UNKNOWN_TERMS)
    return Take(path, subject, action, number, rate or 50.0, dataset=naming.dataset, terms=naming.terms, key=key)


def _named_take(
    path: Path, patterns: Sequence[tuple[re.Pattern, Naming]], rate: float, actions: Mapping[str, str]
) -> Take:
    stem = path.stem
    patterns = [*patterns, (ANY_NAME, Naming("", "", UNKNOWN_TERMS))]
    match, naming = next((match, naming) for pattern, naming in patterns if (match := pattern.fullmatch(stem)))
    groups = {key: value for key, value in match.groupdict().items() if value}
    subject = f"S{groups['subject'].removeprefix('S')}" if "subject" in groups else path.resolve().parent.name
    action, number = actions.get(stem) or groups.get("action", UNNAMED), groups.get("take", "")
    own_rate = _rate(groups.get("rate", "120"), path) if path.suffix.lower() == ".amc" else 0.0
    return Take(path, subject, action, number, rate or own_rate, dataset=naming.dataset, terms=naming.terms)


def _rate(text: str, path: Path) -> float:
    """Frames per second from a file's name."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= FASTEST:
        problem = f"its name gives {text!r} as frames per second"
        expected, remedy = f"a number above 0 and up to {FASTEST:g}", "rename the file or give another `--names`"
        raise InputError(problem, where=path, expected=expected, remedy=remedy)
    return rate


def _skeleton_of(path: Path, skeletons: Sequence[Path]) -> Path:
    """The ASF beside an AMC whose name its name begins with, up to a full word: 03.asf for 03_01.amc."""
    beside = [asf for asf in skeletons if asf.parent == path.parent]
    fitting = [asf for asf in beside if re.match(re.escape(asf.stem) + r"(?![A-Za-z0-9])", path.stem)]
    if not fitting:
        names = ", ".join(asf.name for asf in beside) or "none"
        wanted = path.with_name(path.stem.rpartition("_")[0] or path.stem).with_suffix(".asf")
        problem = f"no ASF file whose name its name begins with (beside it: {names})"
        raise InputError(problem, where=path, remedy=f"put its skeleton at {wanted}")
    return max(fitting, key=lambda asf: len(asf.stem))


@dataclass(frozen=True)
class Motion:
    """A take that was read: H36M17 joints (t, j, 3) in metres, z up, at its own rate, and how it was read."""

    pose: Float[np.ndarray, "t j 3"]
    rate: float
    mapping: RigMapping
    metres: float
    skipped: int

    @property
    def upright(self) -> float:
        """How far the head is above the feet, metres; the median frame, since a single one may lean in any axis."""
        head, left, right = (self.pose[:, H36M17.index(name), 2] for name in ("Head", "LFoot", "RFoot"))
        return float(np.median(head - (left + right) / 2))


def read_take(
    take: Take, mapping: RigMapping | None = None, unit: float | None = None, up: str | None = None
) -> Motion:
    """Read a take and map it to H36M17 by names; the unit and the axis up are the mapping's or the format's by default.

    The first frame is left out where the mapping says so, and in a BVH file whose first frame is its rest pose.

    Raises:
        InputError: a take that the readers, the mapping or `check_mapped` refuse.
    """
    kind = take.path.suffix.lower()
    rate, skipped, file_unit = take.rate, 0, UNIT.get(kind, 1.0)
    if take.asf:
        asf = read_asf(take.asf)
        names, positions, file_unit = asf.names, bone_ends(asf, read_amc(take.path, asf)), asf.metres
    elif kind == ".bvh":
        bvh = read_bvh(take.path)
        names, positions, rate, skipped = bvh.names, bvh.positions(), bvh.fps, int(bvh.starts_at_rest)
    else:
        positions = _read_array(take)
        mapping = mapping or array_mapping(positions.shape[1], take.where)
        names = mapping.order
        if len(names) != positions.shape[1]:
            problem = f"{positions.shape[1]} joints, but mapping {mapping.name} has {len(names)} in `order`"
            raise InputError(problem, where=take.where, remedy="correct the mapping file")
    mapping = mapping or find_mapping(names, take.where)
    check_finite(positions, names, take.where)
    skipped = max(skipped, mapping.skip_frames)
    if skipped >= len(positions):
        problem = f"{len(positions)} frames, the first {skipped} of them no motion by mapping {mapping.name}"
        remedy = "leave the file out, or correct `skip_frames` in the mapping file"
        raise InputError(problem, where=take.where, remedy=remedy)
    metres = unit or mapping.unit or file_unit
    mapping, pose = with_neck(mapping, metres * mapping.apply(positions[skipped:], names, take.where), take.where)
    if (up or mapping.up or UP[kind]) == "y":
        pose = np.stack([pose[..., 0], -pose[..., 2], pose[..., 1]], axis=-1)
    check_mapped(pose, metres, take.where)
    return Motion(pose, rate, mapping, metres, skipped)


def _read_array(take: Take) -> Float[np.ndarray, "t rig 3"]:
    positions = load_npz(take.path, [take.key])[take.key]
    array = isinstance(positions, np.ndarray)
    if not array or positions.shape[2:] != (3,) or not positions.size or positions.dtype.kind not in "fiu":
        problem = f"{positions.dtype} {positions.shape}" if array else type(positions).__name__
        raise InputError(problem, where=take.where, expected="a plain array of numbers of shape (frame, joint, 3)")
    return positions.astype(np.float64)
