"""A share of many changed inputs, each a function of its number, and what they came to."""

import random
import resource
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.attempt import attempt
from tests.fuzz.mutation import KINDS, MOST, Change
from tests.fuzz.reader import Reader
from tests.fuzz.readers import readers
from tests.limits import limited_memory

OFTEN = 16  # inputs of a reader for each of one that takes long


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


@dataclass
class Outcome:
    """What a share of the inputs came to.

    Attributes:
        tried, read: inputs by the name of their reader.
        failures: the first input of each different failure, "READER:NUMBER", by its kind and place.
        peak: memory of the process, GiB.
    """

    tried: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    peak: float = 0.0


def share(numbers: range, seed: int, ends: float, memory: float) -> Outcome:
    """Tries the inputs of some numbers, in a folder of its own, until a time."""
    found = Outcome()
    with tempfile.TemporaryDirectory() as folder:
        known = readers(Path(folder))
        names = [name for name, reader in known.items() for _ in range(1 if reader.rare else OFTEN)]
        random.Random(0).shuffle(names)
        with limited_memory(memory):
            for number in numbers:
                name = names[number % len(names)]
                found.tried[name] += 1
                try:
                    found.read[name] += attempted(known[name], Path(folder), number, seed)
                except Exception as error:
                    place, one = f"{name}: {place_of(error)}", f"{name}:{number}"
                    if found.failures.setdefault(place, one) == one:
                        print(f"{place} (--only '{one}')", flush=True)
                if time.time() > ends:
                    break
    found.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found


def attempted(reader: Reader, folder: Path, number: int, seed: int) -> bool:
    """Whether the reader takes an input."""
    which, changes = drawn(number, seed)
    return attempt(reader, folder / f"input{reader.suffix}", which, changes)
