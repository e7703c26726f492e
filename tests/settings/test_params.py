"""Settings: what is wrong is listed at once, with the key's path and what is allowed."""

import json
from pathlib import Path

import pytest

from stgraph.errors import InputError
from stgraph.settings import params
from stgraph.settings.params import apply_overrides, experiments, load, validate

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def values(exp="root_rel"):
    return json.loads((params.FOLDER / exp / "params.json").read_text())


@pytest.mark.parametrize("exp", sorted(path.parent.name for path in ROOT.glob("params/*/params.json")))
def test_every_experiment_is_valid_and_survives_a_round_trip(exp):
    settings = load(exp)
    assert validate(json.loads(json.dumps(settings.model_dump())), exp) == settings


def test_the_two_published_experiments_differ_by_their_task_alone():
    a, b = values("root_rel"), values("global_pos")
    assert a.pop("task") != b.pop("task")
    assert a == b


def test_all_problems_are_listed_at_once():
    wrong = values()
    wrong["optim"] |= {"lr": "fast", "epochs": 0, "momentums": 0.9}
    wrong["data"] |= {"frames": 80}
    wrong["data"].pop("detector")
    wrong["model"] |= {"dropout": 2, "chanels": [1]}
    wrong["task"]["losses"] = {"positon": 1.0}
    with pytest.raises(InputError) as caught:
        validate(wrong, "params/x/params.json")
    message = str(caught.value)
    for part in (
        "params/x/params.json: ",
        'optim.lr: found "fast"',
        "optim.epochs: found 0; input should be greater than 0",
        "optim.momentums: unknown key; did you mean momentum? known: name, momentum, lr,",
        "data.detector: missing",
        "model.dropout: found 2; input should be less than 1",
        "model.chanels: unknown key; did you mean channels?",
        "task.losses.positon",
        "'position'",
    ):
        assert part in message, f"{part!r} not in\n{message}"


def test_impossible_combinations_are_named_with_what_would_do():
    wrong = values()
    wrong["data"]["frames"] = 80
    with pytest.raises(InputError, match=r"multiple of 81 and is 80"):
        validate(wrong, "here")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lr=Infinity", "optim.lr: found Infinity"),
        ("task.losses.position=NaN", "task.losses.position"),
        ("data.train=[]", "data.train"),
        ("data.actions=[]", "data.actions"),
        ('data.test=["S1"]', "data.test: S1 also in data.train"),
        ('data.validation=["S9","S5"]', "data.validation: S5 also in data.train"),
        ("task.motion_intervals=[]", "task.motion_intervals"),
        ("task.motion_intervals=[0]", "task.motion_intervals.0"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(override, message):
    with pytest.raises(InputError, match=message):
        load("root_rel", [override])


@pytest.mark.parametrize(
    ("section", "name", "message"),
    [("model", "tgraph", "tgraphnet"), ("task", "lift", "lifting"), ("model", None, "tgraphnet")],
)
def test_unknown_names_list_the_known_ones(section, name, message):
    wrong = values()
    wrong[section]["name"] = name
    with pytest.raises(InputError, match=f"{section}.name: found .*expected one of .*{message}"):
        validate(wrong, "here")


def test_overrides():
    changed = apply_overrides(
        values(), ["optim.lr=3e-4", "data.detector=gt", 'data.train=["S1"]', "task.losses.velocity=2", "seed=1"]
    )
    settings = validate(changed, "here")
    assert settings.optim.lr == 3e-4
    assert settings.data.detector == "gt"
    assert settings.data.train == ["S1"]
    assert settings.task["losses"]["velocity"] == 2
    assert settings.seed == 1
    for override, message in (("optim.lr", "SECTION.KEY=VALUE"), ("seed.x=1", "seed is 333 and has no keys")):
        with pytest.raises(InputError, match=message):
            apply_overrides(values(), [override])


def test_unknown_experiments_list_the_known_ones():
    with pytest.raises(InputError, match=r"did you mean root_rel\?.*demo, global_pos"):
        load("rootrel")
    assert "root_rel" in experiments()


def test_broken_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "FOLDER", tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "params.json").write_text('{"task": ')
    with pytest.raises(InputError, match=r"x/params.json: not JSON .*line 1"):
        load("x")
    (tmp_path / "x" / "params.json").write_text("[1]")
    with pytest.raises(InputError, match="expected an object of sections"):
        load("x")


@pytest.mark.parametrize(
    "override",
    [f"optim.lr={'[' * 100_000}", f"optim.lr={'[' * 500 + ']' * 500}", f"{'a.' * 5000}b=1", f"optim.{'{' * 90}=1"],
    ids=["unclosed", "closed", "key", "braces"],
)
def test_overrides_nested_too_deeply_are_one_short_message(override):
    with pytest.raises(InputError) as error:
        load("root_rel", [override])
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("text", ["[" * 100_000, '{"task":' * 900 + "1" + "}" * 900, '{"data": "' + "\\ud800" + '"}'])
def test_files_nested_too_deeply_are_one_short_message(tmp_path, monkeypatch, text):
    monkeypatch.setattr(params, "FOLDER", tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "params.json").write_text(text)
    with pytest.raises(InputError) as error:
        load("x")
    assert len(str(error.value)) < 1500
