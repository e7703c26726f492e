"""Runs of recognisers: clips in, the probability of every class out."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from stgraph.data.dataset import Dataset
from stgraph.data.splits import part
from stgraph.errors import InputError
from stgraph.scoring.classification import class_labels
from stgraph.scoring.clip_scores import SCORES, ClipScores
from stgraph.settings.params import Settings, with_task
from stgraph.tasks.action.accumulator import FrameRows, ScoreAccumulator, write_frames
from stgraph.tasks.action.baselines import MOST, NEAREST, baselines
from stgraph.tasks.action.contributions import head_input, joint_contributions
from stgraph.tasks.action.report import CLIPS, COLUMNS, comparison_row
from stgraph.tasks.action.samples import Clips
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.action.task import Action
from stgraph.training.compared import Compared
from stgraph.training.report import Baselines, add_baselines
from stgraph.training.task_run import TaskRun

CLIPS_AT_ONCE = 64
MOST_VIEWS = 100
MOST_FRAMES = 1000  # of a sample, unless clips are long enough to fill more


class ActionRun(TaskRun[Action]):
    """An experiment with a recogniser."""

    data: ClipSettings
    report_kind = CLIPS
    comparison_columns = COLUMNS

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with the classes and their weights that they leave to the dataset."""
        actions = dataset.recordings["action"][part(settings, dataset, "train")]
        listed = [name for name in dataset.classes if name in (settings.data.actions or dataset.classes)]
        section = Action.settle(settings.task, list(map(str, actions)), listed, str(dataset.path))
        return with_task(settings, section)

    def trained_on(self, dataset: Dataset, kept: Bool[np.ndarray, " recording"]) -> str:
        """How many of these clips the run was trained on, in words; empty for none, or where it is unknown."""
        if dataset.hash != self.origin.data_hash:
            shared = set(dataset.recordings["subject"][kept]) & set(self.settings.data.train or ())
            return f"subjects {', '.join(sorted(shared))}" if shared else ""
        count = int((kept & part(self.settings, dataset, "train")).sum())
        return f"{count:,} of the {kept.sum():,} clips" if count else ""

    # Data ------------------------------------------------------------------------------------------------------------

    def clips(
        self,
        dataset: Dataset,
        kept: Bool[np.ndarray, " recording"],
        *,
        detector: str | None = None,
        training: bool = False,
        views: int = 1,
    ) -> Clips:
        """Clips of some recordings, with the run's settings.

        Raises:
            InputError: the dataset lacks a joint of the run's skeleton or the input.
        """
        self.check_joints(dataset)
        data = self.data
        if detector and data.detector is None:
            raise InputError(
                f"the input of {self.name} is 3D poses",
                where=f"--detector {detector}",
                remedy=f"leave it out, or take them with `train --set data.detector={detector}`",
            )
        clips = Clips(
            dataset,
            data.model_copy(update={"detector": detector}) if detector else data,
            kept,
            labels=class_labels(dataset.recordings["action"], self.task.classes),
            skeleton=self.skeleton,
            training=training,
            padded=self.task.padded,
            views=views,
        )
        return self.engine.place(clips)

    def part_clips(self, dataset: Dataset, name: str) -> Clips:
        """Clips of a part, as they are scored."""
        return self.clips(dataset, part(self.settings, dataset, name))

    def training_samples(self, dataset: Dataset) -> Clips:
        """Clips of the training part, sampled and augmented at random.

        Raises:
            InputError: windows many times as long as any clip.
        """
        clips = self.clips(dataset, part(self.settings, dataset, "train"), training=True)
        frames, longest = self.settings.data.frames, int(clips.lengths.max())
        if frames > max(MOST_FRAMES, 10 * longest):
            raise InputError(
                where="data.frames",
                found=str(frames),
                expected=f"at most ten times the longest clip of {dataset.path}, which has {longest}",
                remedy=f"take fewer, such as {min(64, longest)}",
            )
        return clips

    def validation_samples(self, dataset: Dataset) -> Clips | None:
        """Clips of the validation part; those of classes that are not trained on choose nothing."""
        kept = self.validation_part(dataset)
        if kept is None:
            return None
        return self.known_clips(dataset, kept, "validation")

    def known_clips(self, dataset: Dataset, kept: Bool[np.ndarray, " recording"], name: str) -> Clips:
        """Those of some clips whose class the run knows. Raises InputError for none."""
        kept = kept & np.isin(dataset.recordings["action"], self.task.classes)
        if not kept.any():
            raise InputError(f"no clip of the {name} part has a class that is trained on", where=dataset.path)
        return self.clips(dataset, kept)

    # Recognition -----------------------------------------------------------------------------------------------------

    def predictions(self, clips: Clips) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Batches and outputs until all samples are predicted; "features" in the outputs is the input of the head."""
        model = self.model.eval()

        def recognised(index: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
            with head_input(model) as features:
                batch, outputs = self.outputs(clips, index, model)
            return batch, outputs | {"features": features[0]}

        return self.engine.shared_out(recognised, torch.arange(len(clips)).split(CLIPS_AT_ONCE))

    def recognise(
        self,
        dataset: Dataset,
        *,
        subjects: list[str] | None = None,
        detector: str | None = None,
        scored: str | None = None,
        views: int = 1,
        frames: list[FrameRows] | None = None,
    ) -> ClipScores:
        """Score the clips of a part ("train", "validation", "test") or of some subjects, whatever their part.

        Args:
            detector: 2D detections to use in place of those that were trained on.
            views: samples of each clip, whose probabilities are averaged.
            frames: a list to which the result of every frame is added.

        Raises:
            InputError: the part is empty.
        """
        data, scored = self.data, scored or "test"
        if not 1 <= views <= MOST_VIEWS:
            raise InputError(where="--views", found=str(views), expected=f"1 to {MOST_VIEWS}")
        kept = self.scored_part(dataset, subjects, scored)
        named, split = getattr(data, scored), f"split {data.split!r} of the file"
        of_part = f"part {scored}: {'subjects ' + ', '.join(named) if named else split}"
        clips = self.clips(dataset, kept, detector=detector, views=views)
        accumulator = ScoreAccumulator(clips, self.task.classes, self.model, per_frame=frames is not None)
        for batch, outputs in self.predictions(clips):
            present = joint_contributions(
                outputs["features"], batch["clip"].cpu(), len(batch["number"]), len(self.skeleton)
            )
            accumulator.add(batch, self.task.scores(batch, outputs), outputs["action"], present)
        if frames is not None:
            frames += accumulator.frame_rows
        return accumulator.result(
            self.about(dataset)
            | {
                "TRAINED ON THESE, TOO": self.trained_on(dataset, kept),
                "input": f"{detector or data.detector or '3D poses'}, {data.stream}, normalised as {data.normalise!r}",
                "scored": f"subjects {', '.join(subjects)}" if subjects else of_part,
                "views of a clip": views,
                "persons": "absent ones as zeros" if self.task.padded else "those present",
            },
        )

    def evaluate(self, dataset: Dataset, **options: Any) -> dict:
        """The report of the scores of `recognise`."""
        return self.recognise(dataset, **options).report()

    def write_evaluation(
        self, dataset: Dataset, folder: Path, *, per_frame: bool = False, **options: Any
    ) -> tuple[dict, list[Path]]:
        """As `evaluate`, with its files, the scores that `stgraph.fuse` reads, and the class of each clip.

        Args:
            per_frame: also the class of each frame, in frames.csv.
        """
        frames: list[FrameRows] = []
        scores = self.recognise(dataset, frames=frames if per_frame else None, **options)
        report = add_baselines(scores.report(), self.baselines_of(scores, dataset, **options))
        if not self.engine.is_global_zero:
            return report, []
        paths = [
            *CLIPS.write(report, folder),
            scores.save(folder / SCORES),
            scores.write_csv(folder / "predictions.csv"),
        ]
        if per_frame:
            paths.append(write_frames(frames, scores, folder / "frames.csv"))
        return report, paths

    def scored_baselines(self, dataset: Dataset, **options: Any) -> Baselines:
        """The nearest training clip and the largest class, of the training clips in the same file."""
        return self.baselines_of(self.recognise(dataset, **options), dataset, **options)

    def baselines_of(self, scores: ClipScores, dataset: Dataset, **options: Any) -> Baselines:
        """As `scored_baselines`, on the clips of scores that `recognise` gave with these options."""
        found, text = {}, f"of the training clips in {dataset.path}"
        try:
            train = self.known_clips(dataset, part(self.settings, dataset, "train"), "training")
            kept = self.scored_part(dataset, options.get("subjects"), options.get("scored"))
            test = self.clips(dataset, kept, detector=options.get("detector"))
            for name, each in baselines(train, test, scores, MOST).items():
                found[name] = each.report()["metrics"]
            if NEAREST not in found:
                text += f"; {NEAREST} is left out, since there are {len(train):,} and {len(test):,} clips to compare"
        except InputError as error:  # such as a file that has none of the training clips
            text = f"none, as what it was trained on is not there ({error})"
        return Baselines(text, found, COLUMNS, {"top1": False})

    # Comparison ------------------------------------------------------------------------------------------------------

    def check_comparison(
        self, dataset: Dataset, protocol: str | None = None, conditions: bool = False
    ) -> tuple[str, ...]:
        """The classes. Raises InputError where the data do not fit the run, or for a protocol or conditions."""
        for option, given in ((f"--protocol {protocol}", protocol), ("--conditions", conditions)):
            if given:
                raise InputError(where=option, found="a recogniser", remedy="leave it out")
        self.part_clips(dataset, "test")
        return self.task.classes

    def comparison(self, report: dict) -> Compared:
        """The run's row, from its report."""
        return comparison_row(report)

    # Cross-validation ------------------------------------------------------------------------------------------------

    def clip_scores(self, dataset: Dataset, *, views: int = 1) -> ClipScores:
        """Scores of the clips of the test part."""
        return self.recognise(dataset, views=views)

    def clip_baselines(self, dataset: Dataset, scores: ClipScores) -> dict[str, ClipScores]:
        """Baselines on the clips of `scores`, those of the test part."""
        return baselines(self.part_clips(dataset, "train"), self.part_clips(dataset, "test"), scores, math.inf)
