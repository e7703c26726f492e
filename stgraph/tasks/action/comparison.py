"""A recogniser's row in a comparison."""

from collections.abc import Mapping

from stgraph.training.compared import Column, Compared

COLUMNS = {"top1": Column("top-1, %"), "top5": Column("top-5, %"), "class_accuracy": Column("mean of the classes, %")}


def compared(report: Mapping) -> Compared:
    """An evaluation's report as a row."""
    about = report["about"]
    facts = {"data": about["data"], "input": about["input"], "part": about["scored"]}
    facts["scored"] = f"{report['scored']['clips']:,} clips of {len(report['recognition']['classes'])} classes"
    scores = {name: report["metrics"][name] for name in COLUMNS}
    return Compared(scores, facts, about["synthetic"], about["TRAINED ON THESE, TOO"])
