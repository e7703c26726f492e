"""The task dynamics."""

from stgraph.tasks.dynamics import run, task  # registers both

__all__ = ["run", "task"]
