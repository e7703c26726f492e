"""The dataset of an experiment, and the built-in one where it is not prepared."""

from pathlib import Path

from stgraph.settings.params import Settings, with_data
from stgraph.settings.places import data_file

BUILT_IN = "builtin"  # the name of the dataset that is made of the packaged motion


def choose_data(settings: Settings, name: str, data: Path | None) -> tuple[Settings, str, str]:
    """Settings, name and a message: Human3.6M where it is, else the built-in set."""
    if data:
        return with_data(settings, dataset=str(data)), name, ""
    path = data_file(settings.data.dataset)
    if path.exists() or settings.data.dataset not in ("h36m", BUILT_IN):
        return settings, name, ""
    if settings.data.dataset == BUILT_IN:
        return settings, name, f"{path} does not exist: making it of the CMU motion that comes with the package"
    detector = settings.data.detector if settings.data.detector in ("gt", None) else "sim"
    message = (
        f"{path} does not exist: training {name}-builtin on the built-in CMU motion instead "
        f"(prepare the real one with `python -m data_prep h36m FOLDER --out {path}`)"
    )
    built_in = with_data(settings, dataset=BUILT_IN, detector=detector, train=None, test=None)
    return built_in, f"{name}-builtin", message
