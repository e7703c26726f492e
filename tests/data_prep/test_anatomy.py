"""What no person's motion can look like is refused; what people's motion does look like is not."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from data_prep.anatomy import BACKWARDS, check_image, check_person, image, knee_flexion
from data_prep.cameras import h36m_cameras
from stgraph.errors import InputError
from stgraph.io.safe_pickle import load_npz
from stgraph.skeleton import H36M17

SHARED = Path(__file__).parents[2] / "../shared/data/motion"


def clips(name):
    return {key: pose.astype(np.float64) for key, pose in load_npz(SHARED / name).items()}


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no shared motion")
@pytest.mark.parametrize("name", ["cmu.npz", "hdm05.npz"])
def test_real_motion_is_admitted_and_its_mirror_image_is_not(name):
    for key, pose in clips(name).items():
        check_person(pose, key, "metres")
        assert knee_flexion(pose) > 0.1
        assert knee_flexion(pose[:, H36M17.mirror]) < BACKWARDS
        with pytest.raises(InputError, match="they seem to be millimetres"):
            check_person(pose * 1000, key, "metres")
        with pytest.raises(InputError, match="they seem to be metres"):
            check_person(pose / 1000, key, "millimetres")


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="no shared motion")
def test_noisy_images_of_real_motion_are_admitted():
    """Detections off by 15 pixels with every tenth joint unseen, of 3D that is off by 0.25 m, still show it."""
    rng, cameras, tried = np.random.default_rng(0), h36m_cameras("S9"), 0
    for key, pose in list(clips("cmu.npz").items())[::8]:
        pose = pose - pose.mean((0, 1)) * [1, 1, 0]
        for camera in cameras:
            turn = Rotation.from_quat(np.roll(camera.rotation, -1)).inv()
            seen = turn.apply((pose - camera.translation).reshape(-1, 3)).reshape(pose.shape)
            if seen[..., 2].min() < 1.5:
                continue
            pixels = image(seen, camera) + rng.normal(0, 15, (*pose.shape[:2], 2))
            detected = np.concatenate([pixels, rng.uniform(size=(*pose.shape[:2], 1)) > 0.1], axis=-1)
            check_image(detected, seen + [0.25, 0, 0], camera, cameras, key)
            tried += 1
    assert tried > 40
