"""Tasks: a folder each, whose entry in `stgraph.settings.registry.TASKS` is all that the rest of the toolkit knows."""
