"""MPI-INF-3DHP's layouts: the same made-up motion, written in each, gives the same dataset; what is wrong is named."""

from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from scipy.spatial.transform import Rotation

from data_prep.cameras.viewpoints import look_at
from data_prep.reading.layouts import last_valid, layout
from data_prep.sources.mpi_inf_3dhp import files
from data_prep.sources.mpi_inf_3dhp.files import CAMERAS, RELEVANT
from data_prep.sources.mpi_inf_3dhp.source import fit_intrinsics, inferred_scale
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.geometry import Camera, camera_to_world, project, world_to_camera
from stgraph.skeleton import H36M17
from tests.data_prep.commands import source_of
from tests.data_prep.people import squats

FRAMES = 60
TRAIN, TESTS = ("S1 Seq1", "S5 Seq2"), ("TS1", "TS5")
ORDER = layout("mpi-inf-3dhp").order
RELEVANT_NAMES = [ORDER[joint] for joint in RELEVANT]
UNIVERSAL = 0.94  # of the person's own size
LENS = np.array([1497.7, 1497.1, 1024.7, 1051.4, 0, 0, 0, 0, 0])


@cache
def person(name):
    """(t j 3) metres, world z up: someone who bends their knees while walking, another way for every sequence."""
    seed = sum(map(ord, name))
    return squats(FRAMES / 50, walk=0.4 + seed % 5 / 10) + np.array([seed % 7 / 10, 0, 0])


@cache
def camera(name, number):
    """Around the studio, each with a lens of its own."""
    width, height = (1920, 1080) if name == "TS5" else (2048, 2048)
    centre = np.array([4 * np.cos(number), 4 * np.sin(number), 1.2 + number / 10])
    rotation = look_at(centre, np.array([0, 0, 0.8]), 1.0)
    lens = LENS * [*(2 * [width / 2048]), width / 2048, height / 2048, *(5 * [0])] + number
    lens[4:] = 0
    return Camera(str(number), width, height, lens, Rotation.from_matrix(rotation).as_quat(scalar_first=True), centre)


def seen(name, number):
    """Camera space (t j 3) metres and pixels (t j 2)."""
    eye = camera(name, number)
    pose = world_to_camera(torch.from_numpy(person(name)), eye.rotation, eye.translation)
    return pose.numpy(), project(pose, eye.intrinsics).numpy()


def in_order(values, names):
    """H36M17 joints in another order; joints that it lacks lie by the hip."""
    joints = layout("mpi-inf-3dhp").joints
    of = {next(iter(weights)): H36M17.index(joint) for joint, weights in joints.items()}
    return np.stack([values[:, of[name]] if name in of else values[:, 0] + 0.01 for name in names], axis=1)


def valid(name):
    return np.arange(FRAMES) % 10 > sum(map(ord, name)) % 3


def universal(pose, root, scale=UNIVERSAL):
    """Rescaled about the pelvis, as univ_annot3 is: the camera that saw the person does not see this."""
    return pose[:, [root]] + scale * (pose - pose[:, [root]])


def official_arrays(name, number, names):
    """annot2, annot3 and univ_annot3."""
    pose, pixels = (in_order(values, names) for values in seen(name, number))
    return {"annot2": pixels, "annot3": 1000 * pose, "univ_annot3": 1000 * universal(pose, names.index("pelvis"))}


def training_mat(name):
    """name -> a matrix for each of fourteen cameras; those that are not used hold nothing."""
    views = {number: official_arrays(name, number, ORDER) for number in CAMERAS}
    return {
        key: [views[number][key].reshape(FRAMES, -1) if number in CAMERAS else np.zeros((0, 0)) for number in range(14)]
        for key in ("annot2", "annot3", "univ_annot3")
    }


def test_mat(name):
    """MATLAB's axes: (channel, joint, 1, frame)."""
    arrays = official_arrays(name, 0, RELEVANT_NAMES)
    arrays = {key: values.transpose(2, 1, 0)[:, :, None] for key, values in arrays.items()}
    return arrays | {"valid_frame": valid(name)[None].astype(float)}


test_mat.__test__ = False


def save5(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, value in content.items():
        if isinstance(value, list):
            content[name] = np.empty((len(value), 1), dtype=object)
            content[name][:, 0] = value
    scipy.io.savemat(path, content)


def save73(path, content):
    """HDF5 behind a block of text, axes in reverse, cells as references."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in content.items():
            if isinstance(value, list):
                cells = [file.create_dataset(f"#refs#/{name}{i}", data=cell.T) for i, cell in enumerate(value)]
                file.create_dataset(name, data=np.array([[cell.ref for cell in cells]], dtype=h5py.ref_dtype))
            else:
                file.create_dataset(name, data=value.T)


def calibration(name):
    """Skeletool's text: world y up, millimetres."""
    lines = ["Skeletool Camera Calibration File V1.0"]
    for number in range(14):
        eye = camera(name, number)
        lens, place = np.eye(4), np.eye(4)
        lens[[0, 1, 0, 1], [0, 1, 2, 2]] = eye.intrinsics[:4]
        axes = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up
        to_camera = world_to_camera(torch.from_numpy(np.eye(3)), eye.rotation, np.zeros(3)).numpy().T
        place[:3, :3] = to_camera @ axes
        place[:3, 3] = -1000 * to_camera @ eye.translation
        lines += [f"name          {number}", "  sensor      10 10", f"  size        {eye.width} {eye.height}"]
        lines += ["  animated    0", f"  intrinsic   {' '.join(map(repr, lens.ravel().tolist()))} "]
        lines += [f"  extrinsic   {' '.join(map(repr, place.ravel().tolist()))} ", "  radial      0"]
    return "\n".join(lines) + "\n"


def write_official(folder, save=save5, calibrated=False, change=lambda content: content):
    for name in TRAIN:
        path = folder / name.replace(" ", "/") / "annot.mat"
        save(path, change(training_mat(name) | {"cameras": np.arange(14)}))
        if calibrated:
            path.with_name("camera.calibration").write_text(calibration(name))
    for name in TESTS:
        save(folder / "mpi_inf_3dhp_test_set" / name / "annot_data.mat", change(test_mat(name)))


def npz_entry(name, number):
    arrays = official_arrays(name, number, RELEVANT_NAMES)
    return {"data_2d": arrays["annot2"], "data_3d": arrays["univ_annot3"]}


def npz_train():
    fps = {"S1 Seq1": 25, "S5 Seq2": 50}
    return {name: [{str(number): npz_entry(name, number) for number in CAMERAS}, fps[name]] for name in TRAIN}


def npz_test():
    return {name: npz_entry(name, 0) | {"valid": valid(name).astype(float)} for name in TESTS}


def write_npz(folder, train=None, test=None):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "data_train_3dhp.npz", data=npz_train() if train is None else train)
    np.savez_compressed(folder / "data_test_3dhp.npz", data=npz_test() if test is None else test)


LAYOUTS = {
    "matlab 5": write_official,
    "matlab 7.3": lambda folder: write_official(folder, save73),
    "calibrated": lambda folder: write_official(folder, calibrated=True),
    "npz": write_npz,
}


def prepared(folder, out, annotation="univ_annot3"):
    source = source_of("3dhp", folder, "--annotation", annotation)
    prepare(source, out, "test")
    return Dataset(out), source


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_dataset(tmp_path, name):
    LAYOUTS[name](tmp_path / "in")
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    views = [*((part, number) for part in TRAIN for number in CAMERAS), *((part, 0) for part in TESTS)]
    ids = [f"{part.replace(' ', '/')}/{n}" if " " in part else f"{part}/{part}/{n}" for part, n in views]
    assert list(data.recordings["id"]) == ids and source.total == len(data) == len(views)
    assert list(data.splits["standard"]) == ["train"] * 16 + ["test"] * 2
    assert list(data.recordings["fps"]) == [25.0] * 8 + [50.0] * 8 + [25.0] * 2
    assert list(data.recordings["action"]) == ["Seq1"] * 8 + ["Seq2"] * 8 + list(TESTS)
    assert list(data.recordings["width"]) == [2048] * 17 + [1920]
    off = {False: [], True: []}
    for recording, (part, number) in enumerate(views):
        rows = slice(recording * FRAMES, (recording + 1) * FRAMES)
        pose, pixels = seen(part, number)
        written = universal(pose, H36M17.root)
        np.testing.assert_allclose(data.rows("pose3d")[rows], written, atol=1e-5)
        imaged = project(torch.from_numpy(written), camera(part, number).intrinsics).numpy()
        squares = np.square(imaged - pixels).sum(-1)[valid(part) if part in TESTS else slice(None)]
        off[name == "calibrated" and part in TRAIN].append(np.sqrt(squares.mean()))
        np.testing.assert_allclose(data.rows("pose2d/gt")[rows, :, :2], pixels, atol=1e-3)
        assert (data.rows("pose2d/gt")[rows, :, 2] == 1).all()
        np.testing.assert_array_equal(data.rows("valid")[rows], valid(part) if part in TESTS else True)
        eye = data.camera(recording)
        np.testing.assert_allclose(eye.intrinsics, camera(part, number).intrinsics, atol=0.01)
        assert (eye.height, eye.name) == (camera(part, number).height, str(number))
    for errors, what in zip(off.values(), ("cameras estimated from 2D and 3D", "calibrated cameras"), strict=True):
        said = [float(note.split("by ")[1].split(" ")[0]) for note in source.notes if f"recordings of {what}" in note]
        assert said == pytest.approx([np.mean(errors)] if errors else [], abs=0.02)
        assert any(f"in {len(errors)} recordings of {what}" in note for note in source.notes) == bool(errors)


def test_the_seventeen_are_those_of_the_field():
    indices = [RELEVANT_NAMES.index(next(iter(layout("mpi-inf-3dhp").joints[joint]))) for joint in H36M17.names]
    assert indices == [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    assert len(ORDER) == 28


@pytest.mark.slow
@pytest.mark.parametrize("save", [save5, save73])
def test_either_annotation_is_read_and_named(tmp_path, save):
    """Intrinsics are estimated from the poses that the 2D shows, whichever are written."""
    write_official(tmp_path / "in", save)
    for annotation, scale in (("annot3", 1), ("univ_annot3", UNIVERSAL)):
        data, source = prepared(tmp_path / "in", tmp_path / "out.h5", annotation)
        assert data.source.endswith(f"3D: {annotation}")
        pose, _ = seen("S1 Seq1", 0)
        np.testing.assert_allclose(data.rows("pose3d")[:FRAMES], universal(pose, H36M17.root, scale), atol=1e-5)
        np.testing.assert_allclose(data.camera(0).intrinsics, camera("S1 Seq1", 0).intrinsics, atol=1e-4)
        off = next(note for note in source.notes if note.startswith("gt: off")).split(" pixels")[0].split()[-1]
        assert (float(off) < 0.01) == (annotation == "annot3") and float(off) < 30


@pytest.mark.slow
def test_calibrated_cameras_have_their_place(tmp_path):
    write_official(tmp_path / "in", calibrated=True)
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5", "annot3")
    eye = data.camera(1)
    world = camera_to_world(
        torch.from_numpy(np.array(data.rows("pose3d")[FRAMES : 2 * FRAMES])), eye.rotation, eye.translation
    )
    np.testing.assert_allclose(world.numpy(), person("S1 Seq1"), atol=1e-4)
    assert [path.name for path in source.inputs].count("camera.calibration") == 2
    level = data.camera(16)  # of a test sequence: no place is known
    up = camera_to_world(torch.tensor([[0.0, -1, 0]]), level.rotation, level.translation)
    np.testing.assert_allclose(up.numpy(), [[0, 0, 1]], atol=1e-6)


def test_an_npz_does_not_say_which_annotation(tmp_path):
    write_npz(tmp_path)
    assert "as in data_train_3dhp.npz, which does not say" in source_of("3dhp", tmp_path).source


@pytest.mark.slow
def test_frames_that_are_not_valid_may_hold_anything(tmp_path):
    test = npz_test()
    test["TS1"]["data_3d"][~valid("TS1")] = np.nan
    test["TS5"]["data_3d"][~valid("TS5")] = 0
    test["TS5"]["data_2d"][~valid("TS5")] = 0
    write_npz(tmp_path / "in", test=test)
    data, _ = prepared(tmp_path / "in", tmp_path / "out.h5")
    rows = data.rows("pose3d")[16 * FRAMES :]
    assert (rows[:FRAMES][~valid("TS1")] == 0).all() and np.abs(rows[:FRAMES][valid("TS1")]).min(axis=0).max() > 1
    np.testing.assert_allclose(data.camera(16).intrinsics, camera("TS1", 0).intrinsics, atol=0.01)
    confidence = data.rows("pose2d/gt")[16 * FRAMES :, :, 2].reshape(2, FRAMES, -1)
    assert (confidence[0] == 1).all() and (confidence[1] == valid("TS5")[:, None]).all()
    test["TS1"]["valid"][:] = 0
    write_npz(tmp_path / "in", test=test)
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    assert ("TS1", "no frame is valid") in source.left_out and len(data) == 17


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("scale", [0.88, 1.0, 1.12])
def test_a_rescaled_skeleton_is_found_out(tmp_path, scale, noise):
    """An .npz file may hold either annotation; its camera is that of the person's own size."""
    rng, test = np.random.default_rng(0), npz_test()
    for name, entry in test.items():
        entry["data_3d"] = in_order(1000 * universal(seen(name, 0)[0], H36M17.root, scale), RELEVANT_NAMES)
        entry["data_2d"] += rng.normal(0, noise, entry["data_2d"].shape)
    np.savez(tmp_path / "data_test_3dhp.npz", data=test)
    data, source = prepared(tmp_path, tmp_path / "out.h5")
    for number, name in enumerate(TESTS):
        found, true = data.camera(number).intrinsics, camera(name, 0).intrinsics
        np.testing.assert_allclose(found, true, atol=0.1 if not noise else 20)
    said = [note for note in source.notes if "times the size that its 2D shows" in note]
    assert len(said) == (scale != 1)
    if said:
        assert said[0].startswith("3D of 2 recordings is ")
        assert float(said[0].split()[5]) == pytest.approx(scale, abs=0.001 if not noise else 0.02)


@pytest.mark.parametrize("noise", [0.1, 1, 5, 20])
def test_noise_is_no_rescaling(noise):
    """Detections are off, which some scale always makes a little less; that is not a person's size."""
    rng = np.random.default_rng(0)
    pose, pixels = seen("S1 Seq1", 2)
    assert inferred_scale(pose, pixels + rng.normal(0, noise, pixels.shape)) == 1


def test_the_corner_is_no_position(tmp_path):
    """What is at (0, 0) is not seen, and no camera is fitted to it."""
    test = npz_test()
    unseen = np.zeros((FRAMES, len(H36M17)), bool)
    unseen[::4, H36M17.index("LWrist")] = unseen[1::4, H36M17.index("RFoot")] = unseen[11] = True
    test["TS1"]["data_2d"][in_order(unseen, RELEVANT_NAMES)] = 0
    np.savez(tmp_path / "data_test_3dhp.npz", data=test)
    data, _ = prepared(tmp_path, tmp_path / "out.h5")
    found = data.rows("pose2d/gt")[:FRAMES]
    np.testing.assert_array_equal(found[..., 2], ~unseen)
    np.testing.assert_allclose(found[~unseen][:, :2], seen("TS1", 0)[1][~unseen], atol=1e-3)
    np.testing.assert_allclose(data.camera(0).intrinsics, camera("TS1", 0).intrinsics, atol=0.1)
    test["TS1"]["data_2d"][:] = 0
    np.savez(tmp_path / "data_test_3dhp.npz", data=test)
    assert "data['TS1']: all 2D joints are at (0, 0)" in refusal(tmp_path)


def test_what_is_not_there_is_listed(tmp_path):
    write_official(tmp_path)
    left_out = [what for what, _ in source_of("3dhp", tmp_path).left_out]
    assert left_out == ["S1 Seq2", "S5 Seq1", "TS2", "TS3", "TS4", "TS6"]


@pytest.mark.slow
def test_frames_beyond_the_official_ones_are_cut(tmp_path, monkeypatch):
    monkeypatch.setitem(files.FRAMES, "S1 Seq1", 50)
    write_official(tmp_path / "in")
    data, source = prepared(tmp_path / "in", tmp_path / "out.h5")
    assert list(data.recordings["frames"][:9]) == [50] * 8 + [FRAMES]
    assert "S1 Seq1: 10 frames beyond the official 50 cut off" in source.notes


def test_intrinsics_are_found_in_noise():
    rng = np.random.default_rng(0)
    pose, pixels = seen("S1 Seq1", 2)
    np.testing.assert_allclose(fit_intrinsics(pose, pixels), camera("S1 Seq1", 2).intrinsics, atol=1e-6)
    found = fit_intrinsics(pose, pixels + rng.normal(0, 2, pixels.shape))
    np.testing.assert_allclose(found, camera("S1 Seq1", 2).intrinsics, rtol=0.01, atol=5)


def test_checks_look_at_the_last_valid_frame():
    assert last_valid(np.array([0, 0, 1, 0, 1, 1, 0], bool)).tolist() == [2, 2, 2, 2, 4, 5, 5]


# What is wrong is named -----------------------------------------------------------------------------------------------


def refusal(*paths):
    with pytest.raises(InputError) as error:
        list(source_of("3dhp", *paths).recordings)
    return str(error.value)


def test_nothing_there(tmp_path):
    assert "no such file or folder; give the official folders" in refusal(tmp_path / "absent")
    assert "no MPI-INF-3DHP in it; give the official folders" in refusal(tmp_path)
    (tmp_path / "deep").mkdir()
    np.savez(tmp_path / "deep" / "mine.npz", data=1)
    assert "no MPI-INF-3DHP in it (only mine.npz, which have other names); give" in refusal(tmp_path)


def test_files_out_of_place_and_twice(tmp_path):
    write_official(tmp_path / "in")
    (tmp_path / "annot.mat").write_bytes((tmp_path / "in/S1/Seq1/annot.mat").read_bytes())
    assert "annot.mat: neither its folders nor its name say which" in refusal(tmp_path / "annot.mat")
    write_npz(tmp_path / "in")
    assert "both hold S1 Seq1; give one of them" in refusal(tmp_path / "in")
    assert source_of("3dhp", tmp_path / "in" / "S1", tmp_path / "in" / "S1" / "Seq1").total == 8


@pytest.mark.slow
@pytest.mark.parametrize("save", [save5, save73])
def test_parts_that_are_missing_and_shapes(tmp_path, save):
    train, test = tmp_path / "S1/Seq1/annot.mat", tmp_path / "TS1/annot_data.mat"
    for name in ("annot2", "univ_annot3", "valid_frame"):
        content = test_mat("TS1")
        del content[name]
        save(test, content)
        assert f"annot_data.mat: no {name}; it holds " in refusal(test)
    save(test, test_mat("TS1") | {"valid_frame": np.ones((1, FRAMES - 1))})
    assert f"{FRAMES} of annot2, {FRAMES} of annot3, {FRAMES - 1} of valid_frame" in refusal(test)
    save(test, test_mat("TS1") | {"valid_frame": np.full((1, FRAMES), np.nan)})
    assert "annot_data.mat, valid_frame: nan at frame 0; expected 1" in refusal(test)
    save(test, test_mat("TS1") | {"annot2": test_mat("TS1")["annot2"][:, :16]})
    assert "annot2: float64 of shape (2, 16, 1, 60); expected numbers (2, 17, 1, frames)" in refusal(test)
    save(train, {"annot2": training_mat("S1 Seq1")["annot2"]})
    assert "annot.mat: no univ_annot3; it holds annot2" in refusal(train)
    content = training_mat("S1 Seq1")
    content["univ_annot3"] = [cell[:, :-3] for cell in content["univ_annot3"]]
    save(train, content)
    assert "univ_annot3, camera 0: float64 of shape (60, 81); expected numbers (frames, 84)" in refusal(train)
    save(train, {name: value[:5] for name, value in training_mat("S1 Seq1").items()} | {"cameras": np.arange(5)})
    assert "cameras: no camera 5, only 0, 1, 2, 3, 4" in refusal(train)
    save(train, training_mat("S1 Seq1") | {"cameras": np.full(14, np.nan)})
    assert "cameras: no camera 0, only nan, nan" in refusal(train)
    train.write_bytes(train.read_bytes()[:700])
    assert f"{train}: cannot be read" in refusal(train) and "cut short" in refusal(train)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda entry: {"data_2d": entry["data_2d"]}, "data_2d; expected data_3d, data_2d, valid"),
        (lambda entry: entry["data_3d"], "ndarray; expected data_3d, data_2d, valid"),
        (
            lambda entry: entry | {"data_3d": entry["data_3d"][:, :16]},
            "data_3d: float64 of shape (60, 16, 3); expected",
        ),
        (lambda entry: entry | {"data_2d": entry["data_2d"][:-1]}, "60 of data_3d, 59 of data_2d, 60 of valid"),
        (lambda entry: entry | {"data_3d": entry["data_3d"] / 1000}, "taken as millimetres"),
        (
            lambda entry: entry | {"data_3d": entry["data_3d"] - entry["data_3d"][:, 14:15]},
            "is behind the camera at frame 0",
        ),
        (lambda entry: entry | {"data_2d": entry["data_2d"] / 1024 - 1}, "and not normalised?"),
        (lambda entry: entry | {"data_2d": entry["data_2d"][::-1] / 2 + 300}, "no camera makes this 2D of this 3D"),
        (lambda entry: entry | {"data_2d": entry["data_2d"][:, ::-1]}, "no camera makes this 2D of this 3D"),
        (lambda entry: entry | {"data_3d": entry["data_3d"][:, ::-1]}, "joints seem to be in another order"),
        (lambda entry: entry | {"data_3d": entry["data_3d"] * [-1, 1, 1]}, "knees bend backwards"),
        (lambda entry: entry | {"data_2d": np.full((FRAMES, 17, 2), np.nan)}, "joint head_top (in 60 of 60 frames)"),
        (lambda entry: entry | {"data_3d": np.full((FRAMES, 17, 3), "a")}, "data_3d: <U1 of shape"),
        (
            lambda entry: entry | {"data_2d": entry["data_2d"] / 2},
            "centred at 512, 526, which is not near the middle of images of 2048 x 2048",
        ),
        (lambda entry: entry | {"valid": np.where(np.arange(FRAMES) == 7, np.nan, 1)}, "valid: nan at frame 7; exp"),
    ],
)
def test_arrays_that_cannot_be_right(tmp_path, change, expected):
    np.savez(tmp_path / "data_test_3dhp.npz", data={"TS1": change(npz_test()["TS1"])})
    message = refusal(tmp_path)
    assert expected in message and "data_test_3dhp.npz, data['TS1']" in message


IMPOSSIBLE = [{"S1 Seq1": [{}, fps]} for fps in (-25, 0, 10**400, np.nan, np.inf, True, np.bool_(True))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [np.zeros(3), {}, {"S9 Seq1": [{}, 25]}, {"S1 Seq1": {}}, {"S1 Seq1": [{}, "a"]}, *IMPOSSIBLE]
)
def test_an_npz_of_another_kind(tmp_path, data):
    np.savez(tmp_path / "data_train_3dhp.npz", data=data)
    assert "data_train_3dhp.npz, data" in refusal(tmp_path) and "expected a" in refusal(tmp_path)
    np.savez(tmp_path / "data_train_3dhp.npz", poses=data)
    assert "no array data; it holds poses" in refusal(tmp_path)


def test_code_in_an_npz_is_not_run(tmp_path):
    np.savez(tmp_path / "data_train_3dhp.npz", data={"S1 Seq1": [{"0": Path("x")}, 25]})
    assert "its pickle holds pathlib." in refusal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Skeletool", "Other", "begins with 'Other"),
        ("radial      0", "radial      0.1", "camera 0 has distortion 0.1"),
        ("intrinsic   ", "intrinsic   x ", "could not convert"),
        ("  size        2048 2048\n", "", "'size'"),
        ("name          4", "name          44", "no camera 4; it has 0, 1, 2, 3, 44"),
    ],
)
def test_a_calibration_that_cannot_be_read(tmp_path, old, new, expected):
    save5(tmp_path / "S1/Seq1/annot.mat", training_mat("S1 Seq1"))
    (tmp_path / "S1/Seq1/camera.calibration").write_text(calibration("S1 Seq1").replace(old, new))
    message = refusal(tmp_path)
    assert expected in message and "camera.calibration: " in message and "get" in message
