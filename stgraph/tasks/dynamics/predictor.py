"""A trained model as the predictor of a tracker."""

import numpy as np
import torch
from torch import Tensor

from stgraph.models.layers.memory import Memory
from stgraph.models.pose_dynamics import PoseDynamics
from stgraph.tracking.predictors import Estimate, Forecast, Joints, Numbers
from stgraph.training.engine import Engine
from stgraph.training.traced import Traceable, traced


class ModelPredictor:
    """A trained model as `stgraph.tracking.predictors.Predictor`: all people in one forward.

    Times are doubles, so that late frames of a long recording have the same steps as its first ones.
    """

    def __init__(self, model: PoseDynamics, engine: Engine) -> None:
        self.model, self.engine = model.eval(), engine
        self.dtype = next(model.parameters()).dtype
        self.prediction: Traceable | None = None
        self.merging: Traceable | None = None

    def tensors(self, *arrays: np.ndarray) -> list[Tensor]:
        """Arrays as tensors of the model's device and type."""
        return [self.engine.to_device(torch.from_numpy(values).to(self.dtype)) for values in arrays]

    def times(self, time: float, people: int) -> Tensor:
        """The same time for each person."""
        return self.engine.to_device(torch.full((people,), time, dtype=torch.float64))

    @torch.inference_mode()
    def start(self, pose: Joints, confidence: Numbers, time: float) -> Memory:
        detected, certainty = self.tensors(pose, confidence)
        return self.model.start(detected, certainty, self.times(time, len(pose)))

    @torch.inference_mode()
    def predict(self, state: Memory, time: float) -> Forecast:
        """See `Predictor`; `native` is pose and spread as tensors."""
        times = self.times(time, len(state.pose))
        self.prediction = self.prediction or traced(self.predicted, times, *state, module=self.model)
        pose, spread = self.prediction(times, *state)
        known = state.now_confidence.numpy(force=True) > 0
        return Forecast(double(pose), double(spread), known, (pose, spread))

    @torch.inference_mode()
    def merge(self, state: Memory, forecast: Forecast, pose: Joints, confidence: Numbers, time: float) -> Memory:
        frame = *forecast.native, *self.tensors(pose, confidence), self.times(time, len(pose))
        self.merging = self.merging or traced(self.merged, *frame, *state, module=self.model)
        return Memory._make(self.merging(*frame, *state))

    def predicted(self, times: Tensor, *memory: Tensor) -> tuple[Tensor, Tensor]:
        """Pose and spread."""
        prediction = self.model.predict(Memory(*memory), times)
        return prediction.pose, prediction.spread

    def merged(self, *values: Tensor) -> Memory:
        """The memory after a frame, from the five tensors of the frame and the memory before it."""
        *frame, times = values[:5]
        return self.model.merge(Memory(*values[5:]), *frame, time=times)

    def estimate(self, state: Memory) -> Estimate:
        return Estimate(double(state.now_pose), double(state.now_spread), double(state.now_confidence))


def double(values: Tensor) -> np.ndarray:
    """A tensor as an array of doubles."""
    return values.numpy(force=True).astype(np.float64)
