"""Published checkpoints of other implementations: read without running anything in them, and recognised by names."""

import re
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from stgraph.errors import InputError
from stgraph.formats.torch_files import load_torch
from stgraph.models.base import Model, Published
from stgraph.settings.registry import MODELS


class Skipped:
    """Stands in for what training left beside the weights, so that nothing of NumPy's is run."""

    def __init__(self, *content: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


# Numbers, and the state of a random generator, in the names of NumPy 1 and 2.
NUMPY_NAMES = [
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *("numpy.dtype", "numpy.ndarray", "numpy.float32", "numpy.float64", "_codecs.encode"),
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float32", "Float64", "Int64", "UInt32")),
    *("numpy.random.__RandomState_ctor", "numpy.random._pickle.__randomstate_ctor"),
    *("numpy.random._pickle.__bit_generator_ctor", "numpy.random._mt19937.MT19937"),
]
WEIGHTS = ("state_dict", "model_pos", "model")  # keys under which publishers keep the weights


def load_published(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights of a checkpoint, and everything else in it by its name.

    Nothing in it is run: tensors, containers, numbers and NumPy's random state are all it may hold.

    Raises:
        InputError: missing or damaged, holds anything else, or holds no weights.
    """
    try:
        with torch.serialization.safe_globals([(Skipped, name) for name in NUMPY_NAMES]):
            content = load_torch(path)
    except InputError:
        raise
    except OSError as error:
        problem = str(error.strerror or error)
        raise InputError(problem, where=path, remedy="give the path of a checkpoint") from error
    except Exception as error:  # torch raises many types for a damaged file
        # Its own messages go on to advise loading the file in the way that runs what it holds.
        code = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(
            f"it holds {code[1]}, which was not run" if code else "it is not a whole file from torch.save",
            where=path,
            expected="tensors, containers and numbers alone, because anything else can run code",
            remedy="get it again, or save its state_dict by itself",
        ) from error
    key = next((name for name in WEIGHTS if isinstance(content, dict) and name in content), None)
    state = content[key] if key else content
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        kind = type(content).__name__
        raise InputError(
            where=path,
            found=f"a dictionary of {', '.join(map(str, content))}" if isinstance(content, dict) else kind,
            expected=f"tensors by name, by themselves or under {' or '.join(map(repr, WEIGHTS))}",
        )
    rest = {str(name): value for name, value in content.items() if name != key and value is not None} if key else {}
    return {str(name).removeprefix("module."): value for name, value in state.items()}, rest


def convertible() -> list[tuple[str, Published]]:
    """Every kind of published checkpoints that a model exists for: the model's name, and facts about them."""
    models = {name: cast(type[Model], MODELS.get(name)) for name in MODELS.names()}
    return [(name, facts) for name, model in models.items() for facts in model.published]


def families() -> list[str]:
    """Every family of published checkpoints that can be converted."""
    return sorted({published.family for _, published in convertible()})


def find_model(family: str, state: dict[str, Tensor], where: str) -> str:
    """The model of a family that a checkpoint's names belong to.

    Raises:
        InputError: they belong to another family, which is named, or to none.
    """
    matches = {published.family: name for name, published in convertible() if published.marks(state)}
    if family in matches:
        return matches[family]
    if matches:
        other = next(iter(matches))
        raise InputError(
            f"not a checkpoint of {family}: it looks like one of {other}",
            where=where,
            remedy=f"run `python -m stgraph.convert {other} {where} --exp NAME`",
        )
    raise InputError(
        f"{len(state)} entries such as {', '.join(list(state)[:3])}, which belong to no published model that can be "
        "converted",
        where=where,
        expected=f"a checkpoint of {' or '.join(families())}",
    )


def to_published(family: str, model: Model, where: str) -> dict[str, Tensor]:
    """A model's weights as the family's implementation reads them. Raises InputError if it does not read such ones."""
    if any(facts.family == family and facts.both_ways for facts in model.published):
        return model.to_published()
    ways = [f"{facts.family} ({name})" for name, facts in convertible() if facts.both_ways]
    raise InputError(
        f"a {type(model).__name__} cannot be written as a checkpoint of {family}",
        where=where,
        remedy=f"what can is {', '.join(ways)}",
    )
