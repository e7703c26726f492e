"""Trainings and preparations that are killed at random moments: what is resumed ends with the bits of what was not."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stgraph.data.dataset import Dataset
from stgraph.settings.params import Settings, validate
from stgraph.training.checkpoint import load_last, load_weights
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.run import Run
from tests.conftest import write

OFTEN = 1e-5  # minutes between checkpoints: after nearly every step
TIMES = ("seconds", "minutes")  # of a training's progress
AT_ONCE = 8  # kills of one training or preparation before it is left to end


def settings() -> Settings:
    """A small lifter with dropout and averaged weights, whose best epoch a validation part chooses."""
    return validate(
        {
            "task": {"name": "lifting", "losses": {"position": 1.0}},
            "data": {
                **{"dataset": "small", "detector": "noisy", "frames": 12, "stride": 5, "flip": True},
                **{"train": ["S1"], "validation": ["S5"], "test": ["S9"]},
            },
            "model": {"name": "linear", "channels": 16, "layers": 1, "dropout": 0.2},
            "optim": {"epochs": 3, "batch_size": 16, "ema": 0.9},
            "seed": 1,
        },
        "torture",
    )


def train(data: Path, name: str) -> None:
    """A training, or what is left of it."""
    run = Run.create(name, settings(), Dataset(data), Engine("cpu"))
    run.fit(Dataset(data), Listener(), resume=True, save_minutes=OFTEN)


def trained(name: str) -> dict[str, Any]:
    """Everything that a finished training left and that time has no part in, by its place."""
    folder = Path("checkpoints") / name
    best = load_weights(folder / "best.safetensors")
    found = {f"best {key}": value for key, value in best.state.items()} | {"epoch": best.epoch, "trained": best.trained}
    return found | flattened({key: value for key, value in load_last(folder / "last.pt").items()}, "last")


def flattened(value: Any, place: str) -> dict[str, Any]:
    """The leaves of a tree by their places, but for those of time."""
    if isinstance(value, dict):
        parts = {key: part for key, part in value.items() if str(key) not in TIMES}
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value))
    else:
        return {place: value}
    return {key: leaf for name, part in parts.items() for key, leaf in flattened(part, f"{place} {name}").items()}


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The places at which two trees are not equal, bit for bit."""

    def same(a: Any, b: Any) -> bool:
        both = isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        return a.dtype == b.dtype and torch.equal(a, b) if both else a == b

    return [key for key in sorted(one | other) if key not in one or key not in other or not same(one[key], other[key])]


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Whether a process that does the work was killed after so long; False where it had ended by then.

    Raises:
        RuntimeError: it failed.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.0005)
    else:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError("the process that goes on after a kill failed; its message is above")
    return False


@dataclass
class Count:
    """What happened so far."""

    kills: int = 0
    trainings: int = 0
    preparations: int = 0


class Torture:
    """Kills trainings and preparations in the working folder.

    Args:
        seed: of the moments.
    """

    def __init__(self, seed: int) -> None:
        self.random, self.count = random.Random(seed), Count()
        self.data = write(Path("small.h5"))
        self.written = self.data.read_bytes()
        begin = time.monotonic()
        train(self.data, "whole")
        self.seconds = time.monotonic() - begin
        self.expected = trained("whole")
        begin = time.monotonic()
        write(Path("timed.h5"))
        self.writing = time.monotonic() - begin

    def training(self) -> None:
        """One training, killed some times. Raises AssertionError where it ends otherwise than the whole one."""
        name = f"cut-{self.count.trainings}"
        self.until_it_ends(lambda: train(self.data, name), self.seconds)
        self.count.trainings += 1
        wrong = differing(trained(name), self.expected)
        assert not wrong, f"{name} differs from the training without a kill in {', '.join(wrong[:5])}"

    def preparation(self) -> None:
        """One preparation over an earlier file. Raises AssertionError where that is ever neither old nor new."""
        path = write(Path(f"data-{self.count.preparations}.h5"), terms="an earlier file")
        old = path.read_bytes()

        def check() -> None:
            Dataset(path)
            assert path.read_bytes() in (old, self.written), f"{path} is neither the old file nor the new one"

        self.until_it_ends(lambda: write(path), self.writing, check)
        self.count.preparations += 1
        assert path.read_bytes() == self.written, f"{path} differs from the file without a kill"

    def until_it_ends(
        self, work: Callable[[], object], seconds: float, check: Callable[[], None] = lambda: None
    ) -> None:
        """Kill the work at random moments, and check what is there after each, until it has ended."""
        for left in reversed(range(AT_ONCE + 1)):
            if not killed(work, self.random.uniform(0, seconds) if left else 3600):
                return
            self.count.kills += 1
            check()
