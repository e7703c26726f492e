"""Figures of a dataset's summary: bones, errors of detectors, and examples of poses."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from data_prep.checks.measures import Table, reference_of, reference_poses
from stgraph.figures.dataset import Example, plot_bones, plot_detectors, plot_examples
from stgraph.figures.projection import upright

EXAMPLES = 6


def draw(summary: Mapping, table: Table, path: bool) -> dict[str, Figure]:
    """File name -> figure; of bones and detectors where there are 3D poses, and errors.

    Args:
        path: whether the 3D poses have their places.
    """
    title, figures = summary["file"] + (", synthetic data" if table.dataset.synthetic else ""), {}
    if summary["subjects"] and table.skeleton.bones:
        figures["bones.png"] = plot_bones({name: entry["bones"] for name, entry in summary["subjects"].items()}, title)
    compared = {name: entry for name, entry in summary["detectors"].items() if entry["reference"] and name != "gt"}
    if compared:
        figures["detectors.png"] = plot_detectors(compared, title)
    detectors, skeleton = table.dataset.detectors, table.skeleton
    shown = next((name for name in detectors if name != "gt"), next(iter(detectors), ""))
    joints = summary["detectors"][shown]["joints"] if shown else {}
    missing = {name for name, entry in joints.items() if entry["unseen"] == 1} - {skeleton.names[skeleton.root]}
    chosen, above = examples(table, path, shown)
    figures["examples.png"] = plot_examples(chosen, skeleton, title, (above, "3D"), missing)
    return figures


def examples(table: Table, path: bool, shown: str) -> tuple[list[Example], str]:
    """A frame of each of the actions with most frames, of different subjects where there are; and what the 2D shows.

    Args:
        path: whether the 3D poses have their places.
        shown: the detector, if there is one.
    """
    dataset, recordings = table.dataset, table.dataset.recordings
    reference = reference_of(table, shown, path) if shown != "gt" else ""
    actions, code = np.unique(recordings["action"], return_inverse=True)
    frequent = np.argsort(-np.bincount(code, recordings["frames"]), kind="stable")[:EXAMPLES]
    chosen, subjects = [], set()
    for action in frequent:
        here = np.flatnonzero(code == action)
        recording = next((number for number in here if recordings["subject"][number] not in subjects), here[0])
        subjects.add(recordings["subject"][recording])
        rows = np.flatnonzero((table.recording == recording) & table.valid)
        row = int(rows[len(rows) // 2]) if len(rows) else int(np.flatnonzero(table.recording == recording)[0])
        behind = None
        if reference:
            pose, seen = reference_poses(table, slice(row, row + 1), reference)
            behind = np.concatenate([pose[0], seen[0][:, None]], axis=-1)
        pose3d = None
        if dataset.has("pose3d"):
            pose = dataset.rows("pose3d")[row].astype(np.float64)
            pose3d = upright(pose - pose[table.skeleton.root], recordings["rotation"][recording])
        name = str(actions[action])
        text = f"{name if len(name) < 22 else name[:20] + '...'}\n{recordings['subject'][recording]}"
        size = (int(recordings["width"][recording]), int(recordings["height"][recording]))
        pose2d = np.array(dataset.rows(f"pose2d/{shown}")[row]) if shown else None
        chosen.append(Example(text, *size, pose2d, behind, pose3d))
    against = {"gt": f"2D {shown} over gt (grey)", "projection": f"2D {shown} over the projected 3D (grey)"}
    return chosen, against.get(reference, f"2D {shown}".rstrip())
