"""Run: an experiment, created or loaded: its settings, task and model, and the samples that it is trained on."""

from typing import Generic, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from stgraph.data.dataset import Dataset
from stgraph.data.splits import part, validates
from stgraph.errors import InputError
from stgraph.models.base import Model
from stgraph.models.bounded import TooLargeError, no_larger_than
from stgraph.settings.params import Settings
from stgraph.settings.places import run_folder, weights_file
from stgraph.settings.registry import MODELS, TASKS, TaskEntry, build
from stgraph.skeleton import SKELETONS, Skeleton, shared_layouts, skeleton_from
from stgraph.training.checkpoint import Origin, load_weights
from stgraph.training.engine import Engine, Samples
from stgraph.training.task import Batch, Outputs, TaskT

FRAMES_AT_ONCE = 16384


RunT = TypeVar("RunT", bound="Run")


class Run(Generic[TaskT]):
    """One experiment. Each task has a subclass, which says what it is trained and scored on.

    Attributes:
        name: what it is called; its files are in checkpoints/NAME.
        settings, skeleton, origin: what it is made from.
        data: the data section of the settings; a task's run says of which class.
        task, model: as the settings name them.
        epoch: that the weights are of.
        trained: epochs in all, where the minutes ended before the planned ones; else None.
    """

    epoch: float = 0.0
    trained: float | None = None

    def __init__(self, name: str, settings: Settings, skeleton: Skeleton, origin: Origin, engine: Engine) -> None:
        self.name, self.settings, self.skeleton, self.origin, self.engine = name, settings, skeleton, origin, engine
        self.data, self.folder = settings.data, run_folder(name)
        self.task: TaskT = build(TASKS, settings.task, skeleton)
        torch.manual_seed(settings.seed)
        context = {"in_channels": settings.data.channels, "heads": self.task.heads}
        self.model: Model = build(MODELS, settings.model, skeleton, **context)
        if engine.double:
            self.model.double()

    @property
    def entry(self) -> TaskEntry:
        """The registry's entry of its task."""
        return TASKS.get(self.settings.task["name"])

    @property
    def stopped_early(self) -> str:
        """A line about a training whose minutes ended before the planned epochs; empty for any other."""
        planned = self.settings.optim.epochs
        return "" if self.trained is None else f"its minutes ended after {self.trained:.2f} of {planned} planned epochs"

    @property
    def scored_alone(self) -> tuple[str, ...]:
        """Settings that affect scoring alone, which may change on resuming.

        Without named training subjects all others are trained on: then the test subjects affect training, too.
        """
        return () if self.settings.data.train is None else ("data.test",)

    @classmethod
    def of_task(
        cls: type[RunT], name: str, settings: Settings, skeleton: Skeleton, origin: Origin, engine: Engine
    ) -> RunT:
        """A run of the class that the settings' task names. Raises InputError where it is of another class."""
        entry = TASKS.get(settings.task["name"])
        if not issubclass(entry.run_class(), cls):
            found = f"an experiment of task {entry.name!r}"
            raise InputError(where=f"--exp {name}", found=found, expected=cls.__name__, remedy=entry.served_by)
        return cast(type[RunT], entry.run_class())(name, settings, skeleton, origin, engine)

    @classmethod
    def create(cls: type[RunT], name: str, settings: Settings, dataset: Dataset, engine: Engine) -> RunT:
        """A new run for a dataset; what the settings leave open is taken from the dataset."""
        rates = set(dataset.recordings["fps"].tolist())
        fps = rates.pop() if len(rates) == 1 else None
        origin = Origin(dataset.source, dataset.terms, dataset.hash, dataset.synthetic, fps)
        settings = cast(type[Run], TASKS.get(settings.task["name"]).run_class()).settle(settings, dataset)
        return cls.of_task(name, settings, chosen_skeleton(settings, dataset.skeleton), origin, engine)

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with what they leave open, such as subjects and classes, taken from the dataset."""
        return settings

    @classmethod
    def load(cls: type[RunT], name: str, engine: Engine) -> RunT:
        """A trained run by its name or by the path of a .safetensors file.

        Raises:
            InputError: no such checkpoint (those there are get listed), weights that do not fit their settings, or a
                run of another class than this.
        """
        path = weights_file(name)
        weights = load_weights(path)
        try:
            with no_larger_than(weights.state):
                about = weights.settings, weights.skeleton, weights.origin
                run = cls.of_task(path.resolve().parent.name, *about, engine)
            run.model.load_state_dict(weights.state)
        except (RuntimeError, TooLargeError) as error:
            raise InputError(
                f"not the weights of the model {weights.settings.model['name']!r} that its settings describe ({error})",
                where=path,
                remedy="train or convert it again",
            ) from error
        run.epoch, run.trained = weights.epoch, weights.trained
        run.model = engine.to_device(run.model).eval()
        return run

    def start_from(self, name: str) -> str:
        """Take another run's weights before training; heads of other outputs or classes stay as they are.

        Returns:
            A text about the weights that were taken.

        Raises:
            InputError: no such checkpoint, or other joints, channels or settings of the model.
        """
        path = weights_file(name)
        weights = load_weights(path)
        state, tasks = self.model.state_dict(), (weights.settings.task, self.settings.task)
        old_classes, classes = ([task.get(key) or [] for key in ("classes", "actions")] for task in tasks)
        new = [head for head in self.model.heads if head == "action" and old_classes != classes]
        of_new_heads = {key for key in state if any(key.startswith(f"heads.{head}.") for head in new)}
        body = {key: value for key, value in weights.state.items() if key not in of_new_heads and key in state}
        needed = [key for key in state if key not in of_new_heads]
        misfits = [key for key in needed if key not in body or body[key].shape != state[key].shape]
        here, there = body_of(self.settings, self.skeleton), body_of(weights.settings, weights.skeleton)
        if misfits or here != there:
            problem = "differs in " + ", ".join(key for key in sorted(here | there) if here.get(key) != there.get(key))
            if misfits:
                name = misfits[0]
                shape = tuple(weights.state[name].shape) if name in weights.state else "nothing"
                problem = f"{len(misfits)} of {len(state)} weights do not fit, such as {name} ({shape} there, "
                problem += f"{tuple(state[name].shape)} here)"
            raise InputError(
                f"its body is another: {problem}",
                where=path,
                found=body_text(weights.settings, weights.skeleton),
                expected=body_text(self.settings, self.skeleton),
                remedy="use the same model, skeleton and input",
            )
        self.model.load_state_dict(state | body)
        of_input = ("detector", "confidence", "normalise", "stream", "frames", "sampling", "frame_step")
        old, now = (settings.data.model_dump() for settings in (weights.settings, self.settings))
        other = [f"{key} {old[key]!r} -> {now[key]!r}" for key in of_input if key in old and old[key] != now.get(key)]
        heads = f"new: the head {', '.join(new)}, for other classes" if new else "the heads too"
        changed = f"; input that differs: {', '.join(other)}" if other else ""
        return f"{len(body)} of {len(state)} weights from {path}; {heads}{changed}"

    # Data ------------------------------------------------------------------------------------------------------------

    def training_samples(self, dataset: Dataset) -> Samples:
        """The samples of an epoch."""
        raise NotImplementedError

    def validation_samples(self, dataset: Dataset) -> Samples | None:
        """The samples that choose the best epoch; None where the settings have no validation."""
        raise NotImplementedError

    def validation_part(self, dataset: Dataset) -> Bool[np.ndarray, " recording"] | None:
        """Recordings that choose the best epoch; None where neither the settings nor the file's split have any."""
        return part(self.settings, dataset, "validation") if validates(self.settings, dataset) else None

    def check_joints(self, dataset: Dataset) -> None:
        """Raises InputError where the dataset lacks a joint of the run's skeleton."""
        if missing := [name for name in self.skeleton.names if name not in dataset.skeleton.names]:
            both = shared_layouts(self.skeleton, dataset.skeleton)
            remedy = f"train with `train --set data.skeleton={both[0]}`" if both else "prepare other data"
            raise InputError(
                f"has skeleton {dataset.skeleton.name!r} ({len(dataset.skeleton)} joints), run {self.name!r} "
                f"{self.skeleton.name!r} ({len(self.skeleton)} joints), of which the file lacks {', '.join(missing)}",
                where=dataset.path,
                remedy=f"joints map by name: {remedy}",
            )

    def validate(self, samples: Samples, model: nn.Module) -> dict[str, float]:
        """Means of the loss's terms over samples, and of the errors over the frames inside their tracks.

        In a distributed run every process takes its share, and all get the same means.
        """
        engine = self.engine
        indices = torch.arange(engine.global_rank, len(samples), engine.world_size)
        # A process without samples scores one of weight 0, so that all have the same names to add up.
        indices, weight = (indices, 1) if len(indices) else (torch.zeros(1, dtype=torch.int64), 0)
        sums, counts = {}, {}
        for index in indices.split(max(1, FRAMES_AT_ONCE // samples.frames)):
            batch, outputs = self.outputs(samples, index, model)
            means = {name: (term, len(index)) for name, term in self.task.terms(batch, outputs).items()}
            for name, error in self.task.errors(batch, outputs).items():
                inside = error[batch["inside"]]
                means[name] = (inside.mean(), len(inside))
            for name, (mean, count) in means.items():
                sums[name] = sums.get(name, 0.0) + weight * count * float(mean)
                counts[name] = counts.get(name, 0) + weight * count
        totals = torch.tensor([list(sums.values()), list(counts.values())], dtype=torch.float64)
        total, count = engine.sum(totals)
        means = dict(zip(sums, (total / count).tolist(), strict=True))
        terms = {name: mean for name, mean in means.items() if name in self.task.losses}
        return {"loss": self.task.validation_loss(terms), **means}

    @torch.no_grad()
    def outputs(self, samples: Samples, index: Tensor, model: nn.Module) -> tuple[Batch, Outputs]:
        """A batch and the model's outputs for it."""
        batch = self.batch(samples, index)
        with self.engine.autocast():
            return batch, model(**self.task.inputs(batch))

    def batch(self, samples: Samples, index: Tensor) -> Batch:
        """Some samples where the model is."""
        return cast(Batch, self.engine.to_device(samples.batch(index)))


def body_of(settings: Settings, skeleton: Skeleton) -> dict[str, object]:
    """The settings and the graph on which the weights depend: those of the model but for dropout."""
    model = {f"model.{key}": value for key, value in settings.model.items() if key != "dropout"}
    return model | {"joints": skeleton.names, "parents": skeleton.parents, "centre": skeleton.centre}


def body_text(settings: Settings, skeleton: Skeleton) -> str:
    """Model, joints and channels, for messages."""
    return f"{settings.model}, {len(skeleton)} joints ({skeleton.name}), {settings.data.channels} channels"


def chosen_skeleton(settings: Settings, default: Skeleton) -> Skeleton:
    """The skeleton that the settings name or describe, or else the default."""
    chosen = settings.data.skeleton
    if isinstance(chosen, dict):
        return skeleton_from(chosen, "data.skeleton")
    return SKELETONS[chosen] if chosen else default
