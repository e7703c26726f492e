"""Leave one subject out: every experiment trained once for each subject and seed, scored on the one left out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import cast

import numpy as np

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.markdown import markdown_table
from stgraph.scoring.clip_scores import ClipScores
from stgraph.scoring.fusion import fuse
from stgraph.settings.params import Settings, with_data
from stgraph.settings.registry import TASKS
from stgraph.settings.sections import SplitSettings
from stgraph.training.comparison import Entry
from stgraph.training.cost import parameters
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.task_run import TaskRun


@dataclass
class Row:
    """One experiment's results.

    Attributes:
        name: of the experiment.
        scores: subject left out -> a result for each seed.
        minutes: of training, all folds and seeds together. parameters: of the model.
    """

    name: str
    scores: dict[str, list[ClipScores]] = field(default_factory=dict)
    minutes: float | None = None
    parameters: int | None = None

    def correct(self, subject: str | None = None) -> tuple[list[int], int]:
        """Correctly recognised clips of each seed, and how many clips there are; of one subject, or of all."""
        folds = [self.scores[subject]] if subject else list(self.scores.values())
        each = [[int(scores.correct.sum()) for scores in seeds] for seeds in folds]
        return [sum(counts) for counts in zip(*each, strict=True)], sum(len(seeds[0].label) for seeds in folds)

    def percent(self, subject: str | None = None) -> str:
        """Correctly recognised clips in percent, as `spread`."""
        correct, count = self.correct(subject)
        return spread([100 * number / count for number in correct])

    def class_accuracy(self) -> list[float]:
        """Of each seed: the mean over classes of the share of clips recognised in all folds together, percent.

        Classes go by their names: one that only the left out subject shows is missing from that fold's.
        """
        means = []
        for folds in zip(*self.scores.values(), strict=True):
            action = np.concatenate([scores.action for scores in folds])
            correct = np.concatenate([scores.correct for scores in folds])
            means.append(100 * float(np.mean([correct[action == name].mean() for name in np.unique(action)])))
        return means


@dataclass(frozen=True)
class CrossValidation:
    """Trains experiments without a subject and scores them on it.

    Attributes:
        dataset: with all subjects. views: samples of each clip that is scored.
    """

    dataset: Dataset
    engine: Engine
    listener: Listener
    views: int = 1

    def train(self, row: Row, trainings: Iterable[Entry], subject: str) -> None:
        """Add the results of an experiment, trained without a subject once for each seed, to its row."""
        for training in trainings:
            run = TaskRun.create(training.name, cast(Settings, training.settings), self.dataset, self.engine)
            minutes = run.fit(self.dataset, self.listener, resume=True).seconds / 60
            row.minutes, row.parameters = (row.minutes or 0) + minutes, parameters(run)
            scores = TaskRun.load(training.name, self.engine).clip_scores(self.dataset, views=self.views)
            row.scores.setdefault(subject, []).append(scores)

    def add_baselines(self, rows: dict[str, Row], training: Entry, scores: ClipScores, subject: str) -> None:
        """Add baselines on a subject's clips, those of `scores`, to the rows of their names."""
        run = TaskRun.create(training.name, cast(Settings, training.settings), self.dataset, self.engine)
        for name, each in run.clip_baselines(self.dataset, scores).items():
            rows.setdefault(name, Row(name)).scores[subject] = [each]


def fused(rows: Sequence[Row], weights: Sequence[float]) -> Row:
    """The rows' scores of the same subject and seed, fused."""
    row = Row("fused " + ":".join(f"{weight:g}" for weight in weights))
    for subject in rows[0].scores:
        for seeds in zip(*(each.scores[subject] for each in rows), strict=True):
            scores_of = {each.name: scores for each, scores in zip(rows, seeds, strict=True)}
            row.scores.setdefault(subject, []).append(fuse(scores_of, weights))
    return row


def fold(entries: Iterable[Entry], subject: str, dataset: Dataset) -> list[Entry]:
    """The experiments, to be trained without a subject.

    Raises:
        InputError: an entry that is a trained run, or whose task does not recognise clips.
    """
    trainings = []
    for entry in entries:
        if entry.settings is None:
            remedy = "name the experiment in params/ that it was made from"
            raise InputError("is a trained run", where=entry.exp, remedy=remedy)
        task = TASKS.get(entry.settings.task["name"])
        if task.run_class().clip_scores is TaskRun.clip_scores:
            found, expected = f"an experiment of task {task.name!r}", "one that recognises clips"
            raise InputError(where=entry.exp, found=found, expected=expected, remedy=task.served_by)
        settings = without_subject(entry.settings, subject, dataset)
        trainings.append(Entry(entry.exp, f"folds/{entry.name}", settings))
    return trainings


def without_subject(settings: Settings, subject: str, dataset: Dataset) -> Settings:
    """The settings with all other subjects trained on, also those that the file's split leaves out of training."""
    data = settings.data
    if data.train is not None or not isinstance(data, SplitSettings) or data.split not in dataset.splits:
        return settings
    others = set(map(str, dataset.recordings["subject"])) - {subject, *(data.validation or ())}
    return with_data(settings, train=sorted(others))


def subjects_of(dataset: Dataset, wanted: Sequence[str] | None) -> list[str]:
    """The subjects to leave out in turn. Raises InputError for an unknown one, or where there is only one."""
    subjects = sorted(set(map(str, dataset.recordings["subject"])))
    if unknown := [name for name in wanted or () if name not in subjects]:
        raise InputError(f"{dataset.path} has {', '.join(subjects)}", where=f"--subjects {', '.join(unknown)}")
    if len(subjects) < 2:
        problem = f"has one subject ({subjects[0]}), which leaves none to train on"
        raise InputError(problem, where=dataset.path, remedy="take data of two or more")
    return list(dict.fromkeys(wanted or subjects))


def folds_facts(rows: Sequence[Row], dataset: Dataset, first: str, seeds: int) -> dict[str, object]:
    """Facts above the table; `first` is the experiment whose input the nearest neighbour takes."""
    results = [seeds[0] for seeds in rows[0].scores.values()]
    clips, classes = sum(len(scores.label) for scores in results), len(results[-1].classes)
    facts = {
        "data": dataset.path,
        "source": dataset.source,
        "clips": f"{clips} of {classes} classes; chance {100 / classes:.1f} %",
        "seeds": f"{seeds}; mean ± standard deviation over them, each over all folds together",
        "nearest neighbour": f"of the input of {first}",
    }
    # Clips of one take, seen by several cameras, resemble one another.
    scored = np.isin(dataset.recordings["id"], np.concatenate([scores.id for scores in results]))
    takes = zip(dataset.recordings["subject"][scored], dataset.recordings["take"][scored], strict=True)
    if (cameras := max(Counter(takes).values())) > 1:
        facts["cameras"] = f"{cameras} saw the same takes, and each one's clip counts; data.cameras chooses one"
    return facts


def folds_markdown(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """Counts and shares of every row, by the subject left out and over all."""
    subjects = list(rows[0].scores)
    head = ["", *(f"{subject}, % of {rows[0].correct(subject)[1]}" for subject in subjects)]
    head += [f"right of {rows[0].correct()[1]}", "all, %", "mean of the classes, %", "parameters", "training, min"]
    table = [
        [
            row.name,
            *map(row.percent, subjects),
            spread(row.correct()[0]),
            f"**{row.percent()}**",
            spread(row.class_accuracy()),
            f"{row.parameters:,}" if row.parameters else "-",
            f"{row.minutes:.1f}" if row.minutes is not None else "-",
        ]
        for row in rows
    ]
    listed = [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join(["# Leave one subject out", "", *listed, "", *markdown_table(head, table), ""])


def spread(values: Sequence[int] | Sequence[float]) -> str:
    """Mean and standard deviation; a single value alone, a count as it is."""
    if len(values) > 1:
        return f"{mean(values):.1f} ± {stdev(values):.1f}"
    return f"{values[0]}" if isinstance(values[0], int) else f"{values[0]:.1f}"
