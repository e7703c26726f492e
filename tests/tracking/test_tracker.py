"""The tracker, frame by frame: identities, how joints came about, and a whole video."""

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.posetrack import Mark
from stgraph.skeleton import POSETRACK15, Skeleton
from stgraph.tracking.options import TrackerOptions
from stgraph.tracking.predictors import PREDICTORS, find_predictor
from stgraph.tracking.tracker import State, Tracker, Tracks
from stgraph.tracking.videos import box_of, follow
from tests.tracking.walkers import FPS, SHAPE, person, run, same, scored, tracker, video, walk

pytestmark = pytest.mark.slow

FLY = Skeleton("fly", ("head", "thorax"), (-1, 0))

# Identities -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["velocity", "kalman"])
def test_an_identity_is_kept_across_a_gap(name):
    gone = range(20, 35)
    found = run(tracker(name), walk(50, gone=gone))
    for frame, people in enumerate(found):
        if frame in gone and not len(people):
            continue  # no joint is likely right any more
        lost = frame in gone
        assert people.id.tolist() == [1]
        assert people.state[0] == (State.LOST if lost else State.CONFIRMED)
        assert people.detection[0] == (-1 if lost else 0)
        mark = Mark.PREDICTED if lost else Mark.MERGED if frame and name == "kalman" else Mark.DETECTED
        assert set(people.mark[0]) <= ({mark, Mark.ABSENT} if lost else {mark})
        assert np.abs(people.pose[0] - person(100 + 4 * frame))[people.mark[0] != Mark.ABSENT].max() < (
            20 if name == "kalman" else 8
        )
    assert [len(people) for people in found[:21] + found[35:]] == [1] * 36


@pytest.mark.parametrize("name", ["velocity", "kalman"])
def test_two_who_cross_keep_their_identities(name):
    # They meet after 20 frames, where one of them is hidden for a while.
    frames = []
    for frame in range(41):
        one, other = person(100 + 6 * frame), person(340 - 6 * frame, 206)
        frames.append([one] if 18 <= frame <= 22 else [other, one])
    for frame, people in enumerate(run(tracker(name), frames)):
        seen = people.detection >= 0
        if 18 <= frame <= 22:
            assert people.id[seen].tolist() == [2]
            continue
        # The one who was first in the first frame is 1: equally good ones come in their own order.
        assert people.id.tolist() == [1, 2]
        assert people.detection.tolist() == [0, 1]
        x = people.pose[:, POSETRACK15.names.index("Nose"), 0]
        assert x[0] == pytest.approx(342 - 6 * frame, abs=12)
        assert x[1] == pytest.approx(102 + 6 * frame, abs=12)


def test_matches_are_one_to_one():
    rng = np.random.default_rng(2)
    at = tracker(nms_oks=1.0)
    for frame in range(30):
        places = rng.permutation([100, 125, 150, 175, 400])[: rng.integers(1, 6)]
        poses = np.stack([person(x + rng.normal(0, 4)) for x in places])
        people = at.update(poses, scored(len(poses)), frame / FPS)
        used = people.detection[people.detection >= 0]
        assert len(set(used)) == len(used) == len(poses)
        assert len(set(people.id)) == len(people.id)
        assert (np.diff(people.id) > 0).all()


def test_a_bad_match_is_never_forced():
    found = run(tracker(), [*walk(10, speed=0), [person(500)]])
    assert found[-1].id.tolist() == [1, 2]
    assert found[-1].state.tolist() == [State.LOST, State.CONFIRMED]
    assert found[-1].detection.tolist() == [-1, 0]


def test_the_best_assignment_is_taken_and_not_the_nearest_first():
    at = tracker("hold")
    run(at, [[person(100), person(130)]])
    # The first detection is nearest to the second person, who has another; the first has none else.
    people = run(at, [[person(118), person(148)]], start=1)[0]
    assert people.id.tolist() == [1, 2]
    assert people.detection.tolist() == [0, 1]


def test_two_detections_of_one_person_are_one():
    poses = np.stack([person(100), person(101), person(300)])
    scores = np.stack([np.full(15, 0.7), np.full(15, 0.9), np.full(15, 0.8)])
    people = tracker().update(poses, scores, 0.0)
    assert people.detection.tolist() == [1, 2]


# States ---------------------------------------------------------------------------------------------------------------


def test_tentative_confirmed_lost_forgotten():
    # Three frames are 0.12 s.
    frames = [*[[person(100)]] * 6, *[[]] * 8, *[[person(100)]] * 3]
    at = tracker(max_age=0.121, confirm_score=0.95, min_hits=3, coast_hits=3)
    found = run(at, frames)
    assert [people.id.tolist() for people in found[:2]] == [[], []]
    assert [people.state.tolist() for people in found[2:6]] == [[State.CONFIRMED]] * 4
    assert [people.state.tolist() for people in found[6:8]] == [[State.LOST]] * 2
    assert [len(people) for people in found[9:16]] == [0] * 7
    assert found[16].id.tolist() == [2]


@pytest.mark.parametrize("name", ["hold", "kalman"])
def test_confirmed_tracks_coast_for_a_while_and_keep_their_identity_for_longer(name):
    at = tracker(name, coast_seconds=0.13, max_age=1.0, coast_hits=8)
    found = run(at, [*[[person(100)]] * 8, *[[]] * 9, [person(100)]])
    assert [people.id.tolist() for people in found[8:]] == [[1]] * 3 + [[]] * 6 + [[1]]
    assert [len(people) for people in run(tracker(name, coast_hits=8), [*[[person(100)]] * 7, []])] == [1] * 7 + [0]


@pytest.mark.parametrize("gap", [3, 4])
def test_tracks_beyond_max_age_are_not_matched(gap):
    # Whether the frames on the way are there without detections, or left out.
    frames = [*[[person(100)]] * 6, *[[]] * (gap - 1), [person(100)]]
    assert run(tracker(max_age=0.121), frames)[-1].id.tolist() == [1 if gap == 3 else 2]
    at = tracker(max_age=0.121)
    run(at, frames[:6])
    assert run(at, frames[-1:], start=5 + gap)[0].id.tolist() == [1 if gap == 3 else 2]


def test_false_single_detections_are_never_reported():
    frames = walk(30, speed=0)
    for frame in range(3, 30, 4):
        frames[frame].append(person(250 + 8 * frame))
    at = tracker()
    for number, poses in enumerate(frames):
        scores = scored(len(poses))
        scores[1:] = 0.6
        assert at.update(np.stack(poses), scores, number / FPS).id.tolist() == [1]


def test_confident_people_are_reported_at_once_and_unlikely_ones_begin_no_track():
    assert len(tracker().update(person(100)[None], scored(1, 0.71), 0.0)) == 1
    assert len(tracker(min_hits=1).update(person(100)[None], scored(1, 0.4), 0.0)) == 1
    for scores in (0.69, 0.29):
        assert len(tracker().update(person(100)[None], scored(1, scores), 0.0)) == 0
    assert [len(people) for people in run(tracker(), walk(9), scores=0.29)] == [0] * 9
    assert [len(people) for people in run(tracker(), walk(9), scores=0.31)] == [0, 0, 0] + [1] * 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate": 0.0}, "gate: found 0.0; expected an OKS"),
        ({"nms_oks": 1.5}, "nms_oks: found 1.5"),
        ({"min_hits": 0}, "min_hits: found 0; expected 1 frame or more"),
        ({"max_age": -1.0}, "max_age: found -1.0"),
        ({"max_age": float("nan")}, "max_age: found nan"),
    ],
)
def test_settings_that_cannot_work(options, message):
    with pytest.raises(InputError, match=message):
        tracker(**options)


def test_known_people_are_kept_and_added():
    known = Tracks(np.array([1, 2]), np.array([0, 1]), np.array([4, 5]), np.array([0.5, 0.6]), np.ones((2, 14, 2)))
    both = known.select(np.array([False, True])).add(known)
    assert both.id.tolist() == [2, 1, 2]
    assert both.seen.tolist() == [0.6, 0.5, 0.6]


# Joints ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PREDICTORS)
def test_marks_and_confidence_that_falls(name):
    at = tracker(name)
    run(at, walk(10, speed=1.0))
    wrist, ankle = (POSETRACK15.names.index(joint) for joint in ("LWrist", "RAnkle"))
    before = 0.9
    for frame in range(10, 16):
        scores = scored(1)
        scores[0, wrist] = 0
        people = at.update(person(100 + frame)[None], scores, frame / FPS)
        assert people.mark[0, ankle] == (Mark.MERGED if name == "kalman" else Mark.DETECTED)
        assert people.confidence[0, ankle] == 0.9
        if people.mark[0, wrist] == Mark.ABSENT:
            assert people.confidence[0, wrist] == 0
            break
        assert people.mark[0, wrist] == Mark.PREDICTED
        assert 0 < people.confidence[0, wrist] < before
        before = people.confidence[0, wrist]
        reported = people.mark[0] != Mark.ABSENT
        assert people.score[0] == pytest.approx(people.confidence[0][reported].mean())
    assert frame > 10  # it was predicted at least once


def test_a_joint_that_was_never_seen_is_absent_until_it_is():
    at = tracker()
    scores = scored(1)
    scores[0, :3] = 0
    for frame in range(5):
        people = at.update(person(100)[None], scores, frame / FPS)
        # Who stands still is where it was predicted: nothing was merged.
        assert people.mark[0].tolist() == [Mark.ABSENT] * 3 + [Mark.DETECTED] * 12
        assert people.confidence[0, :3].tolist() == [0, 0, 0]
    people = at.update(person(100)[None], scored(1), 5 / FPS)
    assert (people.mark[0] != Mark.ABSENT).all()
    np.testing.assert_allclose(people.pose[0], person(100), atol=1)


def test_predicted_joints_outside_the_image_are_not_reported():
    people = []
    for size in (None, (640, 400)):
        at = tracker("velocity", size=size)
        run(at, walk(20, x=556.0, speed=4.0))
        people += run(at, [[]], start=20)
    everywhere, inside = people
    x = everywhere.pose[0, :, 0]
    assert (everywhere.mark == Mark.PREDICTED).all()
    assert 0 < (x < 640).sum() < len(x)
    np.testing.assert_array_equal(inside.mark[0] == Mark.PREDICTED, x < 640)
    assert (inside.confidence[0][x >= 640] == 0).all()
    # Detected ones are reported wherever they are.
    assert (run(tracker(size=(640, 400)), [[person(700)]])[0].mark == Mark.DETECTED).all()


def test_lost_people_outside_the_image_are_not_reported():
    at = tracker("velocity", size=(640, 400))
    walking = walk(22, x=560.0, speed=6.0)
    found = run(at, [*walking[:21], []])
    assert len(found[20]) == 1
    assert len(found[21]) == 0
    assert len(run(tracker("velocity"), [*walking[:21], []])[21]) == 1


# Online ---------------------------------------------------------------------------------------------------------------


def crowd(frames=40, seed=5, dimensions=2):
    """Frames of several people with noise, some missed, and false ones."""
    rng = np.random.default_rng(seed)
    start, speed = np.array([80.0, 220, 360, 500]), np.array([3.0, -2, 1, -3])
    made = []
    for frame in range(frames):
        poses = [person(x) + rng.normal(0, 2, SHAPE.shape) for x in start + speed * frame if rng.random() > 0.2]
        poses += [person(rng.uniform(0, 640))] if rng.random() < 0.2 else []
        made.append(poses)
    return made


@pytest.mark.parametrize("name", PREDICTORS)
def test_what_follows_changes_nothing(name):
    frames = crowd()
    whole = run(tracker(name), frames)
    other = run(tracker(name), [*frames[:20], *crowd(20, seed=9)])
    assert sum(len(people) for people in whole[:20]) > 40
    for one, two in zip(whole[:20], other[:20], strict=True):
        same(one, two)


@pytest.mark.parametrize("name", PREDICTORS)
def test_memory_of_a_person_is_constant(name):
    at, sizes = tracker(name, max_age=0.4), set()
    for frame, poses in enumerate(crowd(300)):
        at.update(np.array(poses).reshape(-1, *SHAPE.shape), scored(len(poses)), frame / FPS)
        count = len(at.tracks)
        if count:
            assert {len(values) for values in [*at.memory, *vars(at.tracks).values()]} == {count}
            sizes.add(tuple(values[0].size for values in at.memory))
    assert len(sizes) == 1
    assert at.next_id > 10  # people went and came
    assert count < 12


@pytest.mark.parametrize("people", [150, 1000])
def test_a_crowd_is_followed_whole(people):
    rng = np.random.default_rng(0)
    at = tracker()
    places = 300.0 * np.stack(np.divmod(np.arange(people), 40), axis=1)[:, None]
    for frame in range(4):
        poses = SHAPE + places + [3.0 * frame, 0] + rng.normal(0, 1, (people, 15, 2))
        found = at.update(poses, scored(people), frame / FPS)
        assert found.id.tolist() == [*range(1, people + 1)] and found.detection.tolist() == [*range(people)]


def test_three_dimensions():
    def standing(frame):
        flat = SHAPE / 100
        return np.concatenate([flat, np.full((15, 1), 4.0)], axis=1) + [0.03 * frame, 0, 0.01 * frame]

    frames = [[] if 12 <= frame < 18 else [standing(frame)] for frame in range(30)]
    found = run(tracker(), frames)
    assert [people.id.tolist() for people in found if len(people.detection)] == [[1]] * sum(map(len, found))
    assert [len(people) for people in found[:12] + found[18:]] == [1] * 24
    assert found[-1].pose.shape == (1, 15, 3)
    reported = found[13].mark[0] == Mark.PREDICTED
    assert reported.any()
    assert np.abs(found[13].pose[0] - standing(13))[reported].max() < 0.1


# Few joints, and a known number of people -----------------------------------------------------------------------------


def jumping(frames=300, seed=0):
    """Two flies of two joints that jump by several body lengths, one missed now and then: poses, and of whom."""
    rng = np.random.default_rng(seed)
    centre, angle = rng.uniform(100, 300, (2, 2)), rng.uniform(0, 6, 2)
    for _ in range(frames):
        jumps = rng.random(2) < 0.05
        centre = (centre + rng.normal(0, 3, (2, 2)) + jumps[:, None] * rng.normal(0, 60, (2, 2))).clip(0, 400)
        angle = angle + rng.normal(0, 0.2, 2) + jumps * rng.normal(0, 1.5, 2)
        along = 15 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        kept = rng.random(2) > 0.05
        yield np.stack([centre + along, centre - along], axis=1)[kept], np.flatnonzero(kept)


@pytest.mark.parametrize("name", ["hold", "kalman"])
@pytest.mark.parametrize(("people", "most"), [(0, 6), (2, 2)])
def test_two_joints_that_jump_are_followed(name, people, most):
    at = Tracker(find_predictor(name), FLY, options=TrackerOptions(people=people))
    identities, switches, last = set(), 0, {}
    for frame, (poses, who) in enumerate(jumping()):
        found = at.update(poses, np.full((len(poses), 2), 0.9), frame / FPS)
        identities |= {*found.id.tolist()}
        for identity, detection in zip(found.id, found.detection, strict=True):
            if detection >= 0:
                switches += last.get(who[detection], identity) != identity
                last[who[detection]] = identity
        assert (found.detection >= 0).sum() == len(poses)
    assert len(identities) <= most and switches < 12


def test_a_known_number_of_people_is_never_exceeded_and_no_track_ends():
    at = tracker(people=2)
    far = [[person(100), person(400)], *[[]] * 60, [person(250, 900), person(600, 100)], [person(0), person(300)]]
    found = run(at, far)
    assert found[0].id.tolist() == found[61].id.tolist() == found[62].id.tolist() == [1, 2]
    with pytest.raises(InputError, match="people: found -1; expected 0 or more"):
        tracker(people=-1)


# Limbs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PREDICTORS)
def test_predicted_limbs_keep_their_lengths(name):
    """A forearm that is hidden while the person turns back and runs."""
    elbow, wrist = (POSETRACK15.names.index(joint) for joint in ("LElbow", "LWrist"))
    length = np.linalg.norm(SHAPE[wrist] - SHAPE[elbow])
    at, shown = tracker(name, min_probability=0.0), 0
    for frame in range(40):
        x = 100 + 12 * frame if frame < 15 else 280 - 30 * (frame - 15)
        scores = scored(1)
        scores[0, wrist] = 0.9 * (frame < 15)
        people = at.update(person(x)[None], scores, frame / FPS)
        if frame >= 15 and people.mark[0, wrist] == Mark.PREDICTED:
            shown += 1
            assert 0.5 * length < np.linalg.norm(people.pose[0, wrist] - people.pose[0, elbow]) < 1.3 * length
    assert shown > 5


# Videos ---------------------------------------------------------------------------------------------------------------


def test_a_video_is_followed():
    frames = [[person(300 - 2 * frame), *poses] for frame, poses in enumerate(walk(24, gone=range(12, 14)))]
    frames[0] = []
    frames[15] = []
    detected = video(frames)
    found = follow(tracker(size=detected.size), detected, FPS)
    assert len(found) == 24
    assert (found.fps, found.size, found.name) == (FPS, (640, 400), "walk")
    assert not (found.frame == 0).any()
    for frame in range(3, 24):
        rows = found.frame == frame
        assert found.person[rows].tolist() == [1, 2], frame
        marks = found.mark[rows]
        assert (marks[0] == (Mark.PREDICTED if frame == 15 else Mark.MERGED)).all()
        assert (marks[1] == Mark.PREDICTED).any() == (frame in (12, 13, 15))
        given = detected.box[detected.frame == frame]
        np.testing.assert_array_equal(found.box[rows][: len(given)], given)
    lost = (found.frame == 13) & (found.person == 2)
    there = found.mark[lost][0] != Mark.ABSENT
    places = found.pose[lost][0, there, :2]
    np.testing.assert_allclose(found.box[lost][0], [*places.min(0), *places.max(0)])
    assert (found.pose[found.mark == Mark.ABSENT] == 0).all()
    assert (found.pose[found.mark != Mark.ABSENT][:, 2] > 0).all()


def test_a_whole_video_has_people_from_their_first_detection_on_and_none_who_are_never_confirmed():
    frames = walk(12)
    frames[5].append(person(500))
    detected = video(frames)
    detected.pose[..., 2] = 0.5
    online, whole = (follow(tracker(), detected, FPS, whole=whole) for whole in (False, True))
    assert online.frame.tolist() == [*range(3, 12)] and whole.frame.tolist() == [*range(12)]
    assert set(whole.person) == {1}
    np.testing.assert_array_equal(whole.pose[3:], online.pose)


def test_a_video_without_people_stays_one():
    found = follow(tracker(), video([[], [], []]), FPS)
    assert len(found) == 3
    assert found.pose.shape == (0, 15, 3)
    assert found.mark.shape == (0, 15)


def test_frames_that_are_left_out_count_as_time():
    detected = video([[person(100)]] * 6)
    detected.frame_ids[3:] += 100
    found = follow(tracker(), detected, FPS)
    assert found.person.tolist() == [1, 1, 1, 2, 2, 2]


def test_the_box_of_the_joints_that_are_there():
    pose = np.array([[[1.0, 8.0, 0.5], [5.0, 2.0, 0.1], [99.0, 99.0, 0.0]], [[1.0, 1.0, 0.0]] * 3])
    np.testing.assert_array_equal(box_of(pose), [[1, 2, 5, 8], [0, 0, 0, 0]])
