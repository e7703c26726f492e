"""Scores of clips: every number of the report counted by hand; fusion by id, in whatever order things were scored."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from stgraph.errors import InputError
from stgraph.scoring.clip_scores import ClipScores
from stgraph.scoring.fusion import best_weights, fuse, run_weights

CLASSES = [f"class {letter}" for letter in "abcdefg"]


def scores(clips=60, classes=CLASSES, seed=0, unknown=3, persons=2, sharp=1.0):
    """Random ones with a leaning to the truth; the last clips have an action that is no class."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(99).integers(0, len(classes), clips)  # the same for every seed
    actions = np.array(classes, object)[truth]
    actions[clips - unknown :] = "dancing"
    label = np.where(np.arange(clips) < clips - unknown, truth, -1)

    def probabilities(lean):
        logits = random.normal(size=(len(lean), len(classes)))
        logits[np.arange(len(lean)), lean] += sharp
        each = np.exp(logits)
        return (each / each.sum(1, keepdims=True)).astype(np.float32)

    owner = np.repeat(np.arange(clips), 1 + np.arange(clips) % persons)
    return ClipScores(
        classes=list(classes),
        id=np.array([f"S{number % 4}/take {number}/front" for number in range(clips)], object),
        action=actions,
        subject=np.array([f"S{number % 4}" for number in range(clips)], object),
        camera=np.array([("left", "right")[number % 2] for number in range(clips)], object),
        label=label,
        probabilities=probabilities(truth),
        person_clip=owner,
        person=np.arange(len(owner)) - np.searchsorted(owner, owner),
        person_probabilities=probabilities(truth[owner]),
        frames=random.integers(0, 9, (clips, len(classes))),
        joints=np.array(["Hip", "Knee"]),
        contributions=random.random((clips, 2), np.float32),
        about={"experiment": "x", "synthetic": False},
    )


def shuffled(found, seed=1, classes=None):
    """The same scores, clips and classes in another order."""
    order = np.random.default_rng(seed).permutation(len(found.id))
    classes = classes or found.classes[::-1]
    columns = [found.classes.index(name) for name in classes]
    label = np.array([classes.index(found.classes[n]) if n >= 0 else -1 for n in found.label])
    place = np.argsort(order)
    return replace(
        found,
        classes=classes,
        **{name: getattr(found, name)[order] for name in ("id", "action", "subject", "camera")},
        label=label[order],
        probabilities=found.probabilities[order][:, columns],
        person_clip=place[found.person_clip],
        person_probabilities=found.person_probabilities[:, columns],
        frames=found.frames[order][:, columns],
        contributions=found.contributions[order],
    )


def test_every_number_of_the_report_is_a_plain_count():
    found = scores()
    report = found.report()
    known = [number for number in range(60) if found.action[number] in CLASSES]
    right = five = 0
    confusion, frames, mistakes = np.zeros((7, 7), int), np.zeros((7, 7), int), Counter()
    by = {"subject": {}, "camera": {}}
    for number in known:
        true = CLASSES.index(found.action[number])
        ranked = sorted(range(7), key=lambda n: -found.probabilities[number, n])
        right, five = right + (ranked[0] == true), five + (true in ranked[:5])
        confusion[true, ranked[0]] += 1
        frames[true] += found.frames[number]
        if ranked[0] != true:
            mistakes[CLASSES[true], CLASSES[ranked[0]]] += 1
        for group, names in (("subject", found.subject), ("camera", found.camera)):
            entry = by[group].setdefault(names[number], [0, 0])
            entry[0] += ranked[0] == true
            entry[1] += 1
    assert 0 < right < five < 57 == len(known)
    metrics = report["metrics"]
    assert metrics["top1"] == pytest.approx(100 * right / 57) and metrics["top5"] == pytest.approx(100 * five / 57)
    recalls = [100 * row[n] / row.sum() for n, row in enumerate(confusion)]
    assert metrics["class_accuracy"] == pytest.approx(sum(recalls) / 7)
    assert metrics["largest_class"] == pytest.approx(100 * confusion.sum(1).max() / 57)
    assert metrics["chance"] == pytest.approx(100 / 7)
    parts = report["recognition"]
    assert parts["clips"]["confusion"] == confusion.tolist() and parts["frames"]["confusion"] == frames.tolist()
    assert parts["unknown"] == {"dancing": 3}
    persons = np.zeros((7, 7), int)
    for owner, each in zip(found.person_clip, found.person_probabilities, strict=True):
        if owner < 57:
            persons[found.label[owner], each.argmax()] += 1
    assert parts["persons"]["confusion"] == persons.tolist()
    assert report["scored"] == {"clips": 57, "persons": int(persons.sum()), "frames": int(frames.sum())}
    for group, entries in by.items():
        for name, (good, count) in entries.items():
            share = pytest.approx(100 * good / count)
            assert report["by"][group][name] == {"clips": count, "right": good, "top1": share}
        assert report["by"][group].keys() == entries.keys()
    assert {(a, b): count for a, b, count in report["confused"]} == dict(mistakes.most_common(20))
    assert report["contributions"]["joints"] == ["Hip", "Knee"]
    for number, name in enumerate(CLASSES):
        mean = np.mean([found.contributions[clip] for clip in known if found.label[clip] == number], axis=0)
        assert report["contributions"]["classes"][name] == pytest.approx(mean, abs=1e-4)
    assert [count for *_, count in report["confused"]] == sorted(mistakes.values(), reverse=True)[:20]


def test_the_report_does_not_depend_on_the_order_of_the_clips():
    a, b = scores().report(), shuffled(scores()).report()
    for key in ("metrics", "scored"):
        assert a[key] == pytest.approx(b[key])
    frequent = [{tuple(entry) for entry in report["confused"] if entry[2] > 1} for report in (a, b)]
    assert frequent[0] == frequent[1] != set()
    assert a["by"]["subject"] == b["by"]["subject"]


def test_five_of_five_classes_say_nothing_and_one_person_a_clip_has_no_part_of_its_own():
    report = scores(classes=CLASSES[:5], persons=1).report()
    assert report["metrics"]["top5"] is None and "persons" not in report["recognition"]


def test_clips_of_no_known_class_are_refused_with_their_actions():
    with pytest.raises(InputError, match="none of the 3 clips has one of the classes class a, .*actions are dancing"):
        scores(clips=3, unknown=3).report()


def test_scores_come_back_as_they_were_saved(tmp_path):
    found = scores()
    again = ClipScores.load(found.save(tmp_path / "scores.npz"), "make it")
    for name in found.__dataclass_fields__:
        if name != "about":
            assert np.array_equal(getattr(again, name), getattr(found, name)), name
    assert again.about == found.about and again.report() == found.report()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all", "cut", "array", "other"],
    ids=["empty", "text", "cut short", "an array", "others' arrays"],
)
def test_what_is_no_scores_is_refused_with_the_remedy(content, tmp_path):
    path = tmp_path / "scores.npz"
    if content == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif content == "other":
        np.savez(path, x=np.zeros(3))
    else:
        path.write_bytes(scores().save(path).read_bytes()[:500] if content == "cut" else content)
    with pytest.raises(InputError, match="scores.npz: no scores of clips .*; make it so"):
        ClipScores.load(path, "make it so")
    with pytest.raises(InputError, match="none.npz: no scores of clips .*; make it so"):
        ClipScores.load(tmp_path / "none.npz", "make it so")


def test_fusion_is_the_weighted_mean_whatever_the_order():
    parts = [scores(seed=seed) for seed in range(3)]
    weights = [2.0, 0.5, 1.0]
    mean = sum(w * part.probabilities.astype(float) for w, part in zip(weights, parts, strict=True)) / 3.5
    found = fuse({"a": parts[0], "b": shuffled(parts[1]), "c": shuffled(parts[2], 5, CLASSES)}, weights)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-6)
    assert found.id.tolist() == parts[0].id.tolist() and found.classes == CLASSES
    assert found.label.tolist() == parts[0].label.tolist()
    report, alone = found.report(), [part.report()["metrics"]["top1"] for part in parts]
    right = (mean.argmax(1) == parts[0].label).sum()
    assert report["metrics"]["top1"] == pytest.approx(100 * right / 57) and report["metrics"]["top1"] > max(alone)
    assert report["recognition"]["frames"]["count"] == 0 and "persons" not in report["recognition"]
    other_way = fuse({"b": shuffled(parts[1]), "a": parts[0]}, [0.5, 2.0]).report()
    assert other_way["metrics"] == pytest.approx(fuse({"a": parts[0], "b": parts[1]}, [4.0, 1.0]).report()["metrics"])


def test_a_weight_of_nothing_leaves_a_run_out():
    a, b = scores(), scores(seed=1)
    np.testing.assert_allclose(fuse({"a": a, "b": b}, [0.0, 3.0]).probabilities, b.probabilities, atol=1e-7)


def test_what_cannot_be_fused_is_named():
    a = scores()
    with pytest.raises(InputError, match=r"second and first have other classes \(class g, class h\)"):
        fuse({"first": a, "second": replace(a, classes=[*CLASSES[:6], "class h"])}, [1.0, 1.0])
    columns = ("id", "action", "subject", "camera", "label", "probabilities", "frames", "contributions")
    fewer = {name: getattr(a, name)[2:] for name in columns}
    message = "first has 60 clips and second 58; 2 are in one of them alone: S0/take 0/front; S1/take 1/front; evaluate"
    with pytest.raises(InputError, match=message):
        fuse({"first": a, "second": replace(a, **fewer)}, [1.0, 1.0])


def right(parts, weights):
    total = sum(w * part.probabilities.astype(float) for w, part in zip(weights, parts, strict=True))
    return int((total.argmax(1) == parts[0].label).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_weights_chosen_are_the_best_of_all_that_are_tried(seed):
    parts = [scores(seed=10 * seed + n, sharp=sharp) for n, sharp in enumerate((0.5, 1.5, 1.0))]
    found = best_weights(dict(zip("abc", parts, strict=True)))
    tried = {w: right(parts, w) for w in itertools.product(range(4), repeat=3) if any(w)}
    best = max(tried.values())
    assert len(set(tried.values())) > 3 and tried[tuple(found)] == best
    equals = [w for w in tried if tried[w] == best]
    assert max(found) - min(found) == min(max(w) - min(w) for w in equals)


def test_where_all_weights_serve_alike_all_runs_count_the_same():
    same = scores()
    assert best_weights({"a": same, "b": same, "c": same}) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("runs", "weights"),
    [(["a:2", "b"], {"a": 2.0, "b": 1.0}), (["a:0", "b:0.5"], {"a": 0.0, "b": 0.5}), (["x:y:3"], {"x:y": 3.0})],
)
def test_weights_stand_behind_the_name(runs, weights):
    assert run_weights(runs) == weights


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (["a:two"], "a:two: expected EXP or EXP:WEIGHT with a weight of 0 or more"),
        (["a:-1"], "a:-1: expected"),
        (["a:nan"], "a:nan: expected"),
        (["a:inf"], "a:inf: expected"),
        ([":2"], ":2: expected"),
        (["a", "a:2"], "a: named twice"),
        (["a:0", "b:0"], "all weights are 0"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(runs, message):
    with pytest.raises(InputError, match=message):
        run_weights(runs)
