"""A run of a recogniser as commands use it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.data.dataset import Dataset
from stgraph.data.splits import part
from stgraph.formats.files import check_endings
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.settings.params import Settings
from stgraph.tasks.action.actions import WRITERS, Actions
from stgraph.tasks.action.export import PoseRecogniser, Recogniser
from stgraph.tasks.action.live import Live
from stgraph.tasks.action.prediction import actions_of
from stgraph.tasks.action.run import ActionRun
from stgraph.tasks.action.stream import RecogniserStream
from stgraph.training.deployed import Deployed, takes_any_length
from stgraph.training.drawing import Drawing
from stgraph.training.prediction import Progressed, silent
from stgraph.training.task_run import Speed, few, live_speed


class ActionCommands(ActionRun):
    """A recogniser as commands use it."""

    def typical(self, dataset: Dataset, detector: str | None) -> list[str]:
        """For every class, the test clip with the median probability of the true class among a few."""
        table, tested = dataset.recordings, part(self.settings, dataset, "test")
        chosen = []
        for label, name in enumerate(self.task.classes):
            numbers = few(np.flatnonzero(tested & (table["action"] == name)))
            if not numbers:
                continue
            clips = self.clips(dataset, np.isin(np.arange(len(dataset)), numbers), detector=detector)
            scores = [self.task.scores(batch, outputs) for batch, outputs in self.predictions(clips)]
            certain = np.concatenate([each.softmax(1)[:, label].cpu().numpy() for each in scores])
            chosen.append(str(table["id"][numbers[np.argsort(certain, kind="stable")[len(numbers) // 2]]]))
        return chosen

    @staticmethod
    def check_outputs(paths: Sequence[Path]) -> None:
        """Raises InputError for what classes over time cannot be saved as."""
        check_endings(paths, WRITERS)

    def predict(self, keypoints: Keypoints, *, progress: Progressed = silent, **options: Any) -> Actions:
        """The classes of every person over time; see `stgraph.tasks.action.prediction.actions_of` for the options."""
        return actions_of(self, keypoints, progress=progress, **options)

    def live(self, **options: Any) -> Live:
        """See `stgraph.tasks.action.live.Live`."""
        return Live(self, **options)

    def stream(
        self, size: tuple[int, int], fps: float | int, joints: Sequence[str], **options: Any
    ) -> RecogniserStream:
        """See `stgraph.tasks.action.stream.RecogniserStream`."""
        return RecogniserStream(self, fps=fps, size=size, joints=joints, **options)

    def draw(self, dataset: Dataset, id: str, out: Path, drawing: Drawing) -> str:
        """Draw a clip; see `stgraph.tasks.action.rendering`."""
        from stgraph.tasks.action.rendering import draw_clip  # loads a plotting library

        kept = np.arange(len(dataset)) == dataset.find(id)
        return draw_clip(self, self.clips(dataset, kept, detector=drawing.detector), out, drawing)

    def deployed(self, input: str | None) -> Deployed:
        """For whole detected clips, or with "x" for prepared clips."""
        data, model = self.data, self.model
        if input != "x":
            return PoseRecogniser(model, self.task, self.skeleton, data)
        any_length = takes_any_length(self.settings.model, data.frames)
        joints = len(self.skeleton)
        return Recogniser(model, self.task, data, joints=joints, frames=data.frames, any_length=any_length)

    @staticmethod
    def bench_frames(settings: Settings) -> int:
        """Clips three times as long as the model sees."""
        return 3 * settings.data.frames

    def predict_some(self, dataset: Dataset) -> int:
        """Predict the clips of the training part."""
        samples = self.part_clips(dataset, "train")
        return sum(int((batch["frame"] >= 0).sum()) for batch, _ in self.predictions(samples))

    def speeds(self) -> list[Speed]:
        """Time from a frame to its answer once the window is full."""
        live = Live(self, size=(1000, 1000))
        for pose in np.random.default_rng(1).uniform(1, 900, (live.window, 1, len(self.skeleton), 3)):
            live.add(pose)
        return [live_speed(live.update, len(self.skeleton))]
