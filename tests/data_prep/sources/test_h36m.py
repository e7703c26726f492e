"""Human3.6M's layouts: the same made-up motion, written in each, gives the same dataset; what is wrong is named."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from cdflib.cdfwrite import CDF
from scipy.spatial.transform import Rotation

from data_prep.cameras.calibration import h36m_cameras
from data_prep.cameras.options import h36m_subjects
from data_prep.checks.anatomy import ADULT_BONES, knee_sines
from data_prep.sources.h36m.files import MPII16
from data_prep.sources.h36m.source import check_length
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.data.windows import Windows
from stgraph.errors import InputError
from stgraph.geometry import project, world_to_camera
from stgraph.skeleton import H36M16, H36M17, H36M32
from tests.data_prep.commands import source_of

FRAMES = 60
TAKES = [("S1", "Walking 1"), ("S9", "TakingPhoto"), ("S11", "Directions"), ("S11", "WalkingDog 1")]
KEPT = ["S1/Walking 1", "S9/Photo", "S11/WalkDog 1"]
CAMERAS = ["54138969", "55011271", "58860488", "60457274"]
SYMMETRY = [list(H36M17.left), list(H36M17.right)]


def walker(seed, frames=FRAMES):
    """A person with an adult's bones who walks in a circle: (t, 32, 3) metres, world, z up."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(frames) / 50 + rng.uniform(0, 6)
    front, left, up = np.eye(3)
    at = {"Hip": np.zeros((frames, 3))}

    def hang(joint, parent, direction):
        at[joint] = at[parent] + ADULT_BONES.get(joint, 0.05) * direction

    def leg(angle):
        return np.sin(angle)[:, None] * front - np.cos(angle)[:, None] * up

    for side, sign in (("L", 1), ("R", -1)):
        swing = 0.4 * np.sin(phase + (sign > 0) * np.pi)
        hang(f"{side}Hip", "Hip", sign * left)
        hang(f"{side}Knee", f"{side}Hip", leg(swing))
        hang(f"{side}Foot", f"{side}Knee", leg(swing - 0.5 - 0.4 * np.cos(phase)))
    for joint, parent in (("Spine", "Hip"), ("Thorax", "Spine"), ("Neck/Nose", "Thorax"), ("Head", "Neck/Nose")):
        hang(joint, parent, up)
    for side, sign in (("L", 1), ("R", -1)):
        hang(f"{side}Shoulder", "Thorax", sign * left)
        hang(f"{side}Elbow", f"{side}Shoulder", leg(0.3 * np.sin(phase + (sign < 0) * np.pi)))
        hang(f"{side}Wrist", f"{side}Elbow", leg(0.4 + 0.3 * np.sin(phase)))
    pose = np.stack([at.get(name, at["Hip"] + 0.01) for name in H36M32.names], axis=1)
    turn = Rotation.from_rotvec(phase[:, None] / 4 * up)
    pose = np.stack([turn.apply(pose[:, joint]) for joint in range(len(H36M32))], axis=1)
    path = np.stack([np.sin(phase / 4), -np.cos(phase / 4), np.full(frames, 0.95)], axis=-1)
    return pose + path[:, None]


def in_camera(pose, camera):
    """World to camera by scipy's rotations: metres."""
    turn = Rotation.from_quat(np.roll(camera.rotation, -1)).inv()
    return turn.apply((pose - camera.translation).reshape(-1, 3)).reshape(pose.shape)


def image(pose, camera):
    return project(torch.from_numpy(in_camera(pose, camera)), camera.intrinsics).numpy()


def write_cdf(path, pose):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = pose.reshape(1, len(pose), -1)
    spec = {"Variable": "Pose", "Data_Type": CDF.CDF_DOUBLE, "Num_Elements": 1, "Rec_Vary": True}
    file = CDF(path, delete=True)
    file.write_var(spec | {"Dim_Sizes": list(values.shape[1:])}, var_data=values)
    file.close()


def write_mat(path, pose):
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = pose.reshape(len(pose), -1)
    scipy.io.savemat(path, {"data": cell})


def write_mat73(path, pose):
    """MATLAB's -v7.3: HDF5 behind a block of text, axes in reverse, the cell a reference."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        matrix = file.create_dataset("#refs#/a", data=pose.reshape(len(pose), -1).T)
        file.create_dataset("data", data=np.array([[matrix.ref]], dtype=h5py.ref_dtype))


def write_official(folder, layout, write=write_cdf, ending=".cdf", motions=None):
    for (subject, take), pose in (motions or MOTIONS).items():
        place = folder / subject / "MyPoseFeatures" / layout
        if layout == "D3_Positions":
            write(place / f"{take}{ending}", pose * 1000)
            continue
        for camera in h36m_cameras(subject):
            values = in_camera(pose, camera) * 1000 if layout == "D3_Positions_mono" else image(pose, camera)
            write(place / f"{take}.{camera.name}{ending}", values)


def videopose3d(per_take):
    """subject -> action -> value, with the renamed actions that those files have."""
    nested = {}
    for (subject, take), pose in MOTIONS.items():
        name = take.replace("TakingPhoto", "Photo").replace("WalkingDog", "WalkDog")
        nested.setdefault(subject, {})[name] = per_take(subject, pose)
    return nested


def write_3d(folder, name="data_3d_h36m.npz", scale=1.0, joints=slice(None)):
    folder.mkdir(parents=True, exist_ok=True)
    positions = videopose3d(lambda _, pose: (pose[:, joints] * scale).astype(np.float32))
    np.savez_compressed(folder / name, positions_3d=positions)


def write_2d(folder, detector, joints=None, symmetry=SYMMETRY, change=lambda views: views):
    folder.mkdir(parents=True, exist_ok=True)
    joints = H36M17.select_from(H36M32) if joints is None else joints
    positions = videopose3d(
        lambda subject, pose: change([image(pose, c)[:, joints].astype(np.float32) for c in h36m_cameras(subject)])
    )
    metadata = {"layout_name": "h36m", "num_joints": len(joints), "keypoints_symmetry": symmetry}
    np.savez_compressed(folder / f"data_2d_h36m_{detector}.npz", positions_2d=positions, metadata=metadata)


MOTIONS = {key: walker(seed) for seed, key in enumerate(TAKES)}


def prepared(*paths, out):
    source = source_of("h36m", *paths)
    prepare(source, out, "test")
    return Dataset(out), source


LAYOUTS = {
    "mono cdf": lambda folder: write_official(folder, "D3_Positions_mono"),
    "world cdf": lambda folder: write_official(folder, "D3_Positions"),
    "mono mat": lambda folder: write_official(folder, "D3_Positions_mono", write_mat, ".cdf.mat"),
    "world mat": lambda folder: write_official(folder, "D3_Positions", write_mat, ".mat"),
    "world mat 7.3": lambda folder: write_official(folder, "D3_Positions", write_mat73, ".mat"),
    "videopose3d": write_3d,
    "videopose3d 17": lambda folder: write_3d(folder, joints=H36M17.select_from(H36M32)),
}
IMAGES = {
    "cdf": lambda folder: write_official(folder, "D2_Positions"),
    "mat": lambda folder: write_official(folder, "D2_Positions", write_mat, ".mat"),
    "npz": lambda folder: write_2d(folder, "gt"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "images"), [(name, "projected") for name in LAYOUTS] + [("world cdf", name) for name in IMAGES]
)
def test_every_layout_gives_the_same_dataset(tmp_path, layout, images):
    LAYOUTS[layout](tmp_path / "in")
    if images != "projected":
        IMAGES[images](tmp_path / "in")
    data, source = prepared(tmp_path / "in", out=tmp_path / "out.h5")
    assert list(data.recordings["id"]) == [f"{take}/{camera}" for take in KEPT for camera in CAMERAS]
    assert list(dict.fromkeys(data.recordings["action"])) == ["Walking", "Photo", "WalkDog"]
    assert set(data.recordings["fps"]) == {50.0} and source.total == len(data)
    assert set(data.splits["standard"]) == {"train", "test"}
    assert [part == "train" for part in data.splits["standard"]] == [s == "S1" for s in data.recordings["subject"]]
    joints = H36M17.select_from(H36M32)
    for number in range(len(data)):
        camera, subject = data.camera(number), data.recordings["subject"][number]
        pose = next(pose for (owner, take), pose in MOTIONS.items() if owner == subject and take != "Directions")
        rows = slice(number * FRAMES, (number + 1) * FRAMES)
        np.testing.assert_allclose(data.rows("pose3d")[rows], in_camera(pose, camera)[:, joints], atol=1e-4)
        exact = data.rows("pose2d/gt")[rows]
        np.testing.assert_allclose(exact[..., :2], image(pose, camera)[:, joints], atol=1e-2)
        assert (exact[..., 2] == 1).all()


def test_calibration_is_of_the_studio():
    """Each subject's four cameras see the middle of the room from 4 to 7 m, upright, in metres."""
    middle = torch.tensor([[0.0, 0.0, 0.9], [0.0, 0.0, 1.9]], dtype=torch.float64)
    for subject in h36m_subjects():
        assert [camera.name for camera in h36m_cameras(subject)] == CAMERAS
        for camera in h36m_cameras(subject):
            seen = world_to_camera(middle, camera.rotation, camera.translation)
            pixels = project(seen, camera.intrinsics)
            assert ((seen[:, 2] > 3.5) & (seen[:, 2] < 7)).all()
            assert ((pixels > 0) & (pixels < 1000)).all()
            assert pixels[1, 1] < pixels[0, 1] - 100
    with pytest.raises(InputError, match=r"'S2'.*S1, S5"):
        h36m_cameras("S2")


def test_what_is_left_out_is_listed(tmp_path):
    write_official(tmp_path, "D3_Positions_mono")
    for folder in ("D3_Positions_mono_universal", "D3_Angles"):
        write_cdf(tmp_path / "S1" / "MyPoseFeatures" / folder / "Walking 1.54138969.cdf", np.zeros((3, 78)))
    write_cdf(tmp_path / "S1" / "MyPoseFeatures" / "D3_Positions" / "_ALL.cdf", np.zeros((3, 96)))
    write_mat(tmp_path / "S1" / "MyPoseFeatures" / "D3_Positions" / "_ALL.cdf.mat", np.zeros((3, 96)))
    (tmp_path / "S9" / "MyPoseFeatures" / "D3_Positions_mono" / "TakingPhoto.58860488.cdf").unlink()
    data, source = prepared(tmp_path, out=tmp_path / "out.h5")
    left_out = dict(source.left_out)
    assert "corrupt" in left_out["S11/Directions"]
    assert "universal skeleton" in left_out["1 files in D3_Positions_mono_universal"]
    assert "angles" in left_out["1 files in D3_Angles"]
    assert "15 actions" in left_out["S1/_ALL"]
    assert any(what.endswith("_ALL.cdf.mat") for what in left_out)
    assert left_out["S9/Photo, cameras 58860488"] == "no 3D poses"
    assert any(what.startswith("S1: Directions (0 of 2)") and "Walking (1 of 2)" in what for what in left_out)
    assert any(what.startswith("S11: Directions (1 of 2)") for what in left_out)
    assert len(data) == 11 and data.left_out == [list(pair) for pair in source.left_out]


def test_only_the_corrupt_take_of_s11_goes(tmp_path):
    motions = {(subject, take): walker(1) for subject in ("S9", "S11") for take in ("Directions", "Directions 1")}
    write_official(tmp_path, "D3_Positions", motions=motions)
    data, _ = prepared(tmp_path, out=tmp_path / "out.h5")
    assert set(data.recordings["take"][data.recordings["subject"] == "S11"]) == {"Directions 1"}
    assert set(data.recordings["take"][data.recordings["subject"] == "S9"]) == {"Directions", "Directions 1"}


@pytest.mark.slow
def test_camera_space_is_preferred_and_reported(tmp_path):
    for layout in ("D3_Positions", "D3_Positions_mono", "D2_Positions"):
        write_official(tmp_path, layout)
    write_3d(tmp_path)
    write_2d(tmp_path, "gt")
    _, source = prepared(tmp_path, out=tmp_path / "out.h5")
    notes = "\n".join(source.notes)
    assert "3D of 12 recordings from D3_Positions_mono (camera space)" in notes
    assert "gt: exact 2D of 12 recordings from D2_Positions" in notes
    for unused in ("D3_Positions", "data_3d_h36m.npz", "data_2d_h36m_gt.npz"):
        assert f"{unused} was not needed" in notes


@pytest.mark.slow
def test_detectors_share_a_file(tmp_path):
    """Extra frames are cut, sixteen joints find their place in either order, confidences are kept."""
    rng = np.random.default_rng(0)

    def noisy(views):
        return [view + rng.normal(0, 4, view.shape) for view in views]

    def longer(views):
        return [np.concatenate([view, view[-3:]]) for view in noisy(views)]

    def confident(views):
        return [np.concatenate([view, np.full((*view.shape[:2], 1), 0.25)], axis=-1) for view in views]

    write_3d(tmp_path)
    write_2d(tmp_path, "cpn_ft_h36m_dbb", change=longer)
    write_2d(tmp_path, "sim", change=confident)
    write_2d(tmp_path, "sh_ft_h36m", H36M16.select_from(H36M32), symmetry=[list(H36M16.left), list(H36M16.right)])
    write_2d(
        tmp_path, "sh_pt_mpii", MPII16.select_from(H36M32), symmetry=[[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]
    )
    write_official(tmp_path, "D2_Positions", motions={("S9", "Waiting"): walker(9)})
    data, source = prepared(tmp_path, out=tmp_path / "out.h5")
    assert dict(source.left_out)["D2_Positions: 4 recordings, the first S9/Waiting/54138969"] == "2D without 3D"
    assert data.detectors == ["cpn_ft_h36m_dbb", "gt", "sh_ft_h36m", "sh_pt_mpii", "sim"]
    assert "cpn_ft_h36m_dbb: 12 recordings ran on after the motion capture; cut to its length (36" in str(source.notes)
    assert 'Neck/Nose is marked unseen (confidence 0); an experiment with `data.skeleton` "h36m16"' in str(source.notes)
    exact = data.rows("pose2d/gt")
    nose = H36M17.index("Neck/Nose")
    for detector in ("sh_ft_h36m", "sh_pt_mpii"):
        rows = data.rows(f"pose2d/{detector}")
        assert (rows[:, nose] == 0).all()
        np.testing.assert_allclose(np.delete(rows, nose, 1), np.delete(exact, nose, 1), atol=1e-2)
    assert (data.rows("pose2d/sim")[..., 2] == 0.25).all()
    spread = (data.rows("pose2d/cpn_ft_h36m_dbb") - exact)[..., :2].std()
    assert 3.5 < spread < 4.5


@pytest.mark.slow
def test_sixteen_joints_are_an_experiment_of_their_own(tmp_path):
    """Of a file with 17 joints, an experiment with 16 takes those that Stacked Hourglass sees, each in its place."""
    write_3d(tmp_path)
    sides = [list(MPII16.left), list(MPII16.right)]
    write_2d(tmp_path, "sh_ft_h36m", MPII16.select_from(H36M32), symmetry=sides)
    data, _ = prepared(tmp_path, out=tmp_path / "out.h5")
    options = {"frames": 9, "stride": 9, "subjects": ["S1"]}
    everything = torch.arange(len(Windows(data, detector="sh_ft_h36m", **options)))
    seventeen = Windows(data, detector="gt", **options).batch(everything)
    assert not Windows(data, detector="sh_ft_h36m", **options).batch(everything)["seen"].all()
    sixteen = Windows(data, detector="sh_ft_h36m", skeleton=H36M16, mirror=True, **options)
    batch, twins = sixteen.batch(everything), sixteen.batch(len(everything) + everything)
    assert batch["seen"].all() and twins["seen"].all() and batch["x"].shape[-1] == len(H36M16)
    chosen = H36M16.select_from(H36M17)
    torch.testing.assert_close(batch["x"], seventeen["x"][..., chosen], atol=1e-4, rtol=0)
    torch.testing.assert_close(batch["pose3d"], seventeen["pose3d"][..., chosen, :])
    turned = batch["x"][..., H36M16.mirror] * torch.tensor([-1, 1])[:, None, None]
    torch.testing.assert_close(twins["x"], turned)
    with pytest.raises(InputError, match="'h36m16' .* lacks Neck/Nose of 'h36m17'"):
        H36M17.select_from(H36M16)


def test_recordings_are_read_one_at_a_time(tmp_path):
    """Nothing is read before it is asked for: the damaged third take does not stop the first two."""
    write_official(tmp_path, "D3_Positions")
    path = tmp_path / "S11" / "MyPoseFeatures" / "D3_Positions" / "WalkingDog 1.cdf"
    path.write_bytes(path.read_bytes()[:2000])
    recordings = source_of("h36m", tmp_path).recordings
    assert len([next(recordings) for _ in range(8)]) == 8
    with pytest.raises(InputError, match=r"WalkingDog 1\.cdf: cannot be read.*cut short"):
        next(recordings)


# What is wrong is named -----------------------------------------------------------------------------------------------


def refusal(*paths):
    with pytest.raises(InputError) as error:
        list(source_of("h36m", *paths).recordings)
    return str(error.value)


def only(folder, layout):
    """The lone file of a layout in a folder with one take."""
    return next((folder / "S9" / "MyPoseFeatures" / layout).iterdir())


@pytest.fixture
def one(tmp_path):
    """One take in world space."""
    write_official(tmp_path, "D3_Positions", motions={("S9", "Walking"): walker(3)})
    return tmp_path


def test_nothing_there(tmp_path):
    assert "no such file or folder" in refusal(tmp_path / "absent")
    assert "found nothing of it; give official archives" in refusal(tmp_path)
    (tmp_path / "Poses_D3_Positions_S1.tgz").touch()
    assert "1 archives; extract them first" in refusal(tmp_path)
    write_cdf(tmp_path / "S1" / "MyPoseFeatures" / "D3_Angles" / "Walking.cdf", np.zeros((3, 78)))
    write_cdf(tmp_path / "S1" / "MyPoseFeatures" / "D3_Positions_mono_universal" / "W.54138969.cdf", np.zeros((3, 96)))
    message = refusal(tmp_path)
    assert "joint angles, not positions" in message and "rescaled to a universal skeleton" in message
    np.save(tmp_path / "train_3d_poses.npy", np.zeros((5, 16, 3)))
    for given in (tmp_path, tmp_path / "train_3d_poses.npy"):
        message = refusal(given)
        assert "1 .npy files: single frames without sequence" in message
        assert "python -m data_prep poseidon FOLDER" in message
    write_2d(tmp_path, "gt")
    assert "2D poses alone (gt)" in refusal(tmp_path)
    np.savez(tmp_path / "other.npz", poses=np.zeros(3))
    assert "other.npz: found poses; expected positions_3d or positions_2d" in refusal(tmp_path / "other.npz")


def test_nothing_usable(tmp_path):
    write_cdf(tmp_path / "S2" / "MyPoseFeatures" / "D3_Positions" / "Walking.cdf", np.zeros((3, 96)))
    write_cdf(tmp_path / "S11" / "MyPoseFeatures" / "D3_Positions" / "Directions.cdf", np.zeros((3, 96)))
    message = refusal(tmp_path)
    assert "every recording found was left out" in message
    assert "S2: no calibration" in message and "S11/Directions: corrupt" in message


def test_misplaced_and_doubled_files(one, tmp_path):
    path = only(one, "D3_Positions")
    shutil.copy(path, path.with_name("Walking.54138969.cdf"))
    assert "is named like 'Walking 1.cdf'" in refusal(one)
    path.with_name("Walking.54138969.cdf").unlink()
    shutil.copytree(one / "S9", one / "copy" / "S9")
    message = refusal(one)
    assert "hold the same D3_Positions recording" in message and str(one / "copy") in message
    shutil.copytree(path.parent, one / "loose" / "D3_Positions")
    assert "names the subject" in refusal(one / "loose")


def test_wrong_columns(one):
    path = only(one, "D3_Positions")
    write_cdf(path, np.zeros((5, 78)))
    assert f"{path}: Pose has shape (1, 5, 78); expected 96 numbers a frame, 32 joints x 3" in refusal(one)
    file = CDF(path, delete=True)
    spec = {"Variable": "Angles", "Data_Type": CDF.CDF_DOUBLE, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [2]}
    file.write_var(spec, var_data=np.zeros((1, 2)))
    file.close()
    assert "expected a whole file with the variable Pose" in refusal(one)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_cut_short(tmp_path, kept):
    for name, layout in LAYOUTS.items():
        folder = tmp_path / name
        layout(folder)
        path = next(path for path in sorted(folder.rglob("*.*")) if path.is_file())
        path.write_bytes(path.read_bytes()[: min(kept, path.stat().st_size // 2)])
        message = refusal(folder)
        assert str(path) in message and "cut short" in message, name


def test_units_both_ways(one, tmp_path):
    write_cdf(only(one, "D3_Positions"), walker(3))
    message = refusal(one)
    assert "taken as millimetres" in message and "they seem to be metres, convert them" in message
    write_3d(tmp_path / "vp", scale=1000.0)
    message = refusal(tmp_path / "vp")
    assert "positions_3d['S1']['Walking 1']: taken as metres" in message
    assert "they seem to be millimetres, convert them" in message


def test_wrong_order_and_sides(one):
    path, pose = only(one, "D3_Positions"), walker(3) * 1000
    order = list(range(32))
    order[H36M32.index("RKnee")], order[H36M32.index("RWrist")] = H36M32.index("RWrist"), H36M32.index("RKnee")
    write_cdf(path, pose[:, order])
    assert "joints seem to be in another order" in refusal(one)
    write_cdf(path, pose[:, H36M32.mirror])
    assert "left and right joints are swapped" in refusal(one)
    write_cdf(path, pose * [-1, 1, 1])
    assert "an axis is mirrored" in refusal(one)


def test_knees_bend_one_way():
    pose = walker(5)[:, H36M17.select_from(H36M32)]
    assert 0.3 < knee_sines(pose).mean() < 0.7
    anyhow = Rotation.random(1, random_state=0).apply(pose.reshape(-1, 3)).reshape(pose.shape)
    assert np.isclose(knee_sines(anyhow).mean(), knee_sines(pose).mean())
    assert np.isclose(knee_sines(pose[:, H36M17.mirror]).mean(), -knee_sines(pose).mean())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(one, value):
    pose = walker(3) * 1000
    pose[7, H36M32.index("Head"), 1] = value
    write_cdf(only(one, "D3_Positions"), pose)
    message = refusal(one)
    assert "at frame 7, joint Head (in 1 of 60 frames)" in message and "Walking.cdf" in message


def test_poses_behind_the_camera(one):
    write_cdf(only(one, "D3_Positions"), walker(3) * 1000 + np.array([0, 3e4, 0]))
    assert "is behind the camera at frame 0" in refusal(one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda views: [view[:-1] for view in views], "59 frames of 2D for 60 frames of 3D"),
        (lambda views: [np.concatenate([view, view[:11]]) for view in views], "up to 10 more at the end"),
        (lambda views: views[:3], "one array for each of the cameras"),
        (lambda views: views[1:] + views[:1], "were seen by camera 55011271, not 54138969"),
        (lambda views: [views[i] for i in (0, 3, 2, 1)], "were seen by camera 60457274, not 55011271"),
        (lambda views: [view[::-1] / 2 + 400 for view in views], "does not show the 3D poses"),
        (lambda views: [view[:, H36M17.mirror] for view in views], "left and right joints are swapped"),
        (lambda views: [view[:, ::-1] for view in views], "does not show the 3D poses"),
        (lambda views: [view / 500 - 1 for view in views], "pixels are expected, not normalised"),
        (
            lambda views: [view * np.where(np.arange(17) == 4, np.nan, 1)[:, None] for view in views],
            "joint LHip (in 60",
        ),
        (lambda views: [view.tolist() for view in views], "a list; expected numbers"),
        (lambda views: [view[:, :15] for view in views], "shape (60, 15, 2); expected numbers (frames, 17 joints"),
        (lambda views: [view.reshape(len(view), -1) for view in views], "shape (60, 34)"),
        (lambda views: [np.concatenate([view, 0 * view[..., :1]], -1) for view in views], "no joint is seen"),
    ],
)
def test_detections_that_do_not_fit(tmp_path, change, expected):
    write_3d(tmp_path)
    write_2d(tmp_path, "cpn", change=change)
    message = refusal(tmp_path)
    assert expected in message and "data_2d_h36m_cpn.npz, positions_2d['S1']['Walking 1']" in message


def test_a_detector_covers_everything(tmp_path):
    write_3d(tmp_path)
    path = tmp_path / "data_2d_h36m_cpn.npz"
    np.savez(path, positions_2d={"S1": {"Eating": [np.zeros((9, 17, 2))] * 4}})
    assert "data_2d_h36m_cpn.npz: no detections of S1/Walking 1/54138969, whose 3D is" in refusal(tmp_path, path)
    left_in_folder(tmp_path, path, "no detections of S1/Walking 1/54138969")


def test_other_joint_orders_are_refused_by_their_sides(tmp_path):
    write_3d(tmp_path)
    coco = [[1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]]
    write_2d(tmp_path, "detectron_pt_coco", symmetry=coco)
    path = tmp_path / "data_2d_h36m_detectron_pt_coco.npz"
    assert "which is no Human3.6M order" in refusal(tmp_path, path)
    left_in_folder(tmp_path, path, "which is no Human3.6M order")


def left_in_folder(folder, path, reason):
    """A detector that does not go with the rest is left out of what a folder holds; the summary says why."""
    text = prepare(source := source_of("h36m", folder), folder / "out.h5", "test")
    assert reason in dict(source.left_out)[path.name] and f"left out    {path.name}: " in text
    assert path not in source.inputs and Dataset(folder / "out.h5").detectors == ["gt"]


@pytest.mark.parametrize("symmetry", [5, [["a"], ["b"]], [4, 5], "left", [[4, [5]], [1]]])
def test_sides_that_are_none_are_refused(tmp_path, symmetry):
    write_3d(tmp_path)
    write_2d(tmp_path, "cpn", symmetry=symmetry)
    assert "metadata: 17 joints with left and right" in refusal(tmp_path, tmp_path / "data_2d_h36m_cpn.npz")


def test_shapes_that_numpy_cannot_make_are_refused(tmp_path):
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d={"S1": {"Walking 1": [[1, 2], [3]]}})
    assert "positions_3d['S1']['Walking 1']: found a list; expected numbers" in refusal(tmp_path)
    write_3d(tmp_path)
    for views in ([], [[1], [2, 3]], np.array(3), {}, 5):
        np.savez(tmp_path / "data_2d_h36m_cpn.npz", positions_2d={"S1": {"Walking 1": views}})
        assert "data_2d_h36m_cpn.npz, positions_2d['S1']['Walking 1']: " in refusal(tmp_path)


@pytest.mark.parametrize("confidence", [-0.01, 1.5, 255])
def test_confidences_outside_their_range_are_refused(tmp_path, confidence):
    def spoiled(views):
        column = np.where(np.arange(17) == 4, confidence, 0.5)
        return [np.concatenate([view, np.broadcast_to(column[:, None], (*view.shape[:2], 1))], -1) for view in views]

    write_3d(tmp_path)
    write_2d(tmp_path, "cpn", change=spoiled)
    message = refusal(tmp_path)
    assert f"cpn.npz, positions_2d['S1']['Walking 1'][0]: confidence {confidence:g} at frame 0, joint LHip" in message
    assert "(outside 0 to 1 in 60 of 60 frames)" in message


def test_a_joint_that_flies_off_for_a_frame_is_refused(one):
    pose = walker(3) * 1000
    pose[7, H36M32.index("LWrist")] += 50_000
    write_cdf(only(one, "D3_Positions"), pose)
    message = refusal(one)
    assert "LElbow-LWrist is 86." in message and "at frame 7 (1 of 60 frames" in message


def test_a_path_given_twice_is_read_once(one):
    path = only(one, "D3_Positions")
    around = path.parent / ".." / path.parent.name / path.name
    assert source_of("h36m", one, path, one, around).total == 4


@pytest.mark.parametrize(("frames", "allowed"), [(60, 10), (400, 20), (2000, 100)])
def test_how_far_a_video_may_run_on(frames, allowed):
    """Ten frames, or in long takes a twentieth."""
    for extra in (0, allowed):
        check_length(frames + extra, frames, "2D", "3D")
    for extra in (-1, allowed + 1):
        with pytest.raises(InputError, match=f"{frames + extra} frames of 2D for {frames} .*up to {allowed} more"):
            check_length(frames + extra, frames, "2D", "3D")


def test_a_long_take_runs_on(tmp_path):
    motions = {("S9", "Walking"): walker(3, frames=400)}
    write_official(tmp_path, "D3_Positions", motions=motions)
    views = [image(motions["S9", "Walking"], camera) for camera in h36m_cameras("S9")]
    kept = H36M17.select_from(H36M32)
    for extra, works in ((20, True), (21, False)):
        longer = [np.concatenate([view, view[-extra:]])[:, kept] for view in views]
        np.savez(tmp_path / "data_2d_h36m_cpn.npz", positions_2d={"S9": {"Walking": longer}})
        if works:
            assert {len(recording.tracks[0]) for recording in source_of("h36m", tmp_path).recordings} == {400}
        else:
            assert "421 frames of 2D for 400 frames of 3D" in refusal(tmp_path)


def test_code_in_an_npz_is_not_run(tmp_path):
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d={"S1": Path("x")})
    assert "its pickle holds pathlib." in refusal(tmp_path)


def test_positions_that_are_no_dictionary(tmp_path):
    np.savez(tmp_path / "data_3d_h36m.npz", positions_3d=np.zeros((3, 32, 3)))
    assert "positions_3d: found ndarray; expected a dictionary subject -> action -> poses" in refusal(tmp_path)
