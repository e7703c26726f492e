"""Every command and program of the README pages is one that exists."""

import ast
import importlib
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

import data_prep.__main__

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("[!.]*/README.md"))]


def blocks(language: str) -> list[tuple[Path, str]]:
    """Fenced blocks of the pages in a language ("" for commands)."""
    fences = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [(page, *match) for page in PAGES for match in fences.findall(page.read_text(encoding="utf-8"))]
    return [(page, block) for page, name, block in found if name == language]


def commands() -> list[tuple[str, str]]:
    """Page and command line of everything that starts one of our modules."""
    found = []
    for page, block in blocks(""):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.search(r"python -m (stgraph|data_prep)\b.*", line):
                found.append((str(page.relative_to(ROOT)), match[0].split("  #")[0].rstrip("; done")))
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:70])
def test_a_command_is_parsed(page: str, line: str) -> None:
    module, *words = shlex.split(re.sub(r"\{(\w+),[^}]*\}", r"\1", line), comments=True)[2:]
    words = [*takewhile(lambda word: word not in "<>|", words)]  # what follows is the shell's
    if module == "data_prep":
        if words != ["SOURCE", "FILES", "--out", "data/NAME.h5"]:
            data_prep.__main__.parser().parse_args(words)
        return
    args = importlib.import_module(module).parser().parse_args(words)
    if module == "stgraph.train":
        assert (ROOT / "params" / args.exp / "params.json").exists() or "$" in args.exp, f"{page} trains {args.exp}"


@pytest.mark.parametrize(("page", "block"), blocks("python"), ids=lambda value: getattr(value, "name", "block"))
def test_a_program_imports_what_exists(page: Path, block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "stgraph":
            assert hasattr(importlib.import_module("stgraph"), node.attr), f"{page} uses stgraph.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stgraph"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), f"{page}: {ast.unparse(node)}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
