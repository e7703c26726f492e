"""Fit: the one training loop."""

import csv
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import nn

from stgraph.data.dataset import Dataset
from stgraph.data.windows import epoch_batches
from stgraph.errors import InputError
from stgraph.formats.files import replaced
from stgraph.training.checkpoint import Weights, load_last, note_trained, save_last, save_weights
from stgraph.training.curves import plot_training
from stgraph.training.interrupts import stop_requests
from stgraph.training.listener import Listener, Progress
from stgraph.training.run import Run
from stgraph.training.run_folder import CURVES, METRICS, WEIGHTS, RunFolder
from stgraph.training.schedule import averaged, by_epochs, learning_rate, norm_momentum, optimizer_for
from stgraph.training.task import Batch


@dataclass(frozen=True)
class Step:
    """The result of a step of the optimizer, the same in every process.

    Attributes:
        means: of the batch: the loss, its terms, the errors in mm.
        seconds: of training so far.
        save: whether a checkpoint is due. budget: whether the minutes are used up. interrupt: whether to stop at once.
    """

    means: dict[str, float]
    seconds: float
    save: bool
    budget: bool
    interrupt: bool


class Fit:
    """Trains a run until its epochs, its patience or its minutes are used up.

    Random numbers are a function of seed, epoch, step and process, and the order of windows one of seed and epoch: a
    resumed run gives the weights of one that was never stopped, bit for bit on a CPU; unless its rates follow the
    minutes.

    Args:
        run: what to train.
        dataset: what to train on.
        listener: called in the first process, after every step and epoch.
        resume: go on from last.pt where there is one.
        restart: begin anew; the run that the folder holds goes once the new one has weights.
        minutes: budget of training time, counted over all resumptions.
        clock: that the minutes are counted by, in seconds; time's own by default.
        save_minutes: write last.pt at least so often; it is also written after every epoch and on an interrupt.
        compile: torch.compile the model.

    Raises:
        InputError: fewer samples in a batch than processes; and by `fit`: last.pt of other settings or data; a folder
            that another process trains into, or that holds a run already, with neither resume nor restart.
    """

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        listener: Listener,
        *,
        resume: bool = False,
        restart: bool = False,
        minutes: float | int | None = None,
        clock: Callable[[], float] = time.monotonic,
        save_minutes: float | int = 10.0,
        compile: bool = False,
    ) -> None:
        self.resume, self.restart, optim, engine = resume, restart, run.settings.optim, run.engine
        self.run, self.optim, self.engine = run, optim, engine
        self.listener = listener if engine.is_global_zero else Listener()
        self.train, self.valid = run.training_samples(dataset), run.validation_samples(dataset)
        self.batches = -(-len(self.train) // optim.batch_size)
        if len(self.train) // self.batches < engine.world_size:
            problem = f"{len(self.train)} samples in batches of {optim.batch_size} leave some of "
            problem += f"{engine.world_size} processes without work"
            raise InputError(problem, where="optim.batch_size", remedy="raise it or use fewer processes")
        run.model = engine.to_device(engine.synchronised(run.model))
        self.average = averaged(run.model, optim.ema) if optim.ema else None
        self.optimizer = optimizer_for(run.model, optim)
        self.progress, self.folder = Progress(), RunFolder(run.folder)
        self.forward = engine.trained(run.model, compile)
        self.budget = math.inf if minutes is None else 60 * minutes
        self.save_seconds, self.clock = 60 * save_minutes, clock
        # For `bench`, which calls `step` without `fit`; `fit` sets these anew.
        self.started, self.saved = self.clock(), time.monotonic()
        self.stop_requested: Callable[[], bool] = lambda: False

    def fit(self) -> Progress:
        """Train. Raises KeyboardInterrupt after an interrupt, once last.pt is written."""
        with ExitStack() as held:
            self.write(lambda: held.enter_context(self.folder.locked()))
            self.begin()
            return self.train_epochs()

    def begin(self) -> None:
        """Take up what the folder holds. Raises InputError where that may not be touched."""
        folder = self.folder
        folder.choose(self.restart)
        if self.resume and folder.last.exists():
            self.restore()
        elif not self.restart and folder.holds_run():
            raise InputError(
                f"holds {'weights that were not trained here' if self.resume else 'a run already'}",
                where=folder.path,
                remedy=f"{'' if self.resume else 'go on with `train --resume`, '}begin anew with `train --restart` "
                "(replaces it), or keep it and choose another `train --name`",
            )

    def train_epochs(self) -> Progress:
        """Train until the epochs, the patience or the minutes are used up."""
        progress = self.progress
        self.show()
        self.started, self.saved = self.clock() - progress.seconds, time.monotonic()
        try:
            with stop_requests() as self.stop_requested:
                more = progress.seconds < self.budget
                while more and not self.finished():
                    more = self.train_epoch()
            # Validation chooses between whole epochs alone, as in a run that was never stopped; until there is one,
            # the last weights are kept.
            unfinished = []
            if progress.step and (self.valid is None or progress.best == math.inf):
                unfinished = [self.score()]
            # Also for a run that was killed between its last checkpoint and this.
            self.write_history([*progress.history, *unfinished])
            self.run.trained = None if self.finished() else progress.epoch + progress.step / self.batches
            self.write(lambda: note_trained(self.folder.current / WEIGHTS, self.run.trained))
        finally:
            self.listener.end()
        return progress

    def show(self) -> None:
        """Let the listener begin."""
        done = self.progress.epoch * self.batches + self.progress.step
        self.listener.begin(self.optim.epochs * self.batches, done, self.folder.current)

    def finished(self) -> bool:
        """Whether the epochs or the patience are used up."""
        waited = self.progress.epoch - self.progress.best_epoch
        impatient = self.valid is not None and 0 < self.optim.patience <= waited
        return self.progress.epoch >= self.optim.epochs or impatient

    def train_epoch(self) -> bool:
        """Train to the end of the epoch and score it; False where the budget ended by then."""
        progress = self.progress
        self.training_mode()
        order = epoch_batches(len(self.train), self.optim.batch_size, self.run.settings.seed, progress.epoch)
        budget = False
        for index in order[progress.step :]:
            step = self.step(index)
            progress.add(len(index), step.means)
            progress.seconds = step.seconds
            self.listener.step(progress.epoch * self.batches + progress.step, step.means)
            if step.save or step.budget or step.interrupt:
                self.save_last()
            if step.interrupt:
                raise KeyboardInterrupt(self.interrupted())
            if budget := step.budget:
                break
        if progress.step < self.batches:
            return False
        row = self.score()
        progress.history.append(row)
        progress.epoch, progress.step, progress.windows, progress.sums = progress.epoch + 1, 0, 0, {}
        self.save_last()
        self.write_history(progress.history)
        self.listener.epoch(row)
        return not budget

    def interrupted(self) -> str:
        """What an interrupt leaves, in words."""
        text = f"{self.folder.last} is written; go on with `train --resume`"
        return f"{text}, or remove {self.folder.stage} to keep the run that was there" if self.folder.staged else text

    def training_mode(self) -> None:
        """Every module trains, but frozen norms; the others get the epoch's momentum."""
        self.run.model.train()
        norms = [module for module in self.run.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if self.optim.freeze_norm:
            for norm in norms:
                norm.eval()
        if momentum := norm_momentum(self.optim, self.progress.epoch):
            for norm in norms:
                norm.momentum = momentum

    def step(self, index: Int[np.ndarray, " b"]) -> Step:
        """One step of the optimizer.

        Each process takes its share of the batch and weighs its loss by the size of that share, since gradients are
        averaged over processes as if all shares were equal.

        Raises:
            InputError: a loss or gradient that is not finite; the weights are those of before the step.
        """
        engine, run, progress = self.engine, self.run, self.progress
        local = np.array_split(index, engine.world_size)[engine.global_rank]
        share = len(local) / len(index)
        key = (run.settings.seed, progress.epoch, progress.step, engine.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]))
        done, spent = progress.epoch * self.batches + progress.step, progress.seconds / self.budget
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.optim, done, self.batches, spent)
        batch = run.batch(self.train, torch.from_numpy(local))
        outputs = self.forward(**run.task.inputs(batch))
        terms = run.task.terms(batch, outputs)
        loss = run.task.loss(terms)
        self.optimizer.zero_grad()
        (loss * (share * engine.world_size)).backward()
        with torch.no_grad():
            errors = run.task.errors(batch, outputs)
        means = {"loss": loss, **terms, **{name: error.mean() for name, error in errors.items()}}
        seconds, save_due = self.clock() - self.started, time.monotonic() - self.saved > self.save_seconds
        flags = [seconds / engine.world_size, save_due, seconds >= self.budget, self.stop_requested()]
        sums = torch.stack([value.detach().float() * share for value in means.values()])
        sums = torch.cat([sums, sums.new_tensor(flags)])
        *values, seconds, save, budget, interrupt = engine.sum(sums).tolist()
        gradients = [weight.grad for weight in run.model.parameters() if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not (math.isfinite(norm) and all(map(math.isfinite, values))):
            numbers = dict(zip(means, values, strict=True)) | {"gradient": float(norm)}
            raise self.not_finite(batch, errors, numbers)
        if self.optim.max_norm:
            nn.utils.clip_grads_with_norm_(run.model.parameters(), self.optim.max_norm, norm)
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(run.model)
        return Step(dict(zip(means, values, strict=True)), seconds, save > 0, budget > 0, interrupt > 0)

    def not_finite(self, batch: Batch, errors: Batch, numbers: dict[str, float]) -> InputError:
        """The error of a loss or gradient that is not finite: this process's recordings, the broken ones first."""
        broken = torch.stack([~error.isfinite().flatten(1).all(1) for error in errors.values()]).any(0)
        ids = self.train.ids(batch["recording"][broken.int().argsort(descending=True, stable=True)])
        listed = "; ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        text = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
        return InputError(
            f"the loss or its gradient is not finite ({text}); recordings of this batch, broken ones first: {listed}",
            where=f"{self.run.name}, epoch {self.progress.epoch + 1}, step {self.progress.step + 1}",
            remedy=f"what is in {self.run.folder} is from before it; lower optim.lr, set optim.max_norm or look at "
            "these data",
        )

    def score(self) -> dict[str, float]:
        """A line of metrics.csv; writes best.safetensors where the epoch is the best, or without validation."""
        progress, run = self.progress, self.run
        epoch = progress.epoch + progress.step / self.batches
        model = self.average.module if self.average else run.model
        row = {"epoch": epoch, "lr": self.optimizer.param_groups[0]["lr"], "minutes": progress.seconds / 60}
        row |= {f"train/{name}": value / progress.windows for name, value in progress.sums.items()}
        if self.valid is not None:
            scores = run.validate(self.valid, model.eval())
            row |= {f"validation/{name}": value for name, value in scores.items()}
        if self.valid is None or scores["loss"] < progress.best:
            progress.best_epoch = epoch
            if self.valid is not None and progress.step == self.batches:
                progress.best = scores["loss"]
            weights = Weights(
                model.state_dict(), run.settings, run.skeleton, origin=run.origin, epoch=epoch, scores=row
            )
            if self.folder.staged:
                self.save_last()  # see RunFolder.take_place
            self.write(lambda: save_weights(self.folder.current / WEIGHTS, weights))
            if self.folder.staged:
                self.take_place()
        return row

    def take_place(self) -> None:
        """Put this run in the place of the one that was there."""
        self.listener.end()  # closes its files, which move
        self.write(self.folder.take_place)
        self.folder.choose(restart=False)
        self.show()

    def save_last(self) -> None:
        """Write last.pt: what resuming needs."""
        self.saved = time.monotonic()
        state = {
            "settings": self.run.settings.model_dump(),
            "data_hash": self.run.origin.data_hash,
            "model": self.run.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "progress": asdict(self.progress),
        }
        self.write(lambda: save_last(self.folder.last, state))

    def write(self, file: Callable[[], None]) -> None:
        """Write a file in the first process; where that fails, all processes fail rather than wait for it."""
        error = None
        if self.engine.is_global_zero:
            try:
                file()
            except (OSError, InputError) as caught:
                error = caught
        failed = self.engine.sum(torch.tensor(float(error is not None)))
        if failed > 0 and error is None:
            raise OSError(None, "the first process could not write it", str(self.run.folder))
        if error is not None:
            raise error

    def restore(self) -> None:
        """Go on from last.pt. Raises InputError that lists the settings that differ."""
        path = self.folder.last
        state = load_last(path)
        old, new = by_path(state["settings"]), by_path(self.run.settings.model_dump())
        may_change = ["optim.patience", "data.dataset", *self.run.scored_alone]
        if not by_epochs(self.optim):
            may_change.append("optim.epochs")
        differing = [key for key in sorted(old | new) if key not in may_change and old.get(key) != new.get(key)]
        if differing or state["data_hash"] != self.run.origin.data_hash:
            lines = [f"{key}: {old.get(key)} then, {new.get(key)} now" for key in differing] or ["another data file"]
            remedy = "\n  ".join(["set them back, or begin anew with `train --restart`", *lines])
            raise InputError("belongs to other settings", where=path, remedy=remedy)
        model = self.run.model
        model.load_state_dict({model.current_name(name): value for name, value in state["model"].items()})
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            average = {model.current_name(name): value for name, value in state["average"].items()}
            self.average.load_state_dict(average)
        self.progress = Progress(**state["progress"])

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """metrics.csv and the curves, whole each time, so that a resumed run repeats no line."""
        if not rows or not self.engine.is_global_zero:
            return
        folder = self.folder.current
        with replaced(folder / METRICS) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        plot_training(rows, folder / CURVES, self.run.name)


def by_path(values: dict, prefix: str = "") -> dict[str, object]:
    """Nested settings by their paths."""
    items = {}
    for key, value in values.items():
        items |= by_path(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return items
