"""The evaluator against plain NumPy over whole recordings, and against what each protocol promises."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from stgraph.errors import InputError
from stgraph.skeleton import H36M16, H36M17
from stgraph.tasks.lifting import evaluation
from stgraph.tasks.lifting.evaluation import Evaluator, Tracks
from stgraph.tasks.lifting.plan import ModelWindow
from stgraph.tasks.lifting.plots import plot_worst
from stgraph.tasks.lifting.protocols import PROTOCOLS, find_protocol

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[2] / "golden"
LENGTHS = np.array([90, 7, 163, 40, 81, 30])
RECORDINGS = {
    "id": ["S9/Walking/a", "S9/Greeting/a", "S11/Sitting/a", "S11/Sitting/b", "S9/Walking/b"],
    "subject": ["S9", "S9", "S11", "S11", "S9"],
    "action": ["Walking", "Greeting", "Sitting", "Sitting", "Walking"],
    "take": ["Walking", "Greeting", "Sitting", "Sitting", "Walking"],
    "camera": ["a", "a", "a", "b", "b"],
    "fps": [50.0] * 5,
}
# The last recording has two tracks; tracks need not follow the recordings' order.
RECORDING = np.array([2, 0, 1, 4, 3, 4])


@pytest.fixture
def poses():
    """Prediction and truth of every frame of every track, metres; the true root is zero."""
    rng = np.random.default_rng(0)
    truth = [rng.normal(size=(n, 17, 3)).astype(np.float32) * 0.3 for n in LENGTHS]
    return [pose + rng.normal(size=pose.shape).astype(np.float32) * 0.05 for pose in truth], centred(truth)


def evaluator(protocol, recording=RECORDING, lengths=LENGTHS, *, about=(), model=None, **settings):
    tracks = Tracks(RECORDINGS, np.array(recording), np.array(lengths), **dict(about))
    return Evaluator(find_protocol(protocol), H36M17, tracks, model or ModelWindow(27), **settings)


def hand_in(to, pred, truth, batch=7, seed=0):
    """Windows in random order and uneven batches, gathered as a model would see them."""
    order = torch.randperm(len(to.plan.table), generator=torch.Generator().manual_seed(seed))
    for index in order.split(batch):
        gathered = []
        for poses in (pred, truth):
            windows = [
                poses[track][np.clip(start + to.plan.before + np.arange(to.plan.outputs), 0, len(poses[track]) - 1)]
                for track, start in to.plan.table[index, :2].reshape(-1, 2)
            ]
            gathered.append(torch.from_numpy(np.stack(windows)))
        to.add(index, *gathered)
    return to


def centred(poses):
    """The same poses with a root of zero."""
    return [np.concatenate([0 * pose[:, :1], pose[:, 1:]], axis=1) for pose in poses]


def means(values):
    """Plain means of (track -> frame joint) by action, and the mean of these."""
    by = {}
    for action in ("Walking", "Greeting", "Sitting"):
        tracks = [t for t in range(len(LENGTHS)) if RECORDINGS["action"][RECORDING[t]] == action]
        by[action] = 1000 * np.concatenate([values[t] for t in tracks]).astype(np.float64).mean()
    return by, np.mean(list(by.values()))


def test_standard_equals_plain_means_over_recordings(poses):
    report = hand_in(evaluator("standard"), *poses).report()
    pred, truth = map(centred, poses)
    difference = [p - q for p, q in zip(pred, truth, strict=True)]
    for name, order in (("P1", 0), ("MPJVE", 1), ("acceleration", 2)):
        error = [np.linalg.norm(np.diff(d, n=order, axis=0), axis=-1) for d in difference]
        by, mean = means(error)
        assert report["metrics"][name] == pytest.approx(mean, rel=1e-5)
        assert {a: s[name] for a, s in report["by"]["action"].items()} == pytest.approx(by, rel=1e-5)
        assert report["frame_mean"][name] == pytest.approx(1000 * np.concatenate(error).mean(), rel=1e-5)
    assert report["metrics"]["P1"] != pytest.approx(report["frame_mean"]["P1"], rel=1e-4)
    assert report["scored"]["frames"] == report["scored"]["counted"] == LENGTHS.sum()


def test_groups_equal_plain_means(poses):
    report = hand_in(evaluator("standard"), *poses).report()
    pred, truth = map(centred, poses)
    error = [1000 * np.linalg.norm(p - q, axis=-1) for p, q in zip(pred, truth, strict=True)]
    for group, column in (("subject", "subject"), ("camera", "camera"), ("recording", "id")):
        assert set(report["by"][group]) == set(RECORDINGS[column])
        for label, scores in report["by"][group].items():
            members = [e for t, e in enumerate(error) if RECORDINGS[column][RECORDING[t]] == label]
            assert scores["P1"] == pytest.approx(np.concatenate(members).mean(), rel=1e-5)
    joints = [scores["P1"] for scores in report["by"]["joint"].values()]
    assert np.mean(joints) == pytest.approx(report["metrics"]["P1"])
    assert joints[0] == 0
    assert {"x", "y", "z"} <= report["by"]["joint"]["Head"].keys()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_neither_order_nor_pieces_matter(poses, protocol, monkeypatch):
    whole = hand_in(evaluator(protocol), *poses, batch=1000).report()
    monkeypatch.setattr(evaluation, "ROWS", 11)
    pieces = hand_in(evaluator(protocol), *poses, seed=1).report()
    for name, value in whole["metrics"].items():
        assert pieces["metrics"][name] == pytest.approx(value, rel=1e-6)
    assert pieces["worst"] == whole["worst"]


def test_the_window_with_the_frame_in_its_centre_third_scores_it(poses):
    to = evaluator("standard")
    index = torch.arange(len(to.plan.table))
    target = torch.zeros(len(index), 27, 17, 3)
    off_centre = (torch.arange(27) - 13).abs().float()[:, None] / 1000
    pred = target.clone()
    pred[..., 0] = off_centre
    to.add(index, pred, target)
    worst = to.report()["worst"]["tracks"][0]["P1"]
    assert max(worst) == pytest.approx(4 * 16 / 17, abs=1e-3)  # 9 of 27 frames are at most 4 off the centre


@pytest.mark.parametrize(
    ("protocol", "expected"), [("standard", 0), ("videopose3d", 100 / 17), ("semgcn", 1500 / 16), ("tgraphnet", 0)]
)
def test_roots(poses, protocol, expected):
    _, truth = poses
    pred = [pose + np.float32([0.1, 0, 0]) * (np.arange(17) == 0)[:, None] for pose in centred(truth)]
    score = hand_in(evaluator(protocol), pred, truth).report()["metrics"]["P1"]
    assert score == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_tgraphnet_matches_reference():
    golden = np.load(GOLDEN / "tgraphnet_losses_root_rel_and_traj.npz")
    lengths = np.array([31, 31, 31])  # one window each, its centre the whole track
    to = evaluator("tgraphnet", [0] * 3, lengths, model=ModelWindow(81))
    pred, target = (torch.from_numpy(golden[name]) / 1000 for name in ("pred", "target"))
    target[:, :, H36M17.root] = 0
    to.add(torch.arange(3), pred, target)
    report = to.report()
    assert report["metrics"]["P1"] == pytest.approx(golden["eval/mpjpe_center31"], rel=1e-6)
    assert report["metrics"]["MPJVE"] == pytest.approx(golden["eval/vel_center31"], rel=1e-6)
    joints = [scores["P1"] for scores in report["by"]["joint"].values()]
    np.testing.assert_allclose(joints, golden["eval/mpjpe_center31_per_joint"], rtol=1e-6)


def test_tgraphnet_takes_velocity_inside_windows_and_counts_padding():
    to = evaluator("tgraphnet", [0], [40], model=ModelWindow(81))
    target = torch.zeros(2, 81, 17, 3)
    pred = target.clone()
    pred[1, :, 1:] = 0.17  # a step between the two windows
    to.add(torch.arange(2), pred, target)
    report = to.report()
    assert report["metrics"]["MPJVE"] == 0
    assert report["scored"]["counted"] == 62
    assert report["metrics"]["P1"] == pytest.approx(170 * 3**0.5 * 16 / 17 / 2, rel=1e-6)


def test_mixste_counts_the_overlap_twice():
    to = evaluator("mixste", [0], [30])
    target = torch.zeros(2, 27, 17, 3)
    pred = target.clone()
    pred[1, ..., 0] = 0.1
    to.add(torch.arange(2), pred, target)
    report = to.report()
    assert report["metrics"]["P1"] == pytest.approx(50)  # 27 frames each, where once each would give 3 of 30
    assert report["metrics"]["MPJVE"] == pytest.approx(100 / 53)  # joined windows: one step in 53 differences
    assert report["worst"]["tracks"][0]["P1"] == [0] * 3 + [50] * 24 + [100] * 3


def test_motionbert_leaves_out_its_takes(poses):
    to = evaluator("motionbert")
    report = hand_in(to, *poses).report()
    assert report["left_out"] == [["S9/Greeting/a", "protocol motionbert"]]
    assert "Greeting" not in report["by"]["action"]
    others = np.delete(LENGTHS, 2)
    assert report["scored"]["frames"] == np.where(others < 27, others, others // 27 * 27).sum()
    with pytest.raises(InputError, match="nothing to score in 1 tracks"):
        evaluator("motionbert", [1], [40])


def test_a_scale_of_the_ground_truth_is_stated(poses):
    text = hand_in(evaluator("standard", output="image"), *poses).report()["protocol"]["model"]
    assert "image space" in text and "comes from the ground truth" in text
    assert "image space" not in hand_in(evaluator("standard"), *poses).report()["protocol"]["model"]


def test_semgcn_scores_sixteen_joints(poses):
    report = hand_in(evaluator("semgcn"), *poses).report()
    assert tuple(report["by"]["joint"]) == H36M16.names
    assert tuple(report["scored"]["joints"]) == H36M16.names


def test_global_output_scores_the_path_by_itself(poses):
    pred, truth = map(centred, poses)
    relative = hand_in(evaluator("videopose3d"), pred, truth).report()["metrics"]
    root = (np.arange(17) == 0)[:, None]
    walk = [np.float32([[[1.0, 0, 5.0]]]) * root + q for q in truth]
    predicted = [np.float32([[[1.0, 0.12, 5.05]]]) * root + p for p in pred]
    found = hand_in(evaluator("videopose3d", output="global"), predicted, walk).report()["metrics"]
    assert found["path"] == pytest.approx(130, rel=1e-5)
    assert found["P1"] == pytest.approx(relative["P1"], rel=1e-6)
    assert found["P1 with path"] == pytest.approx(relative["P1"] + 130 / 17, rel=1e-5)
    assert "path" not in relative


def test_a_model_of_one_output_frame_is_scored_on_every_frame(poses):
    many = hand_in(evaluator("standard"), *poses).report()
    for before, after in ((13, 13), (26, 0)):
        to = hand_in(evaluator("standard", model=ModelWindow(27, before, after)), *poses)
        assert to.plan.frames == 27
        assert to.report()["metrics"] == pytest.approx(many["metrics"], rel=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_without_windows_gets_the_same_scores_in_fewer_of_them(poses, protocol):
    """Long pieces, unless the protocol scores by windows."""
    single = hand_in(evaluator(protocol, model=ModelWindow(27, 20, 6)), *poses)
    sliding = hand_in(evaluator(protocol, model=ModelWindow(27, 20, 6, sliding=True)), *poses)
    found, expected = (
        {name: value for name, value in to.report()["metrics"].items() if value is not None} for to in (sliding, single)
    )
    assert found == pytest.approx(expected, rel=1e-6)
    by_windows = protocol in ("tgraphnet", "mixste")
    assert sliding.plan.frames == (27 if by_windows else 26 + 64)
    assert len(sliding.plan.table) <= (len(single.plan.table) if by_windows else len(LENGTHS) + LENGTHS.sum() / 64)
    assert "20 before and 6 after" in sliding.report()["protocol"]["model"]


def test_single_frames_have_no_velocity():
    to = evaluator("standard", [0, 1], [1, 1], model=ModelWindow(1))
    to.add(torch.arange(2), torch.zeros(2, 1, 17, 3), torch.zeros(2, 1, 17, 3))
    report = json.loads(json.dumps(to.report(), allow_nan=False))
    assert report["metrics"]["MPJVE"] is None
    assert report["metrics"]["P1"] == 0


def test_flip_is_the_protocols_unless_the_caller_says_otherwise():
    assert evaluator("videopose3d").flip and not evaluator("standard").flip
    assert not evaluator("videopose3d", flip=False).flip


def test_broken_predictions_are_named(poses):
    to = evaluator("standard")
    window = int(np.flatnonzero(to.plan.table[:, 0] == 1)[0])
    pred = torch.zeros(1, 27, 17, 3)
    pred[0, 3, 5, 1] = torch.nan
    with pytest.raises(InputError, match="S9/Walking/a: the model predicts values that are not finite"):
        to.add(torch.tensor([window]), pred, torch.zeros_like(pred))


def test_missing_windows_are_not_passed_over(poses):
    to = evaluator("standard")
    to.add(torch.tensor([0]), torch.zeros(1, 27, 17, 3), torch.zeros(1, 27, 17, 3))
    with pytest.raises(ValueError, match=f"{len(to.plan.table) - 1} of {len(to.plan.table)} windows"):
        to.report()


def test_inputs_are_left_as_they_were(poses):
    to = evaluator("standard")
    pred, target = torch.rand(2, len(to.plan.table), 27, 17, 3)
    kept = pred.clone(), target.clone()
    to.add(torch.arange(len(to.plan.table)), pred, target)
    assert_close((pred, target), kept, rtol=0, atol=0)


def test_the_worst_recordings_tracks_keep_their_frame_numbers(poses):
    """Two runs of one recording with a gap between them, every second frame used."""
    pred, truth = poses
    pred = [
        pose + (1.0 if RECORDING[track] == 4 else 0.0) * np.eye(3, dtype=np.float32)[0] * (np.arange(17) > 0)[:, None]
        for track, pose in enumerate(pred)
    ]
    first = np.array([0, 0, 0, 100, 0, 300])
    report = hand_in(evaluator("standard", about={"first_frames": first, "frame_step": 2}), pred, truth).report()
    assert report["worst"]["recording"] == "S9/Walking/b"
    for track, number in zip(report["worst"]["tracks"], (3, 5), strict=True):
        assert track["frame"] == list(range(first[number], first[number] + 2 * LENGTHS[number], 2))
    lines = plot_worst(report).axes[0].lines[:2]
    assert [line.get_xdata()[0] for line in lines] == [2.0, 6.0]
    assert not any(np.isnan(line.get_xdata()).any() for line in lines)


def test_frames_that_are_not_valid_are_not_scored(poses):
    """As if they had a gap there: neither they nor the differences across them count."""
    pred, truth = map(centred, poses)
    valid = np.random.default_rng(1).random(LENGTHS.sum()) < 0.8
    ends = np.cumsum(LENGTHS)
    report = hand_in(evaluator("standard", about={"valid": valid}), pred, truth).report()
    assert report["scored"]["frames"] == report["scored"]["counted"] == valid.sum()
    assert "not valid are seen" in report["protocol"]["text"]
    for name, order in (("P1", 0), ("MPJVE", 1), ("acceleration", 2)):
        error = []
        for p, q, end in zip(pred, truth, ends, strict=True):
            kept = valid[end - len(p) : end]
            together = np.all([kept[step : len(p) - order + step] for step in range(order + 1)], axis=0)
            error.append(np.linalg.norm(np.diff(p - q, n=order, axis=0), axis=-1)[together])
        assert report["metrics"][name] == pytest.approx(means(error)[1], rel=1e-5)
    frames = [track["frame"] for track in report["worst"]["tracks"]]
    assert sum(map(len, frames)) < sum(LENGTHS[report_number(report) == RECORDING])
    with pytest.raises(InputError, match="no frame"):
        evaluator("standard", about={"valid": np.zeros(LENGTHS.sum(), bool)})


def report_number(report):
    return RECORDINGS["id"].index(report["worst"]["recording"])


@pytest.mark.parametrize(("protocol", "over"), [("3dhp", "recording"), ("3dpw", "frame"), ("standard", "action")])
def test_means_are_over_what_the_protocol_says(poses, protocol, over):
    report = hand_in(evaluator(protocol), *poses).report()
    parts = [report["frame_mean"]] if over == "frame" else report["by"][over].values()
    assert report["metrics"]["P1"] == pytest.approx(np.mean([scores["P1"] for scores in parts]))
    joints = [scores["P1"] for scores in report["by"]["joint"].values()]
    assert np.mean(joints) == pytest.approx(report["metrics"]["P1"])
    assert f"over {'all frames' if over == 'frame' else f'{over}s'}" in report["protocol"]["text"]
