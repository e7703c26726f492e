"""The task action."""

from stgraph.tasks.action import run, task  # registers both

__all__ = ["run", "task"]
