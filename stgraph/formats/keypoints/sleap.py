"""SLEAP: its analysis files (HDF5), and `.slp` where the package `sleap-io` is installed.

An analysis file has `tracks` (track, 2, node, frame) in pixels, `point_scores` (track, node, frame), `node_names`,
`track_names`, which may be empty, and `edge_inds`.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stgraph.errors import InputError
from stgraph.formats.keypoints.content import NO_CONFIDENCE, no_people
from stgraph.formats.keypoints.hdf5 import array, texts
from stgraph.formats.keypoints.poses import MOST_FRAMES, Raw
from stgraph.skeleton import MOST_JOINTS

MOST_TRACKS = 1000


def is_analysis(file: h5py.File) -> bool:
    """Whether an HDF5 file is SLEAP's analysis."""
    return "tracks" in file and "node_names" in file


def is_labels(file: h5py.File) -> bool:
    """Whether an HDF5 file is a `.slp`."""
    return "instances" in file and "pred_points" in file


def read_analysis(file: h5py.File, path: Path) -> list[Raw]:
    """The video of an analysis file. Raises InputError for other shapes, or without a pose."""
    names, values = texts(file, "node_names", path), array(file, "tracks", path)
    if values.ndim == 4 and values.shape[1:3] != (2, len(names)) and values.shape[2:] == (len(names), 2):
        values = values.transpose(1, 3, 2, 0)  # frame, track, node, x y: as sleap-io may write it
    if values.ndim != 4 or values.shape[1:3] != (2, len(names)) or not 0 < len(names) <= MOST_JOINTS:
        found = f"tracks of shape {values.shape} for {len(names)} nodes"
        raise InputError(where=path, found=found, expected="(tracks, 2, nodes, frames)")
    tracks, _, nodes, frames = values.shape
    if values.dtype.kind not in "fiu" or tracks > MOST_TRACKS or frames > MOST_FRAMES:
        raise InputError(where=path, found=f"{tracks} tracks in {frames} frames of {values.dtype}", expected="a video")
    xy = values.transpose(3, 0, 2, 1).astype(float)
    seen = np.isfinite(xy).all(axis=-1)
    confidence, notes = seen.astype(float), []
    if "point_scores" in file:
        scores = array(file, "point_scores", path)
        if scores.shape == (frames, tracks, nodes) != (tracks, nodes, frames):
            scores = scores.transpose(1, 2, 0)
        if scores.shape != (tracks, nodes, frames) or scores.dtype.kind not in "fiu":
            found = f"point_scores of shape {scores.shape}"
            raise InputError(where=path, found=found, expected=f"{(tracks, nodes, frames)}")
        given = scores.transpose(2, 0, 1).astype(float)
        # Points that a person placed have no score.
        confidence = np.where(seen & ~np.isfinite(given), 1, given)
    else:
        notes.append(NO_CONFIDENCE)
    pose = np.concatenate([xy, confidence[..., None]], axis=-1)
    frame, track = np.nonzero(np.any(seen, axis=2))
    if not len(frame):
        raise no_people(path)
    named = "track_names" in file and len(texts(file, "track_names", path)) == tracks
    return [
        Raw(
            path.stem,
            "SLEAP",
            frame,
            pose[frame, track],
            track if named or tracks == 1 else None,
            joints=names,
            frames=(0, frames),
            bones=bones_of(file, path, nodes),
            notes=notes,
        )
    ]


def bones_of(file: h5py.File, path: Path, nodes: int) -> tuple[tuple[int, int], ...]:
    """Pairs of nodes that are joined, as far as the file has them."""
    if "edge_inds" not in file:
        return ()
    edges = array(file, "edge_inds", path)
    edges = edges.T if edges.ndim == 2 and edges.shape[1] != 2 else edges
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype.kind not in "iu" or len(edges) > nodes**2:
        return ()
    return tuple((int(a), int(b)) for a, b in edges if 0 <= a < nodes and 0 <= b < nodes and a != b)


def read_labels(path: Path) -> list[Raw]:
    """The videos of a `.slp` file. Raises InputError without `sleap-io`, or for what that cannot read."""
    try:
        import sleap_io  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = "pip install sleap-io, or export an analysis file (HDF5) from SLEAP"
        raise InputError(".slp files need the package sleap-io", where=path, remedy=remedy) from error
    try:
        labels: Any = sleap_io.load_slp(str(path), open_videos=False)
        return [raw for index, video in enumerate(labels.videos) for raw in labelled(labels, video, index, path)]
    except InputError:
        raise
    except Exception as error:
        problem = f"sleap-io cannot read it ({type(error).__name__}: {error})"
        raise InputError(problem, where=path, remedy="export an analysis file (HDF5) from SLEAP") from error


def labelled(labels: Any, video: Any, index: int, path: Path) -> list[Raw]:
    """The video, if it is labelled: instances that a person placed, and predicted ones that none replaces."""
    frame, person, poses, score = [], [], [], []
    names = tuple(node.name for node in labels.skeletons[0].nodes)
    for one in labels:
        if one.video is not video:
            continue
        for instance in [*one.user_instances, *one.unused_predictions]:
            xy = np.asarray(instance.numpy(), float)
            given = instance.points["score"] if "score" in instance.points.dtype.names else np.ones(len(xy))
            poses.append(np.concatenate([xy, np.asarray(given, float)[:, None]], axis=1))
            frame.append(int(one.frame_idx))
            person.append(labels.tracks.index(instance.track) if instance.track in labels.tracks else -1)
            score.append(float(getattr(instance, "score", np.nan)))
    if not poses:
        return []
    name = path.stem if len(labels.videos) == 1 else f"{path.stem}/{index}"
    bones = tuple((int(a), int(b)) for a, b in labels.skeletons[0].edge_inds)
    return [
        Raw(name, "SLEAP", frame, pose=np.stack(poses), person=person, score=np.array(score), joints=names, bones=bones)
    ]
