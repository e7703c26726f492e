"""Runs of pose dynamics: people's tracks in, the joints of the next frame out."""

from typing import cast

import numpy as np
from jaxtyping import Bool

from stgraph.data.dataset import Dataset
from stgraph.data.splits import part
from stgraph.models.pose_dynamics import PoseDynamics
from stgraph.tasks.dynamics.evaluation import forecast_report, tracking_scores
from stgraph.tasks.dynamics.predictor import ModelPredictor
from stgraph.tasks.dynamics.report import TRACKS
from stgraph.tasks.dynamics.samples import Sequences
from stgraph.tasks.dynamics.settings import TrackSettings
from stgraph.tasks.dynamics.task import Dynamics
from stgraph.tasks.dynamics.videos import detected_video, trajectories, true_video
from stgraph.tracking.predictors import PREDICTORS, find_predictor
from stgraph.training.report import NOT_BETTER, not_better
from stgraph.training.task_run import TaskRun


class DynamicsRun(TaskRun[Dynamics]):
    """An experiment with pose dynamics."""

    data: TrackSettings
    report_kind = TRACKS

    def sequences(self, dataset: Dataset, kept: Bool[np.ndarray, " recording"], training: bool = False) -> Sequences:
        """Sequences of some recordings, with the run's settings.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton or the input.
        """
        self.check_joints(dataset)
        sequences = Sequences(
            dataset,
            self.data,
            kept,
            skeleton=self.skeleton,
            training=training,
            candidates=self.task.predicts_candidates,
        )
        return self.engine.place(sequences)

    def training_samples(self, dataset: Dataset) -> Sequences:
        """Sequences of the training part, with missed joints drawn at random."""
        return self.sequences(dataset, part(self.settings, dataset, "train"), training=True)

    def validation_samples(self, dataset: Dataset) -> Sequences | None:
        """Sequences of the validation part, without augmentation."""
        kept = self.validation_part(dataset)
        return None if kept is None else self.sequences(dataset, kept)

    # Evaluation ------------------------------------------------------------------------------------------------------

    def beside_baselines(self, report: dict, dataset: Dataset, **options: object) -> dict:
        """The report with a warning where predictors that need no training are as good."""
        forecast = report["forecast"]
        own, others = forecast["error"][self.name], {name: forecast["error"][name] for name in PREDICTORS}
        titles = {ahead: f"error {ahead} frames ahead, {forecast['unit']}" for ahead in own}
        warning = not_better(own, others, titles, dict.fromkeys(own, True))
        return report | {"about": report["about"] | {NOT_BETTER: warning}}

    def predictor(self) -> ModelPredictor:
        """The model as a tracker's predictor."""
        return ModelPredictor(cast(PoseDynamics, self.model), self.engine)

    def evaluate(
        self,
        dataset: Dataset,
        *,
        subjects: list[str] | None = None,
        detector: str | None = None,
        scored: str | None = None,
        mode: str = "strict",
    ) -> dict:
        """Score the recordings of a part ("train", "validation", "test") or of some subjects, beside the predictors
        that need no training.

        Args:
            detector: 2D detections to use in place of those that were trained on.
            mode: of the scores of tracking, see `stgraph.scoring.tracking`.

        Raises:
            InputError: the part is empty, or the dataset lacks an input.
        """
        self.check_joints(dataset)
        data, kept = self.data, self.scored_part(dataset, subjects, scored)
        detector = detector or data.detector
        tracks = trajectories(dataset, kept, self.skeleton, detector=detector, truth=data.truth, noise=data.noise)
        predictors = {self.name: self.predictor()} | {name: find_predictor(name) for name in PREDICTORS}
        about = self.about(dataset) | {
            "input": detector or "3D poses",
            "scored": f"subjects {', '.join(subjects)}" if subjects else f"part {scored or 'test'}",
            "recordings": f"{kept.sum():,}, with {len(tracks):,} tracks of single people",
        }
        forecast = forecast_report(predictors, tracks, "head sizes" if detector else "mm")
        report = {"kind": "tracks", "about": about, "forecast": forecast}
        if not detector or detector not in dataset.detected:
            lacking = f"{dataset.path} has no detections {detector!r}" if detector else "it takes 2D detections"
            return report | {"not_tracked": f"{lacking} without identity"}
        recordings = np.flatnonzero(kept)
        truths = [true_video(dataset, number, self.skeleton, data.truth) for number in recordings]
        detections = [detected_video(dataset, number, self.skeleton, detector) for number in recordings]
        return report | {"tracking": tracking_scores(predictors, truths, detections, mode)}
