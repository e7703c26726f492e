"""Bounds of what a test may take: processor time and address space."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 10


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
