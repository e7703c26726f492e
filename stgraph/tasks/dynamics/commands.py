"""A run of pose dynamics as commands use it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.files import check_endings
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.formats.keypoints.posetrack import as_video
from stgraph.tasks.dynamics.prediction import ENDINGS, Tracked
from stgraph.tasks.dynamics.run import DynamicsRun
from stgraph.tracking.tracker import Tracker
from stgraph.tracking.videos import FPS, follow
from stgraph.training.prediction import Progressed, silent
from stgraph.training.task_run import Speed

PEOPLE, FRAMES = 6, 100  # of the tracked scene


class DynamicsCommands(DynamicsRun):
    """Pose dynamics as commands use it."""

    @staticmethod
    def check_outputs(paths: Sequence[Path]) -> None:
        """Raises InputError for what a tracked video cannot be saved as."""
        check_endings(paths, ENDINGS)

    def predict(self, keypoints: Keypoints, *, progress: Progressed = silent, **options: object) -> Tracked:
        """The people with identities and missed joints filled in, as `stgraph.track` gives them by default.

        Raises:
            InputError: a run of 3D poses, or joints that it needs and the keypoints lack.
        """
        if self.data.channels != 2:
            problem, remedy = "predicts 3D poses", "train one by `train --set data.detector=NAME` on 2D keypoints"
            raise InputError(problem, where=f"--exp {self.name}", remedy=remedy)
        video = as_video(keypoints.to(self.skeleton))
        notes = keypoints.notes if video.fps else (*keypoints.notes, f"Frames per second are not known: {FPS:g}.")
        fps = video.fps or FPS
        tracker = Tracker(self.predictor(), video.skeleton, size=video.size)
        tracked = replace(follow(tracker, video, fps, whole=True, progress=progress), fps=fps)
        return Tracked(tracked, self.name, len(keypoints), notes)

    def predict_some(self, dataset: Dataset) -> int:
        """Predict a batch of sequences."""
        samples = self.sequences(dataset, np.full(len(dataset), True))
        index = torch.arange(min(len(samples), self.settings.optim.batch_size))
        batch, _ = self.outputs(samples, index, self.model.eval())
        return batch["inside"].numel()

    def speeds(self) -> list[Speed]:
        """Frames of people who walk past one another that are tracked in a second, by the median frame.

        The scene has the run's skeleton and six people, whom a detector finds in every frame with noise.
        """
        random = np.random.default_rng(self.settings.seed)
        joints, unit = len(self.skeleton), 1.0 if self.settings.data.detector else 0.002
        body = random.uniform([-60, -180, -60], [60, 180, 60], (PEOPLE, joints, 3))[..., : self.settings.data.channels]
        tracker, times = Tracker(self.predictor(), self.skeleton), []
        for frame in range(FRAMES):
            path = np.zeros((PEOPLE, 1, body.shape[2]))
            path[:, 0, 0] = 250 * np.arange(PEOPLE) + 4 * frame * (-1) ** np.arange(PEOPLE)
            pose = unit * (body + path + 500 + random.normal(0, 3, body.shape))
            start = time.perf_counter()
            tracker.update(pose, np.full(pose.shape[:2], 0.9), frame / 25)
            times.append(time.perf_counter() - start)
        fps = 1 / float(np.median(times))
        text = f"{fps:.0f} frames/s of {PEOPLE} people, from detections to identities"
        return [Speed({"tracked_fps": fps}, "tracking", text)]
