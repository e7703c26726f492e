"""python -m data_prep builtin: minutes of captured motion that come with the package, for when there is no data.

The motion is an extract of the CMU Graphics Lab Motion Capture Database (data_prep/builtin/README.md). Human3.6M's
cameras and the detector are simulated, as for any motion capture.
"""

from argparse import Namespace
from pathlib import Path

from data_prep.cameras.studio import Studio, film
from data_prep.reading.motion import subject_splits
from data_prep.reading.takes import find_takes, read_take
from data_prep.source import Source
from stgraph.errors import InputError

MOTION = Path(__file__).parents[2] / "builtin" / "cmu.npz"
UNIT = 2.0**-13  # metres
TEST = ("S13", "S35")


def read(args: Namespace) -> Source:
    """The built-in takes, before Human3.6M's cameras. Raises InputError for an unknown subject or a negative seed."""
    if args.seed < 0:
        raise InputError(where=f"--seed {args.seed}", expected="a number of 0 or more")
    takes = find_takes([MOTION])
    subjects = dict.fromkeys(take.subject for take in takes)
    chosen = args.subjects or list(subjects)
    if unknown := [subject for subject in chosen if subject not in subjects]:
        raise InputError(f"no subject {', '.join(unknown)}; there are {', '.join(subjects)}", where="--subjects")
    takes = [take for take in takes if take.subject in chosen]
    result = film(takes, lambda take: read_take(take, unit=UNIT), Studio(seed=args.seed))
    result.splits = subject_splits(set(chosen), (), [subject for subject in TEST if subject in chosen])
    return result
