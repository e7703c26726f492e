"""Kinetics-skeleton: clips are prepared as published, and labels that cannot be right are refused."""

import json
import re

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from data_prep.reading.kinetics import read_kinetics
from stgraph.data.dataset import Dataset
from stgraph.data.recording import Track
from stgraph.errors import InputError
from stgraph.skeleton import OPENPOSE18
from tests.data_prep.commands import source_of

JOINTS = len(OPENPOSE18)
SWIMMING, ABSEILING = ("swimming", 1), ("abseiling", 0)


def clip(seed, frames=range(1, 9), people=(2, 1, 0, 7, 3, 1, 2, 2), label=ABSEILING):
    """A clip of so many people in every frame, with some joints unseen."""
    rng = np.random.default_rng(seed)

    def person():
        score = np.where(rng.random(JOINTS) < 0.3, 0, rng.random(JOINTS)).round(3)
        return {"pose": rng.random(2 * JOINTS).round(3).tolist(), "score": score.tolist()}

    data = [
        {"frame_index": frame, "skeleton": [person() for _ in range(count)]}
        for frame, count in zip(frames, people, strict=True)
    ]
    return {"data": data, "label": label[0], "label_index": label[1]}


def write(path, content):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(content))
    return path


def published(content, frames=300):
    """(c t v m) as ST-GCN reads it: a plain walk over the file, five people read and the two surest kept."""
    values = np.zeros((3, frames, JOINTS, 5))
    for entry in content["data"]:
        for m, person in enumerate(entry["skeleton"][:5]):
            if entry["frame_index"] < frames:
                for v in range(JOINTS):
                    x, y, score = *person["pose"][2 * v : 2 * v + 2], person["score"][v]
                    values[:, entry["frame_index"], v, m] = [x - 0.5, y - 0.5, score] if score else [0, 0, 0]
    for t in range(frames):
        order = sorted(range(5), key=lambda m: -values[2, t, :, m].sum())
        values[:, t] = values[:, t][..., order]
    return values[..., :2]


def as_published(tracks, frames=300):
    """(c t v m) of tracks after the normalisation of such a recogniser: x / width - 0.5, y / height - 0.5."""
    values = np.zeros((3, frames, JOINTS, 2))
    for track in tracks:
        pose = track.pose2d["openpose"]
        centred = np.concatenate([pose[..., :2] / [340, 256] - 0.5, pose[..., 2:]], axis=-1) * (pose[..., 2:] > 0)
        values[:, track.frame : track.frame + len(track), :, track.person] = centred.transpose(2, 0, 1)
    return values


@pytest.mark.parametrize("frames", [300, 6, 4])
def test_the_published_feeding_comes_back(tmp_path, frames):
    for seed, content in enumerate(
        [clip(0), clip(1, frames=[0, 2, 3, 5, 250, 251, 299, 300]), clip(2, frames=[5, 4, 3, 9, 2, 1, 7, 8])]
    ):
        tracks = read_kinetics(write(tmp_path / f"{seed}.json", content), frames)
        expected = published(content) * (np.arange(300) < frames)[:, None, None]
        np.testing.assert_allclose(as_published(tracks), expected, atol=1e-6)
        assert all((track.pose2d["openpose"][..., 2] > 0).any(1).all() for track in tracks)


def test_gaps_are_gaps(tmp_path):
    content = clip(0, frames=[1, 2, 4, 5, 9], people=(1, 2, 2, 0, 1))
    tracks = read_kinetics(write(tmp_path / "clip.json", content))
    assert [(one.person, one.frame, len(one)) for one in tracks] == [
        (0, 1, 2),
        (0, 4, 1),
        (0, 9, 1),
        (1, 2, 1),
        (1, 4, 1),
    ]


def test_people_of_equal_confidence_stay_in_order(tmp_path):
    content = clip(0, frames=[1], people=(3,))
    for person in content["data"][0]["skeleton"]:
        person["score"] = [1.0] * JOINTS
    tracks = read_kinetics(write(tmp_path / "clip.json", content))
    for track, person in zip(tracks, content["data"][0]["skeleton"][:2], strict=True):
        np.testing.assert_allclose(track.pose2d["openpose"][0, :, 0] / 340, person["pose"][::2], rtol=1e-6)


def changed(change):
    content = clip(0)
    change(content["data"])
    return json.dumps(content)


def fewer_joints(data):
    for person in data[3]["skeleton"]:
        person["pose"], person["score"] = person["pose"][:34], person["score"][:17]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected {.data.: "),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected an object"),
        ("{}", "data: found nothing; .*add the key 'data'"),
        ('{"data": [{"frame_index": 1}]}', r"data\[0\].skeleton: found nothing"),
        ('{"data": [{"skeleton": []}]}', r"data\[0\].frame_index: found nothing"),
        ('{"data": []}', "no person in any frame"),
        (changed(lambda data: [entry.update(skeleton=[]) for entry in data]), "no person in any frame"),
        (changed(lambda data: data[0].update(frame_index=2)), "frame_index 2; expected each number once"),
        (changed(lambda data: data[0].update(frame_index=-1)), "frame_index: found -1; expected greater than or equal"),
        (changed(lambda data: data[0].update(frame_index="1")), "frame_index: found '1'; expected a valid integer"),
        (changed(fewer_joints), "17 joints; expected the 18 of openpose18"),
        (changed(lambda data: data[0]["skeleton"][0]["pose"].pop()), "a pose of 35 numbers with 18 scores; expected"),
        (
            changed(lambda data: data[0].update(frame_index=10**30)),
            "frame_index: found 1000.*; expected less than 1",
        ),
        (
            changed(lambda data: data[0]["skeleton"][0]["score"].__setitem__(3, None)),
            "found None; expected a valid",
        ),
        (
            changed(lambda data: data[0]["skeleton"][0]["score"].__setitem__(3, "sure")),
            "found 'sure'; expected a",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, text, message):
    path = tmp_path / "clip.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_kinetics(path)


def test_nothing_is_read_of_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_kinetics(tmp_path / "gone.json")


def labels(**of):
    return {
        name: {"has_skeleton": has, "label": label, "label_index": index} for name, (label, index, has) in of.items()
    }


def folder(path):
    """Two folders of clips with their labels, as published."""
    write(path / "kinetics_train" / "a.json", clip(0))
    write(path / "kinetics_train" / "b.json", clip(1, label=SWIMMING))
    write(path / "kinetics_val" / "a.json", clip(2, label=SWIMMING))
    write(path / "kinetics_train_label.json", labels(a=(*ABSEILING, True), b=(*SWIMMING, True)))
    write(path / "kinetics_val_label.json", labels(a=(*SWIMMING, True)))
    return path


def convert(tmp_path, *words):
    args = parser().parse_args(["kinetics", *map(str, words), "--out", str(tmp_path / "kinetics.h5")])
    text = commands()["kinetics"].run(args)
    return Dataset(tmp_path / "kinetics.h5"), text


def tracks_of(data, recording):
    """The tracks of a recording as the file has them."""
    of = [data.tracks[name][data.tracks["recording"] == recording] for name in ("person", "first_row", "rows")]
    for person, first, rows in zip(*of, strict=True):
        pose = {"openpose": data.rows("pose2d/openpose")[first : first + rows]}
        yield Track(pose, frame=int(data.rows("frame")[first]), person=int(person))


@pytest.mark.slow
def test_folders_become_a_dataset(tmp_path):
    raw = folder(tmp_path / "raw")
    data, _ = convert(tmp_path, raw)
    assert data.skeleton == OPENPOSE18 and data.detectors == ["openpose"] and not data.has("pose3d")
    assert list(data.recordings["id"]) == ["train/a/unknown", "train/b/unknown", "test/a/unknown"]
    assert list(data.recordings["action"]) == ["abseiling", "swimming", "swimming"]
    assert list(data.splits["standard"]) == ["train", "train", "test"]
    assert data.classes == ["abseiling", "swimming"] and (data.camera(0).width, data.camera(0).height) == (340, 256)
    np.testing.assert_allclose(as_published(tracks_of(data, 1)), published(clip(1)), atol=1e-6)
    assert any("person 0 may be another from frame to frame" in note for note in data.notes)
    explicit, _ = convert(
        tmp_path,
        *(raw / f"kinetics_{part}" for part in ("train", "val")),
        "--labels",
        *(raw / f"kinetics_{part}_label.json" for part in ("train", "val")),
    )
    assert explicit.hash == data.hash


def test_all_that_cannot_be_used_is_listed_at_once(tmp_path):
    raw = folder(tmp_path / "raw")
    for name, content in (("empty", clip(0, [1], [0])), ("stray", clip(0)), ("other", clip(0)), ("none", clip(0))):
        write(raw / "kinetics_train" / f"{name}.json", content)
    (raw / "kinetics_train" / "cut.json").write_text('{"data": [')
    known = labels(a=(*ABSEILING, True), b=(*SWIMMING, True), other=(*SWIMMING, True), none=(*SWIMMING, False))
    known |= labels(empty=(*ABSEILING, True), cut=(*ABSEILING, True), gone=(*SWIMMING, True))
    write(raw / "kinetics_train_label.json", known)
    data, text = convert(tmp_path, raw, "--frames", 8)
    assert len(data) == 3 and data.rows("frame").max() == 7
    reasons = dict(data.left_out)
    expected = {
        "kinetics_train/empty": "no person: no person in any frame",
        "kinetics_train/stray": "no label in kinetics_train_label.json",
        "kinetics_train/other": "label: label_index 0, but 1 in the file of labels",
        "kinetics_train/none": "has no skeleton, says kinetics_train_label.json",
        "kinetics_train/cut": "unreadable: not JSON",
        "gone": "in kinetics_train_label.json, but there is no such clip",
    }
    assert reasons.keys() == expected.keys()
    assert all(reasons[name].startswith(why) and name in text for name, why in expected.items())


def test_classes_have_the_order_of_their_numbers(tmp_path):
    raw = folder(tmp_path / "raw")
    write(raw / "kinetics_val" / "a.json", clip(2, label=("yoga", 5)))
    write(raw / "kinetics_val_label.json", labels(a=("yoga", 5, True)))
    data, _ = convert(tmp_path, raw)
    assert data.classes == ["abseiling", "swimming", "yoga"]
    assert any("numbers up to 5, but only 3 classes occur: classes are numbered anew" in note for note in data.notes)
    names = ["abseiling", "swimming", "c", "d", "e", "yoga", "zumba"]
    (tmp_path / "names.txt").write_text("\n".join(names))
    data, _ = convert(tmp_path, raw, "--classes", tmp_path / "names.txt")
    assert data.classes == names
    (tmp_path / "names.txt").write_text("\n".join(names[1:]))
    with pytest.raises(InputError, match="label 'abseiling' is number 0, but it is 'swimming' by --classes"):
        convert(tmp_path, raw, "--classes", tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("\n".join(names[:3]))
    with pytest.raises(InputError, match="'yoga' is number 5, but it is beyond the 3 names by --classes"):
        convert(tmp_path, raw, "--classes", tmp_path / "names.txt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no labels; expected {.CLIP.: "),
        ([1], "expected a valid dictionary"),
        ({"a": 3}, "a: found 3; expected an object"),
        ({"a": {"label": "yoga"}}, "a.label_index: found nothing"),
        ({"a": {"label": "yoga", "label_index": "1"}}, "a.label_index: found '1'; expected a valid integer"),
        (
            labels(a=("yoga", 1, True), b=("yoga", 2, True)),
            "'yoga' is number 2, .* and 'yoga' number 1; give every class",
        ),
        (labels(a=("yoga", 1, True), b=("zumba", 1, True)), "'zumba' is number 1, but elsewhere 'yoga' is number 1"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path, given, message):
    raw = folder(tmp_path / "raw")
    path = write(raw / "kinetics_train_label.json", given)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}.*{message}"):
        source_of("kinetics", raw / "kinetics_train")


def test_what_is_missing_is_named(tmp_path):
    raw = folder(tmp_path / "raw")
    with pytest.raises(InputError, match="gone: no such folder"):
        source_of("kinetics", tmp_path / "gone")
    with pytest.raises(InputError, match="--labels: 3 files for 2 folders"):
        source_of("kinetics", raw, "--labels", *[raw / "kinetics_train_label.json"] * 3)
    with pytest.raises(InputError, match="(?s)no clip with a label; left out:.*b: no label in"):
        source_of(
            "kinetics", raw / "kinetics_train", "--labels", write(raw / "labels.json", labels(c=("yoga", 0, True)))
        )
    (raw / "kinetics_train_label.json").unlink()
    with pytest.raises(InputError, match="kinetics_train_label.json: .*No such file.*named by --labels"):
        source_of("kinetics", raw)
    with pytest.raises(InputError, match="--frames 0: expected 1 or more"):
        convert(tmp_path, raw, "--frames", 0)
