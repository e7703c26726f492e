"""Scores of tracking: PoseTrack's, and the recovery of joints that the detector missed.

`report.score` takes videos and returns a report of numbers; `markdown.tracking_markdown` formats it.
"""

# Mode of scoring -> its rules.
MODES = {
    "strict": "every labelled frame counts, and each miss and each false positive once; of annotations that a pose "
    "fits equally it is matched with the nearest; MOTP is the mean over the joints that have matches",
    "official": "as PoseTrack's public evaluator: every joint that a file has coordinates of counts, whatever its "
    "score and visibility; for AP, MOTA and MOTP frames without annotated people are left out, and of annotations that "
    "a pose fits equally it is matched with the first; for MOTA and MOTP the last frame of each video is left out, and "
    "a frame that has annotated people and no pose in the result (or people in ignore regions only) counts one object, "
    "one miss and one false positive of each joint, whatever the number of people; the MOTP of a joint without matches "
    "is 0, and so is the AP of a joint in neither file, both within the means. MOTP is the mean over matches, as "
    "published results have it that were scored with the motmetrics that the evaluator came with (84 or so); with "
    "today's it sums near pairs that are not matched, and matches twice: MOTP_listed. Joints of equal scores are "
    "one point of the curve for AP, which that evaluator takes in an arbitrary order. IDF1 and HOTA, which it lacks, "
    "are as in strict mode",
}
