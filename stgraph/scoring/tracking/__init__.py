"""Scores of tracking: PoseTrack's, and what was recovered where the detector had missed.

`report.score` takes videos and returns a report of numbers, `markdown.tracking_markdown` writes it out.
"""

# Ways of counting, and what each does.
MODES = {
    "strict": "every labelled frame counts, and each miss and each false positive once; of annotations that a pose "
    "fits equally it stands for the nearest; MOTP is the mean of the joints of which something was found",
    "official": "as PoseTrack's public evaluator counts: for AP, MOTA and MOTP frames in which nobody is annotated "
    "are left out, and of annotations that a pose fits equally it stands for the first; for MOTA and MOTP the last "
    "frame of each video is left out, and a frame that has annotated people and no pose in the result (or has people "
    "in ignore regions alone) counts one object, one miss and one false positive of each joint however many people "
    "there are; the MOTP of a joint of which nothing was found is 0. IDF1 and HOTA, which that evaluator does not "
    "give, are as in strict mode",
}
