"""Fit: the one training loop."""

import csv
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stgraph.checkpoint import Weights, load_last, save_last, save_weights
from stgraph.data import epoch_batches
from stgraph.errors import InputError
from stgraph.figures.training import plot_training
from stgraph.io.dataset import Dataset
from stgraph.io.files import replaced

if TYPE_CHECKING:
    from stgraph.run import Run


class Listener:
    """What a command wants to hear of a fit; every method may be left as it is. Called in the first process alone."""

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
    """Where a fit stands; everything but weights and optimizer that resuming needs."""

    epoch: int = 0
    step: int = 0
    windows: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: float = math.inf
    best_epoch: float = 0
    history: list[dict[str, float]] = field(default_factory=list)

    def add(self, windows: int, means: dict[str, float]) -> None:
        """Count a step's means over its windows."""
        self.step += 1
        self.windows += windows
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + windows * mean

    def next_epoch(self) -> None:
        """Forget the sums of the epoch."""
        self.epoch, self.step, self.windows, self.sums = self.epoch + 1, 0, 0, {}


class Fit:
    """Trains a run until its epochs, its patience or its minutes are used up.

    Random numbers are a function of seed, epoch, step and process, and the order of windows one of seed and epoch: a
    resumed run gives the weights of one that was never stopped, bit for bit on a CPU.

    Args:
        run: what to train.
        dataset: what to train on.
        listener: told of every step and epoch.
        resume: go on from last.pt where there is one.
        minutes: budget of training time, counted over all resumptions.
        save_minutes: write last.pt at least so often; it is also written after every epoch and on an interrupt.
        compile: torch.compile the model.

    Raises:
        InputError: fewer windows in a batch than processes; last.pt of other settings or data.
    """

    def __init__(
        self,
        run: "Run",
        dataset: Dataset,
        listener: Listener,
        *,
        resume: bool = False,
        minutes: float | None = None,
        save_minutes: float = 10.0,
        compile: bool = False,
    ) -> None:
        data, optim, engine = run.settings.data, run.settings.optim, run.engine
        self.run, self.optim, self.engine, self.listener = run, optim, engine, listener
        self.train = run.windows(dataset, data.train, stride=data.stride, mirror=data.flip)
        self.valid = run.windows(dataset, data.validation) if data.validation else None
        self.batches = -(-len(self.train) // optim.batch_size)
        if len(self.train) // self.batches < engine.world_size:
            raise InputError(
                f"optim.batch_size: {len(self.train)} windows in batches of {optim.batch_size} leave some of "
                f"{engine.world_size} processes without work; raise it or use fewer processes"
            )
        run.model = engine.to_device(engine.synchronised(run.model))
        self.average = averaged(run.model, optim.ema) if optim.ema else None
        optimizer = torch.optim.AdamW(
            run.model.parameters(), optim.lr, weight_decay=optim.weight_decay, amsgrad=True, fused=True
        )
        self.progress = Progress()
        if resume and (run.folder / "last.pt").exists():
            self.restore(optimizer)
        self.forward, self.optimizer = engine.setup(torch.compile(run.model) if compile else run.model, optimizer)
        self.budget = math.inf if minutes is None else 60 * minutes
        self.save_seconds = 60 * save_minutes
        # A single step can be asked for by itself; `fit` sets these anew.
        self.started = self.saved = time.monotonic()
        self.stop_requested = lambda: False

    def fit(self) -> Progress:
        """Train. Raises KeyboardInterrupt after an interrupt, once last.pt is written."""
        progress = self.progress
        if self.engine.is_global_zero:
            done = progress.epoch * self.batches + progress.step
            self.listener.begin(self.optim.epochs * self.batches, done, self.run.folder)
        self.started, self.saved = time.monotonic() - progress.seconds, time.monotonic()
        try:
            with stop_requests() as self.stop_requested:
                while not self.finished():
                    if not self.train_epoch():
                        break
        finally:
            if self.engine.is_global_zero:
                self.listener.end()
        return progress

    def finished(self) -> bool:
        """Whether the epochs or the patience are used up."""
        waited = self.progress.epoch - self.progress.best_epoch
        impatient = self.valid is not None and 0 < self.optim.patience <= waited
        return self.progress.epoch >= self.optim.epochs or impatient

    def train_epoch(self) -> bool:
        """Train to the end of the epoch and score it; False where the budget ended before."""
        progress = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self.optim.lr * self.optim.decay**progress.epoch
        self.training_mode()
        order = epoch_batches(len(self.train), self.optim.batch_size, self.run.settings.seed, progress.epoch)
        halted = self.interrupted = False
        for index in order[progress.step :]:
            means, halted = self.step(index)
            progress.add(len(index), means)
            progress.seconds = time.monotonic() - self.started
            if self.engine.is_global_zero:
                self.listener.step(progress.epoch * self.batches + progress.step, means)
            if halted or time.monotonic() - self.saved > self.save_seconds:
                self.save_last()
            if halted:
                break
        if self.interrupted:
            raise KeyboardInterrupt
        row = self.score(progress.epoch + progress.step / self.batches)
        if progress.step < self.batches:
            return False
        progress.history.append(row)
        progress.next_epoch()
        self.save_last()
        if self.engine.is_global_zero:
            self.write_history()
            self.listener.epoch(row)
        return not halted

    def training_mode(self) -> None:
        """Every module trains, but frozen norms."""
        self.run.model.train()
        if self.optim.freeze_norm:
            for module in self.run.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def step(self, index: Int[np.ndarray, " b"]) -> tuple[dict[str, float], bool]:
        """One step of the optimizer; returns the batch's means, and whether to halt.

        Each process takes its part of the batch and weighs its loss by the part's size, since gradients are averaged
        over processes as if the parts were equal.

        Raises:
            InputError: a loss that is not finite; the weights are those of before the step.
        """
        engine, run, progress = self.engine, self.run, self.progress
        part = np.array_split(index, engine.world_size)[engine.global_rank]
        share = len(part) / len(index)
        key = (run.settings.seed, progress.epoch, progress.step, engine.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        batch = engine.to_device(self.train.batch(torch.from_numpy(part)))
        outputs = self.forward(batch["x"])
        terms = run.task.terms(batch, outputs)
        loss = run.task.loss(terms)
        self.optimizer.zero_grad()
        engine.backward(loss * (share * engine.world_size))
        with torch.no_grad():
            errors = {f"{name}_mm": 1000 * error.mean() for name, error in run.task.errors(batch, outputs).items()}
        means = {"loss": loss, **terms, **errors}
        halting = [self.over_budget(), self.stop_requested()]
        sums = torch.stack([*(value.detach().float() * share for value in means.values())])
        sums = torch.cat([sums, sums.new_tensor(halting)])
        if engine.world_size > 1:
            sums = engine.all_reduce(sums, reduce_op="sum")
        *values, budget, interrupt = sums.tolist()
        if not all(map(math.isfinite, values)):
            ids = self.train.ids(batch["recording"])
            raise InputError(
                f"{run.name}, epoch {progress.epoch + 1}, step {progress.step + 1}: the loss is not finite "
                f"({', '.join(f'{name} {value:g}' for name, value in zip(means, values, strict=True))}); recordings of "
                f"this batch: {'; '.join(ids[:8])}{f' and {len(ids) - 8} more' if len(ids) > 8 else ''}; the last "
                f"checkpoint in {run.folder} is from before it; lower optim.lr, set optim.max_norm or see these data"
            )
        if self.optim.max_norm:
            engine.clip_gradients(self.forward, self.optimizer, max_norm=self.optim.max_norm, error_if_nonfinite=False)
        self.optimizer.step()
        if self.optim.ema:
            self.average.update_parameters(run.model)
        self.interrupted = interrupt > 0
        return dict(zip(means, values, strict=True)), budget + interrupt > 0

    def over_budget(self) -> bool:
        """Whether the minutes are used up."""
        return time.monotonic() - self.started >= self.budget

    def score(self, epoch: float) -> dict[str, float]:
        """A line of metrics.csv; writes best.safetensors where the epoch is the best, or where nothing can tell."""
        progress, run = self.progress, self.run
        model = self.average.module if self.optim.ema else run.model
        row = {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"], "minutes": progress.seconds / 60}
        row |= {f"train/{name}": value / progress.windows for name, value in progress.sums.items()}
        if self.valid is not None:
            scores = run.validate(self.valid, model.eval())
            row |= {f"validation/{name}": value for name, value in scores.items()}
        if self.valid is None or scores["loss"] < progress.best:
            progress.best = math.inf if self.valid is None else scores["loss"]
            progress.best_epoch = epoch
            if self.engine.is_global_zero:
                about = (run.settings, run.skeleton, run.origin, epoch, row)
                save_weights(run.folder / "best.safetensors", Weights(model.state_dict(), *about))
        return row

    def save_last(self) -> None:
        """Write last.pt: what resuming needs."""
        self.saved = time.monotonic()
        if self.engine.is_global_zero:
            state = {
                "settings": self.run.settings.model_dump(),
                "data_hash": self.run.origin.data_hash,
                "model": self.run.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "average": self.average.state_dict() if self.optim.ema else None,
                "progress": asdict(self.progress),
            }
            save_last(self.run.folder / "last.pt", state)
        self.engine.barrier()

    def restore(self, optimizer: torch.optim.Optimizer) -> None:
        """Go on from last.pt. Raises InputError that lists the settings that differ."""
        path = self.run.folder / "last.pt"
        state = load_last(path)
        old, new = flat(state["settings"]), flat(self.run.settings.model_dump())
        may_change = ("optim.epochs", "optim.patience")
        differing = [key for key in sorted(old | new) if key not in may_change and old.get(key) != new.get(key)]
        if differing or state["data_hash"] != self.run.origin.data_hash:
            lines = [f"{key}: {old.get(key)} then, {new.get(key)} now" for key in differing] or ["another data file"]
            raise InputError(
                f"{path}: belongs to other settings; set them back, or begin anew with --restart\n  "
                + "\n  ".join(lines)
            )
        self.run.model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if self.optim.ema:
            self.average.load_state_dict(state["average"])
        self.progress = Progress(**state["progress"])

    def write_history(self) -> None:
        """metrics.csv and the curves, whole each time, so that a resumed run repeats no line."""
        rows = self.progress.history
        with replaced(self.run.folder / "metrics.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        plot_training(rows, self.run.folder / "curves.png", self.run.name)


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model whose weights and norms follow as exponential moving averages."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    """Nested settings by their paths."""
    items = {}
    for key, value in values.items():
        items |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return items


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Turns the first SIGINT or SIGTERM into a request that a step can finish before; the second one interrupts."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set
        return

    def note(number: int, frame: object) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requested.is_set
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
