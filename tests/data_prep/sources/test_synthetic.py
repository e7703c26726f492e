"""The built-in set: bones keep their length, standing feet stand still, joints bend as they should."""

import h5py
import numpy as np
import pytest

from data_prep.__main__ import prepare
from data_prep.checks.anatomy import check_person
from data_prep.sources.synthetic.motions import glide
from data_prep.sources.synthetic.paths import Loop
from data_prep.sources.synthetic.puppet import Body, across, arm, arm_angles, forward_kinematics, turn, two_bones
from data_prep.sources.synthetic.source import ACTIONS, FPS, STATURES, perform_take, person, read_synthetic
from stgraph.errors import InputError
from stgraph.skeleton import H36M17, H36M32

AT = {name: joint for joint, name in enumerate(H36M32.names)}
SECONDS = 4.0
STANDING = ("Directions", "Waiting", "Greeting", "Purchases")
GAITS = ("Walking", "WalkDog", "WalkTogether")


@pytest.fixture(scope="module")
def takes():
    """One take of every action, by people in turn."""
    return {
        action: (subject, perform_take(0, subject, action, 0, SECONDS))
        for action, subject in zip(ACTIONS, [*STATURES] * 3, strict=False)
    }


def joint_angle(pose, upper, middle, lower):
    """Degrees by which a limb is bent; 0 is straight."""
    a, b = pose[:, AT[middle]] - pose[:, AT[upper]], pose[:, AT[lower]] - pose[:, AT[middle]]
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def forward_of_hips(pose):
    """Unit vector on the floor to which the pelvis faces."""
    left = pose[:, AT["LHip"]] - pose[:, AT["RHip"]]
    ahead = np.stack([left[:, 1], -left[:, 0], np.zeros(len(left))], -1)
    return ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)


def test_bones_keep_their_length_and_are_the_persons_own(takes):
    joint, parent = np.array(H36M32.bones).T
    for subject, pose in takes.values():
        lengths = np.linalg.norm(pose[:, joint] - pose[:, parent], axis=-1)
        expected = np.linalg.norm(person(0, subject)[0].offsets[joint], axis=-1)
        # The thorax of the 32 joints and the shoulders' base are two joints in one place, so each hangs on the spine.
        np.testing.assert_allclose(lengths, np.broadcast_to(expected, lengths.shape), atol=1e-9)
    thighs = {subject: round(person(0, subject)[0].length("Knee"), 4) for subject in STATURES}
    assert len(set(thighs.values())) == len(STATURES)


def test_a_take_depends_on_nothing_but_its_own_arguments():
    first = perform_take(3, "S7", "Posing", 1, 2.5)
    perform_take(3, "S1", "Walking", 0, 2.5)
    np.testing.assert_array_equal(first, perform_take(3, "S7", "Posing", 1, 2.5))
    for other in ((4, "S7", "Posing", 1), (3, "S8", "Posing", 1), (3, "S7", "Posing", 0)):
        again = perform_take(*other, 2.5)
        shared = min(len(first), len(again))
        assert np.abs(first[:shared] - again[:shared]).max() > 0.1


def test_poses_are_human(takes):
    for action, (_, pose) in takes.items():
        check_person(pose[:, H36M17.select_from(H36M32)], action, "m")
        assert pose[..., 2].min() > -0.04, action  # nothing goes through the floor
        assert pose[:, AT["Head"], 2].max() < 2.0, action
        assert np.abs(pose[..., :2]).max() < 2.5, action  # the room
        for side in "LR":
            knee = joint_angle(pose, f"{side}Hip", f"{side}Knee", f"{side}Foot")
            elbow = joint_angle(pose, f"{side}Shoulder", f"{side}Elbow", f"{side}Wrist")
            assert knee.min() > 3 and knee.max() < 150, action
            assert elbow.min() > 3 and elbow.max() < 155, action
            # A knee bends forwards: the ankle is behind the line that the thigh goes on.
            hip, middle, foot = (pose[:, AT[side + name]] for name in ("Hip", "Knee", "Foot"))
            chord = (foot - hip) / np.linalg.norm(foot - hip, axis=-1, keepdims=True)
            bulge = (middle - hip) - ((middle - hip) * chord).sum(-1, keepdims=True) * chord
            assert ((bulge * (forward_of_hips(pose) + [0, 0, 0.6])).sum(-1) > -0.02).all(), action


def test_motion_is_smooth(takes):
    for action, (_, pose) in takes.items():
        acceleration = np.linalg.norm(np.diff(pose, 2, axis=0), axis=-1) * FPS**2
        assert acceleration.max() < 160, action  # m/s2; a heel strike reaches this in motion capture, too
        assert np.percentile(acceleration, 99) < 60, action


@pytest.mark.parametrize("action", [*STANDING, *GAITS])
def test_a_foot_that_stands_does_not_slide(takes, action):
    _, pose = takes[action]
    for side in "LR":
        ball = pose[:, AT[f"{side}ToeBase"]]
        down = ball[:, 2] < ball[:, 2].min() + 0.004
        still = down[1:] & down[:-1]
        speed = np.linalg.norm(np.diff(ball, axis=0), axis=-1)[still] * FPS
        assert still.mean() > 0.4
        assert np.percentile(speed, 95) < 0.15, f"{action}: {np.percentile(speed, 95):.3f} m/s"


@pytest.mark.parametrize("subject", ["S1", "S8", "S9"])
def test_gait_follows_normative_joint_angles(subject):
    pose = perform_take(0, subject, "Walking", 0, 6)
    ahead = forward_of_hips(pose)
    leads = {}
    for side in "LR":
        knee = joint_angle(pose, f"{side}Hip", f"{side}Knee", f"{side}Foot")
        thigh = pose[:, AT[f"{side}Knee"]] - pose[:, AT[f"{side}Hip"]]
        hip = np.degrees(np.arctan2((thigh * ahead).sum(-1), -thigh[:, 2]))
        assert 52 < knee.max() < 80  # swing: about 60 degrees
        assert np.median(knee) < 45 and knee.min() < 20  # straight in stance
        assert 22 < hip.max() < 48 and hip.min() < 5
        for part in ("Foot", "Wrist"):
            leads[side + part] = ((pose[:, AT[side + part]] - pose[:, 0]) * ahead).sum(-1)
    speed = np.linalg.norm(np.diff(pose[:, 0, :2], axis=0), axis=-1).mean() * FPS
    assert 0.7 < speed < 1.6
    step = leads["LFoot"] - leads["RFoot"]
    strides = (np.diff(np.sign(step)) > 0).sum() / (len(pose) / FPS)
    assert 0.6 < strides < 1.3  # a second
    arms = leads["LWrist"] - leads["RWrist"]
    assert np.corrcoef(step, arms)[0, 1] < -0.7  # an arm swings with the other side's leg
    assert np.ptp(pose[:, 0, 2]) < 0.16


def test_actions_do_what_they_are_called():
    hips = {
        action: np.concatenate([perform_take(1, subject, action, 0, 4)[:, 0, 2] for subject in ("S5", "S8")])
        for action in ("Sitting", "SittingDown", "Walking")
    }
    assert hips["Sitting"].max() < 0.65
    assert hips["SittingDown"].max() > 0.85 and hips["SittingDown"].min() < 0.62
    assert hips["Walking"].min() > 0.7
    phone = perform_take(0, "S6", "Phoning", 0, 3)
    nearest = min(
        np.linalg.norm(phone[:, AT[f"{side}Wrist"]] - phone[:, AT["Neck/Nose"]], axis=-1).max() for side in "LR"
    )
    assert nearest < 0.25  # a hand stays at the ear


def test_two_bones_reach_their_goal_and_bend_towards_the_pole():
    rng = np.random.default_rng(0)
    start, way, pole = rng.normal(size=(3, 50, 3))
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    end = start + way * rng.uniform(0.3, 0.7, (50, 1))
    first, second = two_bones(start, end, 0.45, 0.40, pole)
    middle = start + first @ [0, 0, -0.45]
    np.testing.assert_allclose(middle + second @ [0, 0, -0.40], end, atol=1e-9)
    assert (((middle - start) * across(pole, way)).sum(-1) > 0).all()
    for rotation in (first, second):
        np.testing.assert_allclose(
            rotation @ rotation.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-9
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1)


@pytest.mark.parametrize("outward", [1.0, -1.0])
def test_arm_angles_bring_the_wrist_to_the_place(outward):
    body = Body.of(1.7, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    target = rng.uniform((0.2, 0.0, -0.3), (0.3, 0.25, 0.2), (40, 3)) * (1, outward, 1)
    angles = np.concatenate([arm_angles(body, target, outward), np.zeros((40, 1))], -1)
    upper, lower = arm(body, angles, outward)
    wrist = upper @ [0, 0, -body.length("Elbow")] + lower @ [0, 0, -body.length("Wrist")]
    np.testing.assert_allclose(wrist, target, atol=1e-6)


def test_forward_kinematics_turns_rigidly():
    body = Body.of(1.8, np.random.default_rng(0))
    whole = turn(np.array([[0.3, -0.2, 1.0]]))
    turned = forward_kinematics(np.ones((1, 3)), np.broadcast_to(whole[:, None], (1, 32, 3, 3)), body.offsets)
    rest = forward_kinematics(np.zeros((1, 3)), np.broadcast_to(np.eye(3), (1, 32, 3, 3)), body.offsets)
    np.testing.assert_allclose(turned[0], rest[0] @ whole[0].T + 1, atol=1e-12)
    height = rest[0, AT["Head"], 2] - rest[0, AT["LFoot"], 2] + body.sole
    assert 1.6 < height < 1.8  # the head joint is near the top of a person of 1.8 m


def test_glide_is_minimum_jerk():
    s = np.linspace(0, 1, 1001)
    value = glide(s)
    assert glide(np.array([-1.0, 2.0])).tolist() == [0, 1]
    velocity, acceleration = np.gradient(value, s), np.gradient(np.gradient(value, s), s)
    assert abs(velocity[[0, -1]]).max() < 1e-3 and abs(acceleration[[0, -1]]).max() < 0.1
    assert velocity.max() == pytest.approx(1.875, abs=1e-3)


def test_loop_is_walked_evenly_round_after_round():
    phase = np.linspace(0, 2 * np.pi, 721)
    circle = Loop.of(2.0 * np.stack([np.cos(phase), np.sin(phase)], -1))
    assert circle.length == pytest.approx(4 * np.pi, rel=1e-3)
    assert circle.curvature == pytest.approx(0.5, rel=0.02)
    for seed in range(20):
        loop = Loop.through_room(np.random.default_rng(seed))
        distance = np.linspace(-1, 2.5 * loop.length, 5000)
        place, heading = loop.place(distance), loop.heading(distance)
        np.testing.assert_allclose(place, loop.place(distance + loop.length), atol=1e-9)
        moved = np.diff(place, axis=0)
        np.testing.assert_allclose(np.linalg.norm(moved, axis=-1), np.diff(distance), rtol=0.01)
        assert np.abs(np.diff(heading)).max() < 0.1  # no jump where a round ends
        facing = np.stack([np.cos(heading), np.sin(heading)], -1)[:-1]
        assert ((moved * facing).sum(-1) > 0.98 * np.diff(distance)).all()
        assert np.abs(loop.points).max() < 1.9


def test_dataset_goes_through_the_human36m_reader(tmp_path):
    source = read_synthetic(["S11", "S5"], seed=2, seconds=2.0)
    text = prepare(source, tmp_path / "synthetic.h5", "test")
    assert "synthetic" in source.source and "240 recordings" in text and "left out" not in text
    with h5py.File(tmp_path / "synthetic.h5") as file:
        assert "synthetic" in file.attrs["source"]
        ids = [name.decode() for name in file["recordings/id"][:]]
        assert "S11/Directions/54138969" in ids  # corrupt in Human3.6M alone
        assert set(file["recordings/action"].asstr()[:]) == set(ACTIONS)
        exact, noisy = file["rows/pose2d/gt"][:], file["rows/pose2d/sim"][:]
        assert (exact[..., 2] == 1).all() and 0.2 < noisy[..., 2].mean() < 1
        error = np.linalg.norm(exact[..., :2] - noisy[..., :2], axis=-1)
        assert 1 < np.median(error) < 10  # pixels
        seen = ((exact[..., :2] > 0) & (exact[..., :2] < 1000)).all(-1)
        assert seen.mean() > 0.99
        assert file["rows/pose3d"][..., 2].min() > 1.5  # in front of every camera
        part = dict(zip(ids, file["splits/standard"].asstr()[:], strict=True))
        assert part["S11/Walking/54138969"] == "test" and part["S5/Walking/54138969"] == "train"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subjects": ["S2"]}, "S2.*S1, S5"),
        ({"seed": -1}, "seed"),
        ({"seconds": 0.1}, "seconds"),
        ({"subjects": ["S1", "S1"]}, "once"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        read_synthetic(**arguments)
