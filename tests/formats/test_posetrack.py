"""PoseTrack's files: what is written is read again, both of its forms mean the same, and what is wrong is named."""

import json
from copy import deepcopy
from itertools import chain

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.formats.keypoint_names import keypoint_name
from stgraph.formats.posetrack import Video, read_videos, write_video
from stgraph.formats.posetrack17 import POINTS
from stgraph.skeleton import COCO17, H36M17, POSETRACK15, POSETRACK17, Skeleton

# The names of PoseTrack18's keypoints in the order of its files.
KEYPOINTS = [
    *("nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle"),
    "right_ankle",
]
# Where the benchmark's evaluator, in whose order PoseTrack17 has its points, finds its joints among these.
TO_EVALUATOR = [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 1, 0, 2]


def video(skeleton=POSETRACK15, name="000342", frames=4, **others):
    """Three people in a video: two with identities, one of them not in each frame, and one without."""
    rng = np.random.default_rng(len(skeleton))
    frame = np.sort(np.concatenate([np.arange(frames), np.arange(frames), [1]]))
    person = np.array([0, 7, *((0, 7, -1) if frames > 1 else ()), *[0, 7] * (frames - 2)])
    pose = rng.uniform(1, 500, (len(frame), len(skeleton), 3)).round(3)
    pose[..., 2] = rng.choice([0, 0.25, 1], pose.shape[:2])
    pose[pose[..., 2] == 0] = 0
    corner = rng.uniform(0, 200, (len(frame), 2)).round(2)
    about = {
        "score": rng.uniform(size=len(frame)).round(4),
        "labelled": np.arange(frames) % 2 == 0,
        "ignore": [
            [],
            [np.array([[1.0, 2], [30, 2], [30.5, 40]]), 9.5 * np.eye(4, 2)],
            *[[] for _ in range(frames - 2)],
        ],
        "file_names": [f"images/val/000342_mpii_test/{number:06d}.jpg" for number in range(frames)],
        "image_ids": [10003420000 + number for number in range(frames)],
        "mark": rng.integers(0, 4, pose.shape[:2]).astype(np.uint8),
        "fps": 25.0,
        "size": (640, 360),
        **others,
    }
    box = np.concatenate([corner, corner + [100.5, 200]], axis=1)
    head_box = np.concatenate([corner, corner + 20], axis=1)
    return Video(name, np.arange(frames), frame, person, pose, box, head_box, skeleton=skeleton, **about)


def assert_same(found, expected, but=()):
    """Whether two videos are alike in all but some fields."""
    for name, value in vars(expected).items():
        if name == "ignore":
            assert [len(polygons) for polygons in found.ignore] == [len(polygons) for polygons in value]
            for one, other in zip(chain(*found.ignore), chain(*value), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)
        elif name not in but and isinstance(value, np.ndarray):
            np.testing.assert_allclose(getattr(found, name), value, atol=1e-4, err_msg=name)
        elif name not in but:
            assert getattr(found, name) == value, name


def reread(folder, expected):
    write_video(expected, folder / "video.json")
    (found,) = read_videos(folder / "video.json")
    return found


OWN = Skeleton("keypoints", ("Tail", "LEar", "REar", "Snout"), (-1, 3, 3, 0), (1,), (2,))


@pytest.mark.parametrize("skeleton", [POSETRACK15, H36M17, COCO17, OWN], ids=lambda skeleton: skeleton.name)
def test_a_video_is_read_as_it_was_written(tmp_path, skeleton):
    assert_same(reread(tmp_path, video(skeleton)), video(skeleton))


def test_unknown_values_stay_unknown(tmp_path):
    bare = video(mark=None, fps=None, size=None, file_names=[], image_ids=[])
    bare.box[:] = bare.head_box[:] = 0
    bare.pose, bare.name = bare.pose.astype(np.float32), "of mine"
    found = reread(tmp_path, bare)
    assert_same(found, bare, but=("file_names", "image_ids"))
    assert found.image_ids == [0, 1, 2, 3] and found.file_names[2] == "of mine/000002.jpg"
    annotation = json.loads((tmp_path / "video.json").read_text())["annotations"][0]
    assert not {"bbox", "bbox_head", "marks"} & {*annotation}


def test_a_video_without_people(tmp_path):
    empty = video(mark=None)
    for field in ("frame", "person", "pose", "box", "head_box", "score"):
        setattr(empty, field, getattr(empty, field)[:0])
    assert_same(reread(tmp_path, empty), empty)


def test_joints_that_are_hardly_there_or_at_the_corner_are_kept(tmp_path):
    faint = video()
    faint.pose[0, :3] = [[0, 0, 1], [5, 6, 1e-9], [3, 4, 0]]
    found = reread(tmp_path, faint)
    np.testing.assert_allclose(found.pose[0, :3], [[0, 0, 1], [5, 6, 1e-6], [3, 4, 0]], rtol=1e-9)


def test_the_form_of_what_is_written(tmp_path):
    written = video()
    write_video(written, tmp_path / "a.json")
    tree = json.loads((tmp_path / "a.json").read_text())
    assert tree["categories"][0]["keypoints"] == KEYPOINTS == [keypoint_name(name) for name in POSETRACK17.names]
    bones = {(KEYPOINTS[a - 1], KEYPOINTS[b - 1]) for a, b in tree["categories"][0]["skeleton"]}
    assert len(bones) == len(KEYPOINTS) - 1 and ("left_wrist", "left_elbow") in bones
    assert tree["images"][1] == {
        **{"id": 10003420001, "frame_id": 1, "vid_id": "000342", "nframes": 4, "is_labeled": False},
        **{"file_name": "images/val/000342_mpii_test/000001.jpg", "width": 640, "height": 360, "fps": 25.0},
        **{"ignore_regions_x": [[1, 30, 30.5], [9.5, 0, 0, 0]], "ignore_regions_y": [[2, 2, 40], [0, 9.5, 0, 0]]},
    }
    first = tree["annotations"][0]
    assert [one["id"] for one in tree["annotations"][:3]] == [1000342000000, 1000342000001, 1000342000100]
    assert (first["image_id"], first["track_id"], first["category_id"]) == (10003420000, 0, 1)
    left, top, right, bottom = written.box[0]
    np.testing.assert_allclose(first["bbox"], [left, top, right - left, bottom - top], atol=1e-4)
    np.testing.assert_allclose(first["bbox_head"][2:], [20, 20], atol=1e-4)
    keypoints = dict(zip(KEYPOINTS, np.reshape(first["keypoints"], (-1, 3)), strict=True))
    scores, marks = (dict(zip(KEYPOINTS, first[key], strict=True)) for key in ("scores", "marks"))
    for joint, name in enumerate(POSETRACK15.names):
        x, y, confidence = written.pose[0, joint]
        assert keypoints[keypoint_name(name)].tolist() == [x, y, confidence > 0]
        assert scores[keypoint_name(name)] == confidence and marks[keypoint_name(name)] == written.mark[0, joint]
    for ear in ("left_ear", "right_ear"):
        assert not keypoints[ear].any() and scores[ear] == marks[ear] == 0


def test_numbers_that_are_none_are_not_written(tmp_path):
    write_video(video(), tmp_path / "a.json")
    before, broken = (tmp_path / "a.json").read_text(), video()
    broken.pose[2, 3, 0] = np.nan
    with pytest.raises(InputError, match=r"a.json: video 000342, pose: a value at frame 1 is not finite; expected"):
        write_video(broken, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == before and len(list(tmp_path.iterdir())) == 1


def joints(person):
    """x and y of each point of PoseTrack17 by its id, all different."""
    return [(100.0 * person + point + 0.5, 200.0 + 10 * point) for point in range(len(POINTS))]


def posetrack17():
    """A PoseTrack17 file as the benchmark has it: two frames, the second without labels."""

    def person(number, left_out):
        points = [
            {"id": [point], "x": [x], "y": [y], "is_visible": [point % 2]}
            for point, (x, y) in enumerate(joints(number))
            if point not in left_out
        ]
        head = {"x1": [10.0 * number], "y1": [20], "x2": [10.0 * number + 30], "y2": [45]}
        return {"track_id": [number], "annopoints": [{"point": points}], **head}

    region = {"point": [{"x": [x], "y": [y]} for x, y in ((0, 0), (50, 0), (50.5, 60))]}
    first = {"annorect": [person(0, ()), person(3, (4, 13))], "is_labeled": [1], "ignore_regions": [region]}
    names = [[{"name": f"images/bonn/000001_bonn/0000000{number}.jpg"}] for number in (1, 2)]
    second = {"annorect": [], "is_labeled": [0]}
    images = ({"image": name, "imgnum": [i + 1]} for i, name in enumerate(names))
    return {"annolist": [{**image, **rest} for image, rest in zip(images, (first, second), strict=True)]}


def posetrack18():
    """The same as PoseTrack18 has it."""

    def person(number, left_out):
        keypoints = [0, 0, 0] * len(KEYPOINTS)
        for point, (x, y) in enumerate(joints(number)):
            if point not in left_out:
                place = TO_EVALUATOR[point]
                keypoints[3 * place : 3 * place + 3] = x, y, 1
        box = [10.0 * number, 20, 30, 25]
        about = {"id": 1000001000000 + number, "image_id": 10000010000, "track_id": number, "category_id": 1}
        return {**about, "bbox_head": box, "keypoints": keypoints, "scores": []}

    def image(number, labelled, xs, ys):
        about = {"has_no_densepose": True, "is_labeled": labelled, "nframes": 2, "vid_id": "000001"}
        name = f"images/bonn/000001_bonn/0000000{number + 1}.jpg"
        ids = {"frame_id": 10000010000 + number, "id": 10000010000 + number}
        return {**about, **ids, "file_name": name, "ignore_regions_x": xs, "ignore_regions_y": ys}

    images = [image(0, True, [[0, 50, 50.5]], [[0, 0, 60]]), image(1, False, [], [])]
    category = {"supercategory": "person", "id": 1, "name": "person", "keypoints": KEYPOINTS, "skeleton": [[16, 14]]}
    return {"images": images, "annotations": [person(0, ()), person(3, (4, 13))], "categories": [category]}


def dump(path, tree):
    path.write_text(json.dumps(tree))
    return path


def test_both_forms_of_the_files_are_the_same_video(tmp_path):
    (tmp_path / "older").mkdir()
    (older,) = read_videos(dump(tmp_path / "older" / "000001.json", posetrack17()))
    (newer,) = read_videos(dump(tmp_path / "000001.json", posetrack18()))
    assert_same(older, newer, but=("image_ids",))
    assert newer.name == "000001" and newer.skeleton == POSETRACK15
    assert newer.frame_ids.tolist() == older.image_ids == [0, 1] and newer.image_ids == [10000010000, 10000010001]
    assert newer.labelled.tolist() == [True, False] and newer.person.tolist() == [0, 3]
    np.testing.assert_array_equal(newer.head_box, [[0, 20, 30, 45], [30, 20, 60, 45]])
    np.testing.assert_array_equal(newer.ignore[0][0], [[0, 0], [50, 0], [50.5, 60]])
    assert (newer.pose[0, :, 2] == 1).all() and newer.score.tolist() == [1, 1] and not newer.box.any()


def test_joints_in_the_evaluators_order(tmp_path):
    (found,) = read_videos(dump(tmp_path / "a.json", posetrack17()))
    evaluator = [POSETRACK15.index(POSETRACK17.names[place]) for place in TO_EVALUATOR]
    np.testing.assert_array_equal(found.pose[0, evaluator, :2], joints(0))
    assert [POSETRACK15.names[joint] for joint in evaluator] == [*POINTS]
    unseen = {POINTS[joint] for joint in np.flatnonzero(found.pose[1, evaluator, 2] == 0)}
    assert unseen == {"LKnee", "Nose"}


def test_results_of_both_forms(tmp_path):
    older, newer = posetrack17(), posetrack18()
    for image in older["annolist"]:
        image.pop("is_labeled"), image.pop("imgnum"), image.pop("ignore_regions", None)
        for person in image["annorect"]:
            [person.pop(key) for key in ("x1", "y1", "x2", "y2")]
            person["score"] = [0.75]
            for point in person["annopoints"][0]["point"]:
                point["score"] = [point["id"][0] / 20 - 0.05]
    for index, image in enumerate(newer["images"]):
        newer["images"][index] = {key: image[key] for key in ("id", "file_name", "vid_id")}
    for person in newer["annotations"]:
        person.pop("bbox_head"), person.pop("id")
        person["score"], person["scores"] = 0.75, [0.0] * len(KEYPOINTS)
        for point, place in enumerate(TO_EVALUATOR):
            person["scores"][place] = point / 20 - 0.05
    del newer["categories"]
    (one,), (other,) = (
        read_videos(dump(tmp_path / name, tree)) for name, tree in (("000001.json", older), ("b", newer))
    )
    assert_same(one, other, but=("image_ids",))
    assert other.labelled.all() and not other.head_box.any() and other.score.tolist() == [0.75, 0.75]
    ankle, elbow, nose = (POSETRACK15.index(name) for name in ("RAnkle", "LElbow", "Nose"))
    # Below zero, or at (0, 0, 0), is not there.
    np.testing.assert_allclose(other.pose[:, [ankle, elbow, nose], 2], [[0, 0.45, 0.6], [0, 0.45, 0]])


def test_people_of_whom_only_a_box_is_known(tmp_path):
    older, newer = posetrack17(), posetrack18()
    older["annolist"][0]["annorect"][1]["annopoints"] = []
    older["annolist"][0]["annorect"][1].pop("track_id")
    newer["annotations"][1].pop("keypoints"), newer["annotations"][1].pop("track_id")
    (one,), (other,) = (
        read_videos(dump(tmp_path / name, tree)) for name, tree in (("000001.json", older), ("b", newer))
    )
    assert_same(one, other, but=("image_ids",))
    assert not other.pose[1].any() and other.head_box[1].any() and other.person.tolist() == [0, -1]


def test_several_videos_frames_in_any_order(tmp_path):
    tree = posetrack18()
    third = {**tree["images"][0], "vid_id": "other", "id": 5, "frame_id": 5}
    tree["images"] = [tree["images"][1], third, tree["images"][0]]
    tree["annotations"].append({**tree["annotations"][0], "image_id": 5, "track_id": 8})
    tree["annotations"].insert(0, {**tree["annotations"][1], "image_id": 10000010001, "track_id": 9})
    first, second = read_videos(dump(tmp_path / "a.json", tree))
    assert (first.name, second.name) == ("000001", "other")
    assert first.frame_ids.tolist() == [0, 1] and first.labelled.tolist() == [True, False]
    assert first.frame.tolist() == [0, 0, 1] and first.person.tolist() == [0, 3, 9]
    assert second.frame_ids.tolist() == [5] and second.person.tolist() == [8] and second.frame.tolist() == [0]


def test_a_folder(tmp_path):
    for name in ("b", "a"):
        write_video(video(name=name), tmp_path / f"{name}.json")
    (tmp_path / ".notes").write_text("no video")
    assert [found.name for found in read_videos(tmp_path)] == ["a", "b"]
    write_video(video(name="a"), tmp_path / "more" / "c.json")
    refused(tmp_path, r"more/c.json: video 'a' is in .*a.json already; expected each video once; leave one")
    (tmp_path / "more" / "c.json").write_text('{"a": 1}')
    refused(tmp_path, r"more/c.json: found an object with the keys a; expected annotations of PoseTrack18 .* leave")


def test_names_of_keypoints(tmp_path):
    tree = posetrack18()
    (expected,) = read_videos(dump(tmp_path / "a.json", tree))
    kept = [place for place in reversed(range(len(KEYPOINTS))) if "ear" not in KEYPOINTS[place]]
    tree["categories"][0]["keypoints"] = [KEYPOINTS[place] for place in kept]
    for person in tree["annotations"]:
        person["keypoints"] = np.reshape(person["keypoints"], (-1, 3))[kept].ravel().tolist()
    (found,) = read_videos(dump(tmp_path / "a.json", tree))
    assert_same(found, expected)
    for person in tree["annotations"]:
        person["keypoints"] = np.arange(1.0, 1 + 3 * len(COCO17)).tolist()
    tree["categories"][0]["keypoints"] = [keypoint_name(name) for name in reversed(COCO17.names)]
    (found,) = read_videos(dump(tmp_path / "a.json", tree))
    assert found.skeleton == COCO17 and found.pose[0, -1].tolist() == [1, 2, 1]
    tree["categories"] = [{"keypoints": ["a", "left_b", "right_b"], "skeleton": [[1, 2], [3, 1]]}]
    for person in tree["annotations"]:
        person["keypoints"] = [1, 2, 1, 3, 4, 1, 5, 6, 0]
    (found,) = read_videos(dump(tmp_path / "a.json", tree))
    assert found.skeleton == Skeleton("keypoints", ("a", "left_b", "right_b"), (1, -1, 0), (1,), (2,))


def refused(path, pattern):
    with pytest.raises(InputError, match=pattern):
        read_videos(path)


def test_what_is_no_file_of_posetracks(tmp_path):
    path = tmp_path / "a.json"
    expected = r"expected annotations of PoseTrack18 \(images, annotations, categories\) or PoseTrack17"
    refused(path, f"a.json: no such file or folder; {expected}.*; check the path")
    refused(tmp_path, f"no files in this folder; {expected}.*; give the folder")
    for content, found in (("", "is empty"), (" \n", "is empty"), ("{", "not JSON .*"), ("[1]", r"found \[1\]")):
        path.write_text(content)
        refused(path, f"a.json: {found}; {expected}")
    path.write_bytes(b"\xff\xfe\x00")
    refused(path, f"a.json: not JSON .*; {expected}")


def changed(tree, places, value):
    """A copy of a tree with another value at a place; None takes it away."""
    tree = deepcopy(tree)
    *places, last = places
    inner = tree
    for place in places:
        inner = inner[place]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return tree


FIRST = ("annotations", 0)
WRONG_18 = {
    "no annotations": (
        ("annotations",),
        None,
        r"annotations: found nothing; expected a value; add the key 'annotations'",
    ),
    "no images": (("images",), [], r"images: found \[\]; expected a list that is not empty"),
    "no object": (("images", 1), 3, r"images\[1\]: found 3; expected an object"),
    "no id": (("images", 1, "id"), None, r"images\[1\].id: found nothing; expected a value; add the key 'id\'"),
    "text as id": (("images", 1, "id"), "a", r"images\[1\].id: found 'a'; expected a valid integer"),
    "an id twice": (("images", 1, "id"), 10000010000, r"images\[1\].id: found 10000010000, as images\[0\] has; exp"),
    "a frame twice": (("images", 1, "frame_id"), 0, r"images\[1\].frame_id: found 0, as images\[0\] of the same v"),
    "a frame before the first": (
        ("images", 1, "frame_id"),
        -1,
        r"images\[1\].frame_id: found -1; expected a number from 0",
    ),
    "half a frame": (("images", 1, "frame_id"), 0.5, r"images\[1\].frame_id: found 0.5; expected a valid integer"),
    "no name": (("images", 0, "file_name"), 4, r"images\[0\].file_name: found 4; expected a valid string"),
    "no region": (
        ("images", 0, "ignore_regions_y"),
        None,
        r"images\[0\].ignore_regions: found \[3\] and \[\] corners; expected as many x as y",
    ),
    "half a region": (
        ("images", 0, "ignore_regions_y", 0),
        [1, 2],
        r"images\[0\].ignore_regions: found \[3\] and \[2\] corners; expected as many x as y",
    ),
    "no width": (("images", 0, "width"), 0, r"images\[0\].width: found 0; expected greater than or equal to 1"),
    "another fps": (
        ("images", 0, "fps"),
        25,
        r"video 000001, \(fps, width, height\): found \(25.0, None.* and .*; expected the same",
    ),
    "an annotation that is none": (FIRST, [], r"annotations\[0\]: found \[\]; expected an object"),
    "no image": (
        (*FIRST, "image_id"),
        None,
        r"annotations\[0\].image_id: found nothing; expected a value; add the key",
    ),
    "another image": ((*FIRST, "image_id"), 7, r"annotations\[0\].image_id: found 7; expected the id of one of the im"),
    "text as a person": ((*FIRST, "track_id"), "x", r"annotations\[0\].track_id: found 'x'; expected a valid integer"),
    "a person twice": (
        ("annotations", 1, "track_id"),
        0,
        r"annotations\[1\].track_id: found 0, as annotations\[0\] in the same frame has; expected a person once",
    ),
    "a short list": (
        (*FIRST, "keypoints"),
        [1, 2, 3],
        r"annotations\[0\].keypoints: found 3 numbers; expected 51 numbers, x, y and visibility of each keypoint",
    ),
    "no list": ((*FIRST, "keypoints"), "x", r"annotations\[0\].keypoints: found 'x'; expected a valid list"),
    "not a number": ((*FIRST, "keypoints", 4), float("nan"), r"keypoints\[4\]: found nan; expected a finite number"),
    "infinite": ((*FIRST, "keypoints", 4), float("inf"), r"keypoints\[4\]: found inf; expected a finite number"),
    "beyond all numbers": ((*FIRST, "keypoints", 4), 10**400, r"keypoints\[4\]: found 1000.*; expected a valid number"),
    "text as a number": ((*FIRST, "keypoints", 4), "4", r"keypoints\[4\]: found '4'; expected a valid number"),
    "a list as a number": ((*FIRST, "keypoints", 4), [4], r"keypoints\[4\]: found \[4\]; expected a valid number"),
    "few scores": (
        (*FIRST, "scores"),
        [1],
        r"annotations\[0\].scores: found 1 numbers; expected 17 numbers, one",
    ),
    "a score that is none": (
        (*FIRST, "score"),
        "high",
        r"annotations\[0\].score: found 'high'; expected a valid number",
    ),
    "half a box": (
        (*FIRST, "bbox_head"),
        [1, 2],
        r"annotations\[0\].bbox_head: found 2 numbers; expected 4 numbers, x,",
    ),
    "marks of one": (
        ("annotations", 1, "marks"),
        [0] * 17,
        r"\[0\].marks: found nothing; expected 17 numbers",
    ),
    "few names": (
        ("categories", 0, "keypoints"),
        None,
        r"categories\[0\].keypoints: found \[\]; expected a different name",
    ),
    "a name twice": (("categories", 0, "keypoints", 1), "nose", r"keypoints: found .*; expected a different name for"),
    "unknown names": (
        ("categories", 0, "keypoints", 1),
        "tail",
        r"categories\[0\].skeleton: found \[\(16, 14\)\]; expected 16 pairs of numbers 1 to 17 that make a tree, as",
    ),
}


@pytest.mark.parametrize("what", WRONG_18)
def test_what_is_malformed_is_named(tmp_path, what):
    places, value, message = WRONG_18[what]
    refused(dump(tmp_path / "a.json", changed(posetrack18(), places, value)), f"a.json: .*{message}")


def test_what_is_left_of_a_person_without_keypoints_has_to_be_a_box(tmp_path):
    tree = changed(changed(posetrack18(), (*FIRST, "keypoints"), None), (*FIRST, "bbox_head"), None)
    refused(dump(tmp_path / "a.json", tree), r"annotations\[0\]: found neither; expected keypoints, or a box at least")


def test_pairs_that_make_no_tree(tmp_path):
    tree = changed(posetrack18(), ("categories", 0, "keypoints"), ["a", "b", "c"])
    tree["categories"][0]["skeleton"] = [[2, 1], [1, 1]]
    refused(dump(tmp_path / "a.json", tree), r"skeleton: found \[\(2, 1\), \(1, 1\)\]; expected 2 pairs of num")


def test_marks_that_are_none(tmp_path):
    write_video(video(), tmp_path / "a.json")
    tree = json.loads((tmp_path / "a.json").read_text())
    for value in (-1, 256, 0.5):
        tree["annotations"][2]["marks"][0] = value
        refused(dump(tmp_path / "a.json", tree), rf"annotations\[2\].marks\[0\]: found {value}; expected")


PERSON = ("annolist", 0, "annorect", 1)
POINT = (*PERSON, "annopoints", 0, "point", 2)
WRONG_17 = {
    "nothing": (("annolist",), [], r"annolist: found \[\]; expected a list that is not empty"),
    "no image": (
        ("annolist", 1, "image"),
        None,
        r"annolist\[1\].image: found nothing; expected a value; add",
    ),
    "no name": (
        ("annolist", 1, "image", 0, "name"),
        None,
        r"annolist\[1\].image.name: found nothing; expected",
    ),
    "no people": (("annolist", 1, "annorect"), None, r"annolist\[1\].annorect: found nothing; expected a value; add"),
    "a frame twice": (
        ("annolist", 1, "imgnum"),
        [1],
        r"annolist\[1\].frame_id: found 0, as annolist\[0\] of the sa",
    ),
    "no number": (("annolist", 1, "imgnum"), [], r"annolist\[1\].imgnum: found \[\]; expected a valid integer"),
    "no person": (PERSON, 4, r"annolist\[0\].annorect\[1\]: found 4; expected an object"),
    "a person twice": (
        (*PERSON, "track_id"),
        [0],
        r"annorect\[1\].track_id: found 0, as annolist\[0\].annorect\[0\] in the same frame has; expected a person",
    ),
    "no points": (
        (*PERSON, "annopoints", 0),
        {"x": 1},
        r"annorect\[1\].annopoints.point: found nothing; expected",
    ),
    "another joint": (
        (*POINT, "id"),
        [15],
        r"annopoints.point\[2\].id: found \[15\]; expected less than 15",
    ),
    "a joint twice": ((*POINT, "id"), [1], r"annopoints.point\[2\].id: found 1, which is there already; expected each"),
    "not a number": (
        (*POINT, "x"),
        [float("nan")],
        r"point\[2\].x: found nan; expected a finite number",
    ),
    "no y": ((*POINT, "y"), None, r"point\[2\].y: found nothing; expected a value; add"),
    "no score": ((*POINT, "score"), [], r"point\[2\].score: found \[\]; expected a valid number"),
    "half a head": ((*PERSON, "x2"), None, r"annorect\[1\]: found a part of the head box; expected x1, y1, x2 and y2"),
    "half a region": (
        ("annolist", 0, "ignore_regions", 0, "point", 1, "x"),
        None,
        r"annolist\[0\].ignore_regions\[0\].point\[1\].x: found nothing; expected a value",
    ),
}


@pytest.mark.parametrize("what", WRONG_17)
def test_what_is_malformed_in_the_older_form_is_named(tmp_path, what):
    places, value, message = WRONG_17[what]
    refused(dump(tmp_path / "a.json", changed(posetrack17(), places, value)), f"a.json: .*{message}")


def test_a_licence_beside_the_files_is_left_aside(tmp_path):
    write_video(video(), tmp_path / "000342.json")
    (tmp_path / "LICENSE").write_text("MIT License")
    (tmp_path / "README.md").write_text("# Poses")
    assert [one.name for one in read_videos(tmp_path)] == ["000342"]


@pytest.mark.parametrize(
    "names", [[keypoint_name(name) for name in COCO17.names], [*POSETRACK15.names], ["a", "left_b", "right_b"]]
)
def test_joints_keep_the_names_that_came_in(tmp_path, names):
    tree = posetrack18()
    tree["categories"] = [{"keypoints": names, "skeleton": [[1, 2], [3, 1]] if len(names) == 3 else []}]
    for person in tree["annotations"]:
        person["keypoints"] = np.arange(1.0, 1 + 3 * len(names)).tolist()
    (found,) = read_videos(dump(tmp_path / "a.json", tree))
    write_video(found, tmp_path / "b.json")
    written = json.loads((tmp_path / "b.json").read_text())
    assert written["categories"][0]["keypoints"] == names
    (again,) = read_videos(tmp_path / "b.json")
    assert_same(again, found, but=("file_names", "ignore"))
