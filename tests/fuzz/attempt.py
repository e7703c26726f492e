"""One input for one reader: read, or refused with the toolkit's own error, within bounds of time and memory."""

import resource
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stgraph.errors import InputError
from tests.fuzz.mutation import Change, changed
from tests.fuzz.readers import Reader

SECONDS = 10
LONGEST = 100_000  # characters of a message


def attempt(reader: Reader, path: Path, seed: int, changes: list[Change]) -> bool:
    """Whether the reader takes a changed file; any error but InputError leaves."""
    content = changed(reader.seeds[seed % len(reader.seeds)], changes)
    reader.write(path, content)
    with limited_time(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader.read(path)
        except InputError as error:
            assert len(str(error)) < LONGEST, f"a message of {len(str(error))} characters"
            return False
    return True


@contextmanager
def limited_time() -> Iterator[None]:
    """TimeoutError after SECONDS of processor time, so that a busy machine does not matter."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def limited_memory(gibibytes: float) -> Iterator[None]:
    """MemoryError where the process would take so much more address space than it has."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + int(gibibytes * 2**30), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
