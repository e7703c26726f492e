"""A report of recognised clips in words."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.classification_markdown import recognition_markdown
from stgraph.tasks.action.plots import CLIP_PLOTS
from stgraph.training.report import ReportKind, opening


def clips_markdown(report: Mapping) -> str:
    """Of recognised clips."""
    about, metrics, scored = report["about"], report["metrics"], report["scored"]
    clips = report["recognition"]["clips"]
    right = sum(clips["confusion"][number][number] for number in range(len(clips["confusion"])))
    persons = f" of {scored['persons']:,} persons" if scored["persons"] else ""
    lines = [*opening(about), f"- clips: {scored['clips']:,}{persons}", ""]
    rows = [("**top-1**", f"**{number_text(metrics['top1'])}**", f"{right:,} of {clips['count']:,}")]
    rows += [("top-5", number_text(metrics["top5"]), "")] if metrics["top5"] is not None else []
    rows += [
        ("mean of the classes", number_text(metrics["class_accuracy"]), ""),
        ("naming the largest class alone", number_text(metrics["largest_class"]), ""),
        ("chance", number_text(metrics["chance"]), ""),
    ]
    lines += [
        *markdown_table(("clips", "%", "right"), rows),
        "",
        "## Classes",
        "",
        *recognition_markdown(report["recognition"]),
    ]
    for group, scores in report["by"].items():
        rows = [
            (name, f"{entry['right']:,}", f"{entry['clips']:,}", number_text(entry["top1"]))
            for name, entry in scores.items()
        ]
        lines += ["", f"## By {group}", "", *markdown_table((group, "right", "clips", "top-1, %"), rows)]
    if report["confused"]:
        lines += [
            "",
            "## Most frequent mistakes",
            "",
            *markdown_table(("true", "recognised as", "clips"), report["confused"], text=2),
        ]
    return "\n".join([*lines, ""])


CLIPS = ReportKind(clips_markdown, CLIP_PLOTS)
