"""python -m data_prep summary data/NAME.h5: what is in a dataset, and whether it can be right.

Counts by subject and action, bone lengths, heights and floors, the 2D error of every detector, and what is implausible:
as tables on the terminal, and as summary.md and summary.json beside figures in a folder.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from data_prep.checks.measures import Detections, People, Table, measure_detections, measure_people, reference_poses
from data_prep.checks.plausibility import problems
from data_prep.source import command
from stgraph.data.dataset import Dataset
from stgraph.figures.animation import upright
from stgraph.figures.dataset import Example, plot_bones, plot_detectors, plot_examples
from stgraph.formats.files import replaced
from stgraph.formats.markdown import markdown_table

EXAMPLES = 6
# Lines of a table on the terminal; the file has all.
SHOWN = 20


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="FILE", help="a dataset, data/NAME.h5")
    parser.add_argument("--out", type=Path, help="folder for summary.md, summary.json and figures (reports/data/NAME)")


@command("summary", help="what is in a dataset, and what in it is implausible", arguments=add_arguments)
def run(args: Namespace) -> str:
    table = Table(Dataset(args.data))
    people = measure_people(table) if table.dataset.has("pose3d") else None
    path = people is not None and people.path
    detectors = [measure_detections(table, name, path) for name in table.dataset.detectors]
    summary = summarise(table, people, detectors)
    out = args.out or Path("reports/data") / args.data.stem
    write_summary(summary, table, path, out)
    return f"{markdown(summary, SHOWN)}\nsummary.md, summary.json and figures are in {out}"


def summarise(table: Table, people: People | None, detectors: list[Detections]) -> dict:
    """Everything that is said of a dataset, as what JSON holds: metres, pixels, minutes; null is unknown."""
    dataset = table.dataset
    about = {name: getattr(dataset, name) for name in ("source", "terms", "created_by", "notes")}
    skeleton = {"name": table.skeleton.name, "joints": list(table.skeleton.names)}
    found = {
        "file": dataset.path.name,
        "about": about | {"skeleton": skeleton, "left_out": len(dataset.left_out)},
        "counts": counts(table, np.ones(len(dataset), bool)),
        "valid": float(table.valid.mean()),
        "by": {column: by(table, dataset.recordings[column]) for column in ("subject", "action", "camera")},
        "frames": {
            str(subject): {
                str(action): int(dataset.recordings["frames"][both].sum())
                for action in np.unique(dataset.recordings["action"])
                if (both := (dataset.recordings["subject"] == subject) & (dataset.recordings["action"] == action)).any()
            }
            for subject in table.subjects
        },
        "splits": {name: by(table, parts) for name, parts in dataset.splits.items()},
        "subjects": people_summary(table, people) if people else {},
        "detectors": {detections.name: detector_summary(table, detections) for detections in detectors},
        "problems": problems(table, people, detectors),
    }
    return without_nan(found)


def counts(table: Table, chosen: np.ndarray) -> dict[str, float | int]:
    """Of the chosen recordings."""
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
    skeleton = table.skeleton
    bones = [f"{skeleton.names[parent]}-{skeleton.names[joint]}" for joint, parent in skeleton.bones]
    pairs = [skeleton.names[joint] for joint in skeleton.left]
    floors = people.floors
    found = {}
    for number, subject in enumerate(map(str, table.subjects)):
        mean, std = people.lengths[number], people.spread[number]
        asymmetry = people.asymmetry[number]
        found[subject] = {
            "height": float(people.height[number]),
            "asymmetry": {name: float(value) for name, value in zip(pairs, asymmetry, strict=True)},
            "floor": {camera: low for (owner, camera), low in floors.items() if owner == subject},
            "bones": {name: {"mean": float(a), "std": float(b)} for name, a, b in zip(bones, mean, std, strict=True)},
        }
    return found


def detector_summary(table: Table, detections: Detections) -> dict:
    """Of one detector: errors in pixels against its reference, over all joints and by joint; shares from 0 to 1."""
    of_joint = (detections.mean, detections.median, detections.most, detections.unseen)
    joints = {
        name: dict(zip(("mean", "median", "p95", "unseen"), map(float, values), strict=True))
        for name, *values in zip(table.skeleton.names, *of_joint, strict=True)
    }
    overall = dict(zip(("mean", "median", "p95"), detections.overall, strict=True))
    return {
        "reference": detections.reference or None,
        "all": overall | {"unseen": float(detections.unseen.mean())},
        "inside": detections.inside,
        "person_size": detections.size,
        "joints": joints,
    }


def without_nan(value: object) -> object:
    """Numbers that are none as None, which JSON has; others to six digits."""
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
    parts = [(title, summary["by"][title]) for title in ("subject", "action", "camera")]
    parts += [(f"part of the split {name!r}", split) for name, split in summary["splits"].items()]
    for title, groups in parts:
        rows = [
            (
                name or "(none)",
                *(f"{group[key]:,}" for key in ("recordings", "tracks", "frames")),
                f"{group['minutes']:.1f}",
            )
            for name, group in sorted(groups.items(), key=lambda item: -item[1]["frames"])
        ]
        head = (title, "recordings", "tracks", "frames", "minutes")
        lines += ["", f"## By {title}", "", *shortened(head, rows, most)]
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
        lines += ["", f"{detector['inside'] or 0:.1%} of the seen joints are in the image; people are "]
        lines[-1] += f"{number(detector['person_size'], 0)} pixels large."
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


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def subject_rows(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    rows = []
    for name, subject in subjects.items():
        asymmetry = {joint: value for joint, value in subject["asymmetry"].items() if value is not None}
        worst = max(asymmetry, key=lambda joint: abs(asymmetry[joint]), default="")
        spread = {bone: part["std"] / part["mean"] for bone, part in subject["bones"].items() if part["mean"]}
        loosest = max(spread, key=spread.get, default="")
        floor = sorted(subject["floor"].values())
        rows.append(
            (
                name,
                number(subject["height"], 2),
                f"{abs(asymmetry[worst]):.1%} {worst}" if worst else "-",
                f"{spread[loosest]:.1%} {loosest}" if loosest else "-",
                " to ".join(dict.fromkeys(f"{value:.2f}" for value in (floor[0], floor[-1]))) if floor else "-",
            )
        )
    return ("subject", "height, m", "asymmetry", "spread", "floor, m"), rows


def bone_ranges(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    rows = []
    for bone in next(iter(subjects.values()))["bones"]:
        parts = [subject["bones"][bone] for subject in subjects.values() if subject["bones"][bone]["mean"] is not None]
        mean, std = ([100 * part[key] for part in parts] for key in ("mean", "std"))
        rows.append(
            (bone, *(f"{value:.1f}" for value in (np.mean(mean), np.std(mean), min(mean), max(mean), max(std))))
        )
    return ("bone", "mean", "std of subjects", "shortest", "longest", "largest std over frames"), rows


def bone_rows(subjects: Mapping[str, Mapping]) -> tuple[tuple[str, ...], list[tuple]]:
    rows = []
    for bone in next(iter(subjects.values()))["bones"]:
        parts = [subject["bones"][bone] for subject in subjects.values()]
        rows.append((bone, *(f"{number_cm(part['mean'])} ± {number_cm(part['std'])}" for part in parts)))
    return ("bone", *subjects), rows


def number_cm(metres: float | None) -> str:
    return number(None if metres is None else 100 * metres, 1)


def joint_rows(detector: Mapping) -> tuple[tuple[str, ...], list[tuple]]:
    entries = [*detector["joints"].items(), ("**all**", detector["all"])]
    rows = [
        (name, *(number(entry[key], 2) for key in ("mean", "median", "p95")), f"{entry['unseen']:.1%}")
        for name, entry in entries
    ]
    return ("joint", "mean", "median", "95 %", "unseen"), rows


# As files -------------------------------------------------------------------------------------------------------------


def write_summary(summary: Mapping, table: Table, path: bool, folder: Path) -> None:
    """Write summary.md, summary.json and the figures, each beside its place and renamed."""
    title, figures = summary["file"] + (", synthetic data" if table.dataset.synthetic else ""), {}
    if summary["subjects"]:
        figures["bones.png"] = plot_bones({name: entry["bones"] for name, entry in summary["subjects"].items()}, title)
    compared = {name: entry for name, entry in summary["detectors"].items() if entry["reference"] and name != "gt"}
    if compared:
        figures["detectors.png"] = plot_detectors(compared, title)
    shown = next((name for name in table.dataset.detectors if name != "gt"), next(iter(table.dataset.detectors), ""))
    joints = summary["detectors"][shown]["joints"] if shown else {}
    missing = {name for name, entry in joints.items() if entry["unseen"] == 1} - {
        table.skeleton.names[table.skeleton.root]
    }
    chosen, above = examples(table, path, shown)
    figures["examples.png"] = plot_examples(chosen, table.skeleton, title, (above, "3D"), missing)
    for name, figure in figures.items():
        with replaced(folder / name) as temporary:
            figure.savefig(temporary, dpi=130)
    with replaced(folder / "summary.json") as temporary:
        text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text, encoding="utf-8")
    # Last, since it shows the figures.
    with replaced(folder / "summary.md") as temporary:
        temporary.write_text(markdown(summary, figures=figures), encoding="utf-8")


def examples(table: Table, path: bool, shown: str) -> tuple[list[Example], str]:
    """A frame of each of the actions with most frames, of different subjects where there are; and what the 2D shows.

    Args:
        path: whether the 3D poses have their places.
        shown: the detector, if there is one.
    """
    dataset, recordings = table.dataset, table.dataset.recordings
    known = "gt" in dataset.detectors or (path and recordings["intrinsics"][:, :2].all())
    reference = ("gt" if "gt" in dataset.detectors else "projection") if known and shown != "gt" else ""
    actions, code = np.unique(recordings["action"], return_inverse=True)
    frequent = np.argsort(-np.bincount(code, recordings["frames"]), kind="stable")[:EXAMPLES]
    found, met = [], set()
    for action in frequent:
        here = np.flatnonzero(code == action)
        recording = next((number for number in here if recordings["subject"][number] not in met), here[0])
        met.add(recordings["subject"][recording])
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
        found.append(Example(text, *size, pose2d, behind, pose3d))
    against = {"gt": f"2D {shown} over gt (grey)", "projection": f"2D {shown} over the projected 3D (grey)"}
    return found, against.get(reference, f"2D {shown}".rstrip())
