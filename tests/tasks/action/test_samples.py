"""Clips: every frame of every person where it belongs, whatever the gaps; sampling that covers what it should."""

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.data.dataset_writer import DatasetWriter
from stgraph.data.recording import Recording, Track
from stgraph.errors import InputError
from stgraph.geometry import Camera
from stgraph.skeleton import H36M17
from stgraph.tasks.action.samples import Clips
from stgraph.tasks.action.settings import ClipSettings
from tests.conftest import standing

CAMERA = Camera("front", 640, 480, np.array([500, 500, 320, 240, 0, 0, 0, 0, 0]), np.array([1.0, 0, 0, 0]), np.zeros(3))
ACTIONS = ("wave", "jump")


def track(frames, first, person, seed):
    pose = standing(frames, seed)
    flat = np.random.default_rng(seed).uniform(1, 400, pose.shape).astype(np.float32)
    flat[..., 2] = np.random.default_rng(seed).random(flat.shape[:2]) * 0.9 + 0.1
    flat[::3, 4, 2] = 0
    return Track({"openpose": flat}, pose, frame=first, person=person)


# Persons of each recording, each with tracks (frames, first frame).
PEOPLE = [
    {0: [(30, 0)]},
    {0: [(10, 5), (8, 20)], 1: [(25, 3)]},
    {2: [(6, 0)], 5: [(4, 10)], 9: [(40, 0)]},
    {0: [(1, 7)]},
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clips.h5"
    about = {"source": "a fixed recipe", "terms": "none", "created_by": "tests"}
    with DatasetWriter(path, H36M17, **about) as writer:
        for number, people in enumerate(PEOPLE):
            tracks = [
                track(frames, first, person, 10 * number + 3 * person + first)
                for person, runs in people.items()
                for frames, first in runs
            ]
            writer.add(Recording(f"S{number % 2}", ACTIONS[number % 2], f"take {number}", CAMERA, 30.0, tracks))
    return Dataset(path)


def clips(dataset, training=False, padded=False, views=1, kept=None, **settings):
    data = ClipSettings(dataset="x", **({"detector": None, "normalise": "camera"} | settings))
    kept = np.ones(len(dataset), bool) if kept is None else kept
    labels = np.arange(len(dataset)) % 2
    return Clips(dataset, data, kept, labels=labels, skeleton=H36M17, training=training, padded=padded, views=views)


def expected(dataset, recording, most, uniform=False):
    """(m t j 3) of a recording, persons in order, absent ones zero: found track by track.

    Consecutive frames count from the recording's own start, evenly sampled ones from the first pose.
    """
    table, rows = dataset.tracks, np.asarray(dataset.rows("pose3d"))
    mine = [number for number in range(len(table["recording"])) if table["recording"][number] == recording]
    persons = sorted({table["person"][number] for number in mine})[:most]
    mine = [number for number in mine if table["person"][number] in persons]
    first = {number: dataset.rows("frame")[table["first_row"][number]] for number in mine}
    begin = min(first.values()) if uniform else 0
    length = max(first[number] + table["rows"][number] for number in mine) - begin
    pose = np.zeros((len(persons), length, len(H36M17), 3), np.float32)
    for number in mine:
        at, row, count = first[number] - begin, table["first_row"][number], table["rows"][number]
        pose[persons.index(table["person"][number]), at : at + count] = rows[row : row + count]
    return pose


@pytest.mark.parametrize("most", [1, 2, 3])
def test_every_person_is_where_the_tracks_say(dataset, most):
    view = clips(dataset, sampling="start", frames=50, max_persons=most)
    batch = view.batch(torch.arange(4))
    for number in range(4):
        pose = torch.from_numpy(expected(dataset, number, most))
        found = batch["x"][batch["clip"] == number]
        assert len(found) == len(pose) and batch["person"][batch["clip"] == number].tolist() == list(range(len(pose)))
        length = min(pose.shape[1], 50)
        torch.testing.assert_close(found[:, :, :length].permute(0, 2, 3, 1), pose[:, :length], rtol=0, atol=0)
        assert not found[:, :, length:].any()
        assert batch["frame"][number].tolist() == [*range(length), *[-1] * (50 - length)]
    assert batch["label"].tolist() == [0, 1, 0, 1]


def test_padded_clips_have_all_persons_and_absent_ones_are_zero(dataset):
    some, everyone = (clips(dataset, padded=padded, max_persons=2).batch(torch.arange(4)) for padded in (False, True))
    assert len(everyone["x"]) == 8 and everyone["clip"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    there = everyone["x"].flatten(1).any(1)
    assert there.tolist() == [True, False, True, True, True, True, True, False]
    torch.testing.assert_close(everyone["x"][there], some["x"], rtol=0, atol=0)


def test_uniform_sampling_takes_one_frame_of_each_part(dataset):
    torch.manual_seed(0)
    frame = clips(dataset, training=True, frames=10).sampled(
        torch.zeros(200, dtype=torch.int64), torch.zeros(200, dtype=torch.int64)
    )
    assert (frame // 3 == torch.arange(10)).all()  # 30 frames in ten parts
    assert all(len(set(frame[:, part].tolist())) == 3 for part in range(10))
    once = clips(dataset, frames=10).batch(torch.tensor([0]))["frame"][0]
    assert once.tolist() == [3 * part + 1 for part in range(10)]
    short = clips(dataset, frames=10).batch(torch.tensor([3]))["frame"][0]
    assert short.tolist() == [0] * 10


def test_a_shorter_share_of_the_clip_is_a_run_of_it(dataset):
    torch.manual_seed(0)
    view = clips(dataset, training=True, frames=10, shortest=0.5)
    frame = view.sampled(torch.zeros(500, dtype=torch.int64), torch.zeros(500, dtype=torch.int64))
    span = (frame[:, -1] - frame[:, 0]).float()
    assert 9 < span.min() < 16 and span.max() >= 27
    assert frame.min() == 0 and frame.max() == 29 and (frame.diff(dim=1) >= 0).all()


def test_evenly_sampled_clips_begin_with_the_first_pose(dataset):
    view = clips(dataset, frames=25)  # as many as recording 1 has between its first and last pose
    batch = view.batch(torch.tensor([1]))
    pose = torch.from_numpy(expected(dataset, 1, 2, uniform=True))
    torch.testing.assert_close(batch["x"].permute(0, 2, 3, 1), pose, rtol=0, atol=0)


@pytest.mark.parametrize("number", [0, 3])
def test_a_crop_is_consecutive_and_anywhere_in_training(dataset, number):
    torch.manual_seed(0)
    length = (30, 8)[number == 3]  # the only pose of recording 3 is frame 7
    view = clips(dataset, training=True, frames=12, sampling="crop")
    frame = view.sampled(torch.full((300,), number), torch.zeros(300, dtype=torch.int64))
    for row in frame.tolist():
        inside = [value for value in row if value >= 0]
        assert len(inside) == min(length, 12) and inside == list(range(inside[0], inside[0] + len(inside)))
    starts = {row.index(max(row)) - max(row) for row in frame.tolist()}
    assert starts == (set(range(-18, 1)) if number == 0 else set(range(5)))
    calm = clips(dataset, frames=12, sampling="crop").batch(torch.tensor([number]))["frame"][0].tolist()
    assert calm == (list(range(9, 21)) if number == 0 else [*range(8), *[-1] * 4])


def test_views_of_a_clip_differ_and_cover_it(dataset):
    view = clips(dataset, frames=5, views=3)
    assert len(view) == 12
    frame = view.batch(torch.tensor([0, 4, 8]))["frame"]  # the same clip
    assert len({tuple(row) for row in frame.tolist()}) == 3
    assert view.batch(torch.tensor([0, 4, 8]))["number"].tolist() == [0, 0, 0]


def test_every_sample_of_an_epoch_is_drawn_anew_and_none_is_missing(dataset):
    view = clips(dataset, training=True, frames=8, repeat=3)
    assert len(view) == 12
    torch.manual_seed(1)
    batch = view.batch(torch.arange(12))
    assert batch["number"].tolist() == [0, 1, 2, 3] * 3
    assert (batch["frame"][0] != batch["frame"][4]).any()
    torch.manual_seed(1)
    torch.testing.assert_close(view.batch(torch.arange(12))["x"], batch["x"], rtol=0, atol=0)


def test_frames_outside_training_may_be_others(dataset):
    assert clips(dataset, frames=8, test_frames=40, training=True).frames == 8
    assert clips(dataset, frames=8, test_frames=40).batch(torch.tensor([0]))["x"].shape[2] == 40


def test_2d_is_centred_on_the_image_and_unseen_joints_are_zero(dataset):
    view = clips(dataset, detector="openpose", confidence=True, normalise="image", frames=30, sampling="start")
    x = view.batch(torch.tensor([0]))["x"][0]
    rows = torch.from_numpy(np.asarray(dataset.rows("pose2d/openpose"))[:30])
    seen = rows[..., 2] > 0
    wanted = (
        torch.where(seen, rows[..., 0] / 640 - 0.5, 0),
        torch.where(seen, rows[..., 1] / 480 - 0.5, 0),
        rows[..., 2],
    )
    torch.testing.assert_close(x, torch.stack(wanted), rtol=1e-6, atol=1e-6)
    assert not seen.all()


def test_only_chosen_recordings_are_clips(dataset):
    view = clips(dataset, kept=np.array([False, True, False, True]))
    assert view.recording.tolist() == [1, 3] and view.lengths.tolist() == [25, 1]
    assert view.ids(torch.tensor([3, 1, 3])) == ["S1/take 3/front", "S1/take 1/front"]


def test_a_root_at_the_origin_is_kept_and_absent_persons_are_left_out(tmp_path):
    pose = standing(20, 1)
    relative = pose - pose[:, H36M17.root, None]
    tracks = [Track({}, relative[:12]), Track({}, relative[12:14] + 1, frame=18, person=1)]
    with DatasetWriter(tmp_path / "x.h5", H36M17, source="s", terms="t", created_by="c") as writer:
        writer.add(Recording("S0", "wave", "take", CAMERA, 30.0, tracks))
    data = Dataset(tmp_path / "x.h5")
    view = clips(data, sampling="start", frames=15, stream="bone")  # ends before the second person comes
    batch = view.batch(torch.tensor([0]))
    assert batch["person"].tolist() == [0]
    child, root = H36M17.index("RHip"), H36M17.root
    bone = torch.from_numpy(relative[:12, child] - relative[:12, root])
    torch.testing.assert_close(batch["x"][0, :, :12, child].T, bone)


def test_a_change_is_taken_to_the_next_frame_of_the_file(dataset):
    still, moving = (clips(dataset, frames=10, stream=stream) for stream in ("joint", "joint_motion"))
    frame = still.batch(torch.tensor([0]))["frame"][0]
    rows = torch.from_numpy(np.asarray(dataset.rows("pose3d"))[:30])
    found = moving.batch(torch.tensor([0]))["x"][0].permute(1, 2, 0)
    torch.testing.assert_close(found, rows[(frame + 1).clamp_max(29)] - rows[frame])


def test_views_that_are_all_the_same_are_refused(dataset):
    with pytest.raises(InputError, match="all are the same"):
        clips(dataset, sampling="start", views=2)
