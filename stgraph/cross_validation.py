"""Leave one subject out: every experiment trained once for each subject and seed, scored on the one left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stgraph.cost import parameters
from stgraph.errors import InputError
from stgraph.fitting import Listener
from stgraph.io.dataset import Dataset
from stgraph.io.tables import markdown_table
from stgraph.params import Settings
from stgraph.run import Run
from stgraph.run.action import ActionRun
from stgraph.run.engine import Engine
from stgraph.scores import ClipScores, fuse

NEIGHBOURS_AT_ONCE = 64


@dataclass
class Row:
    """One experiment's results.

    Attributes:
        name: what was asked for.
        scores: subject left out -> a result for each seed.
        minutes: of training, all folds and seeds together. parameters: of the model.
    """

    name: str
    scores: dict[str, list[ClipScores]] = field(default_factory=dict)
    minutes: float | None = None
    parameters: int | None = None

    def right(self, subject: str | None = None) -> tuple[list[int], int]:
        """Clips recognised by each seed, and how many there are; of one subject, or of all."""
        parts = [self.scores[subject]] if subject else list(self.scores.values())
        each = [[int((s.probabilities.argmax(1) == s.label).sum()) for s in seeds] for seeds in parts]
        return [sum(fold) for fold in zip(*each, strict=True)], sum(len(seeds[0].label) for seeds in parts)

    def class_accuracy(self) -> list[float]:
        """Of each seed: the mean over classes of the share of clips recognised in all folds together, percent."""
        found = []
        for folds in zip(*self.scores.values(), strict=True):
            label = np.concatenate([scores.label for scores in folds])
            right = np.concatenate([scores.probabilities.argmax(1) for scores in folds]) == label
            found.append(100 * float(np.mean([right[label == number].mean() for number in np.unique(label)])))
        return found


def leave_one_out(
    row: Row, fold: Sequence[tuple[str, Settings]], subject: str, dataset: Dataset, to: "Trainer"
) -> None:
    """Train an experiment with each of some seeds without a subject, as runs of these names, and score it on them."""
    for name, settings in fold:
        run = Run.create(name, settings, dataset, to.engine)
        if not isinstance(run, ActionRun):
            raise InputError(f"{row.name}: is of task {settings.task['name']!r}; folds recognise actions")
        spent = run.fit(dataset, to.listener, resume=True).seconds / 60
        row.minutes, row.parameters = (row.minutes or 0) + spent, parameters(run)
        run = Run.load(name, to.engine)
        row.scores.setdefault(subject, []).append(run.recognise(dataset, views=to.views))


@dataclass(frozen=True)
class Trainer:
    """With what to train: engine, listener, and how many samples of a clip are scored."""

    engine: Engine
    listener: Listener
    views: int = 1

    def leave_out(self, row: Row, fold: Sequence[tuple[str, Settings]], subject: str, dataset: Dataset) -> None:
        """Train a row's experiment without a subject, as runs of these names and seeds, and score it on the subject."""
        for name, settings in fold:
            run = Run.create(name, settings, dataset, self.engine)
            if not isinstance(run, ActionRun):
                raise InputError(f"{row.name}: is of task {settings.task['name']!r}; folds recognise actions")
            spent = run.fit(dataset, self.listener, resume=True).seconds / 60
            row.minutes, row.parameters = (row.minutes or 0) + spent, parameters(run)
            run = Run.load(name, self.engine)
            row.scores.setdefault(subject, []).append(run.recognise(dataset, views=self.views))


def fused(rows: Sequence[Row], weights: Sequence[float]) -> Row:
    """The rows' scores of the same subject and seed, fused."""
    row = Row("fused " + ":".join(f"{weight:g}" for weight in weights))
    for subject in rows[0].scores:
        for seeds in zip(*(each.scores[subject] for each in rows), strict=True):
            parts = {each.name: scores for each, scores in zip(rows, seeds, strict=True)}
            row.scores.setdefault(subject, []).append(fuse(parts, weights))
    return row


def nearest_neighbour(run: ActionRun, dataset: Dataset) -> ClipScores:
    """Every test clip takes the class of the nearest training clip: Euclidean distance of what the model is fed.

    Persons beyond a clip's first do not count.
    """
    data = run.settings.data.model_copy(update={"repeat": 1})
    calm = ActionRun(run.name, run.settings.model_copy(update={"data": data}), run.skeleton, run.origin, run.engine)
    train, label = fed(calm, dataset, "train")
    scores = calm.recognise(dataset)
    test, _ = fed(calm, dataset, "test")
    nearest = torch.cat([torch.cdist(part, train).argmin(1) for part in test.split(NEIGHBOURS_AT_ONCE)])
    one_hot = torch.nn.functional.one_hot(label[nearest], len(scores.classes)).float()
    return ClipScores(**{**vars(scores), "probabilities": one_hot.numpy()})


def fed(run: ActionRun, dataset: Dataset, name: str) -> tuple[Float[Tensor, "clip d"], Tensor]:
    """The model's input for the first person of every clip of a part, and their classes."""
    clips = run.part_clips(dataset, name)
    batch = clips.batch(torch.arange(len(clips)))
    return batch["x"][batch["person"] == 0].flatten(1), batch["label"]


def folds_markdown(rows: Sequence[Row], about: dict[str, object]) -> str:
    """Counts and shares of every row, by the subject left out and over all."""
    subjects = list(rows[0].scores)
    _, total = rows[0].right()
    lines = ["# Leave one subject out", "", *(f"- {name}: {value}" for name, value in about.items()), ""]
    head = ["", *(f"{subject}, % of {rows[0].right(subject)[1]}" for subject in subjects)]
    head += [f"right of {total}", "all, %", "mean of the classes, %", "parameters", "training, min"]
    table = []
    for row in rows:
        shares = [percent(*row.right(subject)) for subject in subjects]
        right, _ = row.right()
        minutes = f"{row.minutes:.1f}" if row.minutes is not None else "-"
        size = f"{row.parameters:,}" if row.parameters else "-"
        table.append(
            (
                row.name,
                *shares,
                spread(right),
                f"**{percent(right, total)}**",
                spread(row.class_accuracy()),
                size,
                minutes,
            )
        )
    return "\n".join([*lines, *markdown_table(head, table), ""])


def percent(right: Sequence[int], count: int) -> str:
    """Mean over seeds and standard deviation, of a count in percent."""
    return spread([100 * number / count for number in right])


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation; a single value alone."""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def baselines(run: ActionRun, subject: str, dataset: Dataset, rows: dict[str, Row]) -> None:
    """Rows of what any recogniser must beat: naming the most frequent training class, and the nearest neighbour."""
    scores = nearest_neighbour(run, dataset)
    _, label = fed(run, dataset, "train")
    largest = np.zeros_like(scores.probabilities)
    largest[:, int(torch.bincount(label).argmax())] = 1
    rows.setdefault("nearest neighbour", Row("nearest neighbour")).scores[subject] = [scores]
    of_class = ClipScores(**{**vars(scores), "probabilities": largest})
    rows.setdefault("largest class", Row("largest class")).scores[subject] = [of_class]


def subjects_of(dataset: Dataset, wanted: Sequence[str] | None) -> list[str]:
    """Who is left out in turn. Raises InputError for an unknown subject, or where there is but one."""
    there = sorted(set(map(str, dataset.recordings["subject"])))
    if unknown := [name for name in wanted or () if name not in there]:
        raise InputError(f"--subjects {', '.join(unknown)}: {dataset.path} has {', '.join(there)}")
    if len(there) < 2:
        raise InputError(f"{dataset.path}: has one subject ({there[0]}); somebody must be left to train on")
    return list(wanted or there)
