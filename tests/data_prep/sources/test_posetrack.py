"""PoseTrack's files as a dataset: people with their gaps, detections without identity, and the parts by folder."""

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, write_video
from stgraph.skeleton import H36M17, POSETRACK15

FRAMES = 12


def video(name, rows, labelled=range(0, FRAMES, 4), skeleton=POSETRACK15, **others):
    """A video with a pose for every (frame, person), all different; frames are numbered from 5."""
    frame, person = np.array(rows).reshape(-1, 2).T
    pose = 10.0 * frame[:, None, None] + person[:, None, None] + np.arange(len(skeleton))[:, None] + [100.25, 50, 0]
    pose[..., 2] = 1
    box = np.stack([frame, person, frame + 50, person + 90], axis=1).astype(float)
    return Video(
        name=name,
        frame_ids=np.arange(5, 5 + FRAMES),
        frame=frame,
        person=person,
        pose=pose,
        box=box,
        head_box=box + [1, 2, 3, 4],
        score=np.linspace(0.5, 0.9, len(frame)),
        labelled=np.isin(np.arange(FRAMES), labelled),
        ignore=[[] for _ in range(FRAMES)],
        skeleton=skeleton,
        **others,
    )


ROWS = [(0, 3), (0, 40), (0, -1), (4, 3), (4, -1), (4, -1), (8, 3), (8, 40)]


def convert(folder, *words):
    """What the command makes of some files; beside their folder, all of whose files are read."""
    out = folder.with_suffix(".h5")
    args = parser().parse_args(["posetrack", *map(str, words), "--out", str(out)])
    text = commands()[args.command].run(args)
    return Dataset(out), text


def refusal(folder, *words):
    with pytest.raises(InputError) as error:
        convert(folder, *words)
    assert not folder.with_suffix(".h5").exists()
    return str(error.value)


def test_people_with_the_gaps_of_their_annotations(tmp_path):
    expected = video("000342", ROWS, size=(640, 360), fps=30.0)
    expected.labelled[6] = True
    write_video(expected, tmp_path / "a.json")
    data, text = convert(tmp_path, tmp_path / "a.json")
    assert (
        data.skeleton == POSETRACK15
        and data.detectors == ["gt"]
        and list(data.recordings["id"]) == ["000342/000342/none"]
    )
    assert data.tracks["person"].tolist() == [3, 40] and data.tracks["rows"].tolist() == [9, 9]
    np.testing.assert_array_equal(data.rows("frame"), [*range(5, 14)] * 2)
    valid = np.isin(range(9), [0, 4, 6, 8])
    np.testing.assert_array_equal(data.rows("valid"), [*valid, *valid])
    for first, at in ((0, [0, 3, 6]), (9, [1, 7])):
        rows = first + expected.frame[at]
        for name, values in (("pose2d/gt", expected.pose), ("box", expected.box), ("head_box", expected.head_box)):
            np.testing.assert_allclose(data.rows(name)[rows], values[at], atol=1e-4)
            assert not np.delete(data.rows(name)[first : first + 9], expected.frame[at], axis=0).any()
    camera = data.camera(0)
    assert (camera.width, camera.height, camera.name) == (640, 360, "none") and data.recordings["fps"][0] == 30
    np.testing.assert_array_equal(camera.rotation, [1, 0, 0, 0])
    assert "frame rate" not in text and "size of their images" not in text and not data.splits


def test_poses_without_identity_are_detections(tmp_path):
    expected = video("a", ROWS)
    write_video(expected, tmp_path / "a.json")
    write_video(video("b", [(0, 1)]), tmp_path / "b.json")
    data, text = convert(tmp_path, tmp_path / "a.json", tmp_path / "b.json")
    assert "3 poses without identity are the detections 'unidentified'" in text
    found, at = data.detections("unidentified"), [2, 4, 5]
    assert found["recording"].tolist() == [0, 0, 0] and found["frame"].tolist() == [5, 9, 9]
    for name in ("pose", "box", "score"):
        np.testing.assert_allclose(found[name], getattr(expected, name)[at], atol=1e-4)


def test_detections_of_a_detector_lose_their_identity(tmp_path):
    for name in "abc":
        write_video(video(name, ROWS[:2]), tmp_path / "truth" / f"{name}.json")
    detected = video("b", [(3, 7), (3, 1), (11, -1)])
    write_video(detected, tmp_path / "found" / "b.json")
    write_video(video("x", [(3, 7)]), tmp_path / "found" / "x.json")
    words = (tmp_path / "truth", "--detections", tmp_path / "found", "--detector", "mine")
    data, text = convert(tmp_path, *words)
    assert data.detected == ["mine"] and data.detectors == ["gt"] and len(data) == 3
    found = data.detections("mine")
    assert found["recording"].tolist() == [1, 1, 1] and found["frame"].tolist() == [8, 8, 16]
    for name in ("pose", "box", "score"):
        np.testing.assert_allclose(found[name], getattr(detected, name), atol=1e-4)
    assert "mine: no detections of 2 videos (a, c)" in text
    assert "mine: detections, but no annotations, of 1 videos (x)" in text


def test_parts_by_the_names_of_folders(tmp_path):
    for folder, name in (
        ("train", "a"),
        ("train", "b"),
        ("val", "c"),
        ("test/more", "d"),
        ("val/train", "e"),
        ("", "f"),
    ):
        write_video(video(name, ROWS), tmp_path / folder / f"{name}.json")
    data, _ = convert(tmp_path, tmp_path)
    parts = dict(zip(data.recordings["subject"], data.splits["standard"], strict=True))
    assert parts == {"a": "train", "b": "train", "c": "validation", "d": "test", "e": "train", "f": ""}


def test_what_the_files_do_not_say(tmp_path):
    write_video(video("a", ROWS), tmp_path / "a.json")
    write_video(video("b", ROWS[:1], size=(640, 360), fps=30.0), tmp_path / "b.json")
    data, text = convert(tmp_path, tmp_path)
    assert data.recordings["fps"].tolist() == [25, 30] and "1 videos say no frame rate: 25 frames" in text
    # The furthest joint is the last one of person 40 in frame 8.
    assert [data.recordings[name].tolist() for name in ("width", "height")] == [[235, 640], [184, 360]]
    assert "1 videos say no size of their images: it is the extent of all people's joints" in text
    data, text = convert(tmp_path, tmp_path, "--fps", 10, "--size", "1280x720")
    assert data.recordings["fps"].tolist() == [10, 30] and data.recordings["width"].tolist() == [1280, 640]
    assert "it is 1280 x 720, as --size says" in text


def test_videos_without_identities_are_left_out(tmp_path):
    write_video(video("a", ROWS[:2]), tmp_path / "a.json")
    write_video(video("b", [(2, -1)]), tmp_path / "b.json")
    data, _ = convert(tmp_path, tmp_path)
    assert list(data.recordings["subject"]) == ["a"] and data.left_out == [["b", "no person has an identity"]]


def test_regions_that_are_not_scored_are_noted(tmp_path):
    ignored = video("a", ROWS)
    ignored.ignore[3] = [np.eye(3, 2), np.eye(4, 2)]
    write_video(ignored, tmp_path / "a.json")
    assert "2 ignored regions are not in the dataset" in convert(tmp_path, tmp_path / "a.json")[1]


def test_another_skeleton(tmp_path):
    write_video(video("a", ROWS, skeleton=H36M17), tmp_path / "a.json")
    data, _ = convert(tmp_path, tmp_path / "a.json")
    assert data.skeleton == H36M17 and data.rows("pose2d/gt").shape == (18, len(H36M17), 3)


def test_what_does_not_go_together_is_refused(tmp_path):
    write_video(video("a", ROWS), tmp_path / "a" / "a.json")
    write_video(video("a", ROWS), tmp_path / "b" / "a.json")
    write_video(video("c", ROWS, skeleton=H36M17), tmp_path / "c" / "a.json")
    a, b, c = (tmp_path / name for name in "abc")
    assert "b/a.json: video 'a' is in" in refusal(tmp_path, a, b)
    assert "joints are those of skeleton 'h36m17', but those of video a are of 'posetrack15'" in refusal(tmp_path, a, c)
    assert "--detections and --detector: expected both" in refusal(tmp_path, a, "--detections", b)
    assert "--detections and --detector: expected both" in refusal(tmp_path, a, "--detector", "mine")
    assert "expected another name" in refusal(tmp_path, a, "--detections", b, "--detector", "unidentified")
    assert "--size 640: expected WIDTHxHEIGHT" in refusal(tmp_path, a, "--size", "640")
    assert "--fps 0: expected 0.1 to 1000" in refusal(tmp_path, a, "--fps", 0)
    write_video(video("d", ROWS), tmp_path / "d.json")
    found = refusal(tmp_path, a, "--detections", tmp_path / "d.json", "--detector", "mine")
    assert "found no video that is annotated, but a and d; expected the same names" in found
