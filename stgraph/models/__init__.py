"""Models: `nn.Module`s with one contract. One file each; a model registers itself by a decorator."""

import sys

from stgraph.registry import Registry

MODELS = Registry("model", sys.modules[__name__])
