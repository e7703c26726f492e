"""python -m tests.fuzz [--inputs N] [--minutes M] [--seed S] [--processes P]: many changed files for every reader.

Prints the inputs of every reader, how many of them were read, and each different failure with the command that repeats
it. Exit status 1 if there was a failure.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from tests.fuzz.readers import readers
from tests.fuzz.shares import attempted, share

# Inputs of one process: torch keeps every network that it traced, as live objects do, until the process ends.
BLOCK = 25_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="in all (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to go on after others (%(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--seed", type=int, default=0, help="of the changes (%(default)s)")
    parser.add_argument("--memory", type=float, default=1.0, help="GiB that an input may take (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="side by side (%(default)s)")
    parser.add_argument(
        "--only", default="", metavar="READER:NUMBER", help="one input of one reader, with its traceback"
    )
    args = parser.parse_args()
    if args.only:
        name, _, number = args.only.rpartition(":")
        with tempfile.TemporaryDirectory() as folder:
            return int(not attempted(readers(Path(folder))[name], Path(folder), int(number), args.seed))
    begin, last = time.monotonic(), args.first + args.inputs
    blocks = [range(first, min(first + BLOCK, last)) for first in range(args.first, last, BLOCK)]
    ends = time.time() + 60 * args.minutes
    outcomes = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, context, max_tasks_per_child=1) as pool:
        work = partial(share, seed=args.seed, ends=ends, memory=args.memory)
        futures = {pool.submit(work, block): block for block in blocks}
        for future in as_completed(futures):
            if future.cancelled():
                continue
            outcomes.append(future.result())
            print(f"{futures[future].start:,} and on: peak memory {outcomes[-1].peak:.2f} GiB", flush=True)
            if time.time() > ends:
                for other in futures:
                    other.cancel()
    tried, read = (sum((getattr(each, name) for each in outcomes), Counter()) for name in ("tried", "read"))
    for name in sorted(tried):
        print(f"{name:28s} {tried[name]:9,d} inputs, {read[name]:9,d} read, the others refused")
    failures = {place for each in outcomes for place in each.failures}
    print(
        f"{tried.total():,} inputs in {(time.monotonic() - begin) / 60:.1f} min, "
        f"peak memory {max(each.peak for each in outcomes):.2f} GiB, {len(failures)} failures"
    )
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
