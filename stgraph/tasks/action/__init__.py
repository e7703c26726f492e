"""The task action."""

from stgraph.tasks.action import run  # registers task and run

__all__ = ["run"]
