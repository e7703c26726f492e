"""What `pip install` of the repository brings, and what starting it loads."""

import importlib
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from data_prep.__main__ import commands

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch",
    "matplotlib",
    "scipy",
    "h5py",
    "lightning_fabric",
    "rich",
    "tensorboard",
    "onnx",
    "onnxruntime",
    "numpy",
}
COMMANDS = sorted(
    path.stem for path in (ROOT / "stgraph").glob("*.py") if "def parser" in path.read_text(encoding="utf-8")
)


def loaded(*words: str) -> set[str]:
    """Packages that a Python process has loaded in the end, of those that cost time."""
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    code = f"{report}\nsys.argv = {list(words)!r}\n"
    code += "import stgraph" if not words else f"import runpy; runpy.run_module({words[0]!r}, run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return HEAVY & {name.partition(".")[0] for name in ended.stderr.split()}


def test_import_loads_nothing_heavy() -> None:
    assert not loaded()


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, ("passive", None)),
        ({"OMP_WAIT_POLICY": "active"}, ("active", None)),
        ({"GOMP_SPINCOUNT": "1000"}, (None, "1000")),
    ],
    ids=str,
)
def test_threads_that_wait_do_not_spin_unless_the_user_wants_it(own: dict, expected: tuple) -> None:
    names = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
    environment = {name: value for name, value in os.environ.items() if name not in names} | own
    code = f"import os, stgraph; print(*map(os.environ.get, {names}))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ended.stdout.split() == list(map(str, expected))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["stgraph", "data_prep", *(f"stgraph.{name}" for name in COMMANDS)])
def test_help_loads_no_torch(module: str) -> None:
    assert not loaded(module, "--help") & (HEAVY - {"numpy"})


@pytest.mark.slow
@pytest.mark.parametrize("name", commands())
def test_help_of_a_source_loads_no_torch(name: str) -> None:
    assert not loaded("data_prep", name, "--help") & (HEAVY - {"numpy"})


@pytest.mark.slow
def test_the_wheel_is_whole(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {str(path.relative_to(ROOT)) for top in ("stgraph", "data_prep") for path in (ROOT / top).rglob("*.py")}
    assert sources <= names
    for path in (ROOT / "params").glob("*/params.json"):
        assert f"stgraph/params/{path.parent.name}/params.json" in names
    for pattern in ("mappings/**/*.json", "cameras/*.json", "builtin/*"):
        wanted = {str(path.relative_to(ROOT)) for path in (ROOT / "data_prep").glob(pattern) if path.is_file()}
        assert wanted and wanted <= names
    assert {"stgraph/motion/viewer.html", "stgraph/py.typed", "data_prep/py.typed"} <= names


def test_the_installed_commands_exist() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts.keys() == {"stgraph", "data_prep"}
    for place in scripts.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
