"""A run's folder in checkpoints/: of one training at a time, and a new run's only once that one has weights."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stgraph.errors import InputError

WEIGHTS, LAST, METRICS, CURVES, BOARD = "best.safetensors", "last.pt", "metrics.csv", "curves.png", "tensorboard"
LOCK, STAGE = ".lock", "restart"


class RunFolder:
    """Where a training writes.

    A run that is begun anew writes into a folder within it, and takes the old run's place with its first weights.

    Attributes:
        path: of the run. current: where files are written now.
    """

    def __init__(self, path: Path) -> None:
        self.path = self.current = path
        self.stage = path / STAGE

    @property
    def staged(self) -> bool:
        """Whether an old run still has its place."""
        return self.current == self.stage

    @property
    def last(self) -> Path:
        """What to resume from."""
        return self.current / LAST

    def holds_run(self) -> bool:
        """Whether there are weights or what resuming needs."""
        return any((self.path / name).exists() for name in (LAST, WEIGHTS))

    def choose(self, restart: bool) -> None:
        """Write beside an old run that is begun anew, or where such a training was stopped."""
        self.current = self.stage if (self.holds_run() if restart else (self.stage / LAST).exists()) else self.path

    def take_place(self) -> None:
        """Put the new run in the old one's place; what else the folder holds stays.

        What resuming needs goes last: a training that is killed on the way goes on from there, and does this again.
        """
        (self.stage / WEIGHTS).replace(self.path / WEIGHTS)
        for name in (METRICS, CURVES):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / BOARD, ignore_errors=True)
        if (self.stage / BOARD).exists():
            (self.stage / BOARD).rename(self.path / BOARD)
        (self.stage / LAST).replace(self.path / LAST)
        shutil.rmtree(self.stage)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings out, and remove the unfinished files of one that was killed.

        The system gives the lock back when the process ends, however it ends.

        Raises:
            InputError: another process trains into this folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / LOCK
        lock = _lock(path)
        try:
            for folder in (self.path, self.stage):
                for unfinished in folder.glob(".*.partial*"):
                    unfinished.unlink(missing_ok=True)
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(lock)
            for folder in (self.stage, self.path):
                with suppress(OSError):  # only empty ones go
                    folder.rmdir()


def _lock(path: Path) -> int:
    """An open file that this process holds the lock of. Raises InputError where another one does."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            problem, remedy = "another process is training into this folder", "wait, or choose another `train --name`"
            raise InputError(problem, where=path.parent, remedy=remedy) from error
        except OSError:
            return file  # a file system without locks
        # A training that ended since this one opened the file has removed it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)
