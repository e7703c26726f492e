"""Scores of tracking: PoseTrack's, and the recovery of joints that the detector missed.

`report.score` takes videos and returns a report of numbers; `markdown.tracking_markdown` formats it.
"""

# Mode of scoring -> its rules.
MODES = {
    "strict": "every labelled frame counts, and each miss and each false positive once; of annotations that a pose "
    "fits equally it is matched with the nearest; MOTP is the mean over the joints that have matches",
    "official": "as PoseTrack's public evaluator: for AP, MOTA and MOTP frames without annotated people are left out, "
    "and of annotations that a pose fits equally it is matched with the first; for MOTA and MOTP the last frame of "
    "each video is left out, and a frame that has annotated people and no pose in the result (or people in ignore "
    "regions only) counts one object, one miss and one false positive of each joint, whatever the number of people; "
    "the MOTP of a joint without matches is 0. IDF1 and HOTA, which that evaluator lacks, are as in strict mode",
}
