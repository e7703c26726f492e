"""A clip as a recogniser sees it: what is drawn is what is recognised."""

import numpy as np
import pytest

from stgraph.tasks.action.rendering import watch
from tests.tasks.action.clip_people import alive, new_run, write_clips

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("watched") / "clips.h5")


@pytest.mark.parametrize("sampling", ["uniform", "crop", "start"])
@pytest.mark.parametrize("detector", [None, "noisy"])
def test_watching_a_clip_ends_with_what_is_recognised(dataset, sampling, detector):
    trained = "openpose" if detector else None
    run = alive(new_run(dataset, data={"sampling": sampling, "detector": trained, "normalise": "body"}), dataset)
    found = run.recognise(dataset, scored="train", detector=detector)
    for place in (0, 1):  # one person, and two
        number = dataset.find(found.id[place])
        watched = watch(run, run.clips(dataset, np.arange(len(dataset)) == number, detector=detector))
        length = int(dataset.recordings["frames"][number]) if place == 0 else len(watched)
        steps = length if sampling == "uniform" else min(length, 12)
        persons, dims = place + 1, 2 if detector else 3
        assert watched.pose.shape == (persons, steps, 17, dims) and watched.probabilities.shape == (steps, 3)
        np.testing.assert_allclose(watched.probabilities[-1], found.probabilities[place], atol=2e-6)
        assert watched.contribution.shape == (persons, 6, 17) and watched.contribution.max() == pytest.approx(1)
        assert watched.classes[watched.label] == found.action[place]
        rows = dataset.rows("pose2d/noisy" if detector else "pose3d")[dataset.tracks["first_row"]]
        if sampling != "crop":  # which begins in the middle
            first = rows[dataset.tracks["recording"] == number][0]
            visible = np.isfinite(watched.pose[0, 0, :, 0])
            assert np.array_equal(first[visible, :dims], watched.pose[0, 0, visible])
            assert visible.tolist() == ((first[:, 2] > 0).tolist() if detector else [True] * 17)
