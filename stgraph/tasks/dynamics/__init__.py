"""The task dynamics."""

from stgraph.tasks.dynamics import run  # registers task and run

__all__ = ["run"]
