"""People's motion in metres, and the files that it is saved as."""
