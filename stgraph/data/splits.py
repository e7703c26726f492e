"""Recordings of the train, validation and test splits: those of named subjects, or as a split of the file says."""

import numpy as np
from jaxtyping import Bool

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import Settings, with_data
from stgraph.settings.sections import DataSettings, SplitSettings

SPLITS = ("train", "validation", "test")


def part(settings: Settings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """The recordings of "train", "validation" or "test".

    Those of the subjects that the settings name, or else those of the file's split. Where that has none, "train" is
    everything outside of validation and test, and "test" the file's validation recordings if they choose no epoch.

    Raises:
        InputError: unknown subjects, actions, cameras or split, nothing is left, or what is left chose the epoch.
    """
    data = settings.data
    if named := getattr(data, name):
        return of_subjects(settings, dataset, named)
    split = {each: in_split(data, dataset, each) for each in SPLITS}
    elsewhere = {subject for each in SPLITS if each != name for subject in getattr(data, each) or ()}
    free = ~np.isin(dataset.recordings["subject"], list(elsewhere))
    kept, where = split[name], f"{name!r} of split {_split(data)!r}"
    if not kept.any() and name == "train":
        kept = ~split["validation"] & ~split["test"]
    if not kept.any() and name == "test" and (split["validation"] & free).any():
        if data.validation is None:
            problem = f"its split {_split(data)!r} has no test recordings, and those of validation may choose the epoch"
            remedy = (
                "score those with `evaluate --scored validation` or others with `evaluate --subjects`, or train with "
            )
            remedy += "`train --set data.validation=[]`"
            raise InputError(problem, where=dataset.path, remedy=remedy)
        kept = split["validation"] if data.validation == [] else kept
    return _narrowed(settings, dataset, kept & free, where)


def settle_subjects(settings: Settings, dataset: Dataset) -> Settings:
    """The settings with the subjects that they leave to the file's split, for tasks that keep subjects, not recordings.

    Where it has no test subjects, the validation subjects are the test if they do not choose the best epoch; where it
    has no training subjects, all others are trained on.
    """
    data, table = settings.data, dataset.recordings["subject"]
    split = {name: sorted(set(table[in_split(data, dataset, name)])) for name in SPLITS}
    validation, test = data.validation, data.test
    validation = split["validation"] if validation is None else validation
    if test is None:
        test = split["test"] or [name for name in split["validation"] if name not in validation]
    others = {*validation, *test}
    train = data.train or [name for name in split["train"] or sorted(set(table)) if name not in others]
    return with_data(settings, train=train, validation=validation, test=test)


def validates(settings: Settings, dataset: Dataset) -> bool:
    """Whether the settings, or the file's split in their place, choose the best epoch on validation recordings."""
    named = settings.data.validation
    return bool(in_split(settings.data, dataset, "validation").any() if named is None else named)


def in_split(data: DataSettings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Recordings that the file's split assigns to this name. Raises InputError for an unknown split."""
    split = _split(data)
    assigned = dataset.splits.get(split)
    if assigned is None and split != "standard":
        problem = f"{dataset.path} has no split {split!r}; it has {', '.join(dataset.splits) or 'none'}"
        remedy = "choose one with `train --set data.split=NAME`, or name subjects and set data.split=standard"
        raise InputError(problem, where="data.split", remedy=remedy)
    return np.full(len(dataset), False) if assigned is None else assigned == name


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
        remedy = f"name some with data.train, data.validation, data.test or `evaluate --subjects` ({subjects})"
        raise InputError(f"nothing is in {where}", where=dataset.path, remedy=remedy)
    return kept
