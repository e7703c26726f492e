"""Arrays of many clips: every order of axes and every form of labels give the same dataset as one's own folder."""

import json

import numpy as np
import pytest

from data_prep.__main__ import commands, parser
from data_prep.sources.arrays.source import read
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.skeleton import NTU25, OPENPOSE18
from tests.data_prep.clip_people import SIZE, dump, kinect, pixels, tracks, write_csv

COUNT = 10
LABELS = [number % 2 for number in range(COUNT)]
NAMES = ["sitting", "waving"]
NTU = [f"S001C002P{1 + number // 2:03d}R001A{1 + number % 2:03d}" for number in range(COUNT)]


def convert(folder, *words):
    args = parser().parse_args(["arrays", *map(str, words), "--out", str(folder / "out.h5")])
    text = commands()[args.command].run(args)
    return Dataset(folder / "out.h5"), text


def centred(seed):
    """As ST-GCN has Kinetics: (m t j c), x / width - 0.5, zero where the score is 0, padded with zeros to 40 frames."""
    values = pixels(seed)
    fractions = np.concatenate([values[..., :2] / SIZE - 0.5, values[..., 2:]], axis=-1)
    padded = np.zeros((2, 40, *values.shape[2:]), np.float32)
    padded[:, :12] = np.where(values[..., 2:] > 0, fractions, 0)
    return padded


def stgcn(make, count=COUNT):
    return np.stack([make(seed).transpose(3, 1, 2, 0) for seed in range(count)])


def test_st_gcns_kinetics(tmp_path):
    np.save(tmp_path / "data.npy", stgcn(centred))
    dump(tmp_path / "label.pkl", ([f"video {number}" for number in range(COUNT)], LABELS))
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    words = (tmp_path / "data.npy", "--labels", tmp_path / "label.pkl", "--classes", tmp_path / "names.txt")
    data, text = convert(tmp_path, *words)
    assert data.skeleton == OPENPOSE18 and data.classes == NAMES and "fractions less 0.5" in text
    assert list(data.recordings["id"]) == [f"clips/video {number}/unknown" for number in range(COUNT)]
    assert list(data.recordings["action"]) == [NAMES[label] for label in LABELS]
    runs = [(0, 0, 12), (1, 0, 4), (1, 5, 5)]
    assert tracks(data) == [(f"video {number}", *run) for number in range(COUNT) for run in runs]
    expected = [pixels(seed)[m, first : first + n] for seed in range(COUNT) for m, first, n in runs]
    np.testing.assert_allclose(data.rows("pose2d/keypoints"), np.concatenate(expected), atol=1e-3)
    parts = data.splits["standard"]
    assert [(parts[data.recordings["action"] == name] == "test").sum() for name in NAMES] == [1, 1]


def test_parts_and_ntus_names(tmp_path):
    for part, first in (("train", 0), ("val", 6)):
        count = 6 if part == "train" else 4
        np.save(
            tmp_path / f"{part}.npy",
            np.stack([kinect(seed).transpose(3, 1, 2, 0) for seed in range(first, first + count)]),
        )
        names = [f"{name}.skeleton" for name in NTU[first : first + count]]
        dump(tmp_path / f"{part}.pkl", (names, LABELS[first : first + count]))
    words = [
        *("--part", "train", tmp_path / "train.npy", tmp_path / "train.pkl"),
        *("--part", "test", tmp_path / "val.npy", tmp_path / "val.pkl"),
    ]
    data, _ = convert(tmp_path, *words)
    assert data.skeleton == NTU25
    assert list(data.recordings["id"]) == [f"{name[8:12]}/{name}/C002" for name in NTU]
    assert list(data.splits["standard"]) == 6 * ["train"] + 4 * ["test"]
    assert len(data.classes) == 60 and list(data.recordings["action"][:2]) == ["drink water", "eat meal"]
    np.testing.assert_allclose(data.rows("pose3d")[:12], kinect(0)[0] * [-1, -1, 1], atol=1e-6)
    with pytest.raises(InputError, match="--part: test; one part has to be train"):
        convert(tmp_path, *words[4:])
    with pytest.raises(InputError, match="each part once"):
        convert(tmp_path, *words[:4], *words[:4])


ORDERS = {
    "ctjm": lambda values: values.transpose(3, 1, 2, 0),
    "mtjc": lambda values: values,
    "tjc": lambda values: values[0],
    "ctj": lambda values: values[0].transpose(2, 0, 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("said", [False, True])
def test_orders_of_axes(tmp_path, order, said):
    np.save(tmp_path / "data.npy", np.stack([ORDERS[order](pixels(seed)) for seed in range(COUNT)]))
    np.save(tmp_path / "label.npy", LABELS)
    words = (tmp_path / "data.npy", "--labels", tmp_path / "label.npy", "--size", "340x256")
    data, _ = convert(tmp_path, *words, *(["--order", order] if said else []))
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:12], pixels(0)[0], atol=1e-4)
    assert len(data.tracks["rows"]) == COUNT * (3 if "m" in order else 1)


def test_clips_of_unlike_length(tmp_path):
    clips = np.empty(COUNT, object)
    for seed in range(COUNT):
        clips[seed] = pixels(seed, frames=12 + seed, persons=1)
    np.save(tmp_path / "data.npy", clips, allow_pickle=True)
    (tmp_path / "label.json").write_text(json.dumps([NAMES[label] for label in LABELS]))
    data, _ = convert(tmp_path, tmp_path / "data.npy", "--labels", tmp_path / "label.json", "--size", "340x256")
    assert list(data.tracks["rows"]) == [12 + seed for seed in range(COUNT)]


def test_csv_of_many_clips(tmp_path):
    clips = [(f"c{number}", NAMES[label], pixels(number)) for number, label in enumerate(LABELS)]
    write_csv(tmp_path / "data.csv", clips, ["x", "y", "confidence"], OPENPOSE18)
    data, _ = convert(tmp_path, tmp_path / "data.csv", "--size", "340x256")
    assert data.classes == NAMES and list(data.recordings["take"]) == [f"c{number}" for number in range(COUNT)]
    assert len(tracks(data)) == 3 * COUNT
    np.testing.assert_allclose(data.rows("pose2d/keypoints")[:12], pixels(0)[0], atol=1e-4)


def test_csv_frames_may_be_some_steps_apart(tmp_path):
    rows = ["frame,label,clip,Nose_x,Nose_y,Neck_x,Neck_y"]
    rows += [f"{100 + 5 * frame},a,{clip},{frame},5,40,50" for clip in "pq" for frame in (0, 1, 2, 4)]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    (tmp_path / "two.json").write_text(json.dumps({"names": ["Neck", "Nose"], "parents": [None, "Neck"]}))
    data, _ = convert(tmp_path, tmp_path / "data.csv", "--size", "100x100", "--skeleton", tmp_path / "two.json")
    assert tracks(data) == [(clip, 0, first, n) for clip in "pq" for first, n in ((0, 3), (4, 1))]
    assert data.rows("pose2d/keypoints")[3].tolist() == [[40, 50, 1], [4, 5, 1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["1,0,a,1,2"], "4 joints|no column `frame`"),
        (["frame,clip,label,Nose_x", "0,c,a,5"], "joints have x, in the header"),
        (
            ["frame,clip,label,Nose_x,Nose_y", "0,c,a,5,6", "0,c,a,5,6"],
            "line 3: person 0 has frame 0 of clip 'c' twice",
        ),
        (["frame,clip,label,Nose_x,Nose_y", "0,c,a,5,6", "1,c,b,5,6"], "line 3: label 'b' after 'a' in clip 'c'"),
        (["frame,clip,label,Nose_x,Nose_y", "0,c,a,5"], "line 2: 4 cells, fewer than the header"),
        (["frame,clip,label,Nose_x,Nose_y", "x,c,a,5,6"], "line 2: frame 'x', person '0'; expected whole numbers"),
        (["frame,label,Nose_x,Nose_y", "0,a,5,6"], "no column clip"),
        (
            ["frame,clip,label,Nose_x,Nose_y", "0,c,a,5,6"],
            "joints Nose; no layout has all .* the nearest is .*Nose.*missing: 14 of 15",
        ),
    ],
)
def test_csv_that_cannot_be_read_is_refused(tmp_path, rows, message):
    (tmp_path / "data.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match=message):
        convert(tmp_path, tmp_path / "data.csv", "--size", "10x10")


FORMS = {
    "npy": lambda path: np.save(path, LABELS),
    "names.npy": lambda path: np.save(path, np.array(NAMES)[LABELS]),
    "st-gcn.pkl": lambda path: dump(path, (NTU, LABELS)),
    "labels.pkl": lambda path: dump(path, np.array(LABELS)),
    "list.json": lambda path: path.write_text(json.dumps(LABELS)),
    "both.json": lambda path: path.write_text(json.dumps([NTU, LABELS])),
    "pairs.json": lambda path: path.write_text(json.dumps(list(zip(NTU, LABELS, strict=True)))),
    "dict.json": lambda path: path.write_text(json.dumps(dict(zip(NTU, LABELS, strict=True)))),
    "txt": lambda path: path.write_text("\n".join(NAMES[label] for label in LABELS) + "\n"),
    "head.csv": lambda path: path.write_text(
        "\n".join(["name,label", *(f"{name},{label}" for name, label in zip(NTU, LABELS, strict=True))])
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_labels(tmp_path, form):
    np.save(tmp_path / "data.npy", stgcn(kinect))
    path = tmp_path / (form if "." in form else f"label.{form}")
    FORMS[form](path)
    data, _ = convert(tmp_path, tmp_path / "data.npy", "--labels", path)
    named, sampled = (
        form in ("names.npy", "txt"),
        form in ("st-gcn.pkl", "both.json", "pairs.json", "dict.json", "head.csv"),
    )
    names = NAMES if named else ["drink water", "eat meal"] if sampled else ["0", "1"]
    assert data.classes[:2] == names and len(data.classes) == (60 if sampled else 2)
    assert list(data.recordings["action"]) == [names[one] for one in LABELS]
    assert list(data.recordings["take"]) == (NTU if sampled else [str(number) for number in range(COUNT)])


@pytest.mark.slow
def test_what_does_not_belong_together_is_refused(tmp_path):
    path, labels = tmp_path / "data.npy", tmp_path / "label.npy"

    def refusal(*words):
        with pytest.raises(InputError) as error:
            convert(tmp_path, *words)
        return str(error.value)

    np.save(path, stgcn(kinect))
    np.save(labels, LABELS[:-1])
    assert "10 clips, and 9 labels" in refusal(path, "--labels", labels)
    assert "no labels; give them by --labels" in refusal(path)
    assert "give DATA with --labels" in refusal()
    np.save(labels, LABELS)
    (tmp_path / "names.json").write_text('["only"]')
    assert "labels 0 to 1, and 1 classes" in refusal(path, "--labels", labels, "--classes", tmp_path / "names.json")
    np.save(path, stgcn(kinect)[:, :, :, :23])
    found = refusal(path, "--labels", labels)
    assert (
        "23 joints in 10 of 10 clips; the known layouts are" in found
        and "ntu25 (25)" in found
        and "--skeleton" in found
    )
    assert "no clip can" not in found
    found = refusal(path, "--labels", labels, "--skeleton", "ntu25")
    assert "none can be used, and 10 cannot (10 joint count)" in found and "expected 25, ntu25" in found
    np.save(path, np.zeros((10, 12, 7)))
    assert "shape (10, 12, 7); expected (N, C, T, V, M)" in refusal(path, "--labels", labels)
    np.save(path, np.array({"a": 1}, object))
    assert "shape (); expected (N, C, T, V, M)" in refusal(path, "--labels", labels)
    np.save(labels, np.array(3))
    assert "(3); expected labels, all numbers or all names" in refusal(path, "--labels", labels)
    (tmp_path / "none.csv").write_text("")
    assert "none.csv: no lines; expected a label" in refusal(path, "--labels", tmp_path / "none.csv")
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    assert "os.system" in refusal(path, "--labels", tmp_path / "bad.pkl")


def test_clips_that_cannot_be_used_are_left_out(tmp_path):
    values = stgcn(kinect)
    values[3] = 0
    values[5, 1, 4, 2, 0] = np.nan
    np.save(tmp_path / "data.npy", values)
    np.save(tmp_path / "label.npy", LABELS)
    data, text = convert(tmp_path, tmp_path / "data.npy", "--labels", tmp_path / "label.npy")
    assert len(data) == COUNT - 1 and "left out: 1 (1 no person)" in text
    number = data.find("clips/5/unknown")
    first = data.tracks["first_row"][data.tracks["recording"] == number][0]
    zero = np.argwhere(~data.rows("pose3d")[first : first + 12].any(-1)).tolist()
    assert zero == [[4, NTU25.index("Neck")]]


@pytest.mark.slow
def test_large_arrays_are_never_read_whole(tmp_path):
    """A file of 40 GB that holds one clip in its beginning and nothing elsewhere takes neither disk nor memory."""
    clip = kinect(0, frames=2000).transpose(3, 1, 2, 0)
    count = 40_000_000_000 // clip.nbytes
    array = np.lib.format.open_memmap(tmp_path / "data.npy", "w+", np.float32, (count, *clip.shape))
    array[0] = clip
    del array
    np.save(tmp_path / "label.npy", np.zeros(count, np.int8))
    words = ["arrays", str(tmp_path / "data.npy"), "--labels", str(tmp_path / "label.npy")]
    source = read(parser().parse_args(words))
    assert source.total == count and (tmp_path / "data.npy").stat().st_size > 39e9
    first = next(source.recordings)
    np.testing.assert_allclose(first.tracks[0].pose3d[5], kinect(0, frames=2000)[0, 5] * [-1, -1, 1], atol=1e-5)


BAD_LABELS = {
    "huge.json": "[0, 1000000000]",
    "large.json": "[0, 1000000000000000000000000000000]",
    "nan.json": "[NaN, 1]",
    "infinite.json": "[1, -Infinity]",
    "digits.json": f"[{'9' * 5000}, 1]",
    "deep.json": "[" * 100_000,
    "digits.txt": f"{'9' * 5000}\n1\n",
    "long.csv": f'a,"{"x" * 200_000}"\n',
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_cannot_ask_for_all_memory(tmp_path, name):
    np.save(tmp_path / "data.npy", stgcn(kinect)[:2])
    (tmp_path / name).write_text(BAD_LABELS[name])
    with pytest.raises(InputError) as error:
        convert(tmp_path, tmp_path / "data.npy", "--labels", tmp_path / name)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize("label", [np.nan, np.inf, 1e30, 1e9])
def test_labels_that_no_class_can_have_are_refused(tmp_path, label):
    np.save(tmp_path / "data.npy", stgcn(kinect)[:2])
    np.save(tmp_path / "label.npy", np.array([0, label]))
    with pytest.raises(InputError, match="label"):
        convert(tmp_path, tmp_path / "data.npy", "--labels", tmp_path / "label.npy")
