"""A run of pose dynamics as commands use it."""

from collections.abc import Iterator, Sequence
from itertools import count
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
from stgraph.tracking.videos import follow, known_rate
from stgraph.training.prediction import Progressed, silent
from stgraph.training.task_run import Speed, milliseconds

PEOPLE = 6  # in the tracked scene


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
        fps, notes = known_rate(video.fps)
        tracker = Tracker(self.predictor(), video.skeleton, size=video.size)
        tracked = follow(tracker, video, fps, whole=True, progress=progress)
        return Tracked(tracked, self.name, len(keypoints), (*keypoints.notes, *notes))

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
        random, joints = np.random.default_rng(self.settings.seed), len(self.skeleton)
        unit = 1.0 if self.settings.data.detector else 0.002
        body = random.uniform([-60, -180, -60], [60, 180, 60], (PEOPLE, joints, 3))[..., : self.settings.data.channels]
        tracker = Tracker(self.predictor(), self.skeleton)

        def frames() -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
            for number in count():
                path = np.zeros((PEOPLE, 1, body.shape[2]))
                path[:, 0, 0] = 250 * np.arange(PEOPLE) + 4 * number * (-1) ** np.arange(PEOPLE)
                pose = unit * (body + path + 500 + random.normal(0, 3, body.shape))
                yield pose, np.full(pose.shape[:2], 0.9), number / 25

        median, own, _ = milliseconds(lambda frame: tracker.update(*frame), frames())
        numbers = {"tracked_fps": 1000 / median, "tracked_fps_cpu": 1000 / own}
        text = "{tracked_fps:.0f} frames/s ({tracked_fps_cpu:.0f} by processor time)".format(**numbers)
        return [Speed(numbers, "tracking", f"{text} of {PEOPLE} people, from detections to identities")]
