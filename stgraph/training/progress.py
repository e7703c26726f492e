"""Display of a training run: a progress bar, a line an epoch, and TensorBoard."""

from pathlib import Path

from stgraph.scoring.metrics import named_unit
from stgraph.training.loop import Listener


class Terminal(Listener):
    """Draws a bar where the output is a terminal, and writes one line an epoch everywhere."""

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
        self.steps = done
        self.bar.start()

    def step(self, number: int, means: dict[str, float]) -> None:
        self.steps = number
        self.bar.update(self.task, completed=number, description=readable(means))
        for name, value in means.items():
            self.board.add_scalar(f"step/{name}", value, number)

    def epoch(self, row: dict[str, float]) -> None:
        parts = [f"epoch {row['epoch']:g}", f"{row['minutes']:.1f} min"]
        for split in ("train", "validation"):
            shown = {name.removeprefix(f"{split}/"): value for name, value in row.items() if name.startswith(split)}
            parts += [f"{split} {readable(shown)}"] if shown else []
        self.console.print("  ".join(parts), highlight=False)
        for name, value in row.items():
            self.board.add_scalar(name, value, self.steps)
        self.board.flush()

    def end(self) -> None:
        self.bar.stop()
        self.board.close()


def readable(values: dict[str, float]) -> str:
    """The loss, and what has a unit: "loss 0.0532, mpjpe 44.8 mm"."""
    parts = [f"loss {values['loss']:.4f}"] if "loss" in values else []
    for name, value in values.items():
        if named := named_unit(name):
            parts.append(f"{named[0]} {value:.1f} {named[1]}")
    return ", ".join(parts)
