"""Reading the tables of a dataset file: no more than the file itself holds, and nothing that points outside it."""

import json
from collections.abc import Mapping

import h5py
import numpy as np

SLACK = 1 << 16  # bytes that a small table may take more than its file, as text of variable length does
WIDTHS = {"intrinsics": 9, "rotation": 4, "translation": 3}  # of columns of recordings with several numbers


def array(file: h5py.File, path: str) -> h5py.Dataset:
    """An array of a file. Raises KeyError or OSError where there is none, or its content is in another file."""
    node = file[path]
    if not isinstance(node, h5py.Dataset):
        raise OSError(f"its {path} is no array")
    if node.file.filename != file.filename or node.external or node.is_virtual:
        raise OSError(f"its {path} is a link to another file")
    return node


def numbers(file: h5py.File, path: str) -> np.ndarray:
    """An array of a file, read. Raises OSError where it would take more memory than the file has bytes."""
    return whole(file, path)[()]


def text(file: h5py.File, path: str) -> np.ndarray:
    """A column of text, read, as an array of str objects. Raises as `numbers` does."""
    return np.asarray(whole(file, path).asstr()[()])


def whole(file: h5py.File, path: str) -> h5py.Dataset:
    """An array that may be read. Raises as `numbers` does."""
    node = array(file, path)
    if node.nbytes > file.id.get_filesize() + SLACK:
        raise OSError(f"its {path} would take {node.nbytes} bytes, more than the file has")
    return node


def texts(attribute: object) -> list[str]:
    """A list of text that an attribute has as JSON. Raises ValueError, OSError or RecursionError for anything else."""
    found = json.loads(str(attribute))
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise OSError("its attributes notes and classes are no lists of text")
    return found


def members_of(file: h5py.File, path: str) -> list[str]:
    """Names in a group; none where there is no such group."""
    group = file.get(path)
    return list(group) if isinstance(group, h5py.Group) else []


def check_tables(
    recordings: Mapping[str, np.ndarray], tracks: Mapping[str, np.ndarray], splits: Mapping[str, np.ndarray]
) -> None:
    """Raises OSError for columns of unlike lengths or of no numbers, and tracks of recordings that there are not."""
    count = len(recordings["id"])
    columns = {name: (values, count, WIDTHS.get(name)) for name, values in recordings.items()}
    columns |= {f"split {name}": (values, count, None) for name, values in splits.items()}
    columns |= {name: (values, len(tracks["rows"]), None) for name, values in tracks.items()}
    for name, (values, length, width) in columns.items():
        expected = (length,) if width is None else (length, width)
        kinds = "iu" if name in tracks else "iufO"
        if values.shape != expected or values.dtype.kind not in kinds:
            raise OSError(f"its {name} are {values.dtype} of shape {values.shape}, expected shape {expected}")
    recording = tracks["recording"]
    if not count or not len(recording) or recording.min() < 0 or recording.max() >= count or tracks["person"].min() < 0:
        raise OSError(f"its tracks are of other recordings than the {count} there are")
    for name in ("fps", *WIDTHS):
        if not np.isfinite(recordings[name]).all() or (name == "fps" and not (recordings[name] > 0).all()):
            raise OSError(f"its {name} are not all finite" + " and above 0" * (name == "fps"))


def check_detections(table: Mapping[str, np.ndarray], recordings: int, joints: int) -> None:
    """Raises OSError for detections whose columns do not go together, or that are of recordings that there are not."""
    expected = {"recording": (), "frame": (), "pose": (joints, 3), "score": (), "box": (4,)}
    count = len(table["recording"])
    for name, values in table.items():
        shape = (count, *expected.get(name, (joints, values.shape[-1])))
        if values.shape != shape or values.dtype.kind not in "iuf":
            raise OSError(f"its {name} of detections are {values.dtype} of shape {values.shape}, expected {shape}")
    if missing := [name for name in expected if name not in table and name != "box"]:
        raise OSError(f"its detections have no {', '.join(missing)}")
    if count and not 0 <= table["recording"].min() <= table["recording"].max() < recordings:
        raise OSError(f"its detections are of other recordings than the {recordings} there are")
