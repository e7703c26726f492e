"""Learning rates: warm-up, then the schedule that is asked for; what cannot go together is refused."""

import math

import pytest

from stgraph.settings.sections import OptimSettings
from stgraph.training.schedule import by_epochs, learning_rate, norm_momentum

BATCHES = 10


def rates(spent=0.0, **settings):
    """Of every step of a training of 10 epochs."""
    optim = OptimSettings(**({"lr": 0.1, "epochs": 10} | settings))
    return [learning_rate(optim, step, BATCHES, spent) for step in range(optim.epochs * BATCHES)]


def test_decay_is_once_an_epoch_or_every_so_many_steps():
    assert rates(decay=0.5) == pytest.approx([0.1 * 0.5 ** (step // 10) for step in range(100)])
    assert rates(decay=0.5, decay_steps=25) == pytest.approx([0.1 * 0.5 ** (step // 25) for step in range(100)])


def test_decay_at_is_after_the_epochs_that_it_names():
    found = rates(decay=0.1, decay_at=[3, 7])
    assert found == pytest.approx([0.1] * 30 + [0.01] * 40 + [0.001] * 30)


def test_a_cosine_falls_from_all_to_nothing():
    found = rates(schedule="cosine")
    assert found == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 100)) for step in range(100)])
    assert found[0] == 0.1 and 0 < found[-1] < 1e-4


def test_a_cosine_also_ends_with_the_minutes():
    assert rates(schedule="cosine", spent=1.0)[1:] == pytest.approx([0] * 99)
    half = rates(schedule="cosine", spent=0.5)
    assert half[1:51] == pytest.approx([0.05] * 50) and half[75] == rates(schedule="cosine")[75]


@pytest.mark.parametrize("warm_up", [0.5, 2, 3.5])
@pytest.mark.parametrize("after", [{"schedule": "cosine"}, {"decay": 0.5}, {"decay": 0.1, "decay_at": [4]}])
def test_warming_up_is_linear_and_reaches_the_rate(warm_up, after):
    found, steps = rates(warm_up=warm_up, **after), int(warm_up * BATCHES)
    plain = [0.1] * steps if "schedule" in after else rates(**after)
    grown = [(step + 1) / steps * plain[step] for step in range(steps)]
    assert found[:steps] == pytest.approx(grown) and found[0] > 0
    if "schedule" in after:
        left = 100 - steps
        assert found[steps:] == pytest.approx([0.05 * (1 + math.cos(math.pi * step / left)) for step in range(left)])
    else:
        assert found[steps:] == pytest.approx(plain[steps:])


def test_warming_up_does_not_wait_for_the_minutes():
    """The minutes count from the start; a training whose time is up while it warms up still grows until then."""
    found = rates(schedule="cosine", warm_up=2, spent=0.5)
    assert found[:20] == pytest.approx([0.1 * (step + 1) / 20 for step in range(20)])
    assert found[21] == pytest.approx(0.05)


def test_momentum_of_norms_is_geometric():
    optim = OptimSettings(epochs=5, norm_momentum=(0.1, 0.001))
    assert [norm_momentum(optim, epoch) for epoch in range(5)] == pytest.approx(
        [0.1 * 0.01 ** (epoch / 4) for epoch in range(5)]
    )
    assert norm_momentum(OptimSettings(), 3) is None


def test_schedules_that_depend_on_the_number_of_epochs_are_known():
    assert by_epochs(OptimSettings(schedule="cosine")) and by_epochs(OptimSettings(norm_momentum=(0.1, 0.1)))
    assert not by_epochs(OptimSettings(decay_at=[3], warm_up=2))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"schedule": "cosine", "decay_at": [3]}, 'decay_at: schedule "cosine" has no steps'),
        ({"decay_at": [3], "decay_steps": 5}, "decay_at: decay_steps says otherwise"),
        ({"epochs": 5, "warm_up": 5}, "warm_up: 5 of 5 epochs; leave some to train in"),
    ],
)
def test_settings_that_undo_one_another_are_named(settings, problem):
    [found] = OptimSettings(**settings).problems()
    assert problem in found
