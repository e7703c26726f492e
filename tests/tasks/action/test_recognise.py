"""Poses in, the probability of every class out, as an evaluation gives it."""

import numpy as np
import pytest

import stgraph
from stgraph.errors import InputError
from tests.tasks.action.clip_people import ACTIONS, new_run, write_clips


@pytest.mark.parametrize("detector", ["openpose", None], ids=["2D", "3D"])
def test_recognising_poses_is_what_an_evaluation_gives(tmp_path, detector):
    dataset = write_clips(tmp_path / "clips.h5")
    run = new_run(dataset, data={"detector": detector, "normalise": "body"})
    run.model.eval()
    scores = run.recognise(dataset)
    number = dataset.find(str(scores.id[0]))
    (row,) = np.flatnonzero(dataset.tracks["recording"] == number)
    first, rows = (int(dataset.tracks[name][row]) for name in ("first_row", "rows"))
    field = f"pose2d/{detector}" if detector else "pose3d"
    poses = np.array(dataset.rows(field)[first : first + rows])[None]
    camera = dataset.camera(number)
    found = stgraph.recognise(run, poses, size=(camera.width, camera.height) if detector else None)
    np.testing.assert_allclose([found[name] for name in ACTIONS], scores.probabilities[0], atol=1e-5)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    with pytest.raises(InputError, match="poses: found shape"):
        stgraph.recognise(run, poses[:, :, :3])
