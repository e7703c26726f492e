"""Motion-capture files of any rig, seen through cameras: ASF/AMC, BVH and `.npz` of joint positions.

A take is mapped to the Human3.6M skeleton by joint names, cut where it jumps, resampled by a cubic spline, placed
before the cameras and projected; `gt` holds the exact 2D joints, `sim` those of a simulated detector.
"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import RootModel

from data_prep.cameras.studio import Studio, film
from data_prep.options import check_fps
from data_prep.reading.motion import subject_splits, take_reader
from data_prep.reading.takes import FASTEST, Take, find_takes
from data_prep.source import Source
from data_prep.sources.mocap.options import EXAMPLE
from stgraph.errors import InputError
from stgraph.formats.json_files import read_json, validated

NUMBERS = ("views", "min_frames", "min_depth")  # above 0
NUMBERS_FROM_0 = ("rate", "margin", "seed")


def read(args: Namespace) -> Source:
    """Takes through cameras, as recordings "SUBJECT/TAKE/CAMERA". Raises InputError for unusable options or files."""
    _check_numbers(args)
    actions: dict[str, str] = {}
    if args.actions:
        tree = read_json(args.actions, f"file names and actions, such as {EXAMPLE}")
        actions = validated(RootModel[dict[str, str]], tree, args.actions).root
    takes = find_takes(args.paths, args.names, args.rate, actions)
    notes = _unused_actions(args.actions, actions, takes) if args.actions else []
    studio = Studio(
        subject=args.camera_subject if args.cameras == "h36m" else "",
        random=args.views,
        seed=args.seed,
        fps=args.fps,
        margin=args.margin,
        nearest=args.min_depth,
        shortest=args.min_frames,
    )
    more_inputs = (args.mapping, args.actions)
    result = film(takes, take_reader(args), studio, up=args.up, terms=args.terms, more_inputs=more_inputs)
    result.notes = notes + result.notes
    result.splits = subject_splits({take.subject for take in takes}, args.validation, args.test)
    return result


def _check_numbers(args: Namespace) -> None:
    for option in NUMBERS + NUMBERS_FROM_0:
        value, from_0 = getattr(args, option), option in NUMBERS_FROM_0
        if not (0 < value < np.inf or (from_0 and value == 0)):
            expected = f"a number {'of 0 or more' if from_0 else 'above 0'}"
            raise InputError(where=f"--{option.replace('_', '-')} {value}", expected=expected)
    check_fps(args.fps)
    if args.rate > FASTEST:
        raise InputError(where=f"--rate {args.rate}", expected=f"up to {FASTEST:g} frames per second")


def _unused_actions(path: Path, actions: Mapping[str, str], takes: Sequence[Take]) -> list[str]:
    """Notes on names that no file has. Raises InputError where none of the names is a file's."""
    stems = {take.path.stem for take in takes if not take.key}
    unused = sorted(set(actions) - stems)
    text = ", ".join(unused[:10]) + (f" and {len(unused) - 10} more" if len(unused) > 10 else "")
    if len(unused) == len(actions):
        there = f"the files are {', '.join(sorted(stems)[:10])}" if stems else "arrays in .npz files carry theirs"
        problem = f"no motion file is called {text or 'as it says, for it is empty'}; {there}"
        expected = "names of files without folder and ending"
        raise InputError(problem, where=path, expected=expected, remedy="or leave `--actions` out")
    return [f"{path.name}: no file is called {text}"] if unused else []
