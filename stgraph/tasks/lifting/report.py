"""A report of lifted poses in words."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.classification_markdown import recognition_markdown
from stgraph.tasks.lifting.evaluation import METRICS
from stgraph.tasks.lifting.plots import PLOTS
from stgraph.training.report import ReportKind, opening

GROUP_TITLES = {
    "recording": "recording",
    "action": "action",
    "subject": "subject",
    "camera": "camera",
    "joint": "joint (mean over {})",
}


def poses_markdown(report: Mapping) -> str:
    """Of lifted poses."""
    about, scored, by = report["about"], report["scored"], report["by"]
    over = f"{report['protocol']['mean_over']}s"
    lines = [
        *opening(about),
        f"- protocol `{report['protocol']['name']}`: {report['protocol']['text']}",
        f"- scored: {scored['frames']:,} frames of {scored['recordings']:,} recordings in {scored['tracks']:,} tracks, "
        f"{len(scored['joints'])} joints"
        + (f"; with repeats {scored['counted']:,} frames" if scored["counted"] != scored["frames"] else ""),
        *(f"- left out: {what} ({why})" for what, why in report["left_out"]),
        "",
        *markdown_table(
            ("", "what it is", "unit", f"mean over {over}", "mean over frames"),
            (
                (
                    f"**{name}**",
                    METRICS[name][2],
                    METRICS[name][0],
                    number_text(mean),
                    number_text(report["frame_mean"][name]),
                )
                for name, mean in report["metrics"].items()
            ),
            text=3,
        ),
    ]
    if "recognition" in report:
        lines += ["", "## Recognised actions", "", *recognition_markdown(report["recognition"])]
    for group, title in GROUP_TITLES.items():
        if group == "recording" and report["protocol"]["mean_over"] != group:
            continue  # there may be thousands
        names = list(next(iter(by[group].values())))
        rows = [(label, *(number_text(scores[name]) for name in names)) for label, scores in by[group].items()]
        if group == report["protocol"]["mean_over"]:
            rows.append(("**mean**", *(f"**{number_text(report['metrics'][name])}**" for name in names)))
        lines += ["", f"## By {title.format(over)}", "", *markdown_table((group, *names), rows)]
        if group in PLOTS or f"{group}s" in PLOTS:
            lines += ["", f"![Error by {group}]({group}s.png)"]
    worst = report["worst"]
    lines += ["", "## Worst recording", "", f"{worst['recording']}, P1 {worst['P1']:.1f} mm.", ""]
    lines += ["![Error along time of the worst recording](worst.png)", ""]
    return "\n".join(lines)


POSES = ReportKind(poses_markdown, PLOTS)
