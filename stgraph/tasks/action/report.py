"""The report of a recogniser's evaluation."""

from collections.abc import Mapping

from stgraph.scoring.clip_report import CLIP_PLOTS, clip_lines
from stgraph.training.report import ReportKind, opening


def clips_markdown(report: Mapping) -> str:
    """Of recognised clips."""
    return "\n".join([*opening(report["about"]), *clip_lines(report)])


CLIPS = ReportKind(clips_markdown, CLIP_PLOTS)
