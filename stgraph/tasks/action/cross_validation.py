"""Leave one subject out: every experiment trained once for each subject and seed, scored on the one left out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, stdev

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from stgraph.cli.options import check_task
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.markdown import markdown_table
from stgraph.settings.params import Settings, with_data
from stgraph.tasks.action.run import ActionRun
from stgraph.tasks.action.scores import ClipScores, fuse
from stgraph.training.comparison import Entry
from stgraph.training.cost import parameters
from stgraph.training.engine import Engine
from stgraph.training.loop import Listener
from stgraph.training.run import Run

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
        """Of each seed: the mean over classes of the share of clips recognised in all folds together, percent.

        Classes go by their names: one that only the left out subject shows is missing from that fold's.
        """
        found = []
        for folds in zip(*self.scores.values(), strict=True):
            action = np.concatenate([scores.action for scores in folds])
            right = np.concatenate([scores.probabilities.argmax(1) == scores.label for scores in folds])
            found.append(100 * float(np.mean([right[action == name].mean() for name in np.unique(action)])))
        return found


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


def everyone_else(settings: Settings, subject: str, dataset: Dataset) -> Settings:
    """The settings with all but one subject trained on, also where the file's split keeps some of them from it."""
    data = settings.data
    if data.train is not None or data.split not in dataset.splits:
        return settings
    others = set(map(str, dataset.recordings["subject"])) - {subject, *(data.validation or ())}
    return with_data(settings, train=sorted(others))


def nearest_neighbour(run: ActionRun, dataset: Dataset, scores: ClipScores) -> ClipScores:
    """The test clips of `scores`, each with the class of the nearest training clip.

    Nearest by the Euclidean distance of what the model is fed. Persons beyond a clip's first do not count.
    """
    (train, label), (test, _) = (first_persons(run, dataset, name) for name in ("train", "test"))
    nearest = torch.cat([torch.cdist(part, train).argmin(1) for part in test.split(NEIGHBOURS_AT_ONCE)])
    one_hot = torch.nn.functional.one_hot(label[nearest], len(scores.classes)).float()
    return replace(scores, probabilities=one_hot.cpu().numpy())


def first_persons(run: ActionRun, dataset: Dataset, name: str) -> tuple[Float[Tensor, "clip d"], Int[Tensor, " clip"]]:
    """The model's input for the first person of every clip of a part, zero where there is none, and their classes."""
    clips = run.part_clips(dataset, name)
    batch = clips.batch(torch.arange(len(clips)))
    x, clip = batch["x"], batch["clip"]
    first = torch.ones_like(clip, dtype=torch.bool)
    first[1:] = clip[1:] != clip[:-1]
    whole = x.new_zeros(len(clips), *x.shape[1:])
    whole[clip[first]] = x[first]
    return whole.flatten(1), batch["label"]


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


def chosen_runs(fold: Sequence[Entry], subject: str, dataset: Dataset) -> list[Entry]:
    """The entries, to be trained on everyone else. Raises InputError for what is no experiment that tells actions."""
    for entry in fold:
        if entry.settings is None:
            raise InputError(f"{entry.exp}: is a trained run; name the experiment in params/ that it was made from")
        check_task(entry.exp, entry.settings, "action")
    return [
        replace(entry, name=f"folds/{entry.name}", settings=everyone_else(entry.settings, subject, dataset))
        for entry in fold
    ]


def spread(values: Sequence[int] | Sequence[float]) -> str:
    """Mean and standard deviation; a single value alone, a count as it is."""
    if len(values) > 1:
        return f"{mean(values):.1f} ± {stdev(values):.1f}"
    return f"{values[0]}" if isinstance(values[0], int) else f"{values[0]:.1f}"


def baselines(run: ActionRun, subject: str, dataset: Dataset, scores: ClipScores, rows: dict[str, Row]) -> None:
    """Adds what any recogniser must beat on the clips of `scores`, to the rows of these names.

    The nearest neighbour, and naming the most frequent training class.
    """
    _, label = first_persons(run, dataset, "train")
    largest = np.zeros_like(scores.probabilities)
    largest[:, int(torch.bincount(label).argmax())] = 1
    found = {"nearest neighbour": nearest_neighbour(run, dataset, scores)}
    found["largest class"] = replace(scores, probabilities=largest)
    for name, each in found.items():
        rows.setdefault(name, Row(name)).scores[subject] = [each]


def seen_by(dataset: Dataset, row: Row) -> int:
    """The most cameras of which clips of one take are scored."""
    scored = np.isin(dataset.recordings["id"], np.concatenate([seeds[0].id for seeds in row.scores.values()]))
    takes = zip(dataset.recordings["subject"][scored], dataset.recordings["take"][scored], strict=True)
    return max(Counter(takes).values())


def subjects_of(dataset: Dataset, wanted: Sequence[str] | None) -> list[str]:
    """Who is left out in turn. Raises InputError for an unknown subject, or where there is but one."""
    there = sorted(set(map(str, dataset.recordings["subject"])))
    if unknown := [name for name in wanted or () if name not in there]:
        raise InputError(f"--subjects {', '.join(unknown)}: {dataset.path} has {', '.join(there)}")
    if len(there) < 2:
        raise InputError(f"{dataset.path}: has one subject ({there[0]}); somebody must be left to train on")
    return list(dict.fromkeys(wanted or there))
