"""The task lifting."""

from stgraph.tasks.lifting import run, task  # registers both

__all__ = ["run", "task"]
