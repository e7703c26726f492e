"""stgraph.predict --live: a line of JSON in, a line of JSON out; bad lines are refused and the next goes on."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from stgraph import predict
from stgraph.cli.live import LiveLines, run_lines
from stgraph.errors import InputError
from stgraph.formats.keypoints.json_lines import LONGEST, read_line
from stgraph.skeleton import H36M17
from stgraph.tasks.lifting.live import LiveLifter
from stgraph.training.checkpoint import Weights, save_weights
from stgraph.training.engine import Engine
from stgraph.training.stream import Places
from stgraph.training.task_run import TaskRun
from tests.commands.test_predict import weights  # noqa: F401 - a fixture
from tests.conftest import standing
from tests.tasks.action.clip_people import new_run, write_clips

FRAMES, SIZE = 12, (640, 480)


@pytest.fixture
def run(weights):  # noqa: F811
    return TaskRun.load(str(weights), Engine("cpu"))


@pytest.fixture(scope="module")
def keypoints() -> np.ndarray:
    """(t j 3) pixels and confidence of a person."""
    pose = standing(FRAMES, 1).astype(np.float64)
    pixels = 500 * pose[..., :2] / pose[..., 2:] + [320, 240]
    return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.8)], -1).round(2)


def line(*poses: np.ndarray, persons: object = (), **more: object) -> str:
    people = [{"keypoints": pose.tolist()} for pose in poses]
    for person, entry in zip(persons, people, strict=False):
        entry["person"] = person
    return json.dumps({"people": people, **more})


def answered(run: TaskRun, lines: list[str | bytes], layout: str | None = "h36m17", fps: float = 50.0, **options):
    """The header and the answers."""
    source = io.BytesIO(b"".join((text.encode() if isinstance(text, str) else text) + b"\n" for text in lines))
    out = io.StringIO()
    run_lines(LiveLines(lambda joints: run.stream(SIZE, fps, joints, **options), layout, fps), source, out)
    header, *answers = map(json.loads, out.getvalue().splitlines())
    return header, answers


@pytest.mark.slow
@pytest.mark.parametrize("look_ahead", [0, 3])
def test_answers_are_those_of_the_live_lifter(run, keypoints, look_ahead, capsys):
    header, answers = answered(run, [line(pose, persons=["me"]) for pose in keypoints], look_ahead=look_ahead)
    assert header["skeleton"]["names"] == list(run.skeleton.names) and header["look_ahead"] == look_ahead
    assert [answer["frame"] for answer in answers] == [*range(FRAMES)] and answers[5]["time"] == 0.1
    live = LiveLifter(run, size=SIZE, fps=50, look_ahead=look_ahead)
    frames = [frame for pose in keypoints for frame in live.update(pose[None])] + live.finish()
    for answer, frame in zip(answers, frames, strict=True):
        (person,) = answer["people"]
        assert person["person"] == "me"
        np.testing.assert_allclose(person["pose"], frame.pose[0], atol=1e-4)
        np.testing.assert_allclose(person["uncertainty"], frame.uncertainty[0], atol=1e-4)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_bad_lines_are_refused_by_their_number_and_the_next_goes_on(run, keypoints, capsys):
    far = keypoints[0].copy()
    far[0, 0] = 1e9
    bad = [
        ("{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "at the top"),
        ('{"people": 3}', "list at people"),
        ('{"people": [{"keypoints": "x"}]}', "at people.0.keypoints"),
        (line(keypoints[0][:5], persons=[1]), "found 5 joints; expected 17"),
        (line(keypoints[0], keypoints[0], persons=[1, 1]), "person 1 is 2 times in it"),
        (line(keypoints[0], keypoints[0], persons=[1]), "an identity and without"),
        (line(far, persons=[1]), "1e+09"),
        (line(*[keypoints[0]] * 9, persons=range(9)), "found 9 people; expected at most 8"),
        (line(keypoints[0], persons=[1], frame=0), "frame 0 after"),
        (b" " * (LONGEST + 9), ""),  # an empty line
        (b"x" * (LONGEST + 9), "more than 1 MiB"),
        (line(keypoints[0]), ""),  # one without an identity is tracked
    ]
    lines = [line(keypoints[0], persons=[1]), *(text for text, _ in bad), line(keypoints[1], persons=[2])]
    _, answers = answered(run, lines[:-2] + lines[-1:])
    printed = capsys.readouterr().err.splitlines()
    expected = [(number, text) for number, (_, text) in enumerate(bad, start=2) if text]
    assert len(printed) == len(expected) + 1 and printed[-1] == f"{len(expected)} of 16 lines were refused"
    for message, (number, text) in zip(printed, expected, strict=False):
        assert message.startswith((f"line {number}: ", f"line {number}, ")) and text in message, message
    # Each refused line was a frame.
    assert [answer["frame"] for answer in answers] == [0, 1 + len(expected)]


@pytest.mark.slow
def test_people_without_identity_are_tracked(run, keypoints):
    pairs = [*zip(keypoints, keypoints + [150, 0, 0], strict=True)]
    lines = [line(*((one, two) if frame % 2 else (two, one))) for frame, (one, two) in enumerate(pairs)]
    _, answers = answered(run, lines)
    hips: dict[int, list[float]] = {}
    for answer in answers:
        for person in answer["people"]:
            hips.setdefault(person["person"], []).append(person["pose"][0][0])
    assert len(hips) == 2 and all(len(found) == FRAMES and np.ptp(found) < 0.5 for found in hips.values())


@pytest.mark.slow
def test_missing_frames_are_gaps_and_after_long_ones_people_are_new(run, keypoints):
    _, answers = answered(run, [line(keypoints[0], persons=[1], frame=number) for number in (3, 5, 6, 10**12)])
    assert [answer["frame"] for answer in answers] == [3, 5, 6, 10**12]
    first, *_, last = answers
    assert first["people"][0]["pose"] == last["people"][0]["pose"]
    # A person who is not seen any more is answered for half a second.
    empty = [line(persons=[1], frame=number) for number in range(1, 40)]
    _, answers = answered(run, [line(keypoints[0], persons=[1]), *empty])
    there = [len(answer["people"]) for answer in answers]
    assert there == [1] * 26 + [0] * 14 and all(answers[20]["people"][0]["guessed"])


def test_what_makes_every_answer_impossible_ends_it(run, keypoints):
    with pytest.raises(InputError, match=r"line 1: their order is not known; .*--layout coco17\|h36m17"):
        answered(run, [line(keypoints[0])], layout=None)
    with pytest.raises(InputError, match="no Hip.* among the joints"):
        answered(run, [line(np.ones((21, 3)))], layout="hand21")
    with pytest.raises(InputError, match="standard input: none of 1 lines could be used; the first: line 1: not JSON"):
        answered(run, ["{"])
    with pytest.raises(InputError, match="standard input: no lines"):
        answered(run, [])


def test_the_form_of_keypoints():
    where = "line 1"
    flat = read_line(b'{"people": [{"keypoints": [1, 2, 0.5, 3, 4, 2, null, null, null]}]}', where)
    np.testing.assert_array_equal(flat.pose, [[[1, 2, 0.5], [3, 4, 1], [0, 0, 0]]])
    pairs = read_line(b'{"frame": 7, "people": [{"person": "a", "keypoints": [[1, 2], null, [NaN, 4]]}]}', where)
    np.testing.assert_array_equal(pairs.pose, [[[1, 2, 1], [0, 0, 0], [0, 0, 0]]])
    assert pairs.frame == 7 and pairs.person == ["a"]
    for wrong in (b"[1, 2]", b"[[1]]", b"[]", b"[[1, 2, 3, 4]]"):
        with pytest.raises(InputError, match="line 1: found keypoints"):
            read_line(b'{"people": [{"keypoints": ' + wrong + b"}]}", where)


def test_places_are_kept_for_a_while_and_given_to_others():
    places = Places(2, 3)
    assert places.update(["a"]) == {"a": 0} and places.update(["b"]) == {"a": 0, "b": 1}
    assert places.update([]) == places.update([]) == {"a": 0, "b": 1}
    assert places.update([]) == {"b": 1} and places.update(["c"]) == {"c": 0}
    # With everyone's place taken, the one who has been away for longest gives way.
    full = Places(2, 100)
    full.update(["a"]), full.update(["a", "b"]), full.update(["b"])
    assert full.update(["c", "b"]) == {"b": 1, "c": 0}


@pytest.mark.slow
@pytest.mark.parametrize("together", [False, True])
def test_a_recogniser_answers_for_each_person(tmp_path, keypoints, together):
    dataset = write_clips(tmp_path / "clips.h5")
    run = new_run(dataset, data={"detector": "openpose", "normalise": "image"})
    two = [line(pose, pose + [90, 0, 0], persons=[4, 5]) for pose in keypoints[:6]]
    header, answers = answered(run, two, window=5, step=2, together=together)
    assert header["classes"] == list(run.task.classes) and header["window"] == 5
    assert [len(answer["people"]) for answer in answers] == [1 if together else 2, 0] * 3
    live = run.live(window=5, size=SIZE)
    for frame, pose in enumerate(keypoints[:5]):
        people = np.stack([pose, pose + [90, 0, 0]]) if together else pose[None]
        probabilities = live.update(people.astype(np.float32))
        if frame == 4:
            found = answers[4]["people"][0]
            assert found["person"] == ("all" if together else 4)
            assert found["probability"] == pytest.approx(float(probabilities.max()), abs=1e-4)


@pytest.mark.slow
def test_the_command_is_either_of_two_forms(weights, tmp_path, monkeypatch, capsys, keypoints):  # noqa: F811
    def call(*words: object) -> None:
        predict.main(predict.parser().parse_args([*map(str, words), "--exp", str(weights)]))

    stdin = io.TextIOWrapper(io.BytesIO(line(keypoints[0]).encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    call("--live", "--image-size", "640x480", "--layout", "h36m17")
    assert len(capsys.readouterr().out.splitlines()) == 2
    for words, message in (
        (("--live",), "size is not known.*--image-size"),
        (("x.json", "--live"), "--live: found x.json; expected standard input"),
        (("--out", "x.npz"), "the input is missing"),
        (("x.json",), "--out is missing"),
        (
            ("--live", "--image-size", "640x480", "--layout", "h36m17", "--height", 1.8),
            "--height: needs the whole video",
        ),
    ):
        with pytest.raises(InputError, match=message):
            call(*words)
    np.save(tmp_path / "x.npy", keypoints)
    with pytest.raises(InputError, match="--look-ahead: is for --live"):
        call(tmp_path / "x.npy", "--image-size", "640x480", "--look-ahead", 3, "--layout", "h36m17", "--out", "x.npz")


@pytest.mark.slow
def test_weights_of_a_recogniser_serve_as_well(tmp_path, monkeypatch, capsys, keypoints):
    run = new_run(write_clips(tmp_path / "clips.h5"), data={"detector": "openpose", "normalise": "image"})
    path = tmp_path / "small.safetensors"
    save_weights(path, Weights(run.model.state_dict(), run.settings, run.skeleton, run.origin, 1.0, {}))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line(keypoints[0]).encode())))
    words = ["--live", "--image-size", "640x480", "--layout", H36M17.name, "--exp", str(path)]
    predict.main(predict.parser().parse_args(words))
    header, answer = map(json.loads, capsys.readouterr().out.splitlines())
    assert answer["people"][0]["class"] in header["classes"] and Path(path).exists()
