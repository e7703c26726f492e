"""People in videos, found by rtmlib with small networks of its forms."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoints import estimator
from stgraph.formats.keypoints.estimator import PoseEstimator, cut_short, load_tools
from stgraph.formats.keypoints.layouts import LAYOUTS
from stgraph.formats.keypoints.read import read_keypoints
from stgraph.formats.video import VideoFile
from tests.formats.keypoints import onnx_people as drawn

SIZE, FRAMES = drawn.SIZE, 5


@pytest.mark.slow
def test_without_rtmlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "find_spec", lambda name: None)
    path = drawn.write_video(tmp_path / "walk.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3)
    with pytest.raises(InputError, match=r"pip install 'stgraph\[video\]'"):
        read_keypoints(path, estimator=PoseEstimator())


def test_a_video_is_refused_without_an_estimator(tmp_path: Path) -> None:
    path = drawn.write_video(tmp_path / "walk.mkv", [np.zeros((64, 64, 3), np.uint8)] * 3).rename(tmp_path / "walk.dat")
    with pytest.raises(InputError, match=r"is a video; expected keypoints .*stgraph.predict"):
        read_keypoints(path)
    path.write_text("nothing of a video\n")
    with pytest.raises(InputError, match="a file of no known format"):
        read_keypoints(path, estimator=PoseEstimator())
    path = path.rename(tmp_path / "walk.mp4")
    with pytest.raises(InputError, match="is named as a video, but is none"):
        read_keypoints(path, estimator=PoseEstimator())


def test_a_video_that_ends_early_is_noted() -> None:
    whole = VideoFile(Path("walk.mp4"), SIZE, 25.0, 4.0)
    assert cut_short(whole, 90) == []
    (note,) = cut_short(whole, 50)
    assert "2.0 s of the 4.0 s" in note


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, and a video of two people."""
    pytest.importorskip("rtmlib")
    folder = tmp_path_factory.mktemp("video")
    drawn.weights_and_video(folder, FRAMES)
    drawn.pose_estimator(folder / "twice.onnx", people=2)
    return folder


def estimator_of(folder: Path, **changes: object) -> PoseEstimator:
    weights = {"detector_weights": folder / "detector.onnx", "pose_weights": folder / "pose.onnx"}
    return PoseEstimator(**(weights | changes))


@pytest.mark.slow
def test_people_are_found_where_they_are(folder: Path) -> None:
    shares: list[float] = []

    @contextmanager
    def watched(what: str) -> Iterator[Callable[[float], object]]:
        assert "two.mp4" in what and "on CPU" in what
        yield shares.append

    keypoints = read_keypoints(folder / "two.mp4", estimator=estimator_of(folder, watched=watched))
    assert (keypoints.size, keypoints.fps, keypoints.layout, keypoints.name) == (SIZE, 25, "coco17", "two")
    assert keypoints.frames == (0, FRAMES) and keypoints.video_file == folder / "two.mp4"
    assert keypoints.frame.tolist() == sorted([*range(FRAMES)] * 2) and (keypoints.person == -1).all()
    assert shares == pytest.approx(np.arange(1, FRAMES + 1) / FRAMES)
    # Red, green and blue in their places: joints of other colours would be elsewhere.
    true = drawn.two_people(FRAMES).reshape(-1, *keypoints.pose.shape[1:2], 2)
    assert np.abs(keypoints.pose[..., :2] - true).max() < 4
    assert (keypoints.pose[..., 2] > 0).all()
    low, high = true.min(1), true.max(1)
    assert keypoints.box is not None and np.abs(keypoints.box - np.concatenate([low, high], 1)).max() < 10


@pytest.mark.slow
def test_the_number_of_outputs_tells_the_layout(folder: Path) -> None:
    weights = drawn.pose_estimator(folder / "halpe.onnx", joints=len(LAYOUTS["halpe26"]), size=(48, 64))
    keypoints = read_keypoints(folder / "two.mp4", estimator=estimator_of(folder, pose_weights=weights))
    assert keypoints.layout == "halpe26" and keypoints.joints == LAYOUTS["halpe26"]


def test_of_several_classes_people_are_taken(folder: Path) -> None:
    # Middle and size in the network's picture, which is half as large.
    things = {0: (95, 95, 70, 100), 16: (225, 100, 70, 100)}
    weights = drawn.detector_of_classes(folder / "classes.onnx", things)
    tools = load_tools(estimator_of(folder, detector_weights=weights))
    boxes, poses = tools.people(drawn.picture(drawn.two_people(1)[0], SIZE))
    np.testing.assert_allclose(boxes, [[120, 90, 260, 290]], atol=1)
    assert np.abs(poses[0, :, :2] - drawn.two_people(1)[0, 0]).max() < 4


@pytest.mark.slow
def test_a_blank_video_has_no_people(folder: Path) -> None:
    blank = drawn.picture([], SIZE)
    some = [drawn.picture(drawn.two_people(1)[0][:1], SIZE)]
    path = drawn.write_video(folder / "blank.mp4", [blank] * 3)
    with pytest.raises(InputError, match="no people in it") as raised:
        read_keypoints(path, estimator=estimator_of(folder))
    assert raised.value.kind == "no person"
    path = drawn.write_video(folder / "late.mp4", [blank] * 3 + some + [blank])
    keypoints = read_keypoints(path, estimator=estimator_of(folder))
    assert keypoints.frame.tolist() == [3] and keypoints.frames == (0, 5)
    path = drawn.write_video(folder / "one.mp4", some)
    assert read_keypoints(path, estimator=estimator_of(folder)).frames == (0, 1)


def test_a_device_that_is_not_there_is_noted(folder: Path) -> None:
    tools = load_tools(estimator_of(folder))
    assert tools.notes("cpu") == []
    assert "onnxruntime-gpu" in tools.notes("another")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector_weights": "none.onnx"}, r"--detector-weights .*none.onnx: no such file"),
        ({"pose_weights": "two.mp4"}, r"--pose-weights .*two.mp4: cannot be read as ONNX .*end2end.onnx"),
        ({"pose_weights": "detector.onnx"}, r"--pose-weights .*outputs dets .*expected an RTMPose network"),
        (
            {"pose_weights": "twice.onnx"},
            r"--pose-weights .*twice.onnx: .*outputs simcc_x .*expected an RTMPose network",
        ),
        ({"detector_weights": "pose.onnx"}, r"--detector-weights .*outputs simcc_x .*expected a YOLOX network"),
    ],
)
def test_other_weights_are_refused(folder: Path, changes: dict[str, str], message: str) -> None:
    changed = {name: folder / value for name, value in changes.items()}
    with pytest.raises(InputError, match=message):
        read_keypoints(folder / "two.mp4", estimator=estimator_of(folder, **changed))


def test_another_size_than_the_videos_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="found 100x100; expected 640x360"):
        read_keypoints(folder / "two.mp4", estimator=estimator_of(folder), size=(100, 100))


def test_without_a_network_the_options_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> str:
        raise URLError(f"no network for {url}")

    monkeypatch.setattr("rtmlib.tools.base.download_checkpoint", fail)
    with pytest.raises(InputError, match=r"could not fetch http.*no network.*--detector-weights .*--pose-weights"):
        read_keypoints(folder / "two.mp4", estimator=PoseEstimator())
