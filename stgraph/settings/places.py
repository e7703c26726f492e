"""Where data, checkpoints and reports are, by name. Needs no torch."""

import re
from pathlib import Path

from stgraph.errors import InputError
from stgraph.formats.files import file_name

LIFTER = "lifter"  # the run whose weights ship
CHECKPOINTS, DATA, PARAMS, REPORTS = Path("checkpoints"), Path("data"), Path("params"), Path("reports")


def packaged(folder: str) -> Path:
    """A folder that comes with the package: inside it where it is installed, beside it in a checkout."""
    inside, beside = (Path(__file__).parents[up] / folder for up in (1, 2))
    return inside if inside.is_dir() else beside


def data_file(dataset: str) -> Path:
    """The dataset of a name in the settings: data/NAME.h5, or a path with an ending."""
    return Path(dataset) if Path(dataset).suffix else DATA / f"{dataset}.h5"


def check_name(option: str, name: str) -> None:
    """Raises InputError where the name of a run is not that of a folder right in checkpoints/.

    >>> check_name("--name", "../walk")
    Traceback (most recent call last):
    stgraph.errors.InputError: --name ../walk: expected the name of a folder, without / and no dot at its beginning
    """
    if not re.fullmatch(r"[^./\\\0][^/\\\0]*", name):
        expected = "the name of a folder, without / and no dot at its beginning"
        raise InputError(where=f"{option} {name}", expected=expected)


def run_folder(name: str) -> Path:
    """The folder of a run; those of `folds` are in one of their own. Raises InputError as `check_name`."""
    check_name("run", name.removeprefix("folds/"))
    return CHECKPOINTS / name


def evaluation_folder(name: str, scored: str | None) -> Path:
    """The folder of a run's report; what is scored other than the test split has its own folder below."""
    return REPORTS / name if scored in (None, "test") else REPORTS / name / file_name(scored)


def experiment_file(name: str, own: Path = PARAMS) -> Path | None:
    """The file of an experiment: in the working folder's `own`, or else the packaged one; None without either."""
    places = (folder / name / "params.json" for folder in (own, packaged("params")))
    return next((path for path in places if path.exists()), None)


def weights_file(name: str) -> Path:
    """The checkpoint of a trained run, by its name or path. Raises InputError where there is none."""
    path = Path(name) if name.endswith(".safetensors") else CHECKPOINTS / name / "best.safetensors"
    for place in (path, packaged("checkpoints") / name / "best.safetensors"):
        if place.exists():
            return place
    found = (path for folder in (CHECKPOINTS, packaged("checkpoints")) for path in folder.glob("*/best.safetensors"))
    trained = sorted({path.parent.name for path in found})
    listed = f"{', '.join(trained[:20])}{', ...' if len(trained) > 20 else ''}"
    train = f"train it with `python -m stgraph.train --exp {name}`, or " if experiment_file(name) else ""
    problem = f"no such checkpoint in {Path.cwd()}"
    raise InputError(problem, where=path, remedy=f"{train}choose a trained one: {listed}")
