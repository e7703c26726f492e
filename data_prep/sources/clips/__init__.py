"""One's own clips, in folders named by their class."""
