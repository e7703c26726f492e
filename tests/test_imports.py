"""Imports point down, only Run knows devices, and a literal joint count is nowhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("stgraph/**/*.py"), *ROOT.glob("data_prep/**/*.py")])

# Each name may import what stands in a row above its own. Names in one row are blind to one another, unless a row of
# their own says otherwise.
LAYERS = [
    {"errors", "allocator"},
    {"skeleton", "geometry"},
    {"metrics", "registry", "io", "sections", "similarity", "heatmaps"},
    {"protocols", "recognition", "figures", "predictors"},
    {"evaluation", "scores", "tally", "tracking_scores", "tracking", "forecasting"},
    {"videos"},
    {"report"},
    {"motion"},
    {"data", "clips", "sequences", "models", "tasks"},
    {"params"},
    {"checkpoint", "schedule"},
    {"fitting"},
    {"run"},
    {"forms"},
    {"progress", "command", "options", "published", "cost", "live", "deployment"},
    {"comparison"},
    {"cross_validation"},
    {"train", "evaluate", "render", "bench", "convert", "baselines", "compare", "fuse", "export", "folds"}
    | {"track", "score"},
]
COMMANDS = LAYERS[-1]
DATA_PREP = {"errors", "skeleton", "geometry", "metrics", "io", "figures", "command"}


def imported(path):
    """Modules of the project that a file imports, wherever in the file; imports for types alone are none."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "stgraph" else [f"stgraph.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in ("stgraph", "data_prep") and "." in name)


def place(name):
    """The layer's number of a module "stgraph.models.blocks", by the second of its names."""
    part = name.split(".")[1]
    layers = [number for number, layer in enumerate(LAYERS) if part in layer]
    assert layers or part == "__version__", f"{name} is in no layer of this test: put it where it belongs"
    return layers[0] if layers else -1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package, *parts = own.split(".")
    if parts == ["__init__"]:
        return
    for name in imported(path):
        if package == "data_prep":
            assert name.startswith("data_prep") or name.split(".")[1] in DATA_PREP, f"{own} imports {name}"
        elif name.startswith("data_prep"):
            assert parts[0] in COMMANDS, f"{own} imports {name}: only a command may"
        elif name.split(".")[1] != parts[0]:
            assert place(name) < place(own), f"{own} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_device_and_no_joint_count_outside_their_places(path):
    text = path.read_text()
    if path.name != "bench.py" and path.parent.name != "run":
        assert not re.search(r"\bcuda\b|torch\.device|\.to\(device", text), "devices live in Run"
    if path.name != "skeleton.py":
        numbers = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        assert 17 not in numbers, "ask the skeleton how many joints it has"
