"""A run of a lifter as commands use it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.keypoints.keypoints import Keypoints
from stgraph.motion.motion import Motion
from stgraph.motion.saving import check_outputs
from stgraph.tasks.lifting.export import Lifter
from stgraph.tasks.lifting.intrinsics import given_intrinsics
from stgraph.tasks.lifting.lift import lift
from stgraph.tasks.lifting.live import LiveLifter
from stgraph.tasks.lifting.protocols import find_protocol
from stgraph.tasks.lifting.run import LiftingRun
from stgraph.tasks.lifting.stream import LifterStream
from stgraph.training.cost import operations
from stgraph.training.deployed import Deployed, takes_any_length
from stgraph.training.drawing import Drawing
from stgraph.training.prediction import Progressed, silent
from stgraph.training.task_run import Speed, few, live_speed

SOME_OPERATIONS = 200_000_000_000  # of `predict_some`: a few seconds of a core


class LiftingCommands(LiftingRun):
    """A lifter as commands use it."""

    def typical(self, dataset: Dataset, detector: str | None) -> list[str]:
        """Of every action of the test subjects, the recording whose error is the median of a few."""
        data, table = self.data, dataset.recordings
        tested = np.isin(table["subject"], data.test or data.validation or [])
        if data.actions:
            tested &= np.isin(table["action"], data.actions)
        if not tested.any():
            problem = "no recording is tested or validated on"
            raise InputError(problem, where=dataset.path, remedy="choose one with --recording")
        chosen = []
        for action in np.unique(table["action"][tested]):
            numbers = few(np.flatnonzero(tested & (table["action"] == action)))
            tracks = {number: self.follow(dataset, number, detector=detector) for number in numbers}
            error = {number: np.concatenate([track["error"] for track in tracks[number]]).mean() for number in numbers}
            chosen.append(str(table["id"][sorted(numbers, key=error.__getitem__)[len(numbers) // 2]]))
        return chosen

    @staticmethod
    def check_outputs(paths: Sequence[Path]) -> None:
        """Raises InputError for what a motion cannot be saved as."""
        check_outputs(paths)

    def predict(
        self,
        keypoints: Keypoints,
        *,
        progress: Progressed = silent,
        camera: Path | None = None,
        fov: float | None = None,
        look_ahead: int | None = None,
        **options: object,
    ) -> Motion:
        """The motion of all people.

        Args:
            camera, fov: see `stgraph.tasks.lifting.intrinsics`.
            options: as of `stgraph.tasks.lifting.lift.lift`.

        Raises:
            InputError: the size of the image is not known, a camera that is none, or what `lift` raises.
        """
        if look_ahead is not None:
            raise InputError("is for --live", where="--look-ahead", remedy="leave it out: the whole video is known")
        known = given_intrinsics(keypoints.known_size, camera, fov)
        return lift(keypoints, run=self, camera=known, progress=progress, **options)  # pyright: ignore[reportArgumentType] - checked there

    def live(self, **options: Any) -> LiveLifter:
        """See `stgraph.tasks.lifting.live.LiveLifter`."""
        return LiveLifter(self, **options)

    def stream(
        self,
        size: tuple[int, int],
        fps: float | int,
        joints: Sequence[str],
        *,
        look_ahead: int | None = None,
        camera: Path | None = None,
        fov: float | None = None,
        **options: object,
    ) -> LifterStream:
        """See `stgraph.tasks.lifting.stream.LifterStream`. Raises InputError for what needs the whole video."""
        for name, value in options.items():
            if value is not None:
                raise InputError("needs the whole video", where=f"--{name}", remedy="leave it out with --live")
        known = given_intrinsics(size, camera, fov)
        return LifterStream(LiveLifter(self, size=size, fps=fps, look_ahead=look_ahead, joints=joints, camera=known))

    def draw(self, dataset: Dataset, id: str, out: Path, drawing: Drawing) -> str:
        """Draw a recording; see `stgraph.tasks.lifting.drawing`."""
        from stgraph.tasks.lifting.drawing import draw_recording  # loads a plotting library

        return draw_recording(self, dataset, id, out, drawing)

    def deployed(self, input: str | None) -> Deployed:
        """Windows of 2D poses in, 3D poses out."""
        if input == "pose":
            problem = f"{self.name} is a lifter, whose file takes x alone"
            raise InputError(problem, where="--input pose", remedy="leave --input out")
        data = self.data
        any_length = takes_any_length(self.settings.model, data.frames)
        joints = len(self.skeleton)
        return Lifter(self.model, self.task, data, joints=joints, frames=data.frames, any_length=any_length)

    def predict_some(self, dataset: Dataset) -> int:
        """Predict some windows, a few seconds of work; all of them if the model slides over whole recordings."""
        windows = self.windows(dataset, None)
        plan, frames = self.plan(find_protocol("standard"), windows), 0
        if not self.model.sliding:
            most = SOME_OPERATIONS // operations(self, self.data.frames)
            plan = replace(plan, table=plan.table[: max(self.settings.optim.batch_size, most)])
        for index, _, _ in self.predictions(windows, plan):
            frames += int(plan.predicted(index)[1].sum())
            if not self.model.sliding:
                break
        return frames

    def speeds(self) -> list[Speed]:
        """Time from a frame to its answer: a window at batch 1, or a step where the network goes on by steps."""
        live = LiveLifter(self, size=(1000, 1000))
        return [live_speed(live.update, len(self.skeleton))]
