"""Several people in videos, annotated as PoseTrack17 or PoseTrack18."""
