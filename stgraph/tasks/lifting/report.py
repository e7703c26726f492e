"""A lifter's evaluation as a report, and as a row of a comparison."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.classification_markdown import recognition_markdown
from stgraph.tasks.lifting.conditions import CONDITIONS, SEED
from stgraph.tasks.lifting.evaluation import METRICS
from stgraph.tasks.lifting.plots import CALIBRATION, PLOTS
from stgraph.training.compared import Column, Compared
from stgraph.training.report import ReportKind, baseline_lines, opening

COLUMNS = {
    "P1": Column("P1, mm"),
    "P2": Column("P2, mm"),
    "MPJVE": Column("MPJVE, mm/frame", 2),
    "action": Column("action, %"),
    **{name: Column(f"{name}: P1, mm") for name in CONDITIONS},
}
BESIDE = {name: COLUMNS[name] for name in ("P1", "P2", "MPJVE")} | {"path": Column("path, mm")}  # of baselines
UNDER_CONDITIONS = ("P1", "P2", "MPJVE", "path", "path of distance")
PLOTTED = {"action": "actions", "joint": "joints"}  # group -> the plot of it


def poses_markdown(report: Mapping) -> str:
    """Protocol, scores, tables by group, and plots."""
    scored, protocol = report["scored"], report["protocol"]
    repeats = f"; with repeats {scored['counted']:,} frames" if scored["counted"] != scored["frames"] else ""
    metrics = [
        (f"**{name}**", METRICS[name].text, METRICS[name].unit, number_text(mean), number_text(over_frames))
        for (name, mean), over_frames in zip(report["metrics"].items(), report["frame_mean"].values(), strict=True)
    ]
    head = ("", "what it is", "unit", f"mean over {protocol['mean_over']}s", "mean over frames")
    lines = [
        *opening(report["about"]),
        f"- protocol `{protocol['name']}`: {protocol['text']}",
        f"- this model: {protocol['model']}",
        f"- scored: {scored['frames']:,} frames of {scored['recordings']:,} recordings in {scored['tracks']:,} tracks, "
        f"{len(scored['joints'])} joints{repeats}",
        *(f"- left out: {recording} ({why})" for recording, why in report["left_out"]),
        "",
        *markdown_table(head, metrics, text=3),
        *baseline_lines(report),
    ]
    if "conditions" in report:
        lines += ["", *conditions_markdown(report["conditions"])]
    if "calibration" in report:
        lines += ["", "## How certain it is", "", f"![Errors that were expected and made]({CALIBRATION}.png)"]
    if "recognition" in report:
        lines += ["", "## Recognised actions", "", *recognition_markdown(report["recognition"])]
    # Not by recording in general: there may be thousands.
    groups = ["recording"] * (protocol["mean_over"] == "recording") + ["action", "subject", "camera", "joint"]
    for group in groups:
        lines += ["", *group_markdown(report, group)]
    worst = report["worst"]
    lines += ["", "## Worst recording", "", f"{worst['recording']}, P1 {worst['P1']:.1f} mm.", ""]
    return "\n".join([*lines, "![Error along time of the worst recording](worst.png)", ""])


def conditions_markdown(conditions: Mapping[str, Mapping]) -> list[str]:
    """The scores under each condition."""
    names = [name for name in UNDER_CONDITIONS if any(name in scores for scores in conditions.values())]
    rows = [
        (name, CONDITIONS[name].text, *(number_text(scores.get(column)) for column in names))
        for name, scores in conditions.items()
    ]
    head = ("", "what is scored", *(f"{name}, {METRICS[name].unit}" for name in names))
    return ["## By condition", "", f"Drawn from seed {SEED}.", "", *markdown_table(head, rows, text=2)]


def group_markdown(report: Mapping, group: str) -> list[str]:
    """The scores by the names of a group, their mean where the protocol takes it so, and the plot."""
    by, mean_over = report["by"][group], report["protocol"]["mean_over"]
    names = list(next(iter(by.values())))
    rows = [(label, *(number_text(scores[name]) for name in names)) for label, scores in by.items()]
    if group == mean_over:
        rows.append(("**mean**", *(f"**{number_text(report['metrics'][name])}**" for name in names)))
    title = f"{group} (mean over {mean_over}s)" if group == "joint" else group
    plot = ["", f"![Error by {group}]({PLOTTED[group]}.png)"] if group in PLOTTED else []
    return [f"## By {title}", "", *markdown_table((group, *names), rows), *plot]


POSES = ReportKind(poses_markdown, PLOTS)


def comparison_row(report: Mapping) -> Compared:
    """The report as a row of a comparison."""
    scores = {name: report["metrics"].get(name) for name in COLUMNS}
    scores |= {name: metrics["P1"] for name, metrics in report.get("conditions", {}).items()}
    if "recognition" in report:
        scores["action"] = report["recognition"]["frames"]["accuracy"]
    about, protocol = report["about"], report["protocol"]
    facts = {name: about[name] for name in ("data", "detector", "subjects")}
    facts["scored"] = f"{report['scored']['frames']:,} frames of {len(report['scored']['joints'])} joints"
    facts["protocol"] = protocol["text"]
    return Compared(scores, facts, about["synthetic"], about["trained_on_them_too"], protocol["model"])
