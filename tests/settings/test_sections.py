"""Settings of clips that do not go together: each is named with its place, all at once."""

import pytest

from stgraph.errors import InputError
from stgraph.settings.params import validate
from stgraph.tasks.action.settings import ClipSettings
from stgraph.tasks.dynamics.settings import TrackSettings
from tests.tasks.action.clip_people import settings
from tests.tasks.dynamics import track_people

FLAT = {"detector": "openpose", "normalise": "image"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"normalise": "image"}, 'normalise: found "image"; the input is 3D, for which there are camera, kinect, body'),
        ({"normalise": "screen"}, 'normalise: found "screen"; the input is 3D'),
        (FLAT | {"normalise": "camera"}, 'found "camera"; the input is 2D, for which there are image, screen, body'),
        (FLAT | {"normalise": "kinect"}, 'normalise: found "kinect"; the input is 2D'),
        ({"confidence": True}, "confidence: 3D poses have none; leave it out or name a detector"),
        ({"move": True}, "move: is for 2D; use rotate, scale and shift"),
        ({"shortest": 0.5, "sampling": "crop"}, 'shortest: sampling "crop" takes consecutive frames; leave it out'),
        ({"shortest": 0.5, "sampling": "start"}, 'shortest: sampling "start" takes consecutive frames'),
        ({"train": ["S1", "S2"], "test": ["S2"]}, "test: S2 also in data.train; a subject is in one of them alone"),
        ({"train": ["S1"], "validation": ["S1"]}, "validation: S1 also in data.train"),
        ({"skeleton": {"names": ["a", "b"]}}, "skeleton: parents missing; expected names, parents, and perhaps"),
        ({"skeleton": {"names": ["a", "b"], "parents": [1, 0]}}, "skeleton: skeleton 'skeleton': roots []"),
        ({"skeleton": {"names": ["a", "b"], "parents": [-1, "c"]}}, "skeleton: parents: found joint 'c'; expected one"),
    ],
)
def test_what_does_not_go_together_is_named(changes, problem):
    values = {"detector": None, "normalise": "camera"} | changes
    [found] = ClipSettings(dataset="x", **values).problems()
    assert problem in found
    with pytest.raises(InputError, match="here: 1 problem\n  data.") as caught:
        settings(data=values)
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", ["camera", "kinect", "body"])
def test_what_goes_together_is_not(kind):
    assert ClipSettings(dataset="x", detector=None, normalise=kind, shortest=0.5).problems() == []


def test_all_problems_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        settings(
            task={"classes": ["a", "a"], "class_weights": {"b": 1.0}},
            data={"normalise": "image", "confidence": True, "move": True},
            model={"name": "stgcn", "channels": [4, 8], "strides": [1]},
            optim={"schedule": "cosine", "decay_at": [1]},
        )
    for key in (
        "data.normalise",
        "data.confidence",
        "data.move",
        "task.classes",
        "task.class_weights",
        "model.strides",
    ):
        assert f"\n  {key}: " in str(caught.value)
    assert "here: 7 problems" in str(caught.value) and "\n  optim.decay_at: " in str(caught.value)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("data", {"sampling": "all"}, r'data.sampling: found "all"; input should be .*uniform'),
        ("data", {"frames": 0}, "data.frames: found 0; input should be greater than 0"),
        ("data", {"stream": "joints"}, 'data.stream: found "joints"'),
        ("data", {"frame_step": 2}, "data.frame_step: unknown key; .*known: "),
        ("data", {"shortest": 0.0}, "data.shortest: found 0.0"),
        ("data", {"actions": []}, "data.actions: found"),
        ("task", {"persons": "all"}, 'task.persons: found "all"'),
        ("task", {"label_smoothing": 1.0}, "task.label_smoothing: found 1.0"),
        ("task", {"classes": ["one"]}, "task.classes: "),
        ("task", {"class_weights": {"a": -1.0}}, "task.class_weights"),
        ("optim", {"warm_up": -1.0}, "optim.warm_up: found -1.0"),
    ],
)
def test_values_that_are_impossible_are_refused_with_what_is_allowed(section, values, message):
    with pytest.raises(InputError, match=message):
        settings(**{section: values})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"train": ["S1", "S2"], "test": ["S2"]}, "test: S2 also in data.train; a subject is in one of them alone"),
        ({"train": ["S1"], "validation": ["S1"]}, "validation: S1 also in data.train"),
        ({"skeleton": {"names": ["a", "b"]}}, "skeleton: parents missing; expected names, parents, and perhaps"),
    ],
)
def test_tracks_whose_parts_or_joints_do_not_go_together_are_named(changes, problem):
    [found] = TrackSettings(dataset="x", detector=None, **changes).problems()
    assert problem in found
    with pytest.raises(InputError, match="here: 1 problem\n  data.") as caught:
        track_people.settings(data=changes)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("data", {"frames": 1}, "data.frames: found 1"),
        ("data", {"frame_steps": []}, "data.frame_steps: found"),
        ("data", {"frame_steps": [0]}, "data.frame_steps.0: found 0"),
        ("data", {"missed_joints": 1.0}, "data.missed_joints: found 1.0"),
        ("data", {"missed_people": 1.5}, "data.missed_people: found 1.5"),
        ("data", {"still": 0.0}, "data.still: found 0.0"),
        ("data", {"noise": -1.0}, "data.noise: found -1.0"),
        ("data", {"sampling": "crop"}, "data.sampling: unknown key"),
        ("data", {"frames": 2}, "model.history: 2 frames leave none of data.frames, 2, to predict"),
        ("task", {"losses": {"merged": 1.0}}, "task.losses: position has no weight"),
        ("task", {"losses": {}}, "task.losses"),
        ("task", {"losses": {"positon": 1.0}}, "task.losses.positon"),
        ("model", {"spacing": -0.1}, "model.spacing: found -0.1"),
    ],
)
def test_impossible_settings_of_tracks_are_refused(section, values, message):
    with pytest.raises(InputError, match=message):
        track_people.settings(**{section: values})


def test_models_and_tasks_that_do_not_go_together_are_named():
    with pytest.raises(InputError, match='model.name: found "pose_dynamics"; task "action" is for ctrgcn, linear'):
        settings(model={"name": "pose_dynamics"})
    with pytest.raises(InputError, match='task "dynamics" is for pose_dynamics'):
        validate(track_people.settings().model_dump() | {"model": {"name": "linear"}}, "here")


def test_the_dimensions_of_the_input_are_those_of_what_is_detected():
    assert [TrackSettings(dataset="x", detector=name).channels for name in ("sim", None)] == [2, 3]
