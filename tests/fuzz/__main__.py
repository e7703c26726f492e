"""python -m tests.fuzz [--inputs N] [--minutes M] [--seed S] [--memory GIB]: many changed files for every reader.

Prints the inputs of every reader, how many of them were read, and each different failure with the command that repeats
it. Exit status 1 if there was a failure.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.attempt import attempt
from tests.fuzz.mutation import KINDS, MOST, Change
from tests.fuzz.readers import Reader, readers
from tests.limits import limited_memory


def drawn(number: int, seed: int) -> tuple[int, list[Change]]:
    """The seed file and the changes of one input: a function of its number."""
    random_ = random.Random(f"{seed} {number}")
    count = 1 + min(int(random_.expovariate(0.6)), 8)
    changes = [(random_.choice(KINDS), random_.randrange(MOST), random_.randrange(MOST)) for _ in range(count)]
    return random_.randrange(1000), changes


def place_of(error: BaseException) -> str:
    """The kind of an error and the last line of the toolkit that it went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/" not in frame.filename]
    own = [frame for frame in frames if "stgraph" in frame.filename or "data_prep" in frame.filename] or frames
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
    return f"{type(error).__name__} in {where}: {str(error)[:100]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all (%(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (%(default)s)")
    parser.add_argument("--memory", type=float, default=1.0, help="GiB that an input may take (%(default)s)")
    parser.add_argument(
        "--only", default="", metavar="READER:NUMBER", help="one input of one reader, with its traceback"
    )
    args = parser.parse_args()
    begin, tried, read, failures = time.monotonic(), Counter(), Counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        known = readers(Path(folder))
        if args.only:
            name, _, number = args.only.rpartition(":")
            return int(not attempted(known[name], Path(folder), int(number), args.seed))
        names = list(known)
        with limited_memory(args.memory):
            for number in range(args.inputs):
                name = names[number % len(names)]
                tried[name] += 1
                try:
                    read[name] += attempted(known[name], Path(folder), number, args.seed)
                except Exception as error:
                    place = f"{name}: {place_of(error)}"
                    if failures.setdefault(place, number) == number:
                        print(f"{place} (--only '{name}:{number}')", flush=True)
                if number % 1000 == 0 and time.monotonic() - begin > 60 * args.minutes:
                    break
    for name in names:
        print(f"{name:28s} {tried[name]:9,d} inputs, {read[name]:9,d} read, the others refused")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{tried.total():,} inputs in {(time.monotonic() - begin) / 60:.1f} min, peak memory {peak:.2f} GiB, "
        f"{len(failures)} failures"
    )
    return int(bool(failures))


def attempted(reader: Reader, folder: Path, number: int, seed: int) -> bool:
    """Whether the reader takes an input."""
    which, changes = drawn(number, seed)
    return attempt(reader, folder / f"input{reader.suffix}", which, changes)


if __name__ == "__main__":
    sys.exit(main())
