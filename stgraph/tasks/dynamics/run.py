"""Runs of pose dynamics: people's tracks in, the joints of the next frame out."""

import warnings
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn

from stgraph.data.dataset import Dataset
from stgraph.data.splits import of_subjects, part
from stgraph.models.pose_dynamics import Memory, PoseDynamics
from stgraph.scoring.tracking import score
from stgraph.tasks.dynamics.forecasting import EVERY, HORIZONS, Course, forecast_errors
from stgraph.tasks.dynamics.report import TRACKS
from stgraph.tasks.dynamics.samples import Sequences
from stgraph.tasks.dynamics.task import Dynamics
from stgraph.tasks.dynamics.videos import courses, detected_video, true_video
from stgraph.tracking.predictors import PREDICTORS, Believed, Forecast, Joints, Numbers, Predictor, find_predictor
from stgraph.tracking.tracker import Tracker, follow
from stgraph.training.task_run import TaskRun


class DynamicsRun(TaskRun[Dynamics]):
    """An experiment with pose dynamics."""

    report_kind = TRACKS

    def sequences(self, dataset: Dataset, kept: Bool[np.ndarray, " recording"], training: bool = False) -> Sequences:
        """Sequences of some recordings, with the run's settings.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton or what is fed.
        """
        self.check_joints(dataset)
        options = {"training": training, "candidates": self.task.tells_candidates}
        return self.engine.place(Sequences(dataset, self.settings.data, kept, skeleton=self.skeleton, **options))

    def training_samples(self, dataset: Dataset) -> Sequences:
        """Sequences of the training part, with what is missed drawn at random."""
        return self.sequences(dataset, part(self.settings, dataset, "train"), training=True)

    def validation_samples(self, dataset: Dataset) -> Sequences | None:
        """Sequences of the validation part, as they are."""
        kept = self.validation_part(dataset)
        if kept is None:
            return None
        return self.sequences(dataset, kept)

    # Evaluation ------------------------------------------------------------------------------------------------------

    def predictor(self) -> "ModelPredictor":
        """The model as a tracker's predictor."""
        return ModelPredictor(self)

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
            InputError: nobody is in that part, or what is fed is missing.
        """
        self.check_joints(dataset)
        data, scored = self.settings.data, scored or "test"
        kept = of_subjects(self.settings, dataset, subjects) if subjects else part(self.settings, dataset, scored)
        detector = detector or data.detector
        given = courses(dataset, kept, self.skeleton, detector, data.truth, data.noise)
        predictors = {self.name: self.predictor()} | {name: find_predictor(name) for name in PREDICTORS}
        report = {
            "kind": "tracks",
            "about": self.about(dataset)
            | {
                "input": detector or "3D poses",
                "scored": f"subjects {', '.join(subjects)}" if subjects else f"part {scored}",
                "recordings": f"{kept.sum():,}, with {len(given):,} tracks of single people",
            },
            "forecast": forecast_report(predictors, given, "head sizes" if detector else "mm"),
        }
        if detector in dataset.detected:
            return report | {"tracking": self.track(dataset, np.flatnonzero(kept), predictors, detector, mode)}
        what = "it takes 2D detections" if not detector else f"{dataset.path} has no detections {detector!r}"
        return report | {"not_tracked": f"{what} without identity"}

    def track(
        self, dataset: Dataset, recordings: np.ndarray, predictors: dict[str, Predictor], detector: str, mode: str
    ) -> dict[str, dict]:
        """Scores of following everybody in some recordings, by predictor."""
        truths = [true_video(dataset, number, self.skeleton, self.settings.data.truth) for number in recordings]
        given = [detected_video(dataset, number, self.skeleton, detector) for number in recordings]
        found = {}
        for name, predictor in predictors.items():
            results = [follow(Tracker(predictor, self.skeleton, size=one.size), one, one.fps) for one in given]
            found[name] = score(list(zip(truths, results, strict=True)), mode, given)
        return found


def forecast_report(predictors: dict[str, Predictor], given: list[Course], unit: str) -> dict:
    """Mean errors by predictor and frames ahead, over the same joints for all of them."""
    errors = {name: forecast_errors(predictor, given) for name, predictor in predictors.items()}
    some = next(iter(errors.values()))
    return {
        "unit": unit,
        "text": f"Of people whose identity is known, every {EVERY} frames in which they were seen, going on without "
        "detections; mean over annotated joints that were detected once by then.",
        "error": {
            name: {str(ahead): mean_of(each) for ahead, each in by_horizon.items()}
            for name, by_horizon in errors.items()
        },
        "joints": {str(ahead): int(np.isfinite(some[ahead]).sum()) for ahead in HORIZONS},
    }


def mean_of(errors: np.ndarray) -> float | None:
    """Of the joints that count; None where none does."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else None


class ModelPredictor:
    """A trained model as `stgraph.tracking.predictors.Predictor`: all people in one forward.

    Times are doubles, so that a day's recording has the same steps as its first minute.
    """

    def __init__(self, run: DynamicsRun) -> None:
        self.model: PoseDynamics = run.model.eval()
        self.engine = run.engine
        self.look: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None = None

    def tensors(self, *arrays: np.ndarray) -> list[torch.Tensor]:
        """Arrays where the model is, as its numbers."""
        kind = next(self.model.parameters()).dtype
        return [self.engine.to_device(torch.from_numpy(np.asarray(values)).to(kind)) for values in arrays]

    def times(self, time: float, people: int) -> torch.Tensor:
        """A time for each person."""
        return self.engine.to_device(torch.full((people,), time, dtype=torch.float64))

    @torch.inference_mode()
    def start(self, pose: Joints, confidence: Numbers, time: float) -> Memory:
        """See `Predictor`."""
        return self.model.start(*self.tensors(pose, confidence), self.times(time, len(pose)))

    @torch.inference_mode()
    def predict(self, state: Memory, time: float) -> Forecast:
        """See `Predictor`."""
        times = self.times(time, len(state.pose))
        self.look = self.look or traced(self.model, times, state)
        pose, spread = self.look(times, *state)
        return Forecast(pose.double().cpu().numpy(), spread.double().cpu().numpy())

    @torch.inference_mode()
    def merge(self, state: Memory, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Memory:
        """See `Predictor`."""
        predicted, spread, pose, confidence = self.tensors(*forecast, pose, confidence)
        return self.model.merge(state, predicted, spread, pose, confidence, self.times(time, len(pose)))

    def believed(self, state: Memory) -> Believed:
        """See `Predictor`."""
        return Believed(*(values.double().cpu().numpy() for values in state[-3:]))


class Look(nn.Module):
    """A model's prediction, with all that it takes and gives as tensors."""

    def __init__(self, model: PoseDynamics) -> None:
        super().__init__()
        self.model = model

    def forward(self, time: torch.Tensor, *memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pose and spread."""
        found = self.model.predict(Memory(*memory), time)
        return found.pose, found.spread


def traced(model: PoseDynamics, time: torch.Tensor, state: Memory) -> torch.jit.ScriptModule:
    """`Look` without Python between its operations, which is half of the time that a few people take; for any number.

    torch calls tracing deprecated in favour of compilers, which a tracker's users would need a toolchain for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.trace(Look(model).eval(), (time, *state), check_trace=False))
