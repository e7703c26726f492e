"""python -m stgraph.score: PoseTrack's files in, the report out."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.formats.posetrack import write_video
from stgraph.score import main, parser
from tests.scoring.tracking_people import crowd, person, video


def run(*arguments):
    main(parser().parse_args([*map(str, arguments)]))


@pytest.fixture
def folders(tmp_path):
    """Folders of two videos: truth, result and detections, of which each third joint is missing."""
    for name in ("one", "two"):
        truth, result = crowd(len(name) + (name == "two"), name=name)
        pose = result.pose.copy()
        pose[::3, 1, 2] = 0
        detected = replace(result, pose=pose, person=np.full_like(result.person, -1))
        for part, written in (("truth", truth), ("result", result), ("detected", detected)):
            write_video(written, tmp_path / part / f"{name}.json")
    return tmp_path


@pytest.mark.slow
def test_the_report_is_printed_and_written(folders, capsys):
    files = {part: folders / part for part in ("truth", "result", "detected")}
    out = folders / "scores" / "report.json"
    run("--truth", files["truth"], "--in", files["result"], "--detections", files["detected"], "--json", out)
    printed = capsys.readouterr().out
    report = json.loads(out.read_text())
    assert report["mode"] == "strict"
    assert list(report["video"]) == ["one", "two"]
    assert f"{report['overall']['MOTA']:.2f}" in printed
    assert report["recovery"]["joint"]["Neck"]["missed"] > report["recovery"]["joint"]["Head"]["missed"]
    assert "identity kept" in printed
    run("--truth", files["truth"], "--in", files["result"], "--mode", "official", "--json", out)
    official = json.loads(out.read_text())
    assert official["overall"]["objects"] < report["overall"]["objects"]
    assert "mode `official`" in capsys.readouterr().out
    assert "recovery" not in official


@pytest.mark.parametrize("hidden", ["score", "visibility", "negative"])
def test_official_counts_joints_whatever_their_score_and_visibility(tmp_path, hidden):
    truth = video([(frame, 3, person(0)) for frame in range(2)], 2, "one")
    for part in ("truth", "result"):
        write_video(truth, tmp_path / f"{part}.json")
        tree = json.loads((tmp_path / f"{part}.json").read_text())
        for one in tree["annotations"]:
            if hidden == "visibility":
                del one["scores"]
                one["keypoints"][5] = 0
            elif part == "result":
                one["scores"][1] = 0 if hidden == "score" else -3.5
        (tmp_path / f"{part}.json").write_text(json.dumps(tree))
    found = {}
    for mode in ("strict", "official"):
        out = tmp_path / f"{mode}.json"
        run("--truth", tmp_path / "truth.json", "--in", tmp_path / "result.json", "--mode", mode, "--json", out)
        found[mode] = json.loads(out.read_text())
    assert found["official"]["joint"]["Neck"]["AP"] == found["official"]["joint"]["Neck"]["MOTA"] == 100
    assert found["official"]["overall"]["AP"] == 100
    if hidden == "visibility":
        assert found["strict"]["never_annotated"] == ["Neck"]
    else:
        assert found["strict"]["joint"]["Neck"]["AP"] == 0


def test_the_options_of_keypoints_are_read(folders):
    file = folders / "result" / "one.json"
    with pytest.raises(InputError, match="--layout coco71: no such file and no known layout"):
        run("--truth", file, "--in", file, "--layout", "coco71")


def test_one_file_against_itself(folders, capsys):
    file = folders / "result" / "one.json"
    with pytest.raises(InputError, match="person .*the head box .* has no size"):
        truth, result = crowd(3, name="one")
        write_video(replace(result, head_box=np.zeros_like(result.head_box)), file)
        run("--truth", file, "--in", file)
    write_video(truth, file)
    run("--truth", file, "--in", file)
    assert "| **MOTA** " in capsys.readouterr().out


def test_videos_that_do_not_pair_are_listed(folders):
    write_video(crowd(9, name="three")[1], folders / "result" / "three.json")
    (folders / "result" / "two.json").unlink()
    with pytest.raises(InputError, match="result: lacks two and has also three; give the videos of the truth"):
        run("--truth", folders / "truth", "--in", folders / "result")
    with pytest.raises(InputError, match="detected/one.json: lacks two"):
        run("--truth", folders / "truth", "--in", folders / "truth", "--detections", folders / "detected" / "one.json")


def test_a_mistake_ends_in_one_message(folders, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["score", "--truth", str(folders / "none"), "--in", str(folders / "result")])
    with pytest.raises(SystemExit) as end:
        run_command(parser(), main)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"python -m stgraph.score: {folders / 'none'}: no such file or folder")


@pytest.mark.parametrize("part", ["truth", "result", "detected"])
def test_the_numbers_do_not_replace_what_is_scored(folders, part):
    file = folders / part / "one.json"
    before = file.read_bytes()
    truth, result, detected = (folders / one for one in ("truth", "result", "detected"))
    with pytest.raises(InputError, match="--json .*one.json: is in the input and would be lost"):
        run("--truth", truth, "--in", result, "--detections", detected, "--json", file)
    assert file.read_bytes() == before
