"""Changed files of every form: each reader reads them or refuses them with the toolkit's own error."""

import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.attempt import attempt
from tests.fuzz.mutation import KINDS, MOST, changed
from tests.fuzz.readers import readers
from tests.limits import limited_memory

INPUTS = 16  # of each reader; `make fuzz` tries many more
RARELY = 3  # one of so many for readers that take long
PLACES = st.integers(0, MOST - 1)
CHANGES = st.lists(st.tuples(st.sampled_from(KINDS), PLACES, PLACES), min_size=1, max_size=5)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and time are those of Linux")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def known(folder):
    return readers(folder)


@pytest.mark.slow
def test_good_files_are_read(folder, known):
    for name, reader in known.items():
        for seed in range(len(reader.seeds)):
            assert attempt(reader, folder / f"input{reader.suffix}", seed, []), name


@pytest.mark.slow
@example(seed=0, changes=[("end", 0, 0)])  # last.pt without content
# The same inputs every time, so that a change is what makes it fail; `make fuzz` draws others.
@settings(max_examples=INPUTS, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 20), changes=CHANGES)
def test_changed_files_are_read_or_refused(folder, known, seed, changes):
    """All readers on the same changes, but those that take long on some of them; each has seeds of its own."""
    with limited_memory(2.0):
        for name, reader in known.items():
            if reader.rare and changes[0][1] % RARELY:
                continue
            try:
                attempt(reader, folder / f"input{reader.suffix}", seed, changes)
            except BaseException as error:
                error.add_note(f"reader {name}, seed {seed}, changes {changes}")
                raise


@pytest.mark.slow
@given(content=st.binary(max_size=200), changes=CHANGES)
@example(content=b"[1, [2]]", changes=[("value", 0, 0)])
@settings(max_examples=50, deadline=None, database=None)
def test_changes_are_those_of_their_numbers_alone(content, changes):
    assert changed(content, changes) == changed(content, changes)
