"""TaskRun: the methods of a run that commands call. A task implements those it serves; the others raise InputError."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from jaxtyping import Bool, Int

from stgraph.data.dataset import Dataset
from stgraph.data.splits import of_subjects, part
from stgraph.errors import InputError
from stgraph.models.base import Model
from stgraph.settings.params import Settings
from stgraph.settings.places import evaluation_folder
from stgraph.tracking.predictors import Predictor
from stgraph.training.compared import Column, Compared
from stgraph.training.deployed import Deployed
from stgraph.training.drawing import Drawing
from stgraph.training.listener import Listener, Progress
from stgraph.training.loop import Fit
from stgraph.training.prediction import Prediction, Progressed, silent
from stgraph.training.report import Baselines, ReportKind, add_baselines
from stgraph.training.run import Run
from stgraph.training.stream import Stream
from stgraph.training.task import TaskT

if TYPE_CHECKING:
    from stgraph.formats.keypoints.keypoints import Keypoints
    from stgraph.scoring.clip_scores import ClipScores


RIDGE = 1e-4  # of a ridge regression, a share of the inputs' variance
Frame = TypeVar("Frame")
# Answers to single frames: so many are timed, for so many seconds at most, after so many in which traces are made.
TIMED, TIMED_SECONDS, UNTIMED = 100, 10.0, 5


@dataclass(frozen=True)
class Speed:
    """A quantity that `bench` measures for one task alone, such as the time of a live answer.

    Attributes:
        numbers: name -> value, for the JSON file.
        title, text: the line that is printed.
    """

    numbers: dict[str, float]
    title: str
    text: str


def milliseconds(answer: Callable[[Frame], object], frames: Iterable[Frame]) -> tuple[float, float, float]:
    """Of answers to single frames: the median time, that of the processor's own time, and the time of 95 %."""
    end, times = time.perf_counter() + TIMED_SECONDS, []
    for frame in islice(frames, UNTIMED + TIMED):
        start, processor = time.perf_counter(), time.process_time()
        answer(frame)
        times.append((time.perf_counter() - start, time.process_time() - processor))
        if len(times) > UNTIMED and time.perf_counter() > end:
            break
    wall, own = 1000 * np.array(times[UNTIMED:]).T
    return float(np.median(wall)), float(np.median(own)), float(np.quantile(wall, 0.95))


def live_speed(update: Callable[[np.ndarray], object], joints: int) -> Speed:
    """Time from a frame of one person to its answer, by what takes a frame's poses in pixels (1 j 3)."""
    frames = np.random.default_rng(0).uniform(1, 900, (UNTIMED + TIMED, 1, joints, 3))
    median, own, most = milliseconds(update, frames)
    numbers = {"live_ms": median, "live_cpu_ms": own, "live_ms_95": most}
    text = f"{median:.1f} ms from a frame to its answer ({own:.1f} of processor time), 95 % within {most:.1f} ms"
    return Speed(numbers, "live", text)


def few(numbers: Int[np.ndarray, " n"]) -> list[int]:
    """At most five of these numbers, evenly spaced, of which one is typical."""
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, min(5, len(numbers))).round().astype(int))].tolist()


class TaskRun(Run[TaskT]):
    """A run with the methods that commands call: evaluating, drawing, exporting and comparing."""

    report_kind: ReportKind
    comparison_columns: ClassVar[Mapping[str, Column]] = {}  # of a comparison's table; the first is plotted

    def refusal(self, action: str) -> InputError:
        """The error of a command that does not serve this run's task."""
        return InputError(f"task {self.entry.name!r} {action}", where=f"--exp {self.name}", remedy=self.entry.served_by)

    # train -----------------------------------------------------------------------------------------------------------

    def fit(self, dataset: Dataset, listener: Listener, **options: Any) -> Progress:
        """Train; see `stgraph.training.loop.Fit` for the options."""
        return Fit(self, dataset, listener, **options).fit()

    # evaluate --------------------------------------------------------------------------------------------------------

    def about(self, dataset: Dataset) -> dict[str, object]:
        """The first facts of every report."""
        return {
            "experiment": self.name,
            "synthetic": dataset.synthetic or self.origin.synthetic,
            "data": str(dataset.path),
            "source": dataset.source,
            "terms": dataset.terms,
            "trained_on": self.origin.source,
            "epoch": f"{self.epoch:g}",
            **({"stopped early": self.stopped_early} if self.stopped_early else {}),
        }

    def report_folder(self, subjects: list[str] | None, scored: str | None) -> Path:
        """Where `evaluate` writes: the report of any other split than test has its own folder."""
        return evaluation_folder(self.name, "-".join(subjects)[:60] if subjects else scored)

    def scored_part(
        self, dataset: Dataset, subjects: list[str] | None, scored: str | None
    ) -> Bool[np.ndarray, " recording"]:
        """The recordings of some subjects, or without any named of a part, "test" by default."""
        if subjects:
            return of_subjects(self.settings, dataset, subjects)
        return part(self.settings, dataset, scored or "test")

    def evaluate(
        self, dataset: Dataset, *, subjects: list[str] | None = None, detector: str | None = None, **options: object
    ) -> dict:
        """The report of scoring the test split, or some subjects; `options` are those of the task's entry."""
        raise self.refusal("has no evaluation")

    def write_evaluation(self, dataset: Dataset, folder: Path, **options: object) -> tuple[dict, list[Path]]:
        """As `evaluate`, beside baselines, with the report's files; returns the report and their paths."""
        report = self.evaluate(dataset, **options)  # pyright: ignore[reportArgumentType] - checked by each evaluate
        report = self.beside_baselines(report, dataset, **options)
        return report, self.report_kind.write(report, folder) if self.engine.is_global_zero else []

    def beside_baselines(self, report: dict, dataset: Dataset, **options: object) -> dict:
        """The report with scores of baselines on the same data, and a warning where the run is not better."""
        baselines = self.scored_baselines(dataset, **options)
        return add_baselines(report, baselines) if baselines.text else report

    def scored_baselines(self, dataset: Dataset, **options: object) -> Baselines:
        """Baselines on the data that `evaluate` with these options scores; without a text, where the task has none."""
        return Baselines("", {}, {}, {})

    # predict ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def check_outputs(paths: Sequence[Path]) -> None:
        """Raises InputError for files that the task's predictions cannot be saved as."""

    def predict(self, keypoints: "Keypoints", *, progress: Progressed = silent, **options: object) -> Prediction:
        """What the run says of the people in a video, from their 2D keypoints.

        Args:
            progress: called with the share that is done, from 0 to 1.
            options: those that `TaskEntry.predict_options` adds.
        """
        raise self.refusal("predicts nothing from keypoints alone")

    def live(self, **options: object) -> object:
        """The run frame by frame, in a program: see what `stgraph.Live` says of its task."""
        raise self.refusal("is not given frame by frame")

    def stream(self, size: tuple[int, int], fps: float | int, joints: Sequence[str], **options: object) -> Stream:
        """The run frame by frame, with people by identity and answers as JSON.

        Args:
            size: width and height of the image, pixels.
            fps: frames per second.
            joints: names of the joints of the poses.
            options: those that `TaskEntry.predict_options` adds.
        """
        raise self.refusal("is not given frame by frame")

    # render ----------------------------------------------------------------------------------------------------------

    def typical(self, dataset: Dataset, detector: str | None) -> list[str]:
        """Ids of recordings worth drawing, one of every action; predicts a few of each at most."""
        raise self.refusal("draws no recordings")

    def draw(self, dataset: Dataset, id: str, out: Path, drawing: Drawing) -> str:
        """Draw a recording as GIF or MP4; returns a line about it."""
        raise self.refusal("draws no recordings")

    # export ----------------------------------------------------------------------------------------------------------

    def deployed(self, input: str | None) -> Deployed:
        """What an exported file computes.

        Args:
            input: "pose", "x" or None for the task's default.
        """
        raise self.refusal("exports no models")

    # bench -----------------------------------------------------------------------------------------------------------

    @staticmethod
    def bench_frames(settings: Settings) -> int:
        """Frames of each random recording that `bench` measures with."""
        return 2500

    def predict_some(self, dataset: Dataset) -> int:
        """Predict some recordings as an evaluation does; returns the number of frames."""
        raise self.refusal("has no benchmark")

    def speeds(self) -> list[Speed]:
        """Measurements for this task alone, such as the time of a live answer."""
        return []

    # track -----------------------------------------------------------------------------------------------------------

    def predictor(self) -> Predictor:
        """The model as a tracker's predictor."""
        raise self.refusal("predicts no tracks")

    # compare ---------------------------------------------------------------------------------------------------------

    def check_comparison(
        self, dataset: Dataset, protocol: str | None = None, conditions: bool = False
    ) -> tuple[str, ...]:
        """Called before anything is trained: what all compared runs must have in common, joints or classes.

        Raises:
            InputError: the data cannot serve the run, or there is no such protocol.
        """
        raise self.refusal("is not compared")

    def comparison(self, report: dict) -> Compared:
        """The run's row in a comparison, from its evaluation's report."""
        raise self.refusal("is not compared")

    # baselines -------------------------------------------------------------------------------------------------------

    def baselines(self, dataset: Dataset, ridge: float = RIDGE) -> dict[str, Model]:
        """Baselines of the task: name -> a model fitted to the run's training data."""
        raise self.refusal("has no baselines")

    # folds -----------------------------------------------------------------------------------------------------------

    def clip_scores(self, dataset: Dataset, *, views: int = 1) -> "ClipScores":
        """Scores of the clips of the test split, for cross-validation."""
        raise self.refusal("is not cross-validated")

    def clip_baselines(self, dataset: Dataset, scores: "ClipScores") -> "dict[str, ClipScores]":
        """Baselines of recognition on the clips of `scores`: name -> scores."""
        raise self.refusal("is not cross-validated")
