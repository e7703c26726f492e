"""Imports point down, packages make no circle, only the engine knows devices, a literal joint count is nowhere."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("stgraph/**/*.py"), *ROOT.glob("data_prep/**/*.py")])

# A package may import those of the rows above its own. Imports for type checking and inside functions count.
LAYERS = [
    {"errors"},
    {"skeleton", "geometry"},
    {"formats"},
    {"settings"},
    {"figures"},
    {"motion"},
    {"data", "models"},
    {"tracking", "scoring"},
    {"training"},
    {"tasks"},
    {"deployment"},
    {"cli"},
]
PLACES = {name: number for number, row in enumerate(LAYERS) for name in row}
COMMAND = len(LAYERS)  # every other module at the top of stgraph
DATA_PREP = {"errors", "skeleton", "geometry", "data", "formats", "figures", "cli"}
TASKS = {path.parent.name for path in ROOT.glob("stgraph/tasks/*/__init__.py")}


def module(path: Path) -> str:
    """ "stgraph.models.layers" of stgraph/models/layers/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> list[str]:
    """Modules and names of the project that a file imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] in ("stgraph", "data_prep")]


def place(name: str) -> int:
    """The layer of "stgraph.models.layers"; the version and the public API are below everything."""
    part = name.split(".")[1]
    if part == "__version__":
        return -1
    return PLACES.get(part, COMMAND)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = module(path)
    package, *parts = own.split(".")
    for name in imported(path):
        target = name.split(".")
        if package == "data_prep":
            assert target[0] == "data_prep" or target[1] in DATA_PREP, f"{own} imports {name}"
        elif target[0] == "data_prep":
            assert parts and place(own) == COMMAND, f"{own} imports {name}: only a command may"
        elif parts and target[1] != parts[0]:
            assert place(name) < place(own), f"{own} imports {name}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_and_a_source_are_named_by_nothing_outside_their_folder(path: Path) -> None:
    own = module(path)
    for name in imported(path):
        for room in ("stgraph.tasks", "data_prep.sources"):
            if name.startswith(f"{room}."):
                folder = f"{room}.{name.split('.')[2]}"
                assert own.startswith(folder) or own == "stgraph", f"{own} imports {name}"
    if not own.startswith("stgraph.tasks."):
        words = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        named = sorted({word for word in words if isinstance(word, str)} & (TASKS - {"action"}))
        assert not named, f"{own} names the task {named}"


def test_modules_make_no_circle() -> None:
    graph = {}
    modules = {module(path): path for path in FILES}
    for own, path in modules.items():
        names = [name for name in imported(path) if name != "stgraph.__version__"]
        graph[own] = {name if name in modules else name.rpartition(".")[0] for name in names} & set(modules) - {own}
    while leaves := [name for name, needs in graph.items() if not needs & set(graph)]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these import one another: {sorted(graph)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_device_and_no_joint_count_outside_their_places(path: Path) -> None:
    text = path.read_text()
    if path.name not in ("bench.py", "engine.py", "hardware.py"):
        assert not re.search(r"\bcuda\b|torch\.device|\.to\(device", text), "devices live in training/engine.py"
    if path.name != "skeleton.py":
        numbers = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        assert 17 not in numbers, "ask the skeleton how many joints it has"
