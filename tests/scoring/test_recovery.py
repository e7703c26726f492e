"""What a tracker recovered where the detector had missed, by hand on videos of a few frames; and the whole report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from stgraph.scoring.tracking.markdown import tracking_markdown
from stgraph.scoring.tracking.report import score
from tests.scoring.tracking_people import JOINTS, crowd, person, video


def recovery(true, detected, found, frames, **changes):
    """The report's part for lists of (frame, person, pose)."""
    truth, detections, result = (video(poses, frames) for poses in (true, detected, found))
    return score([(truth, replace(result, **changes))], detections=[detections])["recovery"]


def test_joints_recovered_by_the_length_of_the_gap():
    frames = 12
    always = [(t, 0, person(t)) for t in range(frames)]
    # Missed: the whole person at 0 (the beginning), at 2 and at 5, 6, 7, and the hip at 10 and 11 (until the end).
    detected = [pose for pose in always if pose[0] not in (0, 2, 5, 6, 7)]
    detected = [(t, -1, person(t, without=[2] if t >= 10 else [])) for t, _, _ in detected]
    found = [(t, 4, pose) for t, _, pose in always if t != 6]
    part = recovery(always, detected, found, frames)
    assert part["overall"]["outside_gaps"] == 3
    counts = {gap: (row["missed"], row["recovered"]) for gap, row in part["gap"].items() if row["missed"]}
    assert counts == {"1": (3, 3), "2": (2, 2), "3-5": (9, 6)}
    assert part["gap"]["3-5"]["recall"] == pytest.approx(100 * 6 / 9)
    assert part["overall"]["recall"] == pytest.approx(100 * 11 / 14)
    assert part["gap"]["6-10"]["recall"] is None
    assert part["joint"]["Hip"] | {"missed": 6, "recovered": 5} == part["joint"]["Hip"]
    # What was added at the beginning is right, though nothing could be recovered there.
    assert part["overall"] | {"added": 14, "recovering": 11, "right": 3, "false": 0} == part["overall"]
    # By how long they go on: 0, 2, 5 and 7 are one frame each, the hip's two.
    assert {gap: row["added"] for gap, row in part["gap"].items() if row["added"]} == {"1": 12, "2": 2}
    assert part["overall"]["precision"] == pytest.approx(100 * 11 / 14)


def test_a_recovered_joint_needs_the_identity_of_before_the_gap():
    frames = 6
    always = [(t, 0, person(0)) for t in range(frames)]
    detected = [pose for pose in always if pose[0] not in (2, 3)]
    found = [(t, 9 if t >= 3 else 4, pose) for t, _, pose in always]
    part = recovery(always, detected, found, frames)
    assert part["overall"] | {"missed": 6, "recovered": 3, "placed": 6} == part["overall"]
    assert part["overall"] | {"recovering": 3, "right": 3, "false": 0} == part["overall"]
    assert part["overall"] | {"gaps": 1, "kept": 0, "kept_share": 0} == part["overall"]


def test_identities_kept_across_gaps_of_a_person():
    frames = 50
    gone = {0: [5], 1: [5, 6], 2: range(8, 40), 3: range(5)}
    always = [(t, who, person(60 * who)) for t in range(frames) for who in range(4)]
    detected = [pose for pose in always if pose[0] not in gone[pose[1]]]
    # The second loses its name, and the third is no more annotated while it is hidden but is found again.
    found = [(t, 20 if who == 1 and t > 5 else who + 10, pose) for t, who, pose in detected]
    always = [pose for pose in always if pose[1] != 2 or pose[0] not in gone[2]]
    part = recovery(always, detected, found, frames)
    kept = {gap: (row["gaps"], row["kept"]) for gap, row in part["gap"].items() if row["gaps"]}
    assert kept == {"1": (1, 1), "2": (1, 0), "over 30": (1, 1)}
    assert part["overall"]["kept_share"] == pytest.approx(100 * 2 / 3)


def test_an_identity_is_kept_if_the_result_has_it_some_frames_before_and_some_after_the_gap():
    always = [(t, 0, person(0)) for t in range(9)]
    detected = [pose for pose in always if pose[0] != 4]
    found = [(t, 4, person(0)) for t in (0, 1, 2, 6, 7)]
    part = recovery(always, detected, found, 9)["overall"]
    assert part | {"gaps": 1, "kept": 1} == part
    part = recovery(always, detected, found[:3], 9)["overall"]
    assert part | {"gaps": 1, "kept": 0} == part


def test_a_joint_on_another_persons_is_right_even_where_its_own_is_not_annotated():
    true = [(0, 0, person(0)), (0, 1, person(50)), (1, 0, person(0, without=[2])), (1, 1, person(50))]
    moved = person(0)
    moved[2] = person(50)[2]
    detected = [*true[:3], (1, 1, person(50, without=[2]))]
    found = [*true[:2], (1, 0, moved), (1, 1, person(50, without=[2]))]
    part = recovery(true, detected, found, 2)["overall"]
    assert part | {"missed": 1, "placed": 1, "recovered": 0, "added": 1, "right": 1, "not_judged": 0} == part


def test_false_joints_and_joints_without_annotation_are_counted_apart():
    frames = 6
    true = [(t, 0, person(0, without=[2] if t == 3 else [])) for t in range(frames)]
    detected = [pose for pose in true if pose[0] not in (2, 3)]
    # At 2 it is predicted far off, and at 3 with a hip that is not annotated; another track goes on where no person is.
    found = [(t, 0, person(40 if t == 2 else 0)) for t in range(frames)]
    found += [(t, 1, person(-80)) for t in (4, 5)]
    part = recovery(true, detected, found, frames)["overall"]
    assert part | {"added": 12, "recovering": 2, "false": 9, "not_judged": 1, "right": 0} == part
    assert part["precision"] == pytest.approx(100 * 2 / 11)
    assert part["false_share"] == pytest.approx(100 * 9 / 11)


def test_joints_of_a_hidden_person_are_not_judged_and_those_of_one_who_left_are_false():
    true = [(t, 0, person(0)) for t in (0, 1, 3, 4)]
    found = [(t, 0, person(0)) for t in range(6)]
    part = recovery(true, true, found, 6)["overall"]
    assert part | {"added": 6, "not_judged": 3, "false": 3} == part


def test_marks_say_what_was_added():
    frames = 4
    always = [(t, 0, person(0)) for t in range(frames)]
    detected = [pose for pose in always if pose[0] != 2]
    marks = np.full((frames, len(JOINTS)), 1, dtype=np.uint8)
    marks[2] = [3, 3, 2]
    marks[3] = [3, 1, 1]
    part = recovery(always, detected, always, frames, mark=marks)["overall"]
    assert part | {"missed": 3, "recovered": 3, "added": 3, "recovering": 2, "right": 1} == part


def test_detections_are_matched_one_to_one():
    frames = 3
    true = [(t, who, person(2.0 * who)) for t in range(frames) for who in range(2)]
    # At 1 a single detection is near both people: it is the one's alone.
    detected = [pose for pose in true if pose[:2] != (1, 1)]
    part = recovery(true, detected, true, frames)["overall"]
    assert part | {"missed": 3, "recovered": 3} == part


@pytest.mark.slow
def test_the_report_is_of_plain_numbers_and_is_written_out():
    pairs = [crowd(seed, name=str(seed)) for seed in range(2)]
    detections = [crowd(seed, name=str(seed))[1] for seed in range(2)]
    empty = video([], 4, "empty")
    report = score([*pairs, (empty, empty)], detections=[*detections, empty])
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["video"]["empty"]["MOTA"] is None
    text = tracking_markdown(report)
    for name in (*JOINTS.names, "AP", "MOTA", "MOTP", "IDF1", "HOTA", "`strict`", "over 30", "identity kept"):
        assert name in text
    assert f"{report['overall']['MOTA']:.2f}" in text
    assert report["recovery"]["overall"]["added"] == 0
