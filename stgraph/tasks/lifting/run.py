"""Runs of lifters: windows of recordings in, poses of every frame out."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stgraph.data.dataset import Dataset, window_table
from stgraph.data.mixture import Mixture
from stgraph.data.samples import Samples
from stgraph.data.splits import settle_subjects
from stgraph.data.windows import Windows
from stgraph.errors import InputError
from stgraph.models.base import Model
from stgraph.scoring.classification import ActionScores, class_labels
from stgraph.scoring.metrics import joint_error
from stgraph.settings.params import Settings, with_data, with_task
from stgraph.settings.places import REPORTS, data_file
from stgraph.tasks.lifting.augmentation import AugmentedWindows
from stgraph.tasks.lifting.baselines import fit_baselines
from stgraph.tasks.lifting.calibration import Calibration
from stgraph.tasks.lifting.conditions import DETECTOR, scored_under
from stgraph.tasks.lifting.evaluation import Evaluator, Tracks
from stgraph.tasks.lifting.plan import PIECE, ModelWindow, Plan, plan_windows
from stgraph.tasks.lifting.protocols import Protocol, find_protocol
from stgraph.tasks.lifting.report import BESIDE, COLUMNS, POSES, comparison_row
from stgraph.tasks.lifting.settings import Augmentation, WindowSettings
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.compared import Compared
from stgraph.training.report import Baselines
from stgraph.training.task_run import RIDGE, TaskRun

MIRRORED_CAMERA = torch.tensor([1.0, 1.0, -1.0, 1.0])  # focal lengths and centre on the normalised screen


class LiftingRun(TaskRun[Lifting]):
    """An experiment with a lifter."""

    data: WindowSettings
    report_kind = POSES
    comparison_columns = COLUMNS

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with subjects and actions that they leave to the dataset."""
        settings = settle_subjects(settings, dataset)
        data, table = settings.data, dataset.recordings
        trained = np.isin(table["subject"], data.train or [])
        if data.actions:
            trained &= np.isin(table["action"], data.actions)
        actions = sorted(set(map(str, table["action"][trained])))
        return with_task(settings, Lifting.settle(settings.task, actions, str(dataset.path)))

    # Data ------------------------------------------------------------------------------------------------------------

    def windows(
        self,
        dataset: Dataset,
        subjects: list[str] | None,
        *,
        detector: str | None = None,
        stride: int | None = None,
        mirror: bool = False,
        margin: tuple[int, int] | None = None,
        any_action: bool = False,
        augment: Augmentation | None = None,
    ) -> Windows:
        """Windows of some subjects; settings of the run hold where no value overrides them.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton, or the root's path that the task needs.
        """
        self.check_joints(dataset)
        data = self.data
        options: dict[str, Any] = dict(
            detector=detector or data.detector,
            frames=data.frames,
            stride=stride,
            subjects=subjects,
            actions=None if any_action else data.actions,
            frame_step=data.frame_step,
            mirror=mirror,
            confidence=data.confidence,
            skeleton=self.skeleton,
            margin=(self.model.before, self.model.after) if margin is None else margin,
            labels=class_labels(dataset.recordings["action"], self.task.classes),
            image=self.task.output == "image",
        )
        windows = AugmentedWindows(dataset, augment, **options) if augment else Windows(dataset, **options)
        needs_path = {"global": True, "image": not dataset.has("image3d")}.get(self.task.output, False)
        if needs_path and not windows.has_path():
            raise InputError(
                f"its poses are relative to their root, whose path is not known (source: {dataset.source})",
                where=dataset.path,
                remedy='use task.output "root_relative", or data in camera space',
            )
        return self.engine.place(windows)

    def training_samples(self, dataset: Dataset) -> Samples:
        """Windows of the training subjects, cut, mirrored, drawn anew and mixed with other files by the settings."""
        data = self.data

        def cut(file: Dataset, subjects: list[str] | None) -> Windows:
            options = {"stride": data.stride, "mirror": data.flip, "augment": data.augment}
            return self.windows(file, subjects, **options).keep_valid()

        first = cut(dataset, data.train)
        files = [(Dataset(data_file(name)), share) for name, share in data.mix.items()]
        own = with_data(self.settings, train=None)
        others = [(cut(file, settle_subjects(own, file).data.train), share) for file, share in files]
        return Mixture(first, others) if others else first

    def validation_samples(self, dataset: Dataset) -> Windows | None:
        """Windows that predict every frame of the validation subjects; many at once, if that saves the margins."""
        if not self.settings.data.validation:
            return None
        windows, model = self.windows(dataset, self.data.validation, stride=self.model_window.outputs), self.model
        if model.sliding and model.before + model.after:
            table = window_table(windows.lengths, PIECE, PIECE) - [0, model.before]
            windows.cut(table, frames=model.before + PIECE + model.after)
        return windows.keep_valid()

    # Prediction ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def outputs(
        self, samples: Windows, index: Tensor, model: nn.Module, flip: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """A batch and the model's outputs for it; with `flip` the mean with the un-mirrored outputs of its mirror."""
        batch, outputs = super().outputs(samples, index, model)
        if flip:
            with self.engine.autocast():
                inputs = self.task.inputs(batch)
                inputs |= {
                    "x": samples.mirrored(batch["x"]),
                    "camera": batch["camera"] * MIRRORED_CAMERA.to(batch["x"]),
                }
                twin = model(**inputs)
                twin["pose"] = samples.mirrored(twin["pose"])
                if "uncertainty" in twin and twin["uncertainty"].shape[-1] > 1:
                    twin["uncertainty"] = twin["uncertainty"][..., samples.mirror_order]
                outputs = {name: (output + twin[name]) / 2 for name, output in outputs.items()}
        return batch, outputs

    def predictions(
        self, windows: Windows, plan: Plan, flip: bool = False
    ) -> Iterator[tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]]:
        """Numbers of a plan's windows, their batch and the outputs for it, until all are predicted."""
        windows.cut(plan.table[:, :2], frames=plan.frames)
        batches = list(plan.batches())
        results = self.engine.shared_out(lambda index: self.outputs(windows, index, self.model, flip), batches)
        for index, (batch, outputs) in zip(batches, results, strict=True):
            yield index, batch, outputs

    def plan(self, protocol: Protocol, windows: Windows) -> Plan:
        """The windows to predict from, and the frames that are scored."""
        return plan_windows(protocol, windows.lengths, self.model_window)

    @property
    def model_window(self) -> ModelWindow:
        """Lengths of the model's input and prediction."""
        return ModelWindow(self.settings.data.frames, self.model.before, self.model.after, self.model.sliding)

    def evaluate(
        self,
        dataset: Dataset,
        protocol: str | Protocol = "standard",
        *,
        subjects: list[str] | None = None,
        detector: str | None = None,
        scored: str | None = None,
        flip: bool | None = None,
        conditions: bool = False,
    ) -> dict:
        """Score a protocol's frames of some subjects; by default those that the settings test (or validate) on.

        Returns the report of `stgraph.tasks.lifting.evaluation.Evaluator`; where the model classifies
        actions, with that of `stgraph.scoring.classification.ActionScores` as `recognition`; where it knows how certain
        it is, with that of `stgraph.tasks.lifting.calibration.Calibration` as `calibration`; and with the scores under
        each of `stgraph.tasks.lifting.conditions.CONDITIONS`, if these are wanted, as `conditions`.
        """
        if scored:
            raise InputError(where=f"--scored {scored}", found="a lifter", remedy="choose with --subjects")
        data, protocol = self.data, find_protocol(protocol) if isinstance(protocol, str) else protocol
        subjects = subjects or data.test or data.validation
        if not subjects:
            raise InputError(
                "names no test subjects",
                where=self.name,
                remedy=f"score some with --subjects (trained on: {', '.join(data.train or [])}; in {dataset.path}: "
                f"{', '.join(sorted(set(dataset.recordings['subject'])))})",
            )
        windows = self.windows(dataset, subjects, detector=detector)
        tracks = Tracks(
            dataset.recordings,
            recording=windows.recording.cpu().numpy(),
            lengths=windows.lengths,
            first_frames=windows.first_frames,
            frame_step=data.frame_step,
            valid=windows.valid(),
        )
        evaluator = Evaluator(protocol, self.skeleton, tracks, self.model_window, output=self.task.output, flip=flip)
        plan, actions = evaluator.plan, ActionScores(self.task.classes, dataset.recordings)
        calibration = Calibration()
        for index, batch, outputs in self.predictions(windows, plan, evaluator.flip):
            pred, target = self.task.in_metres(batch, outputs)
            evaluator.add(index, pred, target)
            counted = evaluator.counted(index)
            if "action" in outputs:
                actions.add(batch["recording"], outputs["action"], counted)
            if "uncertainty" in outputs:
                error = joint_error(self.task.without_root(pred), self.task.without_root(target))
                calibration.add(outputs["uncertainty"][:, 0], error, counted)
        report = evaluator.report(
            **self.about(dataset),
            detector=windows.detector,
            frame_step=data.frame_step,
            subjects=", ".join(subjects),
            trained_on_them_too=", ".join(sorted(set(subjects) & set(data.train or []))),
        )
        report |= {"recognition": actions.report()} if "action" in outputs else {}
        report |= {"calibration": calibration.report()} if "uncertainty" in outputs else {}
        if conditions:

            def score(file: Dataset) -> dict:
                return self.evaluate(file, protocol, subjects=subjects, detector=DETECTOR, flip=flip)["metrics"]

            report["conditions"] = scored_under(dataset, subjects, windows.detector, score)
        return report

    def report_folder(self, subjects: list[str] | None, scored: str | None) -> Path:
        """The run's folder, whichever subjects are scored."""
        return REPORTS / self.name

    def check_comparison(
        self, dataset: Dataset, protocol: str | None = None, conditions: bool = False
    ) -> tuple[str, ...]:
        """The joints that are scored. Raises InputError where the data cannot serve the run."""
        self.windows(dataset, None if self.epoch else self.settings.data.train)
        left_out = find_protocol(protocol or "standard").without_joints
        return tuple(name for name in self.skeleton.names if name not in left_out)

    def comparison(self, report: dict) -> Compared:
        """The run's row, from its report."""
        return comparison_row(report)

    def scored_baselines(self, dataset: Dataset, **options: Any) -> Baselines:
        """The mean pose and the ridge regression, fitted to the training subjects in the same file."""
        scores, text = {}, f"fitted to the poses of {', '.join(self.data.train or [])} in {dataset.path}"
        plain: dict[str, Any] = options | {"conditions": False}
        try:
            for name, model in self.baselines(dataset).items():
                twin = copy(self)
                twin.model = self.engine.to_device(model.double() if self.engine.double else model).eval()
                scores[name] = twin.evaluate(dataset, **plain)["metrics"]
        except InputError as error:  # such as a file that has none of the training subjects
            text = f"none, as they cannot be fitted to what it was trained on ({error})"
        return Baselines(text, scores, BESIDE, {"P1": True, "path": True})

    def baselines(self, dataset: Dataset, ridge: float = RIDGE) -> dict[str, Model]:
        """Mean pose and ridge regression."""
        data = self.data
        windows = self.windows(dataset, data.train, margin=(0, 0), stride=data.frames).keep_valid()
        return fit_baselines(self.task, windows, ridge)

    def follow(
        self, dataset: Dataset, recording: int, *, detector: str | None = None, flip: bool = False
    ) -> list[dict[str, np.ndarray]]:
        """Prediction for every frame of a recording, each from the window in whose centre third it lies.

        Returns:
            for each track: `frame` (t) numbers within the recording; `pose2d` (t j 3) pixels and confidence;
            `prediction` and `target` (t j 3) as the task defines them, `error` (t j) and the root's true `path` (t 3),
            all in metres.
        """
        data, subject = self.data, dataset.recordings["subject"][recording]
        windows = self.windows(dataset, [subject], any_action=True, detector=detector)
        plan = self.plan(find_protocol("standard"), windows)
        table = plan.table[windows.recording.cpu().numpy()[plan.table[:, 0]] == recording]
        plan, batches = replace(plan, table=table), []
        for index, batch, outputs in self.predictions(windows, plan, flip):
            if self.task.output == "image" and not batch["scale"].all():
                raise InputError(
                    "the scale of its poses in image space is not known",
                    where=dataset.recordings["id"][recording],
                    remedy="take a recording of the test part",
                )
            path = batch["pose3d"][:, :, self.skeleton.root]
            prediction, target = self.task.in_metres(batch, outputs)
            poses = {"prediction": prediction, "target": target, "path": path}
            _, scored = plan.predicted(index)
            batches.append({name: values.float().cpu()[scored].numpy() for name, values in poses.items()})
        joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        joined["error"] = np.linalg.norm(joined["prediction"] - joined["target"], axis=-1)
        tracks, begin, fields = [], 0, {"frame": "frame", "pose2d": f"pose2d/{windows.detector}"}
        for track in np.unique(table[:, 0]):
            first, length = int(windows.first_rows[track]), int(windows.lengths[track])
            rows = slice(first, first + data.frame_step * length, data.frame_step)
            values = {name: values[begin : begin + length] for name, values in joined.items()}
            tracks.append(values | {name: np.array(dataset.rows(field)[rows]) for name, field in fields.items()})
            begin += length
        return tracks
