"""python -m data_prep summary data/NAME.h5: what is in a dataset, and whether it is plausible.

Counts by subject and action, bone lengths, heights and floors, the 2D error of every detector, and what is implausible:
as tables on the terminal, and as summary.md and summary.json beside figures in a folder.
"""

import json
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.checks.anatomy import bone_names
from data_prep.checks.measures import Detections, People, Table, measure_detections, measure_people
from data_prep.checks.plausibility import problems
from stgraph.data.dataset import Dataset
from stgraph.formats.files import replaced
from stgraph.formats.markdown import markdown_table

# Lines of a table on the terminal; the file has all.
SHOWN = 20


def run(args: Namespace) -> str:
    table = Table(Dataset(args.data))
    people = measure_people(table) if table.dataset.has("pose3d") else None
    path = people is not None and people.path
    detectors = [measure_detections(table, name, path) for name in table.dataset.detectors]
    summary = summarise(table, people, detectors)
    out = args.out or Path("reports/data") / args.data.stem
    write_summary(summary, table, path, out)
    return f"{markdown(summary, SHOWN)}\nsummary.md, summary.json and figures are in {out}"


def summarise(table: Table, people: People | None, detectors: list[Detections]) -> dict[str, Any]:
    """The whole summary of a dataset, as JSON holds it: metres, pixels, minutes; null is unknown."""
    dataset, recordings = table.dataset, table.dataset.recordings
    frames: dict[str, dict[str, int]] = {str(subject): {} for subject in table.subjects}
    for subject, action in sorted(set(zip(recordings["subject"], recordings["action"], strict=True))):
        chosen = (recordings["subject"] == subject) & (recordings["action"] == action)
        frames[str(subject)][str(action)] = int(recordings["frames"][chosen].sum())
    return without_nan(
        {
            "file": dataset.path.name,
            "about": {
                **{name: getattr(dataset, name) for name in ("source", "terms", "created_by", "notes")},
                "skeleton": {"name": table.skeleton.name, "joints": list(table.skeleton.names)},
                "left_out": len(dataset.left_out),
            },
            "counts": counts(table, np.ones(len(dataset), bool)),
            "valid": float(table.valid.mean()),
            "by": {column: by(table, recordings[column]) for column in ("subject", "action", "camera")},
            "frames": frames,
            "splits": {name: by(table, split) for name, split in dataset.splits.items()},
            "subjects": people_summary(table, people) if people else {},
            "detectors": {detections.name: detector_summary(table, detections) for detections in detectors},
            "problems": problems(table, people, detectors),
        }
    )


def counts(table: Table, chosen: np.ndarray) -> dict[str, float | int]:
    """Counts of the chosen recordings."""
    frames = table.dataset.recordings["frames"][chosen]
    return {
        "recordings": int(chosen.sum()),
        "tracks": int(chosen[table.dataset.tracks["recording"]].sum()),
        "frames": int(frames.sum()),
        "minutes": float((frames / table.fps[chosen]).sum() / 60),
    }


def by(table: Table, names: np.ndarray) -> dict[str, dict[str, float | int]]:
    """Counts by the name that each recording has."""
    return {str(name): counts(table, names == name) for name in np.unique(names)}


def people_summary(table: Table, people: People) -> dict[str, dict]:
    """By subject: bones, height, asymmetry and floor, metres."""
    names = table.skeleton.names
    bones = bone_names(table.skeleton)
    left = [names[joint] for joint in table.skeleton.left]
    lengths = np.stack([people.lengths, people.spread], axis=-1).tolist()
    return {
        str(subject): {
            "height": float(people.height[number]),
            "asymmetry": dict(zip(left, people.asymmetry[number].tolist(), strict=True)),
            "floor": {camera: low for (owner, camera), low in people.floors.items() if owner == subject},
            "bones": {
                name: {"mean": mean, "std": std} for name, (mean, std) in zip(bones, lengths[number], strict=True)
            },
        }
        for number, subject in enumerate(table.subjects)
    }


def detector_summary(table: Table, detections: Detections) -> dict:
    """A detector's errors in pixels against its reference, over all joints and by joint; shares from 0 to 1."""
    of_joint = (detections.mean, detections.median, detections.most, detections.unseen)
    joints = {
        name: dict(zip(("mean", "median", "p95", "unseen"), map(float, values), strict=True))
        for name, *values in zip(table.skeleton.names, *of_joint, strict=True)
    }
    overall = dict(zip(("mean", "median", "p95"), map(float, detections.overall), strict=True))
    return {
        "reference": detections.reference or None,
        "all": overall | {"unseen": float(detections.unseen.mean())},
        "inside": detections.inside,
        "person_size": detections.size,
        "joints": joints,
    }


def without_nan(value: Any) -> Any:
    """NaN and infinity as None, which JSON has; other numbers to six digits."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


# As text --------------------------------------------------------------------------------------------------------------


def markdown(summary: Mapping, most: int | None = None, figures: Iterable[str] = ()) -> str:
    """The summary as Markdown.

    Args:
        most: lines in a table; all by default.
        figures: names of files to show.
    """
    about, whole = summary["about"], summary["counts"]
    lines = [
        f"# {summary['file']}",
        "",
        f"- {whole['recordings']:,} recordings, {whole['tracks']:,} tracks, {whole['frames']:,} frames, "
        f"{whole['minutes']:.1f} minutes; {len(about['skeleton']['joints'])} joints, {about['skeleton']['name']}",
        *(f"- {name.replace('_', ' ')}: {about[name]}" for name in ("source", "terms", "created_by")),
        *(f"- note: {note}" for note in about["notes"]),
        *([f"- left out when it was made: {about['left_out']}, listed in the file"] if about["left_out"] else []),
        *([f"- frames whose ground truth counts: {summary['valid']:.1%}"] if summary["valid"] < 1 else []),
        "",
        "## Problems",
        "",
        *([f"- {text}" for text in summary["problems"]] or ["None found."]),
    ]
    groupings = [(title, summary["by"][title]) for title in ("subject", "action", "camera")]
    groupings += [(f"part of the split {name!r}", split) for name, split in summary["splits"].items()]
    keys = ("recordings", "tracks", "frames")
    for title, groups in groupings:
        frequent = sorted(groups.items(), key=lambda item: -item[1]["frames"])
        rows = [
            (name or "(none)", *(f"{group[key]:,}" for key in keys), f"{group['minutes']:.1f}")
            for name, group in frequent
        ]
        lines += ["", f"## By {title}", "", *shortened((title, *keys, "minutes"), rows, most)]
    if summary["subjects"]:
        lines += ["", "## Subjects", "", *shortened(*subject_rows(summary["subjects"]), most), "", SUBJECTS]
        lines += ["", "## Bone lengths, cm", "", *markdown_table(*bone_ranges(summary["subjects"]))]
        if not most:
            lines += ["", "Mean and standard deviation over frames, by subject:", ""]
            lines += markdown_table(*bone_rows(summary["subjects"]))
    for name, detector in summary["detectors"].items():
        against = {"gt": "against gt", "projection": "against the projection of the 3D"}
        reference = against.get(detector["reference"], "with nothing to compare with")
        lines += ["", f"## 2D {name!r} {reference}, pixels", "", *shortened(*joint_rows(detector), None)]
        inside, size = detector["inside"] or 0, number(detector["person_size"], 0)
        lines += ["", f"{inside:.1%} of the seen joints are in the image; people are {size} pixels large."]
    lines += [line for figure in figures for line in ("", f"![{Path(figure).stem}]({figure})")]
    return "\n".join([*lines, ""])


SUBJECTS = (
    "Height is from the feet to the head along the bones; asymmetry the largest difference between a left bone and its "
    "right one, of their mean; spread the largest standard deviation of a bone, of its length; floor the height of the "
    "lower foot in its lowest frames, over the cameras whose places are known."
)


def shortened(head: Iterable[str], rows: list[tuple], most: int | None) -> list[str]:
    """A table of the first rows, and how many more there are."""
    more = [f"... and {len(rows) - most} more"] if most and len(rows) > most else []
    return [*markdown_table(head, rows[:most]), *more]


def number(value: float | None, digits: int, unit: float = 1) -> str:
    """A value in a unit; "-" where it is unknown."""
    return "-" if value is None else f"{value / unit:.{digits}f}"


def subject_rows(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    """Head and rows of the table of subjects."""

    def largest(shares: Mapping[str, float]) -> str:
        name = max(shares, key=lambda name: abs(shares[name]), default="")
        return f"{abs(shares[name]):.1%} {name}" if name else "-"

    rows = []
    for name, subject in subjects.items():
        asymmetry = {joint: value for joint, value in subject["asymmetry"].items() if value is not None}
        spread = {bone: stats["std"] / stats["mean"] for bone, stats in subject["bones"].items() if stats["mean"]}
        floor = sorted(subject["floor"].values())
        heights = " to ".join(dict.fromkeys(number(value, 2) for value in floor[:1] + floor[-1:])) or "-"
        rows.append((name, number(subject["height"], 2), largest(asymmetry), largest(spread), heights))
    return ("subject", "height, m", "asymmetry", "spread", "floor, m"), rows


def bone_ranges(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    """Head and rows of the table of bones over all subjects, centimetres."""
    rows = []
    for bone in next(iter(subjects.values()))["bones"]:
        stats = [subject["bones"][bone] for subject in subjects.values() if subject["bones"][bone]["mean"] is not None]
        mean, std = ([100 * each[key] for each in stats] for key in ("mean", "std"))
        lengths = (np.mean(mean), np.std(mean), min(mean), max(mean), max(std)) if stats else [None] * 5
        rows.append((bone, *("-" if cm is None else f"{cm:.1f}" for cm in lengths)))
    return ("bone", "mean", "std of subjects", "shortest", "longest", "largest std over frames"), rows


def bone_rows(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    """Head and rows of the table of bones by subject, centimetres."""
    rows = []
    for bone in next(iter(subjects.values()))["bones"]:
        stats = [subject["bones"][bone] for subject in subjects.values()]
        rows.append((bone, *(" ± ".join(number(each[key], 1, 0.01) for key in ("mean", "std")) for each in stats)))
    return ("bone", *subjects), rows


def joint_rows(detector: Mapping) -> tuple[tuple[str, ...], list[tuple]]:
    """Head and rows of the table of a detector's errors, pixels."""
    entries = [*detector["joints"].items(), ("**all**", detector["all"])]
    rows = [
        (name, *(number(entry[key], 2) for key in ("mean", "median", "p95")), f"{entry['unseen']:.1%}")
        for name, entry in entries
    ]
    return ("joint", "mean", "median", "95 %", "unseen"), rows


# As files -------------------------------------------------------------------------------------------------------------


def write_summary(summary: Mapping, table: Table, path: bool, folder: Path) -> None:
    """Write summary.md, summary.json and the figures, each beside its place and renamed."""
    from data_prep.checks.figures import draw

    figures = draw(summary, table, path)
    for name, figure in figures.items():
        with replaced(folder / name) as temporary:
            figure.savefig(temporary, dpi=130)
    with replaced(folder / "summary.json") as temporary:
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text, encoding="utf-8")
    # Last, since it shows the figures.
    with replaced(folder / "summary.md") as temporary:
        temporary.write_text(markdown(summary, figures=figures), encoding="utf-8")
