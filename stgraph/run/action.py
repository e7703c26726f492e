"""Runs of recognisers: clips in, the probability of every class out."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stgraph.clips import Clips
from stgraph.data import chosen
from stgraph.errors import InputError
from stgraph.io.dataset import Dataset
from stgraph.io.files import replaced
from stgraph.models import Model
from stgraph.params import Settings, with_task
from stgraph.recognition import class_labels
from stgraph.report import write_report
from stgraph.run import RUNS, Run
from stgraph.scores import ClipScores
from stgraph.tasks.action import Action

CLIPS_AT_ONCE = 64
FrameResult = tuple[int, int, int, float]  # clip, frame of its recording, class, probability


@RUNS.register("action")
class ActionRun(Run):
    """An experiment with a recogniser."""

    @staticmethod
    def settle(settings: Settings, dataset: Dataset) -> Settings:
        """The settings with the classes and their weights that they leave to the dataset."""
        actions = dataset.recordings["action"][part(settings, dataset, "train")]
        section = Action.settle(settings.task, list(map(str, actions)), dataset.classes, str(dataset.path))
        return with_task(settings, section)

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
            InputError: the dataset lacks a joint of the run's skeleton or what is fed.
        """
        self.check_joints(dataset)
        data = self.settings.data
        if detector and data.detector is None:
            raise InputError(
                f"--detector {detector}: {self.name} is fed 3D poses; leave it out, or train with --set "
                f"data.detector={detector}"
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
        """Clips of the training part, sampled and augmented at random."""
        return self.clips(dataset, part(self.settings, dataset, "train"), training=True)

    def validation_samples(self, dataset: Dataset) -> Clips | None:
        """Clips of the validation part."""
        if self.settings.data.validation == []:
            return None
        return self.part_clips(dataset, "validation")

    # Recognition -----------------------------------------------------------------------------------------------------

    def predictions(self, clips: Clips) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Batches and outputs until all samples are predicted; "features" among these is what the head is given."""
        model = self.model.eval()
        for index in torch.arange(len(clips)).split(CLIPS_AT_ONCE):
            with head_input(model) as given:
                batch, outputs = self.outputs(clips, index, model)
            yield batch, outputs | {"features": given[0]}

    def recognise(
        self,
        dataset: Dataset,
        *,
        subjects: list[str] | None = None,
        detector: str | None = None,
        scored: str = "test",
        views: int = 1,
        frames: list[FrameResult] | None = None,
    ) -> ClipScores:
        """Score the clips of a part ("train", "validation", "test") or of some subjects.

        Args:
            subjects: score these, whatever the part.
            detector: 2D detections to use in place of those that were trained on.
            scored: the part.
            views: samples of each clip, whose probabilities are averaged.
            frames: where given, the result of every frame fed is added to it.

        Raises:
            InputError: nobody is in that part.
        """
        data = self.settings.data
        subjects = subjects or getattr(data, scored)
        kept = of_subjects(self.settings, dataset, subjects) if subjects else part(self.settings, dataset, scored)
        clips = self.clips(dataset, kept, detector=detector, views=views)
        count, n = len(clips.recording), len(self.task.classes)
        probabilities, taken = torch.zeros(count, n), torch.zeros(count, n, dtype=torch.int64)
        persons: dict[tuple[int, int], Tensor] = {}
        contributions = torch.zeros(count, len(self.skeleton))
        for batch, outputs in self.predictions(clips):
            dense, number = outputs["action"].float(), batch["number"].cpu()
            probabilities.index_add_(0, number, self.task.scores(batch, outputs).softmax(1).cpu() / views)
            of_person = dense.mean(dim=(2, 3)).softmax(1).cpu() / views
            owner = number[batch["clip"].cpu()]
            for place, person in enumerate(zip(owner.tolist(), batch["person"].tolist(), strict=True)):
                persons[person] = persons.get(person, 0) + of_person[place]
            if contributions is not None:
                contributions = self.add_contributions(contributions, number, batch, outputs["features"], views)
            certain, recognised = along_time(dense, batch["clip"], batch["frame"]).softmax(1).max(1)
            frame, certain, recognised = batch["frame"].cpu(), certain.cpu(), recognised.cpu()
            counted, clip = frame >= 0, number[:, None].expand_as(frame)
            ones = torch.ones(int(counted.sum()), dtype=torch.int64)
            taken.index_put_((clip[counted], recognised[counted]), ones, accumulate=True)
            if frames is not None:
                columns = (clip, frame + torch.from_numpy(clips.first_frames)[clip], recognised, certain)
                frames += zip(*(column[counted].tolist() for column in columns), strict=True)
        table = {name: dataset.recordings[name][clips.recording] for name in ("id", "action", "subject", "camera")}
        owner, person = np.array(sorted(persons), np.int64).T
        return ClipScores(
            list(self.task.classes),
            *table.values(),
            clips.labels.cpu().numpy(),
            probabilities.numpy(),
            owner,
            person,
            torch.stack([persons[key] for key in sorted(persons)]).numpy(),
            taken.numpy(),
            np.array(self.skeleton.names),
            np.zeros((count, 0), np.float32) if contributions is None else contributions.numpy(),
            {
                "experiment": self.name,
                "synthetic": dataset.synthetic or self.origin.synthetic,
                "data": str(dataset.path),
                "source": dataset.source,
                "terms": dataset.terms,
                "trained_on": self.origin.source,
                "epoch": self.epoch,
                "input": f"{detector or data.detector or '3D poses'}, {data.stream}, normalised as {data.normalise!r}",
                "scored": f"subjects {', '.join(subjects)}" if subjects else f"part {scored!r} of split {data.split!r}",
                "views of a clip": views,
                "persons": "absent ones as zeros" if self.task.padded else "those present",
            },
        )

    def contributions_of(
        self, features: Float[Tensor, "q d s v"], clip: Int[Tensor, " p"], clips: int
    ) -> Float[Tensor, "p s v"] | None:
        """What decided: the features' norm at every person, step and joint, over the largest of its clip.

        None where the model's features belong to no joint.
        """
        if len(features) != len(clip) or features.shape[-1] != len(self.skeleton):
            return None
        norm = features.float().norm(dim=1).cpu()
        largest = torch.zeros(clips).scatter_reduce(0, clip, norm.flatten(1).amax(1), "amax")
        return norm / largest.clamp_min(1e-12)[clip, None, None]

    def add_contributions(
        self, sums: Float[Tensor, "clip j"], number: Tensor, batch: dict[str, Tensor], features: Tensor, views: int
    ) -> Float[Tensor, "clip j"] | None:
        """The sums with those of a batch of clips; None where the features belong to no joint."""
        owner = batch["clip"].cpu()
        found = self.contributions_of(features, owner, len(number))
        if found is None:
            return None
        share = found.mean(dim=1)
        each = torch.zeros(len(number), len(self.skeleton)).index_add(0, owner, share)
        persons = torch.bincount(owner, minlength=len(number))[:, None]
        return sums.index_add(0, number, each / persons.clamp_min(1) / views)

    def evaluate(self, dataset: Dataset, **options: object) -> dict:
        """The report of what `recognise` gives."""
        return self.recognise(dataset, **options).report()

    def write_evaluation(self, dataset: Dataset, folder: Path, **options: object) -> tuple[dict, list[Path]]:
        """As `evaluate`, with its files, the scores that `stgraph.fuse` reads, and what each clip was taken for.

        Args:
            per_frame: among `options`; also what each frame was taken for, in frames.csv.
        """
        per_frame = options.pop("per_frame", False)
        frames: list[FrameResult] = []
        scores = self.recognise(dataset, frames=frames if per_frame else None, **options)
        report = scores.report()
        name = scores_file(folder, str(options.get("scored", "test")))
        paths = [*write_report(report, folder), scores.save(name), scores.write_csv(folder / "predictions.csv")]
        if per_frame:
            paths.append(write_frames(frames, scores, folder / "frames.csv"))
        return report, paths


@contextmanager
def head_input(model: Model) -> Iterator[list[Tensor]]:
    """Collects what the model's action head is given."""
    given: list[Tensor] = []
    handle = model.heads["action"].register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    try:
        yield given
    finally:
        handle.remove()


def scores_file(folder: Path, scored: str) -> Path:
    """Where the scores of a part are kept."""
    return folder / f"scores-{scored}.npz"


def write_frames(frames: list[FrameResult], scores: ClipScores, path: Path) -> Path:
    """A line for every frame, in order."""
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "frame", "action", "recognised", "probability"))
        for clip, frame, number, certain in sorted(frames):
            writer.writerow([scores.id[clip], frame, scores.action[clip], scores.classes[number], f"{certain:.4f}"])
    return path


def along_time(
    dense: Float[Tensor, "p n s j"], clip: Int[Tensor, " p"], frame: Int[Tensor, "b t"]
) -> Float[Tensor, "b n t"]:
    """Scores of every frame fed: the mean over joints and persons; strides in time are undone by repetition."""
    each = dense.mean(dim=3)
    total = each.new_zeros(len(frame), *each.shape[1:]).index_add(0, clip, each)
    place = torch.arange(frame.shape[1], device=dense.device) * dense.shape[2] // frame.shape[1]
    return total[:, :, place]


def part(settings: Settings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Which recordings are trained on, validate or test.

    Subjects where the settings name them. Otherwise those of the file's split; what it does not have is, for "train",
    everything that is in no other part, and for "test" the split's validation part where that chooses no epoch.

    Raises:
        InputError: unknown subjects, actions, cameras or split, or nothing is left.
    """
    data = settings.data
    named = getattr(data, name)
    if named is not None:
        return of_subjects(settings, dataset, named)
    parts = dataset.splits.get(data.split)
    if parts is None and (dataset.splits and data.split != "standard"):
        raise InputError(
            f"data.split: {dataset.path} has no split {data.split!r}; it has {', '.join(dataset.splits)}; choose one "
            "with --set data.split=NAME"
        )
    parts = np.full(len(dataset), "") if parts is None else parts
    elsewhere = [getattr(data, other) for other in ("train", "validation", "test") if other != name]
    others = np.isin(dataset.recordings["subject"], [subject for subjects in elsewhere for subject in subjects or ()])
    found = (parts == name) & ~others
    if name == "train" and not (parts == "train").any():
        found = np.isin(parts, ["validation", "test"], invert=True) & ~others
    if name == "test" and not (parts == "test").any() and data.validation == []:
        found = (parts == "validation") & ~others
    return narrowed(settings, dataset, found, f"part {name!r} of split {data.split!r}")


def of_subjects(settings: Settings, dataset: Dataset, subjects: list[str]) -> Bool[np.ndarray, " recording"]:
    """Recordings of some subjects."""
    names = ", ".join(subjects) or "(none)"
    return narrowed(settings, dataset, chosen("subject", subjects, dataset), f"subjects {names}")


def narrowed(settings: Settings, dataset: Dataset, found: Bool[np.ndarray, " recording"], what: str) -> np.ndarray:
    """Those of the chosen actions and cameras."""
    data = settings.data
    found = found & chosen("action", data.actions, dataset) & chosen("camera", data.cameras, dataset)
    if not found.any():
        raise InputError(
            f"{dataset.path}: no clip is in {what}; name subjects with data.train, data.validation and "
            f"data.test or --subjects ({', '.join(sorted(set(dataset.recordings['subject']))[:20])}), or prepare the "
            "file with a split"
        )
    return found
