"""Run: an experiment that is created or loaded, fitted, evaluated. Devices, precision and processes live here."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from stgraph.allocator import keep_freed_memory
from stgraph.checkpoint import FOLDER, Origin, load_weights
from stgraph.data import Windows
from stgraph.errors import InputError
from stgraph.evaluation import Evaluator
from stgraph.fitting import Fit, Listener, Progress
from stgraph.io.dataset import Dataset, window_table
from stgraph.models import MODELS, Model
from stgraph.params import Settings, with_data, with_task
from stgraph.protocols import FRAMES_AT_ONCE, PIECE, Plan, Protocol, find_protocol
from stgraph.recognition import ActionScores, class_labels
from stgraph.registry import Registry
from stgraph.skeleton import SKELETONS, Skeleton, shared_layouts
from stgraph.tasks import TASKS

DATA, REPORTS = Path("data"), Path("reports")
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "64": "32-true"}  # 64: weights and data are doubles themselves


class Engine(Fabric):
    """Fabric with the toolkit's names for devices and precision.

    Args:
        device: auto, cpu, cuda or mps.
        devices: processes on this machine (torchrun's own count wins).
        nodes: machines.
        precision: 32, bf16 (autocast) or 64.
    """

    def __init__(self, device: str = "auto", devices: int = 1, nodes: int = 1, precision: str = "32") -> None:
        if "LOCAL_WORLD_SIZE" in os.environ:  # started by torchrun
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ["WORLD_SIZE"]) // devices
        for option, number in (("--devices", devices), ("--nodes", nodes)):
            if number < 1:
                raise InputError(f"{option} {number}: expected 1 or more")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device; use --device cpu or auto")
        if device == "mps" and not torch.backends.mps.is_available():
            raise InputError("--device mps: this machine has no MPS device; use --device cpu or auto")
        if device == "mps" and precision == "64":
            raise InputError("--precision 64: MPS has no doubles; use --device cpu")
        keep_freed_memory()
        # 32 means 32: without this, convolutions on newer GPUs round their inputs to ten bits.
        torch.backends.cudnn.allow_tf32 = False
        super().__init__(
            accelerator=device,
            strategy="ddp" if devices * nodes > 1 else "auto",
            devices=devices,
            num_nodes=nodes,
            precision=PRECISIONS[precision],
        )
        self.double = precision == "64"
        self._moved: dict[int, tuple[Tensor, Tensor]] = {}
        # A hint about speed, which every process would print.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The model with batch norms that share statistics between GPUs (torch has none for CPU processes)."""
        several = self.world_size > 1 and self.device.type == "cuda"
        return nn.SyncBatchNorm.convert_sync_batchnorm(model) if several else model

    def place(self, windows: Windows) -> Windows:
        """Keep the data where it is trained when it takes at most half of the memory there; mapped from disk if not.

        What several windows share, such as a dataset's poses in training and validation, is moved once.
        """
        if self.device.type == "cuda":
            new = sum(field.nbytes for field in windows.fields.values() if field.data_ptr() not in self._moved)
            if new < torch.cuda.mem_get_info(self.device)[0] / 2:
                windows.place(self._move)
        if self.double:
            windows.place(lambda values: values.double() if values.is_floating_point() else values)
        return windows

    def wait(self) -> None:
        """Until the device has done what it was given, so that a time taken is the whole of it."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    def _move(self, values: Tensor) -> Tensor:
        """A tensor on the device; the original is kept, so that its address stays its own."""
        if values.data_ptr() not in self._moved:
            self._moved[values.data_ptr()] = (values, self.to_device(values))
        return self._moved[values.data_ptr()][1]


class Run:
    """One experiment.

    Attributes:
        name: what it is called; its files are in checkpoints/NAME.
        settings, skeleton, origin: what it is made from.
        task, model: as the settings name them.
    """

    epoch: float = 0.0

    def __init__(self, name: str, settings: Settings, skeleton: Skeleton, origin: Origin, engine: Engine) -> None:
        self.name, self.settings, self.skeleton, self.origin, self.engine = name, settings, skeleton, origin, engine
        self.folder = FOLDER / name
        self.task = build(TASKS, settings.task, skeleton)
        torch.manual_seed(settings.seed)
        context = {"in_channels": self.task.in_channels(settings.data.confidence), "heads": self.task.heads}
        self.model: Model = build(MODELS, settings.model, skeleton, **context)
        if engine.double:
            self.model.double()

    @classmethod
    def create(cls, name: str, settings: Settings, dataset: Dataset, engine: Engine) -> "Run":
        """A new run for a dataset; subjects and actions that the settings leave to it are settled."""
        settings = settle_actions(settle_subjects(settings, dataset), dataset)
        origin = Origin(dataset.source, dataset.terms, dataset.hash, dataset.synthetic)
        skeleton = SKELETONS.get(settings.data.skeleton, dataset.skeleton)
        return cls(name, settings, skeleton, origin, engine)

    @classmethod
    def load(cls, name: str, engine: Engine) -> "Run":
        """A trained run by its name or by the path of a .safetensors file.

        Raises:
            InputError: no such checkpoint (those there are get listed), or weights that do not fit their settings.
        """
        path = Path(name) if name.endswith(".safetensors") else FOLDER / name / "best.safetensors"
        if not path.exists():
            trained = sorted(found.parent.name for found in FOLDER.glob("*/best.safetensors"))
            raise InputError(
                f"{path}: no such checkpoint; train it with `python -m stgraph.train --exp {name}`, or choose a "
                f"trained one with --exp: {', '.join(trained) or 'there is none yet'}"
            )
        weights = load_weights(path)
        run = cls(path.parent.name, weights.settings, weights.skeleton, weights.origin, engine)
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

    # Data ------------------------------------------------------------------------------------------------------------

    def windows(self, dataset: Dataset, subjects: list[str] | None, **options: object) -> Windows:
        """Windows of some subjects, with the run's settings unless `options` says otherwise.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton, or the root's path that the task needs.
        """
        if missing := [name for name in self.skeleton.names if name not in dataset.skeleton.names]:
            both = shared_layouts(self.skeleton, dataset.skeleton)
            remedy = f"train on those of {both[0]!r}, --set data.skeleton={both[0]}" if both else "prepare other data"
            raise InputError(
                f"{dataset.path} has skeleton {dataset.skeleton.name!r} ({len(dataset.skeleton)} joints), run "
                f"{self.name!r} {self.skeleton.name!r} ({len(self.skeleton)} joints), of which the file lacks "
                f"{', '.join(missing)}; joints map by name: {remedy}"
            )
        data = self.settings.data
        chosen = {
            "detector": data.detector,
            "frames": data.frames,
            "stride": data.frames - self.model.before - self.model.after,
            "actions": data.actions,
            "frame_step": data.frame_step,
            "confidence": data.confidence,
            "skeleton": self.skeleton,
            "margin": (self.model.before, self.model.after),
            "labels": class_labels(dataset.recordings["action"], self.task.classes),
        }
        windows = Windows(dataset, subjects=subjects, **(chosen | options))
        if self.task.output == "global" and not windows.has_path():
            raise InputError(
                f"{dataset.path}: its poses are relative to their root, whose path is not known (source: "
                f'{dataset.source}); use task.output "root_relative", or data in camera space'
            )
        return self.engine.place(windows)

    # Training --------------------------------------------------------------------------------------------------------

    def fit(self, dataset: Dataset, listener: Listener, **options: object) -> Progress:
        """Train; see `stgraph.fitting.Fit` for the options."""
        return Fit(self, dataset, listener, **options).fit()

    def validation_windows(self, dataset: Dataset) -> Windows:
        """Windows that predict every frame of the validation subjects; many at once, if that saves the margins."""
        windows, model = self.windows(dataset, self.settings.data.validation), self.model
        if model.sliding and model.before + model.after:
            table = window_table(windows.lengths, PIECE, PIECE) - [0, model.before]
            windows.cut(table, frames=model.before + PIECE + model.after)
        return windows.keep_valid()

    def validate(self, windows: Windows, model: nn.Module) -> dict[str, float]:
        """Means of the loss's terms over windows, and of the errors over the frames inside their tracks.

        In a distributed run every process takes its share, and all get the same means.
        """
        engine = self.engine
        mine = torch.arange(engine.global_rank, len(windows), engine.world_size)
        # A process without a window scores one that does not count, so that all have the same names to add up.
        mine, weight = (mine, 1) if len(mine) else (torch.zeros(1, dtype=torch.int64), 0)
        sums, counts = {}, {}
        for index in mine.split(max(1, FRAMES_AT_ONCE // windows.frames)):
            batch, outputs = self.outputs(windows, index, model)
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

    # Prediction ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def outputs(
        self, windows: Windows, index: Tensor, model: nn.Module, flip: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A batch and the model's outputs for it; with `flip` the mean with the un-mirrored outputs of its mirror."""
        batch = self.engine.to_device(windows.batch(index))
        with self.engine.autocast():
            outputs = model(**self.task.inputs(batch))
            if flip:
                twin = model(windows.mirrored(batch["x"]))
                twin["pose"] = windows.mirrored(twin["pose"])
                outputs = {name: (output + twin[name]) / 2 for name, output in outputs.items()}
        return batch, outputs

    def predictions(
        self, windows: Windows, plan: Plan, flip: bool = False
    ) -> Iterator[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]]:
        """Numbers of a plan's windows, their batch and the outputs for it, until all are predicted."""
        windows.cut(plan.table[:, :2], frames=plan.frames)
        for index in plan.batches():
            yield index, *self.outputs(windows, index, self.model, flip)

    def plan(self, protocol: Protocol, windows: Windows) -> Plan:
        """What the model is to predict of the windows' tracks."""
        model = self.model
        return protocol.plan(windows.lengths, self.settings.data.frames, model.before, model.after, model.sliding)

    def evaluate(
        self,
        dataset: Dataset,
        protocol: Protocol,
        *,
        subjects: list[str] | None = None,
        detector: str | None = None,
        flip: bool | None = None,
    ) -> dict:
        """Score a protocol's frames of some subjects; by default those that the settings test (or validate) on.

        Returns the report of `stgraph.evaluation.Evaluator`; where the model tells actions, with that of
        `stgraph.recognition.ActionScores` as `recognition`.
        """
        data = self.settings.data
        subjects = subjects or data.test or data.validation
        if not subjects:
            raise InputError(
                f"{self.name} names no test subjects; score some with --subjects (trained on: {', '.join(data.train)}; "
                f"in {dataset.path}: {', '.join(sorted(set(dataset.recordings['subject'])))})"
            )
        windows = self.windows(dataset, subjects, detector=detector or data.detector)
        evaluator = Evaluator(
            protocol,
            self.skeleton,
            dataset.recordings,
            windows.recording.cpu().numpy(),
            windows.lengths,
            first_frames=windows.first_frames,
            frame_step=data.frame_step,
            valid=windows.valid(),
            frames=data.frames,
            before=self.model.before,
            after=self.model.after,
            sliding=self.model.sliding,
            output=self.task.output,
            flip=flip,
        )
        plan, actions = evaluator.plan, ActionScores(self.task.classes, dataset.recordings)
        for index, batch, outputs in self.predictions(windows, plan, evaluator.flip):
            evaluator.add(index, self.task.prediction(outputs), self.task.target(batch))
            if "action" in outputs:
                actions.add(batch["recording"], outputs["action"], evaluator.counted(index))
        report = evaluator.report(
            experiment=self.name,
            synthetic=dataset.synthetic or self.origin.synthetic,
            data=str(dataset.path),
            source=dataset.source,
            terms=dataset.terms,
            trained_on=self.origin.source,
            epoch=self.epoch,
            detector=windows.detector,
            frame_step=data.frame_step,
            subjects=", ".join(subjects),
            trained_on_them_too=", ".join(sorted(set(subjects) & set(data.train))),
        )
        return report | ({"recognition": actions.report()} if "action" in outputs else {})

    def follow(
        self, dataset: Dataset, recording: int, *, detector: str | None = None, flip: bool = False
    ) -> list[dict[str, np.ndarray]]:
        """Prediction for every frame of a recording, each from the window in whose centre third it lies.

        Returns:
            for each track: `frame` (t) numbers within the recording; `pose2d` (t j 3) pixels and confidence;
            `prediction` and `target` (t j 3) as the task defines them, `error` (t j) and the root's true `path` (t 3),
            all in metres.
        """
        data = self.settings.data
        subject = dataset.recordings["subject"][recording]
        windows = self.windows(dataset, [subject], actions=None, detector=detector or data.detector)
        plan = self.plan(find_protocol("standard"), windows)
        table = plan.table[windows.recording.cpu().numpy()[plan.table[:, 0]] == recording]
        plan = replace(plan, table=table)
        parts = []
        for index, batch, outputs in self.predictions(windows, plan, flip):
            path = batch["pose3d"][:, :, self.skeleton.root]
            found = {"prediction": self.task.prediction(outputs), "target": self.task.target(batch), "path": path}
            _, kept = plan.predicted(index)
            parts.append({name: values.float().cpu()[kept].numpy() for name, values in found.items()})
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        joined["error"] = np.linalg.norm(joined["prediction"] - joined["target"], axis=-1)
        tracks = []
        for track in np.unique(table[:, 0]):
            first, done = int(windows.first_rows[track]), sum(len(found["frame"]) for found in tracks)
            rows = slice(first, first + data.frame_step * int(windows.lengths[track]), data.frame_step)
            values = {name: values[done : done + int(windows.lengths[track])] for name, values in joined.items()}
            places = {"frame": "frame", "pose2d": f"pose2d/{windows.detector}"}
            tracks.append(values | {name: np.array(dataset.rows(place)[rows]) for name, place in places.items()})
        return tracks


def settle_subjects(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the subjects that they leave open: those of the file's split `standard`, by the part's name.

    Without a part `test`, the split's validation subjects are the test where they do not choose the best epoch; without
    a part `train`, everyone else is trained on.
    """
    data, table = settings.data, dataset.recordings["subject"]
    parts = dataset.splits.get("standard", np.full(len(table), ""))

    def named(part: str) -> list[str]:
        return sorted(set(table[parts == part]))

    validation = named("validation") if data.validation is None else data.validation
    test = data.test
    if test is None:
        test = named("test") or [name for name in named("validation") if name not in validation]
    train = data.train or [name for name in named("train") or sorted(set(table)) if name not in {*validation, *test}]
    return with_data(settings, train=train, validation=validation, test=test)


def settle_actions(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the classes that they leave open: the actions of the training recordings."""
    data, table = settings.data, dataset.recordings
    trained = np.isin(table["subject"], data.train)
    if data.actions:
        trained &= np.isin(table["action"], data.actions)
    actions = sorted(set(map(str, table["action"][trained])))
    return with_task(settings, TASKS.get(settings.task["name"]).settle(settings.task, actions, str(dataset.path)))


def data_file(settings: Settings) -> Path:
    """The dataset that the settings name: data/NAME.h5, or a path with an ending."""
    name = Path(settings.data.dataset)
    return name if name.suffix else DATA / f"{name}.h5"


def build(registry: Registry, section: dict, *positional: object, **context: object) -> object:
    """The task or model that a section of the settings names."""
    settings = {key: value for key, value in section.items() if key != "name"}
    return registry.get(section["name"])(*positional, **context, **settings)
