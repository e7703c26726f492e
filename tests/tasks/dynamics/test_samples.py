"""Sequences: the file's own rows, of one person each, and what training changes of them alike in input and target."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17, SKELETONS
from stgraph.tasks.dynamics.samples import MOVING, OUTLIER, RUN, Sequences, sequence_scale
from stgraph.tasks.dynamics.settings import TrackSettings
from tests.tasks.dynamics.track_people import FPS, WIDTH, scene, write_scenes

JOINTS = len(H36M17)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Dataset:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes.h5")


def sequences(dataset, training=False, candidates=False, skeleton=H36M17, **data):
    settings = TrackSettings(**{"dataset": "x", "detector": "sim", "frames": 8, "stride": 4} | data)
    kept = np.ones(len(dataset), bool)
    return Sequences(dataset, settings, kept, skeleton=skeleton, training=training, candidates=candidates)


def all_of(found):
    return found.batch(torch.arange(len(found)))


def rows_of(found, dataset, number, step=1):
    """Rows of the file that a sequence is of, worked out anew, and how many are within its track."""
    track, start = found.table[number].tolist()
    first, length = (int(dataset.tracks[name][track]) for name in ("first_row", "rows"))
    frames = start + step * np.arange(found.frames)
    return first + np.minimum(frames, length - 1), int((frames < length).sum()), frames - np.minimum(frames, length - 1)


@pytest.mark.parametrize("skeleton", [H36M17, H36M16], ids=["all", "some"])
@pytest.mark.parametrize("detector", ["sim", None])
def test_what_is_gathered_is_what_the_file_says(scenes, detector, skeleton):
    # One more frame than the shorter of the tracks has.
    found = sequences(scenes, detector=detector, frames=22, features="net", skeleton=skeleton)
    order, batch = skeleton.select_from(H36M17), all_of(found)
    table, solid = scenes.recordings, detector is None
    assert batch["x"].shape == (len(found), 3 if solid else 2, 22, len(skeleton))
    for number in range(len(found)):
        rows, within, behind = rows_of(found, scenes, number)
        there = np.arange(22) < within
        true = scenes.rows("pose3d" if solid else "pose2d/gt")[rows][:, order]
        given = true if solid else scenes.rows("pose2d/sim")[rows][:, order]
        confidence = np.ones(given.shape[:2]) if solid else given[..., 2]
        confidence = confidence * there[:, None]
        annotated = np.ones(given.shape[:2], bool) if solid else true[..., 2] > 0
        annotated = annotated & (there & scenes.rows("valid")[rows])[:, None]
        size = given.shape[-1] if solid else 2
        pose = np.where(confidence[..., None] > 0, given[..., :size], 0)
        np.testing.assert_array_equal(batch["x"][number].permute(1, 2, 0), pose)
        np.testing.assert_array_equal(batch["confidence"][number], confidence.astype(np.float32))
        np.testing.assert_array_equal(batch["target"][number], true[..., :size])
        np.testing.assert_array_equal(batch["annotated"][number], annotated)
        frame = scenes.rows("frame")[rows] + behind
        np.testing.assert_allclose(batch["time"][number], (frame - frame[0]) / FPS, rtol=1e-6)
        seen = (confidence > 0).any(axis=1)
        before = [bool(seen[:place].any()) for place in range(22)]
        np.testing.assert_array_equal(batch["inside"][number], before & annotated.any(axis=1))
        sight = np.where(confidence[..., None] > 0, scenes.rows("features/net")[rows][:, order], 0)
        np.testing.assert_array_equal(batch["features"][number].permute(1, 2, 0), sight)
        track = int(found.table[number, 0])
        assert batch["recording"][number] == scenes.tracks["recording"][track]
    assert found.ids(batch["recording"]) == table["id"].tolist()
    assert (batch["confidence"] == 0).any() and not batch["annotated"].all()


@pytest.mark.parametrize(("training", "frames", "stride"), [(True, 8, 4), (True, 8, 5), (False, 8, 4), (False, 40, 4)])
def test_sequences_cover_every_track_and_cross_none(scenes, training, frames, stride):
    found = sequences(scenes, training, frames=frames, stride=stride)
    for track, length in enumerate(scenes.tracks["rows"]):
        starts = found.table[found.table[:, 0] == track, 1]
        assert starts[0] == 0 and (starts.diff() > 0).all() and starts[-1] == max(length - frames, 0)
        assert (starts.diff() <= (stride if training else frames - 1)).all()
        if not training:  # every frame but the first is predicted
            predicted = {int(start) + step for start in starts for step in range(1, frames)}
            assert set(range(1, length)) <= predicted


def test_behind_the_end_nothing_is_seen_and_time_goes_on(scenes):
    batch = all_of(sequences(scenes, frames=40, candidates=True))
    for number, length in enumerate(scenes.tracks["rows"]):
        for name in ("confidence", "annotated", "inside"):
            assert not batch[name][number, length:].any()
        assert batch["confidence"][number, :length].any() and not batch["x"][number, :, length:].any()
    torch.testing.assert_close(batch["time"], (torch.arange(40) / FPS).expand(len(batch["time"]), -1))


def test_frame_steps_are_drawn_for_each_sequence(scenes):
    found = sequences(scenes, True, frames=6, frame_steps=[1, 3])
    batch = found.batch(torch.arange(len(found)).repeat(8))
    steps = (batch["time"].diff() * FPS).round().int()
    assert (steps == steps[:, :1]).all() and set(steps[:, 0].tolist()) == {1, 3}
    assert set((all_of(sequences(scenes, frame_steps=[2, 1]))["time"][:, 1] * FPS).round().tolist()) == {2}
    found = sequences(scenes, frame_steps=[3], frames=6)
    rows, within, _ = rows_of(found, scenes, 0, step=3)
    assert within == 6
    true = scenes.rows("pose2d/gt")[rows][..., :2]
    np.testing.assert_array_equal(all_of(found)["target"][0], true)


@pytest.mark.slow
def test_sequences_without_motion_are_thinned_out_in_training(tmp_path):
    one = scene("S1", 200)
    stiff = one.tracks[0]
    for poses, step in ((stiff.pose2d["gt"], 30), (stiff.pose3d, 0.15)):
        poses[:60, :, 0] += step * np.arange(60)[:, None]
        poses[60:] = poses[60]
    data = write_scenes(tmp_path / "stiff.h5", [replace(one, tracks=[stiff], detections={})])
    for detector in ("sim", None):
        every = sequences(data, True, stride=1, detector=detector)
        moving = every.moving()
        for number in range(0, len(every), 5):
            target = every.batch(torch.tensor([number]))
            place, shown = target["target"][0, [0, 1, 3, 5, 7]], target["annotated"][0, [0, 1, 3, 5, 7]]
            if not shown.all():
                continue  # which frames are looked at is said by the mask, too
            change = (place[1:] - place[:-1]).norm(dim=-1).mean(1) / sequence_scale(place[None], shown[None])[0, 0]
            assert moving[number] == bool((change > MOVING).any())
        assert moving[:50].any() and not moving[60:].any()
        some = sequences(data, True, stride=1, still=0.3, detector=detector)
        again = sequences(data, True, stride=1, still=0.3, detector=detector)
        assert torch.equal(some.table, again.table)
        kept = {tuple(row) for row in some.table.tolist()}
        assert {tuple(row) for row in every.table[moving].tolist()} <= kept
        assert (len(kept) - int(moving.sum())) / int((~moving).sum()) == pytest.approx(0.3, abs=0.12)
    assert len(sequences(data, False, still=0.3)) == len(sequences(data))


def centred(batch, width):
    """Input and target about the middle of the image, as training has them."""
    middle = torch.tensor([width / 2, 0.0])
    seen = (batch["confidence"] > 0)[..., None]
    return torch.where(seen, batch["x"].permute(0, 2, 3, 1) - middle, 0), batch["target"] - middle


def test_half_of_the_sequences_are_mirrored_left_for_right(scenes):
    plain = all_of(sequences(scenes, features="net"))
    width = float(scenes.recordings["width"][0])
    torch.manual_seed(0)
    sequence = sequences(scenes, True, flip=True, features="net")
    sequence.table = sequences(scenes).table  # the same stretches
    twins = 0
    twin = torch.from_numpy(H36M17.mirror)
    side = torch.tensor([-1.0, 1.0])
    for batch in (all_of(sequence) for _ in range(4)):
        for number in range(len(plain["x"])):
            one = {name: values[number : number + 1] for name, values in batch.items()}
            given = {name: values[number : number + 1] for name, values in plain.items()}
            pose, target = centred(given, width)
            same = torch.equal(one["confidence"], given["confidence"])
            order = torch.arange(JOINTS) if same else twin
            turn = torch.ones(2) if same else side
            twins += not same
            torch.testing.assert_close(one["x"].permute(0, 2, 3, 1), (turn * pose)[:, :, order])
            torch.testing.assert_close(one["target"], (turn * target)[:, :, order])
            for name in ("confidence", "annotated"):
                assert torch.equal(one[name], given[name][:, :, order])
            assert torch.equal(one["features"], given["features"][..., order])
            torch.testing.assert_close(one["scale"], given["scale"])
    assert 0.3 < twins / (4 * len(plain["x"])) < 0.7


def test_to_mirror_twice_changes_nothing(scenes, monkeypatch):
    found = sequences(scenes, True, flip=True)
    pose, target = torch.randn(3, 4, JOINTS, 2), torch.randn(3, 4, JOINTS, 2)
    monkeypatch.setattr(torch, "rand", lambda *shape: torch.zeros(shape))  # always
    middle = torch.full((3, 1, 1), 0.0)
    once = found.turned(pose, target, middle)
    assert not torch.allclose(once[0], pose)
    again = found.turned(*once[:2], middle)
    torch.testing.assert_close(again[0], pose)
    torch.testing.assert_close(again[1], target)
    assert torch.equal(once[2].gather(2, again[2]), torch.arange(JOINTS).expand(3, 4, -1))


@pytest.mark.parametrize("detector", ["sim", None])
def test_turning_keeps_distances(scenes, detector):
    plain, found = (sequences(scenes, training, rotate=40, detector=detector) for training in (False, True))
    found.table = plain.table
    before, after = all_of(plain), all_of(found)
    everything = [torch.cat([one["target"], one["x"].permute(0, 2, 3, 1)], dim=2) for one in (before, after)]
    seen = (before["confidence"] > 0)[:, :, None]
    both = torch.cat([torch.ones_like(seen), seen], dim=3)[:, :, 0]
    distances = [torch.cdist(one.double(), one.double()) for one in everything]
    pairs = both[:, :, :, None] & both[:, :, None]
    torch.testing.assert_close(distances[1][pairs], distances[0][pairs], rtol=1e-4, atol=1e-2 if detector else 1e-5)
    vectors = [one["target"][..., 1, :2] - one["target"][..., 8, :2] for one in (before, after)]
    angles = [torch.atan2(one[..., 1], one[..., 0]) for one in vectors]
    turned = torch.rad2deg(torch.remainder(angles[1] - angles[0] + math.pi, 2 * math.pi) - math.pi)
    assert turned.abs().max() <= 40.1 and turned[:, 0].std() > 10
    torch.testing.assert_close(turned, turned[:, :1].expand_as(turned), rtol=0, atol=0.1)
    if not detector:
        torch.testing.assert_close(after["target"][..., 2], before["target"][..., 2])


def test_missed_joints_are_runs_of_a_share(scenes):
    torch.manual_seed(0)
    found = sequences(scenes, True, missed_joints=0.2)
    gone = found.missed(torch.ones(400, 60, 5)) == 0
    assert float(gone.float().mean()) == pytest.approx(0.2, abs=0.015)
    assert float(gone[:, 0].float().mean()) == pytest.approx(0.2, abs=0.04)
    # A run goes on as often as its mean length says.
    stays = gone[:, :-1] & gone[:, 1:]
    assert float(stays.sum() / gone[:, :-1].sum()) == pytest.approx(1 - 1 / RUN, abs=0.02)
    assert not (found.missed(torch.zeros(4, 8, 5))).any()  # what was missed stays missed


def test_predictions_of_training_begin_further_back(scenes):
    torch.manual_seed(0)
    found = sequences(scenes, True, missed_people=0.3)
    ahead = found.ahead(torch.zeros(4000, 16))
    frames = torch.arange(16)
    assert (ahead >= 1).all() and (ahead[:, 1:] <= frames[1:]).all()
    # As many of one frame, of 2 and 3, of 4 to 7, and of 8 to 15, beside the 70 % that begin at the frame before.
    last = ahead[:, -1]
    shares = [float(((last >= low) & (last < 2 * low)).float().mean()) for low in (1, 2, 4, 8)]
    assert shares == pytest.approx([0.775, 0.075, 0.075, 0.075], abs=0.02)
    assert (sequences(scenes, True).ahead(torch.zeros(9, 16)) == 1).all()


def test_a_share_of_the_frames_is_predicted_in_training(scenes):
    torch.manual_seed(0)
    found = sequences(scenes, True, predicted=0.25, missed_people=0.5)
    ahead = found.ahead(torch.zeros(4000, 16))
    assert float((ahead[:, :-1] > 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert (ahead[:, -1] > 0).all()  # the candidates have it as their gap
    batch = all_of(found)
    seen = (batch["confidence"] > 0).any(dim=2)
    for b, t in np.ndindex(*seen.shape):
        last = t - int(batch["ahead"][b, t])
        known = batch["ahead"][b, t] > 0 and last >= 0 and seen[b, : last + 1].any()
        assert bool(batch["inside"][b, t]) == bool(known and batch["annotated"][b, t].any()), (b, t)


def test_outside_training_nothing_is_missed_or_turned(scenes):
    data = {"missed_joints": 0.5, "missed_people": 1.0, "predicted": 0.1, "flip": True, "rotate": 90}
    one, other = all_of(sequences(scenes, **data)), all_of(sequences(scenes))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_noise_is_the_same_for_the_same_rows_outside_training(scenes):
    plain, found = sequences(scenes, detector=None), sequences(scenes, detector=None, noise=0.05)
    batch, again, some = all_of(found), all_of(found), found.batch(torch.tensor([3, 1]))
    assert torch.equal(batch["x"], again["x"]) and torch.equal(batch["x"][[3, 1]], some["x"])
    noise = batch["x"] - all_of(plain)["x"]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05) and float(noise.mean()) == pytest.approx(0, abs=2e-3)
    assert torch.equal(batch["target"], all_of(plain)["target"])
    # Sequences that overlap see the same pose in the same frame.
    track, start = found.table.T
    [one, other] = [number for number in range(len(found)) if track[number] == 0][-2:]
    shared = int(start[one]) + 8 - int(start[other])
    assert shared > 0 and torch.equal(batch["x"][one, :, 8 - shared :], batch["x"][other, :, :shared])
    training = sequences(scenes, True, detector=None, noise=0.05)
    assert not torch.equal(all_of(training)["x"], all_of(training)["x"])


def test_candidates_are_the_joints_of_the_last_frame_of_this_and_another_person(scenes):
    found = sequences(scenes, candidates=True, features="net")
    # The person's own far off in two joints: no candidates for them.
    found.fields["input"] = found.fields["input"].clone()
    found.fields["input"][:, 2, :2] += 400
    batch = all_of(found)
    shape = (len(found), 1, 2 * JOINTS)
    assert batch["candidate_label"].shape == batch["candidate_confidence"].shape == shape
    assert batch["candidates"].shape == (len(found), 2, 1, 2 * JOINTS)
    assert batch["candidate_features"].shape == (len(found), WIDTH, 1, 2 * JOINTS)
    last = batch["x"][:, :, -1:]
    own, others = batch["candidate_label"].split(JOINTS, dim=2)
    torch.testing.assert_close(batch["candidates"][..., :JOINTS], last)
    torch.testing.assert_close(batch["candidate_confidence"][:, 0, :JOINTS], batch["confidence"][:, -1])
    torch.testing.assert_close(batch["candidate_features"][..., :JOINTS], batch["features"][:, :, -1:])
    torch.testing.assert_close(batch["candidate_features"][..., JOINTS:], batch["features"].roll(1, 0)[:, :, -1:])
    for number in range(len(found)):
        off = (last[number, :, 0].T - batch["target"][number, -1]).norm(dim=-1)
        for joint in range(JOINTS):
            there, shown = batch["confidence"][number, -1, joint] > 0, batch["annotated"][number, -1, joint]
            near = off[joint] < OUTLIER * batch["scale"][number, -1]
            assert own[number, 0, joint] == ((joint if near else JOINTS) if there and shown else -1)
            other = batch["confidence"][number - 1, -1, joint] > 0
            assert others[number, 0, joint] == (JOINTS if other else -1)
    assert (own[..., 2][batch["annotated"][:, -1:, 2] & (batch["confidence"][:, -1:, 2] > 0)] == JOINTS).all()
    # The other body keeps its shape, of this one's size.
    place = batch["candidates"][..., JOINTS:].permute(0, 2, 3, 1)[:, 0]
    there = batch["candidate_confidence"][:, 0, JOINTS:] > 0
    size = batch["scale"][:, -1] / batch["scale"].roll(1, 0)[:, -1]
    for number in range(len(found)):
        mine, original = place[number][there[number]], last[number - 1, :, 0].T[there[number]]
        before, after = (torch.cdist(one.double(), one.double()) for one in (original, mine))
        torch.testing.assert_close(after, size[number] * before, rtol=1e-3, atol=1e-2)


def test_alone_in_a_batch_there_are_no_candidates_of_others(scenes):
    batch = sequences(scenes, candidates=True).batch(torch.tensor([0]))
    assert (
        not batch["candidate_confidence"][..., JOINTS:].any() and (batch["candidate_label"][..., JOINTS:] == -1).all()
    )


def test_the_scale_is_the_largest_root_mean_square_distance(scenes):
    batch = all_of(sequences(scenes))
    for number in range(4):
        sizes = []
        for pose, shown in zip(batch["target"][number], batch["annotated"][number], strict=True):
            if shown.any():
                some = pose[shown]
                sizes.append((some - some.mean(0)).square().sum(-1).mean().sqrt())
        torch.testing.assert_close(batch["scale"][number], max(sizes).expand(8))
    unseen = torch.zeros(1, 3, 4, dtype=torch.bool)
    assert torch.equal(sequence_scale(torch.randn(1, 3, 4, 2), unseen), torch.ones(1, 3))


def test_what_is_placed_elsewhere_is_the_same(scenes):
    found = sequences(scenes, candidates=True, features="net")
    before = all_of(found)
    moved = []
    found.place(lambda values: moved.append(values) or values.clone())
    assert moved and all(torch.equal(values, all_of(found)[name]) for name, values in before.items())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"detector": "cpn"}, "has no pose2d/cpn.* its detectors are gt, sim; choose one"),
        ({"truth": "true"}, "has no pose2d/true"),
        ({"features": "hrnet"}, "has no features/hrnet"),
    ],
)
def test_what_the_file_does_not_have_is_named(scenes, data, message):
    with pytest.raises(InputError, match=message):
        sequences(scenes, **data)


def test_joints_that_the_file_lacks_are_named(scenes):
    with pytest.raises(InputError):
        sequences(scenes, skeleton=SKELETONS["coco17"])


def test_tracks_of_single_frames_have_nothing_to_predict(tmp_path):
    one = scene("S1")
    apart = [replace(track, apart=True) for track in one.tracks]
    single = write_scenes(tmp_path / "apart.h5", [replace(one, tracks=apart)])
    with pytest.raises(InputError, match="every track of these recordings has one frame; nothing can be predicted"):
        sequences(single)
    both = write_scenes(tmp_path / "both.h5", [replace(one, tracks=apart), scene("S2")])
    found = sequences(both)
    assert set(found.recording[found.table[:, 0]].tolist()) == {1}
