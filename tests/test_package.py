"""What `pip install` of the repository brings, and what starting it loads."""

import importlib
import os
import subprocess
import sys
import textwrap
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


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, stgraph; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert not HEAVY & set(ended.stdout.split())


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
def test_help_loads_no_torch() -> None:
    """Of any command, all in one process: what the first one to load it is printed with its words."""
    words = [["stgraph"], ["data_prep"], *([f"stgraph.{name}"] for name in COMMANDS)]
    words += [["data_prep", name] for name in commands()]
    program = f"""
        import contextlib, io, runpy, sys

        for words in {words}:
            sys.argv, shown = [*words, "--help"], io.StringIO()
            try:
                with contextlib.redirect_stdout(shown):
                    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
            except SystemExit as end:
                assert not end.code and "usage: " in shown.getvalue(), (words, end.code, shown.getvalue())
            print(*words, "loads", *sorted({HEAVY - {"numpy"}} & sys.modules.keys()))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.splitlines() == [f"{' '.join(each)} loads" for each in words]


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
