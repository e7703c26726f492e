"""Tasks: which inputs and heads a model needs, and the loss and errors of a batch. One file each."""

import sys

from stgraph.registry import Registry

TASKS = Registry("task", sys.modules[__name__])
