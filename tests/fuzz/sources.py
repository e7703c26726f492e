"""The sources of data_prep, each with one changed file among good ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.data_prep import clip_people
from tests.data_prep.commands import source_of
from tests.data_prep.sources import (
    test_arrays,
    test_h36m,
    test_kinetics,
    test_mocap,
    test_motionbert,
    test_mpi_inf_3dhp,
    test_ntu,
    test_poseidon,
    test_posetrack,
    test_pw3d,
    test_pyskl,
)
from tests.fuzz.reader import Reader, Write, patched, patches

FRAMES = 24
MOTION = {("S1", "Walking 1"): test_h36m.walker(0, FRAMES)}


def source_readers(root: Path) -> dict[str, Reader]:
    """The readers of folders, which are made in `root`."""
    return (
        h36m(root / "h36m")
        | pw3d(root / "pw3d")
        | mpi_inf_3dhp(root / "mpi_inf_3dhp")
        | of_clips(root / "clips")
        | of_frames(root / "frames")
    )


def bytes_of(path: Path, source: str, *words: object, write: Write | None = None, seed: bytes = b"") -> Reader:
    """A source whose file at a path is changed: its bytes, or what `write` makes of a seed."""
    command = [source, *map(str, words or (path.parent,))]

    def put(_: Path, content: bytes) -> None:
        (write or Path.write_bytes)(path, content)

    def read(_: Path) -> object:
        return sum(1 for _ in source_of(*command).recordings)

    return Reader((seed or path.read_bytes(),), read, "", put, rare=True)


def values_of(value: Any, path: Path, save: Callable[[Path, Any], object], source: str, *words: object) -> Reader:
    """A source whose file at a path has other values in the objects and arrays that it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, value)
    return bytes_of(path, source, *words, write=patched(value, save), seed=patches(value))


def h36m(root: Path) -> dict[str, Reader]:
    """CDF and MATLAB files, and VideoPose3D's."""
    layouts = {
        "cdf": ("D3_Positions_mono", test_h36m.write_cdf, ".cdf"),
        "mat": ("D3_Positions", test_h36m.write_mat, ".mat"),
        "mat 7.3": ("D3_Positions", test_h36m.write_mat73, ".mat"),
    }
    found = {}
    for name, (layout, write, ending) in layouts.items():
        test_h36m.write_official(root / name, layout, write, ending, MOTION)
        first, *others = sorted((root / name).rglob(f"*{ending}"))
        for other in others:
            other.unlink()
        found[f"h36m {name}"] = bytes_of(first, "h36m", root / name)
    pose = MOTION["S1", "Walking 1"].astype(np.float32)
    joints = test_h36m.H36M17.select_from(test_h36m.H36M32)
    views = [test_h36m.image(pose, camera)[:, joints] for camera in test_h36m.h36m_cameras("S1")]
    positions = {"positions_3d": {"S1": {"Walking 1": pose}}}
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": test_h36m.SYMMETRY}
    detected = {"positions_2d": {"S1": {"Walking 1": views}}, "metadata": metadata}
    for name, value in {"data_3d_h36m": positions, "data_2d_h36m_cpn": detected}.items():
        folder = root / name
        save(folder / "data_3d_h36m.npz", positions)
        found[f"h36m {name}"] = values_of(value, folder / f"{name}.npz", save, "h36m", folder)
    return found


def save(path: Path, arrays: dict[str, Any]) -> None:
    """An .npz file of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def pw3d(root: Path) -> dict[str, Reader]:
    """An official sequence, and TGraphNet's file."""
    official = root / "official" / "sequenceFiles" / "train" / "courtyard_box_00.pkl"
    sequence = test_pw3d.sequence("landscape")
    one = root / "one" / "3dpw.pkl"
    return {
        "3dpw": values_of(sequence, official, test_pw3d.write, "3dpw", root / "official"),
        "3dpw bytes": bytes_of(official, "3dpw", root / "official"),
        "3dpw tgraphnet": values_of(test_pw3d.videos(), one, clip_people.dump, "3dpw", one),
    }


def mpi_inf_3dhp(root: Path) -> dict[str, Reader]:
    """A training sequence with its calibration, one for testing, and the file that others make of them."""
    module, found = test_mpi_inf_3dhp, {}
    for name, write in (("5", module.save5), ("7.3", module.save73)):
        path = root / name / "S1" / "Seq1" / "annot.mat"
        write(path, module.training_mat("S1 Seq1") | {"cameras": np.arange(14)})
        found[f"mpi_inf_3dhp {name}"] = bytes_of(path, "3dhp", root / name)
    path.with_name("camera.calibration").write_text(module.calibration("S1 Seq1"))
    found["mpi_inf_3dhp calibration"] = bytes_of(path.with_name("camera.calibration"), "3dhp", root / name)
    test = root / "test" / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    module.save5(test, module.test_mat("TS1"))
    found["mpi_inf_3dhp test"] = bytes_of(test, "3dhp", root / "test")
    train = {"data": {"S1 Seq1": [{"0": module.npz_entry("S1 Seq1", 0)}, 25]}}
    folder = root / "npz"
    found["mpi_inf_3dhp npz"] = values_of(train, folder / "data_train_3dhp.npz", save, "3dhp", folder)
    return found


def of_clips(root: Path) -> dict[str, Reader]:
    """Sources of clips with actions."""
    name = "S001C001P001R001A023"
    ntu = test_ntu.write(root / "ntu" / f"{name}.skeleton", test_ntu.body(0))
    test_ntu.write(root / "ntu" / "S001C001P002R001A023.skeleton", test_ntu.body(1))
    kinetics = test_kinetics.folder(root / "kinetics")
    pyskl = {"split": {"train": ["v0", "v1"], "val": ["v2"]}, "annotations": [test_pyskl.flat(n) for n in range(3)]}
    named = ["a", "b", "c", "d"], [0, 1, 0, 1]
    labels, data = root / "arrays" / "label.pkl", root / "arrays" / "data.npy"
    data.parent.mkdir(parents=True)
    np.save(data, test_arrays.stgcn(test_arrays.centred, 4))
    clips = root / "own"
    for place, action in enumerate(("sitting", "waving")):
        for number in range(2):
            (clips / action).mkdir(parents=True, exist_ok=True)
            clip_people.write_kinetics(clips / action / f"{number}.json", clip_people.pixels(2 * number + place))
    return {
        "ntu": bytes_of(ntu, "ntu"),
        "kinetics": bytes_of(kinetics / "kinetics_train" / "a.json", "kinetics", kinetics),
        "kinetics list": bytes_of(kinetics / "kinetics_train_label.json", "kinetics", kinetics),
        "pyskl": values_of(pyskl, root / "pyskl" / "a.pkl", clip_people.dump, "pyskl", root / "pyskl" / "a.pkl"),
        "arrays": values_of(named, labels, clip_people.dump, "arrays", data, "--labels", labels),
        "arrays data": bytes_of(data, "arrays", data, "--labels", labels),
        "clips": bytes_of(clips / "sitting" / "0.json", "clips", clips),
    }


def of_frames(root: Path) -> dict[str, Reader]:
    """Sources of poses in frames, and motion files."""
    posetrack = root / "posetrack" / "val" / "a.json"
    test_posetrack.write_video(test_posetrack.video("000342", test_posetrack.ROWS, size=(640, 360)), posetrack)
    bert = test_motionbert.content()
    poseidon = test_poseidon.write(root / "poseidon")
    mocap = root / "mocap" / "S1" / "squat.bvh"
    mocap.parent.mkdir(parents=True)
    mocap.write_text(test_mocap.bvh(test_mocap.squats(0.5)))
    found = {
        "posetrack folder": bytes_of(posetrack, "posetrack"),
        "motionbert": values_of(bert, root / "bert" / "a.pkl", clip_people.dump, "motionbert", root / "bert" / "a.pkl"),
        "mocap": bytes_of(mocap, "mocap", mocap.parents[1]),
    }
    for name in ("2d_poses", "3d_poses", "actions"):
        found[f"poseidon {name}"] = bytes_of(poseidon / f"train_{name}.npy", "poseidon", poseidon)
    return found
