"""Names of runs, and where their files are."""

from pathlib import Path

import pytest

from stgraph.errors import InputError
from stgraph.settings.places import check_name, evaluation_folder, run_folder


@pytest.mark.parametrize(
    "name", ["../../victim", "/tmp/victim", ".", "..", "", "a/b", "run/tensorboard", ".git", "a\\b"]
)
def test_a_name_that_leads_out_of_checkpoints_is_refused(name):
    with pytest.raises(InputError, match=r"expected the name of a folder"):
        check_name("--name", name)
    with pytest.raises(InputError, match=r"expected the name of a folder"):
        run_folder(name)


@pytest.mark.parametrize("name", ["demo", "tcn_optim.lr=1e-4-small-1-ab12cd", "Läufer 2", "folds/demo-S1"])
def test_a_run_has_its_folder(name):
    assert run_folder(name) == Path("checkpoints") / name


def test_a_report_stays_in_the_runs_folder():
    assert evaluation_folder("demo", "..") == Path("reports/demo/_.")
    assert evaluation_folder("demo", "a/../../b").parent == Path("reports/demo")
