"""python -m tests.torture [--kills N] [--minutes M] [--seed S]: kill trainings and preparations at random moments.

Each goes on after every kill, and its result is compared bit for bit with one that was never killed.
"""

import argparse
import os
import tempfile
import time

import torch

from tests.torture.kills import Torture


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="in all, at least (%(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)  # processes are forked
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        torture = Torture(args.seed)
        while torture.count.kills < args.kills and time.monotonic() - begin < 60 * args.minutes:
            torture.training()
            torture.preparation()
            if torture.count.trainings % 10 == 0:
                print(f"{torture.count.kills} kills", flush=True)
    count, minutes = torture.count, (time.monotonic() - begin) / 60
    text = f"{count.kills} kills of {count.trainings} trainings and {count.preparations} preparations"
    print(f"{text} in {minutes:.1f} min: every one went on to the same bits")


if __name__ == "__main__":
    main()
