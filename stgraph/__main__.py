"""stgraph COMMAND ...: the same as python -m stgraph.COMMAND."""

import ast
import importlib
import sys
from pathlib import Path

from stgraph import __version__
from stgraph.cli.command import closed_pipe_is_no_error, run_command

GROUND = ("errors", "geometry", "skeleton")  # modules beside the commands that are none


def commands() -> dict[str, str]:
    """Every command with the first line of its description; none of them is imported."""
    modules = sorted(path for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    described = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for path in modules}
    return {
        name: (text or "").splitlines()[0].partition(": ")[2] for name, text in described.items() if name not in GROUND
    }


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:<10} {text}" for name, text in commands().items()]
    return "\n".join(["usage: stgraph COMMAND ...; stgraph COMMAND --help lists its options", "", *lines])


def run(words: list[str] | None = None) -> None:
    """Run the command that the first word names."""
    words = sys.argv[1:] if words is None else words
    name = words[0] if words else "--help"
    if name == "--version":
        print(f"stgraph {__version__}")
    elif name in ("-h", "--help"):
        with closed_pipe_is_no_error():
            print(usage())
    elif name in commands():
        module = importlib.import_module(f"stgraph.{name}")
        sys.argv = [f"stgraph {name}", *words[1:]]
        run_command(module.parser(), module.main)
    else:
        sys.exit(f"stgraph: unknown command {name!r}\n{usage()}")


if __name__ == "__main__":
    run()
