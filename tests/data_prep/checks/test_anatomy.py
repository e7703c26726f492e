"""What no person's motion can look like is refused; what people's motion does look like is not."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.noise import seeded, simulate_detections
from data_prep.cameras.viewpoints import common_look_at, see
from data_prep.checks.anatomy import BACKWARDS, check_bones, check_image, check_person, image, knee_sines
from data_prep.options import UNITS
from data_prep.reading.motion import centred
from data_prep.sources.builtin.source import MOTION, UNIT
from stgraph.errors import InputError
from stgraph.formats.numpy_files import load_npz
from stgraph.skeleton import H36M17
from tests.data_prep.people import squats

SHARED = Path(__file__).parents[3] / "../shared/data/motion"


def clips(name):
    return {key: pose.astype(np.float64) for key, pose in load_npz(SHARED / name).items()}


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no shared motion")
@pytest.mark.parametrize("name", ["cmu.npz", "hdm05.npz"])
def test_real_motion_is_admitted_and_its_mirror_image_is_not(name):
    for key, pose in clips(name).items():
        check_person(pose, key, "m")
        check_bones(pose, key)
        assert knee_sines(pose).mean() > 0.1
        assert knee_sines(pose[:, H36M17.mirror]).mean() < BACKWARDS
        with pytest.raises(InputError, match="they seem to be millimetres"):
            check_person(pose * 1000, key, "m")
        with pytest.raises(InputError, match="they seem to be metres"):
            check_person(pose / 1000, key, "mm")


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no shared motion")
def test_noisy_images_of_real_motion_are_admitted():
    """Detections off by 15 pixels with every tenth joint unseen, of 3D that is off by 0.25 m, still show it."""
    rng, cameras, tried = np.random.default_rng(0), h36m_cameras("S9"), 0
    for key, pose in list(clips("cmu.npz").items())[::8]:
        pose = pose - pose.mean((0, 1)) * [1, 1, 0]
        for camera in cameras:
            turn = Rotation.from_quat(np.roll(camera.rotation, -1)).inv()
            seen = turn.apply((pose - camera.translation).reshape(-1, 3)).reshape(pose.shape)
            if seen[..., 2].min() < 1.5:
                continue
            pixels = image(seen, camera) + rng.normal(0, 15, (*pose.shape[:2], 2))
            detected = np.concatenate([pixels, rng.uniform(size=(*pose.shape[:2], 1)) > 0.1], axis=-1)
            check_image(detected, seen + [0.25, 0, 0], camera, cameras, key)
            tried += 1
    assert tried > 40


BUILTIN = load_npz(MOTION)
ACTIONS = {key.split("/")[1].rpartition(" ")[0]: key for key in BUILTIN}


def filmed(action, camera, subject="S9"):
    """A take of the built-in set through a camera: its 3D and what a noisy detector makes of it."""
    pose = centred(BUILTIN[ACTIONS[action]] * UNIT, common_look_at(h36m_cameras(subject))[:2])
    pose3d, pixels, _ = see(pose, camera, 0.05, 1.0)
    return pose3d, simulate_detections(pixels, camera.width, camera.height, seeded(0, action + camera.name))


@pytest.mark.slow
@pytest.mark.parametrize("action", ACTIONS)
def test_noisy_detections_of_every_action_are_admitted(action):
    """Bodies that are upside down, legs that are crossed: joints are near each other, and none is another's."""
    cameras = h36m_cameras("S9")
    for camera in cameras:
        pose3d, detected = filmed(action, camera)
        check_image(detected.astype(np.float32), pose3d, camera, cameras, action)


def exchanged(*pairs):
    """The 17 joints with some in each other's place."""
    order = list(range(len(H36M17)))
    for pair in pairs:
        a, b = map(H36M17.index, pair)
        order[a], order[b] = b, a
    return order


LIMBS = {"arms": ("Shoulder", "Elbow", "Wrist"), "legs": ("Hip", "Knee", "Foot")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        ([(f"{side}Knee", f"{side}Foot") for side in "LR"], "RKnee at RFoot, RFoot at RKnee"),
        ([("Head", "Hip")], "Hip at Head, Head at Hip"),
        ([("LWrist", "RFoot")], "RFoot at LWrist, LWrist at RFoot"),
        ([(f"L{part}", f"R{part}") for part in LIMBS["arms"]], "LShoulder at RShoulder"),
        ([(f"L{part}", f"R{part}") for part in LIMBS["legs"]], "RHip at LHip"),
    ],
)
@pytest.mark.parametrize("action", ["walk", "exercise"])
def test_a_few_joints_in_each_others_place_are_named(action, pairs, named):
    """A third of the joints: the median over all of them does not move."""
    found = []
    for camera in h36m_cameras("S9"):
        pose3d, detected = filmed(action, camera)
        try:
            check_image(detected[:, exchanged(*pairs)], pose3d, camera, [camera], "a.npz")
        except InputError as error:
            found.append(str(error))
    assert found and all("a.npz: 2D joints are where the 3D has others" in message for message in found)
    assert any(named in message for message in found)


def test_an_arm_that_a_detector_sees_on_the_other_side_is_admitted():
    camera = h36m_cameras("S9")[0]
    pose3d, detected = filmed("exercise", camera)
    for part in LIMBS["arms"]:
        detected[:, H36M17.index(f"L{part}")] = detected[:, H36M17.index(f"R{part}")]
    check_image(detected, pose3d, camera, [camera], "a")


def test_too_little_that_is_seen_is_named():
    camera = h36m_cameras("S9")[0]
    pose3d, detected = filmed("exercise", camera)
    detected[:, 1:, 2] = 0
    with pytest.raises(InputError, match="a: no frame has two joints that are seen"):
        check_image(detected, pose3d, camera, [camera], "a")
    detected[::10, 1:, 2] = 1  # frames of one joint do not make the person a point
    check_image(detected, pose3d, camera, [camera], "a")
    detected[..., 2] = 0
    with pytest.raises(InputError, match="a: no joint is seen in any frame"):
        check_image(detected, pose3d, camera, [camera], "a")


def test_the_order_that_is_expected_is_the_files():
    pose, order = squats(), [f"joint {number}" for number in range(len(H36M17))]
    with pytest.raises(InputError, match=r"another order than the one expected \(joint 0, joint 1"):
        check_person(pose[:, ::-1], "a", "m", order=order)
    with pytest.raises(InputError, match="knees bend backwards.*in the order joint 0, joint 1"):
        check_person(pose * [-1, 1, 1], "a", "m", order=order)
    with pytest.raises(InputError, match="knees bend backwards.*in the order Hip, RHip"):
        check_person(pose * [-1, 1, 1], "a", "m")


def test_a_joint_far_away_in_one_frame_is_named():
    pose = squats()
    check_bones(pose, "a")
    pose[7, H36M17.index("LKnee"), 0] += 50
    check_person(pose, "a", "m")  # the medians do not move
    with pytest.raises(InputError, match=r"a: LHip-LKnee is 50\.\d\d m at frame 7 \(1 of 100 frames"):
        check_bones(pose, "a")


@pytest.mark.parametrize("taken", UNITS)
@pytest.mark.parametrize(("held", "name"), [("m", "metres"), ("mm", "millimetres")])
def test_a_unit_is_recognised_whatever_was_expected(taken, held, name):
    pose = squats() / UNITS[held] * UNITS[taken]
    if taken == held:
        return check_person(pose, "a", taken)
    with pytest.raises(InputError, match=f"they seem to be {name}, convert them"):
        check_person(pose, "a", taken)
