"""Plots of a recogniser's report."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from stgraph.figures.confusion import plot_confusion, plot_contributions


def plot_clips(report: Mapping) -> Figure:
    """Recognised against true classes of clips."""
    scores = report["recognition"]
    counts = {"clips": np.array(scores["clips"]["confusion"])}
    return plot_confusion(counts, scores["classes"], "Recognised against true classes", _clip_facts(report))


def _clip_facts(report: Mapping) -> str:
    """What was evaluated."""
    about = report["about"]
    facts = [about.get("experiment"), about.get("input"), "synthetic data" if about.get("synthetic") else ""]
    return ", ".join(filter(None, facts))


def plot_clip_contributions(report: Mapping) -> Figure | None:
    """What every joint contributes to every class; None where the features belong to no joint."""
    if not (found := report.get("contributions")):
        return None
    classes = report["recognition"]["classes"]
    values = np.array([found["classes"].get(name) or [np.nan] * len(found["joints"]) for name in classes])
    return plot_contributions(values, classes, found["joints"], "Contribution of the joints", _clip_facts(report))


CLIP_PLOTS = {"recognition": plot_clips, "contributions": plot_clip_contributions}
