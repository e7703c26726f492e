"""pyskl's pickles: poses, splits and names survive, and nothing in a pickle is run."""

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from data_prep.sources.pyskl.source import split_and_part
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import COCO17, NTU25
from tests.data_prep.clip_people import annotation, dump, kinect, pixels, tracks

COUNT = 12
NTU = [f"S001C{1 + number % 3:03d}P{1 + number // 3:03d}R001A{1 + number % 2:03d}" for number in range(COUNT)]


def flat(number):
    """A clip of COCO's joints in an image of its own size."""
    return annotation(f"v{number}", number % 3, pixels(number, COCO17), (340 + number, 256))


def solid(number):
    return annotation(NTU[number], number % 2, kinect(number).astype(np.float16), None)


def converted(folder, value, *words):
    files = value if isinstance(value, dict) and "annotations" not in value else {"x": value}
    for name, content in files.items():
        dump(folder / f"{name}.pkl", content)
    paths = [str(folder / f"{name}.pkl") for name in files]
    args = parser().parse_args(["pyskl", *paths, *map(str, words), "--out", str(folder / "out.h5")])
    text = commands()[args.command].run(args)
    return Dataset(folder / "out.h5"), text


def refusal(folder, value, *words):
    with pytest.raises(InputError) as error:
        converted(folder, value, *words)
    return str(error.value)


def test_2d_with_scores_and_sizes(tmp_path):
    split = {"train": [f"v{n}" for n in range(8)], "val": [f"v{n}" for n in range(8, 12)]}
    data, _ = converted(tmp_path, {"split": split, "annotations": [flat(number) for number in range(COUNT)]})
    assert data.skeleton == COCO17 and data.classes == ["0", "1", "2"]
    assert list(data.recordings["width"]) == [340 + number for number in range(COUNT)]
    assert set(data.recordings["height"]) == {256}
    assert list(data.splits["standard"]) == 8 * ["train"] + 4 * ["test"]
    runs = [(0, 0, 12), (1, 0, 4), (1, 5, 5)]
    assert tracks(data) == [(f"v{number}", *run) for number in range(COUNT) for run in runs]
    expected = [pixels(number, COCO17)[m, first : first + n] for number in range(COUNT) for m, first, n in runs]
    np.testing.assert_allclose(data.rows("pose2d/keypoints"), np.concatenate(expected), atol=1e-4)


def test_3d_of_ntu_is_turned_and_keeps_every_split(tmp_path):
    parts = {"xsub_train": NTU[:6], "xsub_val": NTU[6:], "xview_train": NTU[::2], "xview_val": [*NTU[1::2], "S999"]}
    data, text = converted(tmp_path, {"split": parts, "annotations": [solid(number) for number in range(COUNT)]})
    assert data.skeleton == NTU25 and data.detectors == []
    assert list(data.recordings["id"]) == [f"{name[8:12]}/{name}/{name[4:8]}" for name in NTU]
    assert list(data.splits["xsub"]) == 6 * ["train"] + 6 * ["test"]
    assert list(data.splits["xview"]) == 6 * ["train", "test"]
    assert "splits name 1 clips that have no annotation" in text
    assert len(data.classes) == 60 and list(data.recordings["action"][:2]) == ["drink water", "eat meal"]
    expected = kinect(0)[0].astype(np.float16).astype(np.float32) * [-1, -1, 1]
    np.testing.assert_array_equal(data.rows("pose3d")[:12], expected)


def test_persons_who_are_never_there_are_dropped(tmp_path):
    one = flat(0)
    one["keypoint"] = np.concatenate([np.zeros_like(one["keypoint"][:1]), one["keypoint"]])
    one["keypoint_score"] = np.concatenate([np.zeros_like(one["keypoint_score"][:1]), one["keypoint_score"]])
    data, _ = converted(tmp_path, [one, flat(1)])
    assert [track for track in tracks(data) if track[0] == "v0"] == [("v0", 0, 0, 12), ("v0", 1, 0, 4), ("v0", 1, 5, 5)]


def test_lists_of_annotations_are_parts_by_their_files_names(tmp_path):
    clips = [flat(number) for number in range(COUNT)]
    data, _ = converted(tmp_path, {"gym_train": clips[:7], "gym_val": clips[7:]})
    assert list(data.splits["gym"]) == 7 * ["train"] + 5 * ["test"]
    data, text = converted(tmp_path, clips)
    assert "20% of every class, drawn with seed 0" in text
    parts = data.splits["standard"]
    assert [(parts[data.recordings["action"] == name] == "test").sum() for name in "012"] == [1, 1, 1]


def test_names_of_classes(tmp_path):
    (tmp_path / "names.txt").write_text("run\nsit\nwave\n")
    data, _ = converted(tmp_path, [flat(number) for number in range(COUNT)], "--classes", tmp_path / "names.txt")
    assert data.classes == ["run", "sit", "wave"] and list(data.recordings["action"][:3]) == ["run", "sit", "wave"]
    (tmp_path / "names.txt").write_text("run\nsit\n")
    found = refusal(tmp_path, [flat(number) for number in range(COUNT)], "--classes", tmp_path / "names.txt")
    assert "labels 0 to 2, and 2 classes" in found


def test_the_layout_can_be_named(tmp_path):
    assert "expected 18, openpose18" in refusal(tmp_path, [flat(0), flat(1)], "--skeleton", "openpose18")
    data, _ = converted(tmp_path, [flat(0), flat(1), flat(3)], "--skeleton", "coco17")
    assert data.skeleton == COCO17


def test_annotations_that_cannot_be_used_are_left_out(tmp_path):
    clips = [flat(number) for number in range(COUNT)]
    clips[1]["keypoint"] = 0 * clips[1]["keypoint"]
    clips[2]["keypoint_score"] = clips[2]["keypoint_score"][:1]
    clips[3]["label"] = [1, 2]
    clips[4]["frame_dir"] = "v5"
    clips[6]["keypoint"] = clips[6]["keypoint"][:, :, :13]
    clips[6]["keypoint_score"] = clips[6]["keypoint_score"][:, :, :13]
    clips[7]["img_shape"] = (0, 0)
    clips[8]["keypoint"] = None
    data, text = converted(tmp_path, clips)
    assert [take for take in data.recordings["take"]] == ["v0", "v5", "v9", "v10", "v11"]
    kinds = ("no person", "shape", "label", "name", "joint count", "image size", "shape")
    assert [why.split(":")[0] for _, why in data.left_out] == list(kinds)
    assert "left out: 7 (2 shape, " in text


def test_what_is_no_pickle_of_annotations_is_refused(tmp_path):
    assert "found a dict of a; expected annotations" in refusal(tmp_path, {"x": {"a": 1}})
    assert "annotation 0 has no keypoint" in refusal(tmp_path, [{"frame_dir": "a"}])
    clips = {"annotations": [flat(0), flat(1)], "split": {"train": ["v0", "v1"], "val": ["v1"]}}
    assert "1 clips are in two parts, such as clips/v1/unknown" in refusal(tmp_path, clips)
    (tmp_path / "code.pkl").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(InputError, match="os.system"):
        commands()["pyskl"].run(parser().parse_args(["pyskl", str(tmp_path / "code.pkl")]))


def test_names_of_splits():
    assert split_and_part("xset_val") == ("xset", "validation")
    assert split_and_part("train3") == ("3", "train")
    assert split_and_part("validation") == ("standard", "validation")
    assert split_and_part("test") == ("standard", "test")


def test_frames_beyond_total_frames_are_padding(tmp_path):
    padded = [flat(number) | {"total_frames": 4} for number in range(COUNT)]
    data, _ = converted(tmp_path, padded)
    assert set(data.recordings["frames"]) == {2 * 4}  # of two persons
    text = refusal(tmp_path, [flat(number) | {"total_frames": 99} for number in range(COUNT)])
    assert "total_frames 99" in text and "expected 1 to 12, those of keypoint" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda keypoint: keypoint.tolist(), "keypoint is list; expected an array of numbers"),
        (lambda keypoint: np.repeat(keypoint, 2, axis=-1), "keypoint has 4 channels; expected x, y or x, y, z"),
    ],
)
def test_what_is_wrong_with_keypoints_is_named(tmp_path, change, message):
    clips = [flat(number) for number in range(COUNT)]
    assert message in refusal(tmp_path, [clip | {"keypoint": change(clip["keypoint"])} for clip in clips])
