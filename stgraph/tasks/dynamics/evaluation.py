"""Evaluation of pose dynamics: errors of predictions some frames ahead, and the scores of a tracker with them."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from stgraph.formats.posetrack import Video
from stgraph.scoring.tracking.report import score
from stgraph.tasks.dynamics.forecasting import EVERY, forecast_errors
from stgraph.tasks.dynamics.videos import Trajectory
from stgraph.tracking.predictors import Predictor
from stgraph.tracking.tracker import Tracker
from stgraph.tracking.videos import follow


def tracking_scores(
    predictors: Mapping[str, Predictor], truths: Sequence[Video], detections: Sequence[Video], mode: str
) -> dict[str, dict]:
    """Scores of tracking the detections of some videos, by predictor; `mode` is one of `stgraph.scoring.tracking`."""
    scores = {}
    for name, predictor in predictors.items():
        trackers = [Tracker(predictor, video.skeleton, size=video.size) for video in detections]
        results = [
            follow(tracker, video, cast(float, video.fps)) for tracker, video in zip(trackers, detections, strict=True)
        ]
        scores[name] = score(list(zip(truths, results, strict=True)), mode, detections)
    return scores


def forecast_report(predictors: Mapping[str, Predictor], tracks: list[Trajectory], unit: str) -> dict:
    """Mean errors by predictor and frames ahead, over the same joints for all of them."""
    errors = {name: forecast_errors(predictor, tracks) for name, predictor in predictors.items()}
    counts = {ahead: int(np.isfinite(values).sum()) for ahead, values in next(iter(errors.values())).items()}
    return {
        "unit": unit,
        "text": f"Of people whose identity is known, every {EVERY} frames where they were detected, going on without "
        "detections; mean over annotated joints that were detected once by then.",
        "error": {
            name: {
                str(ahead): float(np.nanmean(values)) if np.isfinite(values).any() else None
                for ahead, values in by_ahead.items()
            }
            for name, by_ahead in errors.items()
        },
        "joints": {str(ahead): count for ahead, count in counts.items()},
    }
