"""Display of a training run: a progress bar, a line an epoch, and TensorBoard."""

import threading
from pathlib import Path

from stgraph.scoring.metrics import named_unit
from stgraph.training.loop import Listener

SILENCE = 30.0  # seconds without a line at most, where the output is no terminal


class Terminal(Listener):
    """Draws a bar on a terminal, prints a line at least every 30 s elsewhere, and one for each epoch everywhere."""

    def begin(self, steps: int, done: int, folder: Path) -> None:
        from rich import progress
        from rich.console import Console
        from torch.utils.tensorboard import SummaryWriter

        self.console = Console(soft_wrap=True)
        self.bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
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


def readable(values: dict[str, float]) -> str:
    """The loss, and what has a unit: "loss 0.0532, mpjpe 44.8 mm"."""
    parts = [f"loss {values['loss']:.4f}"] if "loss" in values else []
    for name, value in values.items():
        if named := named_unit(name):
            parts.append(f"{named[0]} {value:.1f} {named[1]}")
    return ", ".join(parts)
