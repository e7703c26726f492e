"""Runs of lifters: windows of recordings in, poses of every frame out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stgraph.data.dataset import Dataset, window_table
from stgraph.data.splits import settle_subjects
from stgraph.data.windows import Windows
from stgraph.errors import InputError
from stgraph.scoring.classification import ActionScores, class_labels
from stgraph.settings.params import Settings, with_task
from stgraph.tasks.lifting.evaluation import Evaluator, Tracks
from stgraph.tasks.lifting.plan import PIECE, ModelWindow, Plan, plan_windows
from stgraph.tasks.lifting.protocols import Protocol, find_protocol
from stgraph.tasks.lifting.report import POSES
from stgraph.tasks.lifting.task import Lifting
from stgraph.training.run import REPORTS
from stgraph.training.task_run import TaskRun


class LiftingRun(TaskRun[Lifting]):
    """An experiment with a lifter."""

    report_kind = POSES

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with subjects and actions that they leave to the dataset."""
        return settle_actions(settle_subjects(settings, dataset), dataset)

    # Data ------------------------------------------------------------------------------------------------------------

    def windows(self, dataset: Dataset, subjects: list[str] | None, **options: object) -> Windows:
        """Windows of some subjects, with the run's settings unless `options` says otherwise.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton, or the root's path that the task needs.
        """
        self.check_joints(dataset)
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

    def training_samples(self, dataset: Dataset) -> Windows:
        """Windows of the training subjects, cut and mirrored as the settings say."""
        data = self.settings.data
        return self.windows(dataset, data.train, stride=data.stride, mirror=data.flip).keep_valid()

    def validation_samples(self, dataset: Dataset) -> Windows | None:
        """Windows that predict every frame of the validation subjects; many at once, if that saves the margins."""
        if not self.settings.data.validation:
            return None
        windows, model = self.windows(dataset, self.settings.data.validation), self.model
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
                twin = model(samples.mirrored(batch["x"]))
                twin["pose"] = samples.mirrored(twin["pose"])
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
        return plan_windows(protocol, windows.lengths, self.model_window)

    @property
    def model_window(self) -> ModelWindow:
        """What the model sees and predicts at once."""
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
    ) -> dict:
        """Score a protocol's frames of some subjects; by default those that the settings test (or validate) on.

        Returns the report of `stgraph.tasks.lifting.evaluation.Evaluator`; where the model tells actions, with that of
        `stgraph.scoring.classification.ActionScores` as `recognition`.
        """
        if scored:
            raise InputError(where=f"--scored {scored}", found="a lifter", remedy="choose with --subjects")
        data, protocol = self.settings.data, find_protocol(protocol) if isinstance(protocol, str) else protocol
        subjects = subjects or data.test or data.validation
        if not subjects:
            raise InputError(
                f"{self.name} names no test subjects; score some with --subjects (trained on: {', '.join(data.train)}; "
                f"in {dataset.path}: {', '.join(sorted(set(dataset.recordings['subject'])))})"
            )
        windows = self.windows(dataset, subjects, detector=detector or data.detector)
        recording = windows.recording.cpu().numpy()
        tracks = Tracks(
            dataset.recordings, recording, windows.lengths, windows.first_frames, data.frame_step, windows.valid()
        )
        evaluator = Evaluator(protocol, self.skeleton, tracks, self.model_window, output=self.task.output, flip=flip)
        plan, actions = evaluator.plan, ActionScores(self.task.classes, dataset.recordings)
        for index, batch, outputs in self.predictions(windows, plan, evaluator.flip):
            evaluator.add(index, self.task.prediction(outputs), self.task.target(batch))
            if "action" in outputs:
                actions.add(batch["recording"], outputs["action"], evaluator.counted(index))
        report = evaluator.report(
            **self.about(dataset),
            detector=windows.detector,
            frame_step=data.frame_step,
            subjects=", ".join(subjects),
            trained_on_them_too=", ".join(sorted(set(subjects) & set(data.train))),
        )
        return report | ({"recognition": actions.report()} if "action" in outputs else {})

    def report_folder(self, subjects: list[str] | None, scored: str | None) -> Path:
        """The run's own, whichever subjects are scored."""
        return REPORTS / self.name

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


def settle_actions(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the classes that they leave open: the actions of the training recordings."""
    data, table = settings.data, dataset.recordings
    trained = np.isin(table["subject"], data.train)
    if data.actions:
        trained &= np.isin(table["action"], data.actions)
    actions = sorted(set(map(str, table["action"][trained])))
    return with_task(settings, Lifting.settle(settings.task, actions, str(dataset.path)))
