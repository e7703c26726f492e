"""Models: one contract, one file each; a model registers itself by a decorator."""
