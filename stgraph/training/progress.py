"""Display of a training run: a progress bar, a line an epoch, and TensorBoard; and of a prediction."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stgraph.scoring.metrics import named_unit
from stgraph.training.listener import Listener
from stgraph.training.prediction import Progressed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

# Where the output is no terminal: seconds between lines about a prediction, and without any of a training at most.
LINE, SILENCE = 10.0, 30.0
LONGEST = 40  # characters before the bar, which leave room for it on a line of 80


class Terminal(Listener):
    """Draws a bar on a terminal, prints a line at least every 30 s elsewhere, and one for each epoch everywhere."""

    def begin(self, steps: int, done: int, folder: Path) -> None:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn
        from torch.utils.tensorboard import SummaryWriter

        self.console = Console(soft_wrap=True)
        self.bar = bar(self.console, MofNCompleteColumn())
        self.task = self.bar.add_task("training", total=steps, completed=done)
        self.board = SummaryWriter(folder / "tensorboard", purge_step=done + 1)
        self.total, self.steps, self.means = steps, done, {}
        self.ended, self.printed = threading.Event(), threading.Event()
        if not self.console.is_terminal:
            threading.Thread(target=self.break_silence, daemon=True).start()
        self.bar.start()

    def break_silence(self) -> None:
        """Print how far it is whenever nothing was printed for some time, until the end."""
        ended, printed = self.ended, self.printed
        while not ended.wait(SILENCE / 2):
            if not printed.is_set():
                self.print("  ".join([f"step {self.steps:,} of {self.total:,}", readable(self.means)]).rstrip())
            else:
                printed.clear()

    def print(self, line: str) -> None:
        """Print a line."""
        self.printed.set()
        self.console.print(line, highlight=False)

    def step(self, number: int, means: dict[str, float]) -> None:
        self.steps, self.means = number, means
        self.bar.update(self.task, completed=number, description=readable(means))
        for name, value in means.items():
            self.board.add_scalar(f"step/{name}", value, number)

    def epoch(self, row: dict[str, float]) -> None:
        parts = [f"epoch {row['epoch']:g}", f"{row['minutes']:.1f} min"]
        for split in ("train", "validation"):
            shown = {name.removeprefix(f"{split}/"): value for name, value in row.items() if name.startswith(split)}
            parts += [f"{split} {readable(shown)}"] if shown else []
        self.print("  ".join(parts))
        for name, value in row.items():
            self.board.add_scalar(name, value, self.steps)
        self.board.flush()

    def end(self) -> None:
        self.ended.set()
        self.bar.stop()
        self.board.close()


def bar(console: "Console", count: "ProgressColumn") -> "Progress":
    """A bar with what is left, on a terminal; nothing elsewhere.

    The bar fills what the texts leave of the line, and what is long of them is cut, never the counts or the times.
    """
    from rich import progress
    from rich.table import Column

    text = progress.TextColumn("{task.description}", table_column=Column(no_wrap=True, max_width=LONGEST))
    line = progress.BarColumn(bar_width=None, table_column=Column(ratio=1))
    times = progress.TimeElapsedColumn(), progress.TimeRemainingColumn()
    return progress.Progress(text, line, count, *times, console=console, disable=not console.is_terminal, expand=True)


@contextmanager
def progress_of(what: str) -> Iterator[Progressed]:
    """Shows the share of a task that is done, on standard error: a bar, or a line every `LINE` seconds.

    Yields the function to call with the share, from 0 to 1.
    """
    from rich.console import Console
    from rich.progress import TaskProgressColumn

    console, begin = Console(stderr=True, soft_wrap=True), time.monotonic()
    shown, printed = bar(console, TaskProgressColumn()), begin
    task = shown.add_task(what, total=1.0)

    def report(share: float) -> None:
        nonlocal printed
        shown.update(task, completed=share)
        now = time.monotonic()
        if not console.is_terminal and 0 < share < 1 and now - printed >= LINE:
            printed, left = now, (now - begin) * (1 - share) / share
            console.print(f"{what}: {share:.0%}, about {left:.0f} s left", highlight=False)

    with shown:
        yield report


def readable(values: dict[str, float]) -> str:
    """The loss, and what has a unit: "loss 0.0532, mpjpe 44.8 mm"."""
    parts = [f"loss {values['loss']:.4f}"] if "loss" in values else []
    for name, value in values.items():
        if named := named_unit(name):
            parts.append(f"{named[0]} {value:.1f} {named[1]}")
    return ", ".join(parts)
