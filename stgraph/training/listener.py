"""How far a fit is, and what a command shows of it."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from stgraph.formats.markdown import counted


class Listener:
    """What a command shows of a fit; methods do nothing by default."""

    def begin(self, steps: int, done: int, folder: Path) -> None:
        """Before the first step: how many steps there are and how many are done."""

    def step(self, number: int, means: dict[str, float]) -> None:
        """After each step: the batch's loss, its terms and the errors in mm."""

    def epoch(self, row: dict[str, float]) -> None:
        """After each epoch: a line of metrics.csv."""

    def end(self) -> None:
        """After the last step, or before an error leaves."""


@dataclass
class Progress:
    """Progress of a fit: all that resuming needs besides weights and optimizer."""

    epoch: int = 0
    step: int = 0
    windows: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: float = math.inf
    best_epoch: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def add(self, windows: int, means: dict[str, float]) -> None:
        """Count a step's means over its windows."""
        self.step += 1
        self.windows += windows
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + windows * mean

    def text(self) -> str:
        """How much is done: "3 epochs and 1 step"."""
        parts = [counted(self.epoch, "epoch")] if self.epoch or not self.step else []
        return " and ".join([*parts, counted(self.step, "step")] if self.step else parts)
