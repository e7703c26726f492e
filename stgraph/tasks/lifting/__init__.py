"""The task lifting."""

from stgraph.tasks.lifting import run  # registers task and run

__all__ = ["run"]
