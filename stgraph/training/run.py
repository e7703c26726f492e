"""Run: an experiment that is created or loaded, fitted, evaluated. Devices, precision and processes live here."""

from pathlib import Path

import torch
from torch import Tensor, nn

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.models.base import Model
from stgraph.settings.params import Settings
from stgraph.settings.registry import MODELS, TASKS, Registry, build
from stgraph.skeleton import SKELETONS, Skeleton, shared_layouts, skeleton_from
from stgraph.training.checkpoint import FOLDER, Origin, load_weights
from stgraph.training.engine import Engine, Samples
from stgraph.training.loop import Fit, Listener, Progress

FRAMES_AT_ONCE = 16384
DATA, REPORTS = Path("data"), Path("reports")
RUNS = Registry("task", "stgraph.tasks")


class Run:
    """One experiment. Each task has a subclass, which says what it is trained and scored on.

    Attributes:
        name: what it is called; its files are in checkpoints/NAME.
        settings, skeleton, origin: what it is made from.
        task, model: as the settings name them.
    """

    epoch: float = 0.0

    @property
    def scored_alone(self) -> tuple[str, ...]:
        """Settings that say what is scored and nothing of what is trained on: they may change on resuming."""
        return ("data.test",)

    def __init__(self, name: str, settings: Settings, skeleton: Skeleton, origin: Origin, engine: Engine) -> None:
        self.name, self.settings, self.skeleton, self.origin, self.engine = name, settings, skeleton, origin, engine
        self.folder = FOLDER / name
        self.task = build(TASKS, settings.task, skeleton)
        torch.manual_seed(settings.seed)
        context = {"in_channels": settings.data.channels, "heads": self.task.heads}
        self.model: Model = build(MODELS, settings.model, skeleton, **context)
        if engine.double:
            self.model.double()

    @staticmethod
    def create(name: str, settings: Settings, dataset: Dataset, engine: Engine) -> "Run":
        """A new run for a dataset; what the settings leave to the dataset is settled."""
        kind = RUNS.get(settings.task["name"])
        rates = set(dataset.recordings["fps"].tolist())
        fps = rates.pop() if len(rates) == 1 else None
        origin = Origin(dataset.source, dataset.terms, dataset.hash, dataset.synthetic, fps)
        return kind(name, kind.settle(settings, dataset), chosen_skeleton(settings, dataset), origin, engine)

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with what they leave to the dataset, such as subjects and classes."""
        raise NotImplementedError

    @staticmethod
    def load(name: str, engine: Engine) -> "Run":
        """A trained run by its name or by the path of a .safetensors file.

        Raises:
            InputError: no such checkpoint (those there are get listed), or weights that do not fit their settings.
        """
        path = weights_file(name)
        weights = load_weights(path)
        run = RUNS.get(weights.settings.task["name"])(
            path.parent.name, weights.settings, weights.skeleton, weights.origin, engine
        )
        try:
            run.model.load_state_dict(weights.state)
        except RuntimeError as error:
            raise InputError(
                f"{path}: not the weights of the model {weights.settings.model['name']!r} that its settings describe; "
                f"train or convert it again ({error})"
            ) from error
        run.epoch = weights.epoch
        run.model = engine.to_device(run.model).eval()
        return run

    def start_from(self, name: str) -> str:
        """Take another run's weights before training; heads of other outputs or classes stay as they are.

        Returns:
            What was taken, in words.

        Raises:
            InputError: no such checkpoint, or another body: joints, channels, or settings of the model that differ.
        """
        path = weights_file(name)
        weights = load_weights(path)
        others = {key: list(weights.settings.task.get(key) or ()) for key in ("classes", "actions")}
        mine = {key: list(self.settings.task.get(key) or ()) for key in others}
        own = self.model.state_dict()
        new = [head for head in self.model.heads if head == "action" and others != mine]
        heads = {key for key in own if any(key.startswith(f"heads.{head}.") for head in new)}
        body = {key: value for key, value in weights.state.items() if key not in heads and key in own}
        wrong = [key for key in own if key not in heads and (key not in body or body[key].shape != own[key].shape)]
        here, there = (
            body_of(*each) for each in ((self.settings, self.skeleton), (weights.settings, weights.skeleton))
        )
        if wrong or here != there:
            differing = ", ".join(key for key in sorted(here | there) if here.get(key) != there.get(key))
            what = f"it differs in {differing}"
            if wrong:
                found = tuple(weights.state[wrong[0]].shape) if wrong[0] in weights.state else "nothing"
                what = f"{len(wrong)} of {len(own)} weights do not fit, such as {wrong[0]} ({found} there, "
                what += f"{tuple(own[wrong[0]].shape)} here)"

            def said(settings: Settings, skeleton: Skeleton) -> str:
                return f"{settings.model}, {len(skeleton)} joints ({skeleton.name}), {settings.data.channels} channels"

            raise InputError(
                f"{path}: its body is another: {what}; there {said(weights.settings, weights.skeleton)}; here "
                f"{said(self.settings, self.skeleton)}; use the same model, skeleton and input"
            )
        self.model.load_state_dict(own | body)
        fed = ("detector", "confidence", "normalise", "stream", "frames", "sampling", "frame_step")
        old, now = (settings.data.model_dump() for settings in (weights.settings, self.settings))
        other = [f"{key} {old[key]!r} -> {now[key]!r}" for key in fed if key in old and old[key] != now.get(key)]
        heads = f"new: the head {', '.join(new)}, for other classes" if new else "the heads too"
        changed = f"; fed otherwise than then: {', '.join(other)}" if other else ""
        return f"{len(body)} of {len(own)} weights from {path}; {heads}{changed}"

    # Data ------------------------------------------------------------------------------------------------------------

    def training_samples(self, dataset: Dataset) -> Samples:
        """What an epoch consists of."""
        raise NotImplementedError

    def validation_samples(self, dataset: Dataset) -> Samples | None:
        """What chooses the best epoch; None where the settings have no validation."""
        raise NotImplementedError

    def check_joints(self, dataset: Dataset) -> None:
        """Raises InputError where the dataset lacks a joint of the run's skeleton."""
        if missing := [name for name in self.skeleton.names if name not in dataset.skeleton.names]:
            both = shared_layouts(self.skeleton, dataset.skeleton)
            remedy = f"train on those of {both[0]!r}, --set data.skeleton={both[0]}" if both else "prepare other data"
            raise InputError(
                f"{dataset.path} has skeleton {dataset.skeleton.name!r} ({len(dataset.skeleton)} joints), run "
                f"{self.name!r} {self.skeleton.name!r} ({len(self.skeleton)} joints), of which the file lacks "
                f"{', '.join(missing)}; joints map by name: {remedy}"
            )

    # Training --------------------------------------------------------------------------------------------------------

    def fit(self, dataset: Dataset, listener: Listener, **options: object) -> Progress:
        """Train; see `stgraph.training.loop.Fit` for the options."""
        return Fit(self, dataset, listener, **options).fit()

    def validate(self, samples: Samples, model: nn.Module) -> dict[str, float]:
        """Means of the loss's terms over samples, and of the errors over the frames inside their tracks.

        In a distributed run every process takes its share, and all get the same means.
        """
        engine = self.engine
        mine = torch.arange(engine.global_rank, len(samples), engine.world_size)
        # A process without a window scores one that does not count, so that all have the same names to add up.
        mine, weight = (mine, 1) if len(mine) else (torch.zeros(1, dtype=torch.int64), 0)
        sums, counts = {}, {}
        for index in mine.split(max(1, FRAMES_AT_ONCE // samples.frames)):
            batch, outputs = self.outputs(samples, index, model)
            means = {name: (term, len(index)) for name, term in self.task.terms(batch, outputs).items()}
            for name, error in self.task.errors(batch, outputs).items():
                inside = error[batch["inside"]]
                means[name] = (inside.mean(), len(inside))
            for name, (mean, count) in means.items():
                sums[name] = sums.get(name, 0.0) + weight * count * float(mean)
                counts[name] = counts.get(name, 0) + weight * count
        totals = torch.tensor([list(sums.values()), list(counts.values())], dtype=torch.float64)
        totals = engine.all_reduce(totals, reduce_op="sum") if engine.world_size > 1 else totals
        means = dict(zip(sums, (totals[0] / totals[1]).tolist(), strict=True))
        terms = {name: mean for name, mean in means.items() if name in self.task.losses}
        return {"loss": self.task.validation_loss(terms), **means}

    @torch.no_grad()
    def outputs(self, samples: Samples, index: Tensor, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A batch and the model's outputs for it."""
        batch = self.engine.to_device(samples.batch(index))
        with self.engine.autocast():
            return batch, model(**self.task.inputs(batch))

    def write_evaluation(self, dataset: Dataset, folder: Path, **options: object) -> tuple[dict, list[Path]]:
        """Score the test part of a dataset and write the report's files; returns the report and their paths."""
        raise NotImplementedError


def evaluation_folder(name: str, part: str | None) -> Path:
    """Where the report of a run goes: every part of the data but the test part has a folder of its own."""
    return REPORTS / name if part in (None, "test") else REPORTS / name / part


def body_of(settings: Settings, skeleton: Skeleton) -> dict[str, object]:
    """What weights stand for: the model's settings but for dropout, and the graph."""
    model = {f"model.{key}": value for key, value in settings.model.items() if key != "dropout"}
    return model | {"joints": skeleton.names, "parents": skeleton.parents, "centre": skeleton.centre}


def weights_file(name: str) -> Path:
    """The checkpoint of a trained run, by its name or its own path. Raises InputError where there is none."""
    path = Path(name) if name.endswith(".safetensors") else FOLDER / name / "best.safetensors"
    if not path.exists():
        trained = sorted(found.parent.name for found in FOLDER.glob("*/best.safetensors"))
        raise InputError(
            f"{path}: no such checkpoint; train it with `python -m stgraph.train --exp {name}`, or choose a "
            f"trained one: {', '.join(trained[:20]) or 'there is none yet'}{', ...' if len(trained) > 20 else ''}"
        )
    return path


def chosen_skeleton(settings: Settings, dataset: Dataset) -> Skeleton:
    """The joints that the settings take of a dataset's."""
    chosen = settings.data.skeleton
    if isinstance(chosen, dict):
        return skeleton_from(chosen, "data.skeleton")
    return SKELETONS[chosen] if chosen else dataset.skeleton


def data_file(settings: Settings) -> Path:
    """The dataset that the settings name: data/NAME.h5, or a path with an ending."""
    name = Path(settings.data.dataset)
    return name if name.suffix else DATA / f"{name}.h5"
