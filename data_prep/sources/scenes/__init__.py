"""Scenes of several people from motion-capture files, for pose trackers."""
