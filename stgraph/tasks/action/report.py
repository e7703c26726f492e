"""A recogniser's evaluation as a report, and as a row of a comparison."""

from collections.abc import Mapping

from stgraph.scoring.clip_report import CLIP_PLOTS, clip_lines
from stgraph.training.compared import Column, Compared
from stgraph.training.report import ReportKind, baseline_lines, opening


def clips_markdown(report: Mapping) -> str:
    """What was scored, accuracies, and the run beside its baselines."""
    return "\n".join([*opening(report["about"]), *clip_lines(report), *baseline_lines(report)[1:], ""])


CLIPS = ReportKind(clips_markdown, CLIP_PLOTS)
COLUMNS = {"top1": Column("top-1, %"), "top5": Column("top-5, %"), "class_accuracy": Column("mean of the classes, %")}


def comparison_row(report: Mapping) -> Compared:
    """The report as a row of a comparison."""
    about = report["about"]
    facts = {"data": about["data"], "input": about["input"], "part": about["scored"]}
    facts["scored"] = f"{report['scored']['clips']:,} clips of {len(report['recognition']['classes'])} classes"
    scores = {name: report["metrics"][name] for name in COLUMNS}
    return Compared(scores, facts, about["synthetic"], about["TRAINED ON THESE, TOO"])
