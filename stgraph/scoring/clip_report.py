"""A report of recognised clips as Markdown and plots."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.classification_markdown import recognition_markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def clip_lines(report: Mapping) -> list[str]:
    """Lines of Markdown on a report of `ClipScores`: accuracies, and tables of the classes, groups and mistakes."""
    metrics, scored, clips = report["metrics"], report["scored"], report["recognition"]["clips"]
    persons = f" of {scored['persons']:,} persons" if scored["persons"] else ""
    rows = [
        ("**top-1**", f"**{number_text(metrics['top1'])}**", f"{np.trace(clips['confusion']):,} of {clips['count']:,}")
    ]
    rows += [("top-5", number_text(metrics["top5"]), "")] if metrics["top5"] is not None else []
    names = {"class_accuracy": "mean of the classes", "largest_class": "always the largest class", "chance": "chance"}
    rows += [(name, number_text(metrics[key]), "") for key, name in names.items()]
    lines = [f"- clips: {scored['clips']:,}{persons}", "", *markdown_table(("clips", "%", "right"), rows)]
    lines += ["", "## Classes", "", *recognition_markdown(report["recognition"])]
    for group, scores in report["by"].items():
        rows = [
            (name, f"{entry['right']:,}", f"{entry['clips']:,}", number_text(entry["top1"]))
            for name, entry in scores.items()
        ]
        lines += ["", f"## By {group}", "", *markdown_table((group, "right", "clips", "top-1, %"), rows)]
    if report["confused"]:
        table = markdown_table(("true", "recognised as", "clips"), report["confused"], text=2)
        lines += ["", "## Most frequent mistakes", "", *table]
    return [*lines, ""]


def plot_clips(report: Mapping) -> "Figure | None":
    """The confusion matrix of the clips."""
    from stgraph.figures.axes import run_facts
    from stgraph.figures.confusion import plot_confusion

    scores = report["recognition"]
    counts = {"clips": np.array(scores["clips"]["confusion"])}
    return plot_confusion(counts, scores["classes"], "Recognised against true classes", run_facts(report))


def plot_clip_contributions(report: Mapping) -> "Figure | None":
    """Contribution of every joint to every class; None where the features have no joints."""
    from stgraph.figures.axes import run_facts
    from stgraph.figures.confusion import plot_contributions

    if not (contributions := report.get("contributions")):
        return None
    classes, joints = report["recognition"]["classes"], contributions["joints"]
    values = np.array([contributions["classes"].get(name) or [np.nan] * len(joints) for name in classes])
    return plot_contributions(values, classes, joints, "Contribution of the joints", run_facts(report))


CLIP_PLOTS = {"recognition": plot_clips, "contributions": plot_clip_contributions}
