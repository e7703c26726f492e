"""Scores of tracking: against motmetrics, trackeval and literal loops, and by hand on videos of a few frames."""

from dataclasses import replace

import motmetrics
import numpy as np
import pytest
import trackeval

from stgraph.errors import InputError
from stgraph.scoring.tracking.markdown import tracking_markdown
from stgraph.scoring.tracking.matching import inside
from stgraph.scoring.tracking.measures import average_precision
from stgraph.scoring.tracking.report import score
from stgraph.skeleton import Skeleton
from tests.scoring.tracking_people import JOINTS, crowd, person, video

SHARES = ("AP", "MOTA", "MOTP", "IDF1", "HOTA", "DetA", "AssA")
HEAD, NEAR = 6.0, 0.5


def frame_of(poses, frame):
    return np.flatnonzero(poses.frame == frame)


def by_frame(truth, result, joint):
    """Ids of both sides and distances in head sizes of one joint, frame by frame: straight from the videos."""
    for frame in range(len(truth)):
        rows, columns = (
            [row for row in frame_of(poses, frame) if poses.pose[row, joint, 2] > 0] for poses in (truth, result)
        )
        apart = [
            [np.hypot(*(truth.pose[row, joint, :2] - result.pose[column, joint, :2])) / HEAD for column in columns]
            for row in rows
        ]
        yield truth.person[rows], result.person[columns], np.array(apart).reshape(len(rows), len(columns))


# Against others.


@pytest.mark.slow
@pytest.mark.parametrize("people", [2, 6])
def test_clear_mot_and_idf1_are_those_of_motmetrics(people):
    pairs = [crowd(seed, people=people, name=str(seed)) for seed in range(3)]
    report = score(pairs)
    metrics = motmetrics.metrics.create()
    counts = ["num_objects", "num_misses", "num_switches", "num_false_positives", "num_detections"]
    for joint, name in enumerate(JOINTS.names):
        accumulators = []
        for truth, result in pairs:
            accumulators.append(motmetrics.MOTAccumulator(auto_id=True))
            for objects, hypotheses, apart in by_frame(truth, result, joint):
                accumulators[-1].update(objects, hypotheses, np.where(apart <= NEAR, apart, np.nan))
        table = metrics.compute_many(
            accumulators, metrics=[*counts, "mota", "motp", "idf1"], names=["0", "1", "2"], generate_overall=True
        ).loc["OVERALL"]
        mine = report["joint"][name]
        assert [mine["objects"], mine["misses"], mine["switches"], mine["false_positives"]] == table[
            counts[:4]
        ].tolist()
        assert mine["switches"] > 10
        assert mine["MOTA"] == pytest.approx(100 * table["mota"], abs=1e-9)
        assert mine["MOTP"] == pytest.approx(100 * (1 - table["motp"]), abs=1e-9)
        assert mine["IDF1"] == pytest.approx(100 * table["idf1"], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("people", [2, 6])
def test_both_motps_of_the_public_evaluator_are_those_of_motmetrics_table(people):
    pairs = [crowd(seed, people=people, name=str(seed)) for seed in range(3)]
    report = score(pairs, "official")
    for joint, name in enumerate(JOINTS.names):
        listed = matched = matches = 0
        for truth, result in pairs:
            table = motmetrics.MOTAccumulator(auto_id=True)
            scored = [at for at in range(len(truth)) if len(frame_of(truth, at))][:-1]
            for frame, (objects, hypotheses, apart) in enumerate(by_frame(truth, result, joint)):
                if frame in scored and len(frame_of(truth, frame)) and len(frame_of(result, frame)):
                    table.update(objects, hypotheses, np.where(apart <= NEAR, apart, np.nan))
            listed += table.events["D"].sum()
            events = table.events[table.events["Type"].isin(["MATCH", "SWITCH"])]
            matched, matches = matched + events["D"].sum(), matches + len(events)
        mine = report["joint"][name]
        assert mine["MOTP_listed"] == pytest.approx(100 * (1 - listed / matches), abs=1e-9)
        assert mine["MOTP"] == pytest.approx(100 * (1 - matched / matches), abs=1e-9)
        assert mine["MOTP_listed"] < 2 * mine["MOTP"] - 100
    text = tracking_markdown(report)
    assert f"{report['overall']['MOTP_listed']:.2f}" in text and "MOTP_listed" not in tracking_markdown(score(pairs))


@pytest.mark.slow
@pytest.mark.parametrize("people", [2, 6])
def test_hota_and_idf1_are_those_of_trackeval(people):
    pairs = [crowd(seed, people=people, name=str(seed)) for seed in range(3)]
    report = score(pairs)
    hota = trackeval.metrics.HOTA()
    identity = trackeval.metrics.Identity({"PRINT_CONFIG": False})
    for joint, name in enumerate(JOINTS.names):
        hotas, identities = {}, {}
        for truth, result in pairs:
            frames = list(by_frame(truth, result, joint))
            objects, hypotheses = (np.unique(poses.person) for poses in (truth, result))
            data = {
                "gt_ids": [np.searchsorted(objects, ids) for ids, _, _ in frames],
                "tracker_ids": [np.searchsorted(hypotheses, ids) for _, ids, _ in frames],
                "similarity_scores": [np.clip(1 - apart / NEAR, 0, None) for _, _, apart in frames],
                "num_gt_ids": len(objects),
                "num_tracker_ids": len(hypotheses),
                "num_gt_dets": sum(len(ids) for ids, _, _ in frames),
                "num_tracker_dets": sum(len(ids) for _, ids, _ in frames),
            }
            hotas[truth.name] = hota.eval_sequence(data)
            near = [(apart <= NEAR).astype(float) for _, _, apart in frames]
            identities[truth.name] = identity.eval_sequence(data | {"similarity_scores": near})
        theirs = hota.combine_sequences(hotas)
        for share in ("HOTA", "DetA", "AssA"):
            assert report["joint"][name][share] == pytest.approx(100 * theirs[share].mean(), abs=1e-9)
        theirs = identity.combine_sequences(identities)
        assert report["joint"][name]["IDF1"] == pytest.approx(100 * theirs["IDF1"], abs=1e-9)


def literal_average_precision(pairs, joint, mode):
    """PCKh, the pairing of poses and the curve, one step at a time."""
    ranked, objects = [], 0
    for truth, result in pairs:
        for frame in range(len(truth)):
            if mode == "official" and not len(frame_of(truth, frame)):
                continue
            true = [truth.pose[row] for row in frame_of(truth, frame) if truth.pose[row, :, 2].any()]
            found = [result.pose[row] for row in frame_of(result, frame) if result.pose[row, :, 2].any()]
            objects += sum(pose[joint, 2] > 0 for pose in true)

            def apart(one, other, which):
                there = one[which, 2] > 0 and other[which, 2] > 0
                return np.hypot(*(one[which, :2] - other[which, :2])) / HEAD if there else np.inf

            def fit(one, other):
                right = [apart(one, other, k) for k in range(3) if apart(one, other, k) <= NEAR]
                annotated = (other[:, 2] > 0).sum()
                return len(right) / annotated, mode == "strict" and sum(1 - d / NEAR for d in right) / annotated

            chosen = {}
            for number, pose in enumerate(found):
                fits = [fit(pose, other) for other in true]
                if fits and max(fits)[0] > 0:
                    of = fits.index(max(fits))
                    if of not in chosen or fits[of] > chosen[of][0]:
                        chosen[of] = (fits[of], number)
            for number, pose in enumerate(found):
                of = [key for key, (_, winner) in chosen.items() if winner == number]
                if pose[joint, 2] > 0:
                    ranked.append((pose[joint, 2], bool(of) and apart(pose, true[of[0]], joint) <= NEAR))
    points = []
    for threshold in {confidence for confidence, _ in ranked}:
        taken = [hit for confidence, hit in ranked if confidence >= threshold]
        points.append((sum(taken) / objects, sum(taken) / len(taken)))
    area = recall = 0.0
    for reached in sorted({point[0] for point in points}):
        area += (reached - recall) * max(precision for other, precision in points if other >= reached)
        recall = reached
    return 100 * area


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "official"])
def test_average_precision_is_that_of_a_literal_loop(mode):
    pairs = [crowd(seed, people=people, name=str(seed)) for seed, people in enumerate((2, 4, 6))]
    report = score(pairs, mode)
    for joint, name in enumerate(JOINTS.names):
        assert report["joint"][name]["AP"] == pytest.approx(literal_average_precision(pairs, joint, mode), abs=1e-9)


def test_the_order_of_equal_confidences_is_nothing():
    confidence, right = np.array([0.5, 0.5, 0.5, 0.2]), np.array([True, False, True, True])
    assert average_precision(confidence, right, 3.0) == average_precision(confidence, right[[1, 0, 2, 3]], 3.0)
    assert average_precision(confidence, right, 3.0) == pytest.approx(3 / 4)


# Invariants.


@pytest.mark.parametrize("mode", ["strict", "official"])
def test_the_truth_as_result_scores_100_everywhere(mode):
    truth = (
        crowd(0)[0] if mode == "strict" else video([(t, w, person(20.0 * w)) for t in range(5) for w in range(4)], 5)
    )
    report = score([(truth, truth)], mode)
    assert {share: report["overall"][share] for share in SHARES} == pytest.approx(dict.fromkeys(SHARES, 100.0))
    assert report["overall"]["misses"] + report["overall"]["switches"] + report["overall"]["false_positives"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "official"])
def test_names_of_identities_are_nothing(mode):
    truth, result = crowd(1)
    renamed = replace(result, person=1000 - 7 * result.person)
    other_truth = replace(truth, person=50 - truth.person)
    before, after = (score([pair], mode)["joint"] for pair in ((truth, result), (other_truth, renamed)))
    for joint in JOINTS.names:
        assert after[joint] == pytest.approx(before[joint], abs=1e-9)


def test_the_order_of_poses_in_a_file_is_nothing():
    truth, result = crowd(3)
    report = score([(truth, result)])["joint"]

    def turned(poses):
        order = np.lexsort((-np.arange(len(poses.frame)), poses.frame))
        parts = ("frame", "person", "pose", "box", "head_box", "score")
        return replace(poses, **{part: getattr(poses, part)[order] for part in parts})

    assert (turned(truth).person != truth.person).any()
    for joint, scores in score([(truth, turned(result))])["joint"].items():
        assert scores == pytest.approx(report[joint], abs=1e-9)


def test_two_identities_swapped_halfway_cost_two_switches_of_each_joint_and_no_detection():
    frames = 10
    truth = video([(t, who, person(50.0 * who)) for t in range(frames) for who in range(3)], frames)
    swapped = {0: 1, 1: 0, 2: 2}
    names = [swapped[who] if t >= 5 else who for t, who in zip(truth.frame, truth.person, strict=True)]
    report = score([(truth, replace(truth, person=np.array(names)))])
    for scores in report["joint"].values():
        assert (scores["switches"], scores["misses"], scores["false_positives"]) == (2, 0, 0)
        assert scores["MOTA"] == pytest.approx(100 * (1 - 2 / 30))
        assert scores["AP"] == scores["DetA"] == scores["MOTP"] == 100
        # Of the 30, the 10 of the third person agree, and half of each of the others.
        assert scores["IDF1"] == pytest.approx(100 * 20 / 30)
        assert scores["AssA"] == pytest.approx(100 * (10 * 1 + 20 * 5 / 15) / 30)


def test_a_video_counts_by_its_joints_and_not_as_one_of_so_many():
    long, short = ((video([(t, 0, person(0)) for t in range(n)], n, name), name, n) for name, n in (("a", 9), ("b", 1)))
    nothing = video([], 1, "b")
    report = score([(long[0], long[0]), (short[0], nothing)])
    assert report["overall"]["MOTA"] == pytest.approx(90)
    assert (report["video"]["a"]["MOTA"], report["video"]["b"]["MOTA"]) == (100, 0)
    assert report["video"]["b"]["MOTP"] is None


# By hand.


def one_frame(true, found, mode="strict", **changes):
    """Scores of one frame, people at these places with names 0, 1 ..."""
    truth, result = (video([(0, who, pose) for who, pose in enumerate(poses)], 1) for poses in (true, found))
    return score([(replace(truth, **changes), result)], mode)


def test_a_joint_is_right_up_to_half_a_head_size_and_not_beyond():
    for x, expected in ((3.0, 0), (3.01, 1)):
        scores = one_frame([person(0)], [person(x)])["joint"]["Hip"]
        assert (scores["misses"], scores["false_positives"]) == (expected, expected)
        assert scores["AP"] == 100 * (1 - expected)
    # MOTP in head sizes: 1.5 pixels of 6.
    assert one_frame([person(0)], [person(1.5)])["joint"]["Hip"]["MOTP"] == pytest.approx(75)
    # Similarity 1 - 1.5 / 3: ten of the nineteen thresholds.
    assert one_frame([person(0)], [person(1.5)])["joint"]["Hip"]["HOTA"] == pytest.approx(100 * 10 / 19)


def test_a_pose_that_loses_its_annotation_to_a_better_one_is_false():
    better, worse = person(0.5, 0.5), person(2.0, 0.9)
    worse[2, 0] += 10
    truth = [person(0), person(2.5)]
    scores = one_frame(truth[:1], [worse, better])["joint"]["Head"]
    assert scores["AP"] == pytest.approx(50)
    # The worse one fits both people alike: it stands for the nearer, or officially for the first, whom it is lost to.
    strict = one_frame(truth, [better, worse])["joint"]["Head"]
    assert (strict["misses"], strict["false_positives"], strict["AP"]) == (0, 0, 100)
    assert one_frame(truth, [better, worse], "official")["joint"]["Head"]["AP"] == pytest.approx(100 * 0.5 * 0.5)


def test_pckh_counts_annotated_joints_alone():
    # Two of two joints beat two of three, though the three are nearer: both results find someone to stand for.
    report = one_frame([person(1), person(0, without=[2])], [person(1, without=[2]), person(1)])
    assert report["joint"]["Head"]["AP"] == 100


def test_what_lies_in_an_ignore_region_leaves_on_both_sides():
    square = np.array([[95.0, 0.0], [105.0, 0.0], [105.0, 200.0], [95.0, 200.0]])
    true, found = [person(0), person(100)], [person(0), person(101), person(99)]
    assert one_frame(true, found)["overall"]["false_positives"] == 3
    report = one_frame(true, found, ignore=[[square]])
    assert report["overall"] | {"objects": 3, "misses": 0, "false_positives": 0} == report["overall"]
    assert report["scored"] | {"annotated_poses": 1, "result_poses": 1} == report["scored"]
    # The hips lie below a lower edge.
    square[2:, 1] = 70
    report = one_frame(true, found, ignore=[[square]])
    assert {name: scores["objects"] for name, scores in report["joint"].items()} == {"Head": 1, "Neck": 1, "Hip": 2}


def test_inside_a_polygon_that_is_not_convex():
    notched = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [5.0, 2.0], [0.0, 10.0]])
    points = np.array([[[5.0, 1.0], [5.0, 5.0]], [[1.0, 5.0], [9.0, 5.0]], [[-1.0, 5.0], [11.0, 5.0]]])
    assert inside(points, notched).tolist() == [[True, False], [True, True], [False, False]]
    assert not inside(points, notched[:2]).any()


def test_frames_without_labels_are_not_scored_and_frames_are_found_by_their_numbers():
    truth = video([(t, 0, person(0)) for t in range(4)], 4, frame_ids=np.array([2, 4, 6, 8]))
    truth.labelled[1] = False
    poses = [(t, 0, person(0 if t in (2, 6, 8) else 100)) for t in range(12)]
    report = score([(truth, video(poses, 12))])
    assert report["overall"] | {"objects": 9, "misses": 0, "false_positives": 0} == report["overall"]


def test_joints_that_are_never_annotated_are_left_out_of_the_means():
    truth = video([(0, 0, person(0, without=[1]))], 1)
    report = score([(truth, video([(0, 0, person(0))], 1))])
    assert report["never_annotated"] == ["Neck"]
    assert list(report["joint"]) == ["Head", "Hip"]
    assert report["overall"]["MOTA"] == report["overall"]["HOTA"] == 100


def test_a_switch_is_counted_however_long_ago_the_match_was():
    truth = video([(t, 0, person(0)) for t in range(6)], 6)
    result = video([(0, 7, person(0)), (5, 8, person(0))], 6)
    scores = score([(truth, result)])["joint"]["Head"]
    assert (scores["switches"], scores["misses"]) == (1, 4)


def test_a_match_is_kept_while_it_is_near_even_if_another_is_nearer():
    truth = video([(t, 0, person(0)) for t in range(2)], 2)
    result = video([(0, 7, person(0)), (1, 7, person(2)), (1, 8, person(0))], 2)
    scores = score([(truth, result)])["joint"]["Head"]
    assert (scores["switches"], scores["false_positives"]) == (0, 1)
    assert scores["MOTP"] == pytest.approx(100 * (1 - (2 / HEAD) / 2))


# What the public evaluator does otherwise.


def test_official_drops_the_last_frame_for_mota_and_not_for_ap():
    truth = video([(t, 0, person(0)) for t in range(4)], 4)
    result = video([(t, 0, person(0)) for t in range(3)] + [(3, 0, person(50, confidence=0.5))], 4)
    strict, official = (score([(truth, result)], mode)["joint"]["Head"] for mode in ("strict", "official"))
    assert (strict["MOTA"], official["MOTA"]) == (50, 100)
    assert (strict["objects"], official["objects"]) == (4, 3)
    assert strict["AP"] == official["AP"] == 75
    assert strict["HOTA"] == official["HOTA"] == pytest.approx(100 * np.sqrt(3 / 5 * 3 / 5))


def test_official_counts_a_frame_without_a_result_as_one_miss_and_one_false_positive():
    truth = video([(t, who, person(50 * who)) for t in range(3) for who in range(4)], 3)
    result = video([(t, who, person(50 * who)) for t in (0, 2) for who in range(4)], 3)
    strict, official = (score([(truth, result)], mode)["joint"]["Hip"] for mode in ("strict", "official"))
    assert (strict["objects"], strict["misses"], strict["false_positives"]) == (12, 4, 0)
    assert (official["objects"], official["misses"], official["false_positives"]) == (5, 1, 1)
    assert strict["MOTA"] == pytest.approx(100 * 8 / 12)
    assert official["MOTA"] == pytest.approx(100 * 3 / 5)


def test_official_leaves_out_frames_without_annotations():
    truth = video([(0, 0, person(0)), (2, 0, person(0)), (3, 0, person(0))], 4)
    result = video([(t, 0, person(0)) for t in range(4)], 4)
    strict, official = (score([(truth, result)], mode)["joint"]["Hip"] for mode in ("strict", "official"))
    assert (strict["false_positives"], official["false_positives"]) == (1, 0)
    assert strict["AP"] == pytest.approx(75)
    assert official["AP"] == 100


def test_motp_of_nothing_is_nothing_or_officially_0():
    truth = video([(t, 0, person(0)) for t in range(3)], 3)
    result = video([(t, 0, person(0, without=[0])) for t in range(3)], 3)
    strict, official = (score([(truth, result)], mode) for mode in ("strict", "official"))
    assert (strict["joint"]["Head"]["MOTP"], official["joint"]["Head"]["MOTP"]) == (None, 0)
    assert (strict["overall"]["MOTP"], official["overall"]["MOTP"]) == (100, pytest.approx(100 * 2 / 3))


def test_official_has_joints_that_are_never_annotated_in_its_means():
    truth = video([(t, 0, person(0, without=[1])) for t in range(3)], 3)
    nowhere, somewhere = (
        score([(truth, video([(t, 0, person(0, without=out)) for t in range(3)], 3))], "official") for out in ([1], [])
    )
    assert nowhere["never_annotated"] == somewhere["never_annotated"] == ["Neck"]
    # In neither file: AP 0. In the result alone: no AP, since nothing can be recalled.
    assert (nowhere["joint"]["Neck"]["AP"], somewhere["joint"]["Neck"]["AP"]) == (0, None)
    assert nowhere["overall"]["AP"] == pytest.approx(100 * 2 / 3) and somewhere["overall"]["AP"] == 100
    for report in (nowhere, somewhere):
        assert (report["joint"]["Neck"]["MOTP"], report["joint"]["Neck"]["MOTA"]) == (0, None)
        assert report["overall"]["MOTP"] == pytest.approx(100 * 2 / 3)
        assert (report["overall"]["MOTA"], report["overall"]["IDF1"], report["overall"]["HOTA"]) == (100, 100, 100)
        assert "never annotated: their AP (of joints that no result has) and MOTP are 0" in tracking_markdown(report)


# What cannot be scored.


def test_without_identities_ap_is_the_only_score():
    truth, result = crowd(2)
    unnamed = replace(result, person=np.full_like(result.person, -1))
    report = score([(truth, unnamed)])
    assert report["overall"] == {"AP": score([(truth, result)])["overall"]["AP"]}
    assert "AP is the only score" in tracking_markdown(report)
    with pytest.raises(InputError, match="the result has no identities"):
        score([(truth, unnamed)], detections=[unnamed])


def refused(truth, result, match, **options):
    with pytest.raises(InputError, match=match):
        score([(truth, result)], **options)


def test_what_cannot_be_scored_is_refused_by_name():
    truth, result = crowd(2, name="street")
    headless = truth.head_box.copy()
    headless[7] = 0
    frame, who = truth.frame[7], truth.person[7]
    refused(replace(truth, head_box=headless), result, rf"street: frame {frame}, person {who}: the head box \[0.0, 0.0")
    refused(truth, replace(result, frame_ids=result.frame_ids + 1), r"street: the result has no frame 0 \(1 of 40")
    refused(
        truth,
        replace(result, skeleton=Skeleton("other", ("A", "B", "C"), (1, -1, 1))),
        "street, result: found the joints A",
    )
    some = result.person.copy()
    some[20:25] = -1
    refused(truth, replace(result, person=some), f"street: frame {result.frame[20]}: has a pose without an identity")
    twice = video([(0, 3, person(0)), (0, 3, person(9))], 40)
    refused(truth, replace(twice, name="street"), "street: frame 0 of the result: found 2 poses of identity 3")
    refused(truth, result, "mode: found 'lenient'; expected one of strict, official", mode="lenient")
    refused(truth, result, "detections: found 0 videos; expected one for each of 1", detections=[])
    refused(
        replace(truth, labelled=np.zeros(40, dtype=bool)), result, "nothing to score: no labelled frame of 1 videos"
    )
