"""Frames in POSEIDON's layout: every reading gives the same dataset, and what can be read in two ways is refused."""

import re

import numpy as np
import pytest
import torch

from data_prep.__main__ import commands, parser
from data_prep.writing import prepare
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.geometry import Camera, project, screen_normalise
from stgraph.skeleton import H36M16, H36M17
from tests.data_prep.commands import source_of
from tests.data_prep.people import squats

ACTIONS = {"train": ("Eating", "TakingPhoto", "Walking 1"), "test": ("Photo", "Waiting")}
FRAMES = 50
TAKE = H36M16.select_from(H36M17)
CAMERA = Camera(
    "c", 1000, 1000, np.array([1145, 1145, 512, 512, 0, 0, 0, 0, 0.0]), np.array([1.0, 0, 0, 0]), np.zeros(3)
)


def people(part):
    """(t j 3) metres, camera space: someone who squats once for every action, turning, at different places."""
    takes = []
    for number in range(len(ACTIONS[part])):
        angle = 2 * np.pi * np.arange(FRAMES) / FRAMES + number
        pose = squats(seconds=1)[:, TAKE]
        x, y = pose[..., 0], pose[..., 1]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        pose = np.stack([cos * x - sin * y, 1.0 - pose[..., 2], sin * x + cos * y], axis=-1)
        takes.append(pose + [0.5 * number - 0.4, 0.0, 4.5 + number])
    return np.concatenate(takes)


def image(pose):
    return project(torch.from_numpy(pose), CAMERA.intrinsics).numpy()


def screen(pose):
    return screen_normalise(torch.from_numpy(image(pose)), 1000.0, 1000.0).numpy()


def relative(pose):
    return pose - pose[:, :1]


def path_in_front(pose):
    return np.concatenate([pose[:, :1], relative(pose)[:, 1:]], axis=1)


def write(folder, *, to2d=screen, to3d=relative, actions=np.array, change=lambda arrays: arrays):
    folder.mkdir(exist_ok=True)
    for part, names in ACTIONS.items():
        pose = people(part)
        arrays = {"2d_poses": to2d(pose), "3d_poses": to3d(pose), "actions": actions(np.repeat(names, FRAMES))}
        for kind, values in change(arrays).items():
            np.save(folder / f"{part}_{kind}.npy", values)
    return folder


def converted(folder, *words):
    prepare(source_of("poseidon", folder, *words), folder / "out.h5", "test")
    return Dataset(folder / "out.h5")


def refusal(folder, *words):
    with pytest.raises(InputError) as error:
        list(source_of("poseidon", folder, *words).recordings)
    return str(error.value)


FORMS = {
    "as SemGCN has them": {},
    "pixels": {"to2d": image},
    "millimetres": {"to3d": lambda pose: 1000 * relative(pose)},
    "objects": {"actions": lambda names: names.astype(object)},
    "bytes": {"actions": lambda names: names.astype("S")},
    "objects of bytes": {"actions": lambda names: names.astype("S").astype(object)},
    "float32": {"change": lambda a: {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in a.items()}},
    "camera space": {"to3d": lambda pose: pose},
    "camera space, millimetres, pixels": {"to3d": lambda pose: 1000 * pose, "to2d": image},
    "the path in the root's place": {"to3d": path_in_front},
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_every_reading_gives_the_same_frames(tmp_path, form):
    data = converted(write(tmp_path / "in", **FORMS[form]))
    assert data.skeleton == H36M16 and data.detectors == ["2d_poses"]
    expected = ["train/Eating", "train/Photo", "train/Walking 1", "test/Photo", "test/Waiting"]
    assert list(data.recordings["id"]) == [f"{name}/unknown" for name in expected]
    assert list(data.recordings["action"]) == ["Eating", "Photo", "Walking", "Photo", "Waiting"]
    assert list(data.splits["standard"]) == list(data.recordings["subject"]) == 3 * ["train"] + 2 * ["test"]
    assert (data.tracks["rows"] == 1).all() and len(data.tracks["rows"]) == 5 * FRAMES
    true = np.concatenate([people("train"), people("test")])
    known = "camera" in form or "path" in form
    np.testing.assert_allclose(data.rows("pose3d"), true if known else relative(true), atol=1e-5)
    np.testing.assert_allclose(data.rows("pose2d/2d_poses")[..., :2], image(true), atol=1e-3)
    assert (data.rows("pose2d/2d_poses")[..., 2] == 1).all()
    assert any("path is not known" in note for note in data.notes) != known
    assert any("actions of test that train does not have: Waiting" in note for note in data.notes)


def test_scattered_frames_find_their_action(tmp_path):
    def shuffled(arrays):
        order = np.random.default_rng(0).permutation(len(arrays["actions"]))
        return {kind: values[order] for kind, values in arrays.items()}

    data = converted(write(tmp_path / "in", change=shuffled))
    rows = np.repeat(data.tracks["recording"], data.tracks["rows"])
    eating = data.rows("pose3d")[rows == data.find("train/Eating/unknown")]
    true = relative(people("train")[:FRAMES]).astype(np.float32)
    assert sorted(eating[:, 3, 2].tolist()) == pytest.approx(sorted(true[:, 3, 2].tolist()), abs=1e-6)


def test_options_win_over_what_is_guessed(tmp_path):
    """Fractions of the image look like the screen: they are read so only where the user says it."""
    folder = write(tmp_path / "in", to2d=lambda pose: image(pose) / 1000)
    message = refusal(folder)
    assert (
        "train_2d_poses.npy: found people" in message and "--pose2d pixels" in message and "--pose2d screen" in message
    )
    assert "fractions of the image" in message
    out = tmp_path / "a.h5"
    words = ["poseidon", str(folder), "--pose2d", "screen", "--detector", "sh", "--image", "500x600", "--out", str(out)]
    args = parser().parse_args(words)
    assert "5 recordings, 250 frames" in commands()["poseidon"].run(args).replace(",000", "")
    data = Dataset(out)
    assert data.detectors == ["sh"] and data.camera(0).height == 600
    width = (image(people("train")) / 1000 + [1, 1.2]) * 250
    np.testing.assert_allclose(data.rows("pose2d/sh")[: 3 * FRAMES, :, :2], width, atol=1e-3)


def spoiled(kind, change):
    return lambda arrays: arrays | {kind: change(arrays[kind])}


def with_nan(pose):
    pose = pose.copy()
    pose[7, H36M16.index("Head"), 1] = np.nan
    return pose


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (spoiled("3d_poses", lambda p: p / 30), "in no unit that is read.*as metres 0.0.*as millimetres"),
        (spoiled("3d_poses", lambda p: 30 * p), "in no unit that is read.*as metres 2.*as millimetres 0.02"),
        (spoiled("3d_poses", lambda p: p[..., [0, 2, 1]] * [1, 1, -1]), r"heads are towards \+z.*the world's"),
        (spoiled("3d_poses", lambda p: p * [1, -1, -1]), r"heads are towards \+y"),
        (spoiled("3d_poses", lambda p: p * [-1, 1, 1]), "knees bend backwards"),
        (
            spoiled("3d_poses", lambda p: p[:, [0, 7, 8, 9, 1, 2, 3, 4, 5, 6, *range(10, 16)]]),
            "another order|heads are",
        ),
        (spoiled("3d_poses", lambda p: p[:, ::-1]), "neither fits joints in the order Hip, RHip"),
        (
            spoiled("3d_poses", lambda p: p + [0, 0, -0.3]),
            "root is not at zero.*--root camera.*--root path.*neither fits",
        ),
        (spoiled("3d_poses", lambda p: p + [0, 0, 0.1]), "root is not at zero.*both fit"),
        (spoiled("3d_poses", lambda p: p[:, :15]), r"shape \(150, 15, 3\); expected numbers \(frames, 16, 3\)"),
        (spoiled("3d_poses", lambda p: p[:-1]), r"the same number of frames"),
        (spoiled("3d_poses", with_nan), "at frame 7, joint Head"),
        (spoiled("2d_poses", with_nan), "2d_poses.npy: .*at frame 7, joint Head"),
        (spoiled("2d_poses", lambda p: p - p[:, :1]), "root at zero: their place in the image is lost"),
        (spoiled("2d_poses", lambda p: 20 * p), "found people .*--pose2d pixels.*--pose2d screen"),
        (spoiled("2d_poses", lambda p: p * [1, -1]), "does not show the 3D poses"),
        (spoiled("2d_poses", lambda p: p[:, H36M16.mirror]), "left and right joints are swapped"),
        (spoiled("2d_poses", lambda p: np.roll(p, 60, 0)), "does not show the 3D poses"),
        (spoiled("2d_poses", lambda p: 3000 * (p + 1)), "joints reach to .* outside images of 1000 x 1000.*--image"),
        (spoiled("actions", lambda a: a[:-1]), "the same number of frames"),
        (spoiled("actions", lambda a: np.arange(len(a))), "actions.npy: 0 at frame 0; expected the name of an action"),
        (spoiled("actions", lambda a: np.where(np.arange(len(a)) == 9, "", a)), "'' at frame 9"),
        (spoiled("actions", lambda a: np.array([{"a": 1}] * len(a))), "expected the name of an action"),
        (spoiled("actions", lambda a: np.array("walk")), r"one action for every frame"),
        (spoiled("actions", lambda a: a[:, None]), r"one action for every frame"),
        (
            lambda arrays: {kind: arrays[kind] for kind in ("3d_poses", "actions")},
            "in: no train_2d_poses.npy; train needs train_2d_poses.npy, train_3d_poses.npy, train_actions.npy",
        ),
        (spoiled("2d_poses", lambda p: p * (np.arange(16) == 0)[:, None]), "no frame has more than one joint"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, change, expected):
    message = refusal(write(tmp_path / "in", change=change))
    assert re.search(expected, message), message


def test_a_root_that_is_none_can_be_taken_off(tmp_path):
    folder = write(tmp_path / "in", change=spoiled("3d_poses", lambda p: p + [0, 0, -0.3]))
    data = converted(folder, "--root", "relative")
    true = np.concatenate([people("train"), people("test")])
    np.testing.assert_allclose(data.rows("pose3d"), relative(true), atol=1e-5)


def test_parts_that_differ_are_refused(tmp_path):
    folder = write(tmp_path / "in")
    np.save(folder / "test_3d_poses.npy", 1000 * relative(people("test")))
    assert "the parts differ: unit is m in train and mm in test" in refusal(folder)
    (folder / "test_3d_poses.npy").unlink()
    assert "in: no test_3d_poses.npy; test needs" in refusal(folder)


def test_no_part_is_needed_but_one(tmp_path):
    folder = write(tmp_path / "in")
    for file in folder.glob("train_*"):
        file.unlink()
    assert set(converted(folder).splits["standard"]) == {"test"}
    for file in folder.glob("test_*"):
        file.unlink()
    assert "no frames in POSEIDON's layout; expected {train,test}_2d_poses.npy" in refusal(folder)

    assert "absent: no such folder; give the one with {train,test}_2d" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("text", ["1000", "0x5", "axb", "10x10x10"])
def test_image_sizes_that_cannot_be(tmp_path, text):
    args = parser().parse_args(["poseidon", str(write(tmp_path / "in")), "--image", text])
    with pytest.raises(InputError, match=f"--image {text}: .*1000x1002"):
        commands()["poseidon"].run(args)


def test_detectors_are_never_exact(tmp_path):
    assert "--detector gt: the name of exact 2D" in refusal(write(tmp_path / "in"), "--detector", "gt")
    with pytest.raises(InputError, match="an array called 'a/b'"):
        converted(tmp_path / "in", "--detector", "a/b")


@pytest.mark.parametrize("form", ["as SemGCN has them", "pixels"])
def test_the_corner_is_no_position(tmp_path, form):
    """(0, 0) is what was not seen, whether it was written before or after the others were normalised."""

    def change(arrays):
        pose = arrays["2d_poses"]
        pose[3, 5] = 0
        pose[7, 8] = screen_normalise(torch.zeros(2, dtype=float), 1000.0, 1000.0) if "SemGCN" in form else 0
        return arrays | {"2d_poses": pose}

    found = converted(write(tmp_path / "in", **FORMS[form], change=change)).rows("pose2d/2d_poses")
    unseen = np.zeros((len(found), len(H36M16)), bool)
    for first in (0, 3 * FRAMES):
        unseen[[first + 3, first + 7], [5, 8]] = True
    np.testing.assert_array_equal(found[..., 2], ~unseen)
    assert (found[unseen] == 0).all()
