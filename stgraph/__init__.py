"""stgraph: learning from sequences of skeletons."""

__version__ = "0.1.0"
