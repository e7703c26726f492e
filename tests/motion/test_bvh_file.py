"""BVH of a motion: forward kinematics gives it back, it stands upright and faces the right way, and nothing flips."""

import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from stgraph.errors import InputError
from stgraph.formats.bvh import read_bvh
from stgraph.motion.bvh_file import euler_zxy
from stgraph.motion.rigid import fit_rigid, fit_rotation, rest_offsets, twists
from stgraph.skeleton import COCO17, H36M17, NTU25, OPENPOSE18
from tests.motion.people import changed, walking


def saved(motion, path):
    """The joints' places in the file, in the motion's order, and the file."""
    (file,) = motion.save(path)
    bvh = read_bvh(path)
    return bvh.positions()[:, [bvh.names.index(name) for name in motion.joint_labels]], bvh, file.note


def lengths(positions, skeleton):
    joint, parent = np.array(skeleton.bones).T
    return np.linalg.norm(positions[..., joint, :] - positions[..., parent, :], axis=-1)


def angles_between(rotations):
    """Degrees from each frame to the next, (t-1 j)."""
    step = np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]
    return np.degrees(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("take", ["S07/walk 01", "S49/cartwheel 06", "S01/hang 03a", "S05/dance 18a"])
def test_forward_kinematics_gives_the_motion_with_constant_bones(take, tmp_path):
    motion = walking((take,), 150)
    positions, _, note = saved(motion, tmp_path / "walk.bvh")
    pose = motion.y_up[:, 0]
    rigid = fit_rigid(pose, H36M17, motion.rate)
    assert np.abs(positions - rigid.positions).max() < 1e-4  # metres
    assert np.ptp(lengths(positions, H36M17), axis=0).max() < 1e-4
    np.testing.assert_allclose(lengths(positions, H36M17).mean(0), lengths(pose, H36M17).mean(0), atol=1e-4)
    distance = 1000 * np.linalg.norm(positions - pose, axis=-1)
    assert distance.mean() < 10
    mean, most = map(float, re.findall(r"[\d.]+(?= mm)", note))
    assert (mean, most) == pytest.approx((distance.mean(), distance.max()), abs=0.06)


def test_a_motion_of_constant_bones_comes_back_as_it_is(tmp_path):
    """A second fit to what the first one gave has nothing left to change."""
    motion = walking(frames=60)
    rigid = fit_rigid(motion.y_up[:, 0], H36M17, motion.rate)
    again = fit_rigid(rigid.positions, H36M17, motion.rate)
    assert np.abs(again.positions - rigid.positions).max() < 1e-4


def test_the_rest_pose_is_a_t_pose_that_faces_z_with_its_left_on_x(tmp_path):
    _, bvh, _ = saved(walking(), tmp_path / "walk.bvh")
    rest = {}
    for joint in bvh.joints:
        rest[joint.name] = joint.offset + (rest[bvh.names[joint.parent]] if joint.parent >= 0 else 0)
    assert rest["LWrist"][0] > 0.5 and rest["RWrist"][0] < -0.5
    assert abs(rest["LWrist"][1] - rest["LShoulder"][1]) < 1e-6
    assert rest["Head"][1] > 0.4 and rest["LFoot"][1] < -0.6
    assert abs(rest["LFoot"][0] - rest["LHip"][0]) < 1e-6


def test_the_walker_is_upright_and_faces_where_it_goes(tmp_path):
    """In BVH's axes: y up; forward is left x up."""
    motion = walking(("S35/walk 01",), 100)
    positions, bvh, _ = saved(motion, tmp_path / "walk.bvh")
    place = dict(zip(H36M17.names, positions.transpose(1, 0, 2), strict=True))
    assert (place["Head"][:, 1] > place["Hip"][:, 1] + 0.3).all() and (place["LFoot"][:, 1] < 0.5).all()
    forward = np.cross(place["LHip"] - place["RHip"], [0, 1, 0])
    path = place["Hip"][-1] - place["Hip"][0]
    assert (forward @ path > 0).all()
    # The root's rotation turns z, which the rest pose faces, to where the walker faces.
    turns = Rotation.from_euler("ZXY", bvh.motion[:, 3:6], degrees=True).apply([0, 0, 1])
    assert (np.einsum("ti, ti -> t", turns, forward) > 0.8 * np.linalg.norm(forward, axis=-1)).all()


@pytest.mark.slow
def test_nothing_flips():
    for take in ("S49/cartwheel 06", "S01/hang 03a", "S13/exercise 29"):
        motion = walking((take,), 300)
        rigid = fit_rigid(motion.y_up[:, 0], H36M17, motion.rate)
        assert angles_between(rigid.rotations).max() < 25, take


def test_a_bone_that_passes_opposite_its_rest_does_not_spin():
    """The least turn from the rest spins it by half a turn within a frame or two."""
    rest, angle = np.array([1.0, 0, 0]), np.radians(np.linspace(150, 210, 61))
    bones = np.stack([np.cos(angle), np.sin(angle), np.full(61, 0.005)], -1)
    least = fit_rotation(bones[:, None], rest[None], np.eye(3))
    assert angles_between(least[:, None]).max() > 60
    turns = least @ twists(least, np.eye(3), rest, np.radians(5))
    assert angles_between(turns[:, None]).max() < 6.1
    np.testing.assert_allclose(turns @ rest, least @ rest, atol=1e-9)


def test_gaps_hold_the_pose_before(tmp_path):
    motion = walking(("S07/walk 01", "S08/walk 02"), 60)
    pose = motion.pose.copy()
    pose[:4, 1] = np.nan
    motion = changed(motion, pose=pose)
    files = motion.save(tmp_path / "walk.bvh")
    assert [file.path.name for file in files] == ["walk.1.bvh", "walk.2.bvh"]
    assert "held in 10 frames without the person" in files[1].note and "held" not in files[0].note
    assert "begins with frame 4 (0.08 s)" in files[1].note and "begins" not in files[0].note
    positions = read_bvh(files[1].path).positions()
    assert len(positions) == 56 and np.ptp(positions[15:26], axis=0).max() == 0
    assert np.ptp(positions[26:28], axis=0).max() > 0
    pose[:, 1] = np.nan
    with pytest.raises(InputError, match="person 2 is in no frame"):
        changed(motion, pose=pose).save(tmp_path / "walk.bvh")


def test_guessed_joints_are_named(tmp_path):
    guessed = np.zeros((100, 1, len(H36M17)), bool)
    guessed[:50, 0, H36M17.index("LFoot")] = True
    assert saved(walking(guessed=guessed), tmp_path / "walk.bvh")[2].endswith("guessed: LFoot 50 %")


@pytest.mark.parametrize("skeleton", [COCO17, OPENPOSE18, NTU25], ids=lambda skeleton: skeleton.name)
def test_other_skeletons_stand_upright_in_their_rest_pose(skeleton):
    """Their joints are made from those of the built-in set; what it lacks is put near by."""
    walk = walking()
    made = np.empty((len(walk), len(skeleton), 3), np.float32)
    near = {"Nose": ("Neck/Nose", (0, 0.05, 0.1)), "Neck": ("Thorax", (0, 0.05, 0))}
    for word, x in (("L", 0.04), ("R", -0.04)):
        near |= {f"{word}Eye": ("Neck/Nose", (x, 0.1, 0.08)), f"{word}Ear": ("Neck/Nose", (2 * x, 0.08, 0))}
        near |= {f"{word}Ankle": (f"{word}Foot", (0, 0, 0)), f"{word}Hand": (f"{word}Wrist", (0, -0.08, 0))}
        near |= {f"{word}HandTip": (f"{word}Wrist", (0, -0.16, 0)), f"{word}Thumb": (f"{word}Wrist", (0, -0.1, 0.05))}
    near |= {"SpineBase": ("Hip", (0, 0, 0)), "SpineMid": ("Spine", (0, 0, 0)), "SpineShoulder": ("Thorax", (0, 0, 0))}
    for joint, name in enumerate(skeleton.names):
        source, shift = near.get(name, (name, (0, 0, 0)))
        made[:, joint] = walk.y_up[:, 0, H36M17.index(source)] + np.array(shift)
    offsets = rest_offsets(made.astype(np.float64), skeleton)
    rest = np.zeros((len(skeleton), 3))
    for joint in np.argsort(skeleton.depths).tolist():
        if skeleton.parents[joint] >= 0:
            rest[joint] = rest[skeleton.parents[joint]] + offsets[joint]
    place = dict(zip(skeleton.names, rest, strict=True))
    assert place["LShoulder"][0] > 0.1 > -0.1 > place["RShoulder"][0]
    assert place["LAnkle"][1] < place["LKnee"][1] < place["LHip"][1] < place["LShoulder"][1]
    assert place["LWrist"][0] > place["LElbow"][0] > place["LShoulder"][0]
    rigid = fit_rigid(made.astype(np.float64), skeleton, 50.0)
    assert np.linalg.norm(rigid.positions - made, axis=-1).mean() < 0.05
    assert angles_between(rigid.rotations).max() < 40


def test_angles_give_the_rotation_also_at_the_gimbal_lock_and_are_continuous():
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(np.cumsum(rng.normal(0, 0.03, (400, 3)), 0))
    angles = euler_zxy(turns.as_matrix())
    assert np.abs((Rotation.from_euler("ZXY", angles, degrees=True) * turns.inv()).magnitude()).max() < 1e-9
    locked = Rotation.from_euler("ZXY", [[30, 90, 20], [31, 90, 20], [40, -90, 0]], degrees=True)
    again = Rotation.from_euler("ZXY", euler_zxy(locked.as_matrix()), degrees=True)
    assert (again * locked.inv()).magnitude().max() < 1e-7
    spin = np.arange(0, 1000, 5.0)
    np.testing.assert_allclose(
        euler_zxy(Rotation.from_euler("ZXY", np.stack([spin, 0 * spin, 0 * spin], -1), degrees=True).as_matrix())[:, 0],
        spin,
        atol=1e-9,
    )
