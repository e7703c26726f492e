"""Which recordings are trained on, validate or test: those of named subjects, or of a part of the file's split."""

import numpy as np
from jaxtyping import Bool

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import Settings, with_data
from stgraph.settings.sections import DataSettings, SplitSettings

PARTS = ("train", "validation", "test")


def part(settings: Settings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Which recordings are trained on, validate or test.

    Subjects where the settings name them. Otherwise those of the file's split; what it does not have is, for "train",
    everything that is in no other part, and for "test" the split's validation part where that chooses no epoch.

    Raises:
        InputError: unknown subjects, actions, cameras or split, nothing is left, or what is left chose the epoch.
    """
    data = settings.data
    if named := getattr(data, name):
        return of_subjects(settings, dataset, named)
    split = {each: in_split(data, dataset, each) for each in PARTS}
    elsewhere = {subject for each in PARTS if each != name for subject in getattr(data, each) or ()}
    free = ~np.isin(dataset.recordings["subject"], list(elsewhere))
    kept, where = split[name], f"part {name!r} of split {_split(data)!r}"
    if not kept.any() and name == "train":
        kept = ~split["validation"] & ~split["test"]
    if not kept.any() and name == "test" and (split["validation"] & free).any():
        if data.validation is None:
            problem = f"its split {_split(data)!r} has no part test, and its validation part chose the epoch"
            remedy = "score that (--scored validation) or others (--subjects), or train with --set data.validation=[]"
            raise InputError(problem, where=dataset.path, remedy=remedy)
        kept = split["validation"] if data.validation == [] else kept
    return _narrowed(settings, dataset, kept & free, where)


def settle_subjects(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the subjects that they leave to the file's split, for tasks that keep subjects, not recordings.

    Without a part `test`, the split's validation subjects are the test where they do not choose the best epoch; without
    a part `train`, all others are trained on.
    """
    data, table = settings.data, dataset.recordings["subject"]
    split = {name: sorted(set(table[in_split(data, dataset, name)])) for name in PARTS}
    validation, test = data.validation, data.test
    validation = split["validation"] if validation is None else validation
    if test is None:
        test = split["test"] or [name for name in split["validation"] if name not in validation]
    others = {*validation, *test}
    train = data.train or [name for name in split["train"] or sorted(set(table)) if name not in others]
    return with_data(settings, train=train, validation=validation, test=test)


def validates(settings: Settings, dataset: Dataset) -> bool:
    """Whether the settings, or the file's split in their place, choose the best epoch on a validation part."""
    named = settings.data.validation
    return bool(in_split(settings.data, dataset, "validation").any() if named is None else named)


def in_split(data: DataSettings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Which recordings the file's split has in a part. Raises InputError for a split that the file does not have."""
    split = _split(data)
    parts = dataset.splits.get(split)
    if parts is None and split != "standard":
        problem = f"{dataset.path} has no split {split!r}; it has {', '.join(dataset.splits) or 'none'}"
        remedy = "choose one with --set data.split=NAME, or name subjects (--set data.split=standard)"
        raise InputError(problem, where="data.split", remedy=remedy)
    return np.full(len(dataset), False) if parts is None else parts == name


def _split(data: DataSettings) -> str:
    return data.split if isinstance(data, SplitSettings) else "standard"


def of_subjects(settings: Settings, dataset: Dataset, subjects: list[str]) -> Bool[np.ndarray, " recording"]:
    """Recordings of some subjects, of the actions and cameras that the settings take."""
    names = ", ".join(subjects) or "(none)"
    return _narrowed(settings, dataset, dataset.select("subject", subjects), f"subjects {names}")


def _narrowed(
    settings: Settings, dataset: Dataset, kept: Bool[np.ndarray, " recording"], where: str
) -> Bool[np.ndarray, " recording"]:
    data = settings.data
    cameras = data.cameras if isinstance(data, SplitSettings) else None
    kept = kept & dataset.select("action", data.actions) & dataset.select("camera", cameras)
    if not kept.any():
        subjects = ", ".join(sorted(set(dataset.recordings["subject"]))[:20])
        remedy = f"name some with data.train, data.validation, data.test or --subjects ({subjects})"
        raise InputError(f"nothing is in {where}", where=dataset.path, remedy=remedy)
    return kept
