"""Evaluation of pose dynamics: errors of predictions some frames ahead, and the scores of a tracker with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stgraph.data.dataset import Dataset
from stgraph.scoring.tracking.report import score
from stgraph.skeleton import Skeleton
from stgraph.tasks.dynamics.forecasting import EVERY, HORIZONS, forecast_errors
from stgraph.tasks.dynamics.settings import TrackSettings
from stgraph.tasks.dynamics.videos import Trajectory, detected_video, trajectories, true_video
from stgraph.tracking.predictors import PREDICTORS, Predictor, find_predictor
from stgraph.tracking.tracker import Tracker
from stgraph.tracking.videos import follow


@dataclass(frozen=True)
class Evaluation:
    """The recordings that are scored, and how.

    Attributes:
        kept: which recordings of the dataset.
        detector: 2D detections that are the input; None: 3D poses.
        mode: of the scores of tracking, see `stgraph.scoring.tracking.MODES`.
    """

    dataset: Dataset
    kept: Bool[np.ndarray, " recording"]
    skeleton: Skeleton
    data: TrackSettings
    detector: str | None
    mode: str = "strict"

    def report(self, about: Mapping[str, object], name: str, predictor: Predictor) -> dict:
        """The report of a trained model, beside the predictors that need no training.

        Args:
            about: the first facts of the report.
            name, predictor: of the model.

        Raises:
            InputError: the dataset lacks an input.
        """
        people = trajectories(
            self.dataset, self.kept, self.skeleton, detector=self.detector, truth=self.data.truth, noise=self.data.noise
        )
        predictors = {name: predictor} | {untrained: find_predictor(untrained) for untrained in PREDICTORS}
        recordings = f"{self.kept.sum():,}, with {len(people):,} tracks of single people"
        report: dict = {
            "kind": "tracks",
            "about": {**about, "recordings": recordings},
            "forecast": forecast_report(predictors, people, "head sizes" if self.detector else "mm"),
        }
        if self.detector in self.dataset.detected:
            return report | {"tracking": self.tracking(predictors)}
        has_none = f"{self.dataset.path} has no detections {self.detector!r}"
        return report | {"not_tracked": f"{has_none if self.detector else 'it takes 2D detections'} without identity"}

    def tracking(self, predictors: Mapping[str, Predictor]) -> dict[str, dict]:
        """Scores of tracking the people in the recordings, by predictor."""
        recordings = np.flatnonzero(self.kept)
        truths = [true_video(self.dataset, number, self.skeleton, self.data.truth) for number in recordings]
        detections = [detected_video(self.dataset, number, self.skeleton, str(self.detector)) for number in recordings]
        fps = self.dataset.recordings["fps"][recordings].tolist()
        scores = {}
        for name, predictor in predictors.items():
            results = [
                follow(Tracker(predictor, self.skeleton, size=video.size), video, rate)
                for video, rate in zip(detections, fps, strict=True)
            ]
            scores[name] = score(list(zip(truths, results, strict=True)), self.mode, detections)
        return scores


def forecast_report(predictors: Mapping[str, Predictor], people: list[Trajectory], unit: str) -> dict:
    """Mean errors by predictor and frames ahead, over the same joints for all of them."""
    errors = {name: forecast_errors(predictor, people) for name, predictor in predictors.items()}
    first = next(iter(errors.values()))
    return {
        "unit": unit,
        "text": f"Of people whose identity is known, every {EVERY} frames where they were detected, going on without "
        "detections; mean over annotated joints that were detected once by then.",
        "error": {
            name: {str(ahead): mean_of(values) for ahead, values in by_horizon.items()}
            for name, by_horizon in errors.items()
        },
        "joints": {str(ahead): int(np.isfinite(first[ahead]).sum()) for ahead in HORIZONS},
    }


def mean_of(errors: Float[np.ndarray, "n j"]) -> float | None:
    """Mean of the errors that are not NaN; None where there is none."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else None
