"""Windows: a gather is what a loop over frames would give, and a mirror is a mirror everywhere."""

import numpy as np
import pytest
import torch
from einops import rearrange

from stgraph.data.windows import Windows, epoch_batches, epoch_order
from stgraph.errors import InputError
from stgraph.geometry import project, screen_normalise
from stgraph.skeleton import H36M16, H36M17


def windows(dataset, **changes):
    settings = {"detector": "gt", "frames": 27, "stride": 5} | changes
    return Windows(dataset, **settings)


@pytest.mark.parametrize("step", [1, 3])
def test_a_batch_is_what_a_loop_gives(dataset, step):
    data = windows(dataset, frame_step=step, subjects=["S5", "S9"], detector="noisy")
    index = torch.arange(0, len(data), 7)
    batch = data.batch(index)
    for i, window in enumerate(index):
        track, start, _ = data.table[window].tolist()
        number = data.tracks[track]
        recording = dataset.tracks["recording"][number]
        assert dataset.recordings["subject"][recording] in ("S5", "S9")
        first, rows = dataset.tracks["first_row"][number], dataset.tracks["rows"][number]
        pose3d, pose2d = (dataset.rows(name)[first : first + rows : step] for name in ("pose3d", "pose2d/noisy"))
        frames = np.clip(start + np.arange(27), 0, len(pose3d) - 1)
        pose3d, pose2d, camera = pose3d[frames].copy(), pose2d[frames], dataset.camera(recording)
        np.testing.assert_allclose(batch["pose3d"][i, :, 0], pose3d[:, 0])
        np.testing.assert_allclose(batch["pose3d"][i, :, 1:], pose3d[:, 1:] - pose3d[:, :1], atol=1e-6)
        x = pose2d[..., :2] / camera.width * 2 - [1, camera.height / camera.width]
        x *= pose2d[..., 2:] > 0
        np.testing.assert_allclose(rearrange(batch["x"][i], "c t j -> t j c"), x, atol=1e-6)


@pytest.mark.slow
def test_frames_beyond_the_track_are_marked(dataset):
    data = windows(dataset)
    batch = data.batch(torch.arange(len(data)))
    frame, last = batch["frame"], data.last[batch["track"], None]
    torch.testing.assert_close(batch["inside"], (frame >= 0) & (frame <= last))
    assert 0 < batch["inside"].float().mean() < 1


@pytest.mark.slow
def test_a_mirrored_window_is_seen_by_the_mirrored_camera(dataset):
    data = windows(dataset, mirror=True)
    assert len(data) == 2 * len(windows(dataset))
    batch = data.batch(torch.arange(len(data)))
    pose = batch["pose3d"].clone()
    pose[:, :, 1:] += pose[:, :, :1]
    screen = screen_normalise(project(pose, batch["intrinsics"]), *batch["size"].unbind(-1))
    torch.testing.assert_close(screen, rearrange(batch["x"], "b c t j -> b t j c"), atol=2e-6, rtol=0)
    plain, twin = batch["x"].chunk(2)
    torch.testing.assert_close(twin[:, 0], -plain[:, 0][..., H36M17.mirror])
    torch.testing.assert_close(data.mirrored(data.mirrored(plain)), plain)


@pytest.mark.slow
def test_unseen_joints_are_zero_and_confidence_is_a_channel(dataset):
    data = windows(dataset, detector="noisy", confidence=True, mirror=True)
    batch = data.batch(torch.arange(len(data)))
    assert batch["x"].shape[1] == 3
    unseen = batch["seen"] == 0
    assert unseen[:, :, 3].any() and unseen[:, :, 6].any()  # the noisy detector misses joint 3; its mirror is 6
    assert not rearrange(batch["x"], "b c t j -> b t j c")[unseen].any()
    torch.testing.assert_close(batch["x"][:, 2] > 0, ~unseen)


def test_filters(dataset):
    data = windows(dataset, actions=["Sitting"], subjects=["S1"])
    assert set(dataset.recordings["id"][data.recording]) == {"S1/take 1/left", "S1/take 1/right"}
    for changes, message in (
        ({"subjects": ["S7"]}, "subject S7; it has S1, S5, S9"),
        ({"actions": ["Dancing"]}, "action Dancing; it has Sitting, Walking"),
        ({"detector": "cpn"}, "gt, noisy"),
    ):
        with pytest.raises(InputError, match=message):
            windows(dataset, **changes)


def test_placing_moves_everything_a_batch_needs(dataset):
    data = windows(dataset, mirror=True)
    index = torch.arange(0, len(data), 3)
    before = data.batch(index)
    data.place(lambda values: values.double() if values.is_floating_point() else values.clone())
    for name, values in data.batch(index).items():
        torch.testing.assert_close(values.float(), before[name].float(), atol=1e-5, rtol=1e-5)
        assert values.dtype in (torch.float64, torch.int64, torch.bool)


@pytest.mark.slow
def test_new_windows_lie_where_the_data_lies(dataset):
    """After the data went to a device, windows cut anew are there as well."""
    data = windows(dataset)
    data.place(lambda values: torch.empty_like(values, device="meta"))
    data.cut(data.table[:5, :2].new_zeros(5, 2, device="cpu").numpy())
    assert {values.device.type for values in data.batch(torch.arange(3)).values()} == {"meta"}


def test_epochs_visit_every_window_once_in_an_order_of_their_own():
    batches = epoch_batches(103, 10, seed=3, epoch=2)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(103))
    assert {len(batch) for batch in batches} == {9, 10}
    np.testing.assert_array_equal(np.concatenate(batches), epoch_order(103, 3, 2))
    assert (epoch_order(103, 3, 2) != epoch_order(103, 3, 3)).any()
    assert (epoch_order(103, 3, 2) != epoch_order(103, 4, 2)).any()


@pytest.mark.parametrize(("step", "margin"), [(1, (0, 0)), (2, (0, 0)), (1, (20, 3))])
def test_windows_that_predict_a_frame_that_is_not_valid_are_left_out(dataset, monkeypatch, step, margin):
    valid = np.random.default_rng(0).random(len(dataset.rows("frame"))) < 0.98
    rows, has = dataset.rows, dataset.has
    monkeypatch.setattr(dataset, "rows", lambda name: valid if name == "valid" else rows(name))
    monkeypatch.setattr(dataset, "has", lambda name: name == "valid" or has(name))
    data = windows(dataset, frame_step=step, margin=margin, mirror=True)
    every = data.table
    kept = data.keep_valid().table
    expected = []
    for track, start, mirrored in every.tolist():
        frames = start + np.arange(margin[0], 27 - margin[1])
        row = int(data.first_rows[track]) + step * np.clip(frames, 0, int(data.lengths[track]) - 1)
        if valid[row].all():
            expected.append([track, start, mirrored])
    assert kept.tolist() == expected and 0 < len(expected) < len(every)
    valid[:] = False
    with pytest.raises(InputError, match="every window"):
        data.keep_valid()


def test_joints_are_found_by_their_names(dataset):
    fewer = windows(dataset, skeleton=H36M16, detector="noisy", mirror=True)
    index = torch.arange(len(fewer))
    found, all_joints = fewer.batch(index), windows(dataset, detector="noisy", mirror=True).batch(index)
    kept = [H36M17.index(name) for name in H36M16.names]
    assert not torch.equal(found["x"][..., 9], all_joints["x"][..., 9])
    for name in ("x", "pose3d", "pose2d", "seen"):
        axis = -1 if name in ("x", "seen") else -2
        torch.testing.assert_close(found[name], all_joints[name].index_select(axis, torch.tensor(kept)))


def test_a_margin_is_seen_and_not_predicted(dataset):
    data, whole = windows(dataset, margin=(20, 3)), windows(dataset)
    whole.cut(data.table[:, :2].numpy())
    index = torch.arange(0, len(data), 5)
    found, all_frames = data.batch(index), whole.batch(index)
    torch.testing.assert_close(found["x"], all_frames["x"])
    for name in ("pose3d", "pose2d", "seen", "frame", "inside"):
        torch.testing.assert_close(found[name], all_frames[name][:, 20:24])


def test_image_space_is_what_the_camera_sees_and_its_mirror_a_mirror(dataset):
    data = windows(dataset, image=True, mirror=True)
    half = len(data) // 2
    batch = data.batch(torch.arange(0, half, 9))
    pose = batch["pose3d"].clone()
    pose[:, :, 1:] += pose[:, :, :1]
    pixels = project(pose, batch["intrinsics"])
    width = batch["size"][:, :1, None, None]
    torch.testing.assert_close(batch["image3d"][..., :2], 2 * (pixels - pixels[:, :, :1]) / width)
    depth = batch["image3d"][..., 1:, 2] * batch["scale"][..., None]
    torch.testing.assert_close(depth, batch["pose3d"][:, :, 1:, 2], atol=1e-5, rtol=1e-4)
    twin = data.batch(torch.arange(half, 2 * half, 9))
    mirrored = data.mirrored(rearrange(batch["image3d"], "b t j c -> b c t j"))
    torch.testing.assert_close(rearrange(mirrored, "b c t j -> b t j c"), twin["image3d"])
    torch.testing.assert_close(twin["scale"], batch["scale"])
    assert "image3d" not in windows(dataset).batch(torch.arange(2))
