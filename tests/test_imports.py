"""Imports point down, packages make no circle, only the engine knows devices, a literal joint count is nowhere."""

import ast
import re
from functools import cache
from pathlib import Path

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


MODULES = {module(path): path for path in FILES}


@cache
def parsed(path: Path) -> tuple[list[str], set[object]]:
    """Modules and names of the project that a file imports, anywhere in it, and its literal values."""
    names, constants = [], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant):
            constants.add(node.value)
    return [name for name in names if name.split(".")[0] in ("stgraph", "data_prep")], constants


def imported(path: Path) -> list[str]:
    """Modules and names of the project that a file imports."""
    return parsed(path)[0]


def constants(path: Path) -> set[object]:
    """The literal values in a file."""
    return parsed(path)[1]


def place(name: str) -> int:
    """The layer of "stgraph.models.layers"; the version and the public API are below everything."""
    part = name.split(".")[1]
    if part == "__version__":
        return -1
    return PLACES.get(part, COMMAND)


def may_import(own: str, name: str) -> bool:
    """Whether the layers let a module import a name of another one."""
    (package, *parts), target = own.split("."), name.split(".")
    if package == "data_prep":
        return target[0] == "data_prep" or target[1] in DATA_PREP
    if target[0] == "data_prep":  # which only a command may import
        return bool(parts) and place(own) == COMMAND
    return not parts or target[1] == parts[0] or place(name) < place(own)


def test_imports_point_down() -> None:
    wrong = [
        f"{own} imports {name}" for own, path in MODULES.items() for name in imported(path) if not may_import(own, name)
    ]
    assert not wrong


def test_a_task_and_a_source_are_named_by_nothing_outside_their_folder() -> None:
    wrong = []
    for own, path in MODULES.items():
        for name in imported(path):
            for room in ("stgraph.tasks", "data_prep.sources"):
                if name.startswith(f"{room}.") and own != "stgraph":
                    folder = f"{room}.{name.split('.')[2]}"
                    wrong += [] if own.startswith(folder) else [f"{own} imports {name}"]
        if not own.startswith("stgraph.tasks."):
            wrong += [f"{own} names the task {name}" for name in constants(path) & (TASKS - {"action"})]
    assert not wrong


def test_modules_make_no_circle() -> None:
    graph = {}
    for own, path in MODULES.items():
        names = [name for name in imported(path) if name != "stgraph.__version__"]
        graph[own] = {name if name in MODULES else name.rpartition(".")[0] for name in names} & set(MODULES) - {own}
    while leaves := [name for name, needs in graph.items() if not needs & set(graph)]:
        for name in leaves:
            del graph[name]
    assert not graph, f"these import one another: {sorted(graph)}"


def test_no_device_outside_its_place() -> None:
    device = re.compile(r"\bcuda\b|torch\.device|\.to\(device")
    own = ("bench.py", "engine.py", "hardware.py")
    wrong = [path for path in FILES if path.name not in own and device.search(path.read_text())]
    assert not wrong, "devices live in training/engine.py"


def test_no_joint_count_outside_its_place() -> None:
    wrong = [path for path in FILES if path.name != "skeleton.py" and 17 in constants(path)]
    assert not wrong, "ask the skeleton how many joints it has"
