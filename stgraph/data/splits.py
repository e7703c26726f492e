"""Parts of a dataset: which recordings are trained on, validate or test, by named subjects or by the file's split."""

import numpy as np
from jaxtyping import Bool

from stgraph.data.dataset import Dataset
from stgraph.data.windows import chosen
from stgraph.errors import InputError
from stgraph.settings.params import Settings
from stgraph.settings.sections import SplitSettings


def part(settings: Settings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Which recordings are trained on, validate or test.

    Subjects where the settings name them. Otherwise those of the file's split; what it does not have is, for "train",
    everything that is in no other part, and for "test" the split's validation part where that chooses no epoch.

    Raises:
        InputError: unknown subjects, actions, cameras or split, nothing is left, or what is left chose the epoch.
    """
    data = settings.data
    named = getattr(data, name)
    if named:
        return of_subjects(settings, dataset, named)
    elsewhere = [getattr(data, other) for other in ("train", "validation", "test") if other != name]
    others = np.isin(dataset.recordings["subject"], [subject for subjects in elsewhere for subject in subjects or ()])
    found = in_split(data, dataset, name) & ~others
    if name == "train" and not in_split(data, dataset, "train").any():
        found = ~in_split(data, dataset, "validation") & ~in_split(data, dataset, "test") & ~others
    if name == "test" and not in_split(data, dataset, "test").any():
        validation = in_split(data, dataset, "validation") & ~others
        if data.validation is None and validation.any():
            raise InputError(
                f"{dataset.path}: its split {data.split!r} has no part test, and its validation part chose the epoch; "
                "score that with --scored validation, others with --subjects, or train with --set data.validation=[]"
            )
        found = validation if data.validation == [] else found
    return narrowed(settings, dataset, found, f"part {name!r} of split {data.split!r}")


def in_split(data: SplitSettings, dataset: Dataset, name: str) -> Bool[np.ndarray, " recording"]:
    """Which recordings the file's split has in a part. Raises InputError for a split that the file does not have."""
    parts = dataset.splits.get(data.split)
    if parts is None and data.split != "standard":
        raise InputError(
            f"data.split: {dataset.path} has no split {data.split!r}; it has {', '.join(dataset.splits) or 'none'}; "
            "choose one with --set data.split=NAME, or name subjects and leave it out (--set data.split=standard)"
        )
    return np.full(len(dataset), False) if parts is None else parts == name


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
            f"{dataset.path}: nothing is in {what}; name subjects with data.train, data.validation and "
            f"data.test or --subjects ({', '.join(sorted(set(dataset.recordings['subject']))[:20])}), or prepare the "
            "file with a split"
        )
    return found
