"""A lifter's row in a comparison."""

from collections.abc import Mapping

from stgraph.training.compared import Column, Compared

COLUMNS = {
    "P1": Column("P1, mm"),
    "P2": Column("P2, mm"),
    "MPJVE": Column("MPJVE, mm/frame", 2),
    "action": Column("action, %"),
}


def compared(report: Mapping) -> Compared:
    """An evaluation's report as a row."""
    scores = {name: report["metrics"].get(name) for name in COLUMNS}
    if "recognition" in report:
        scores["action"] = report["recognition"]["frames"]["accuracy"]
    about, protocol = report["about"], report["protocol"]
    facts = {name: about[name] for name in ("data", "detector", "subjects")}
    facts["scored"] = f"{report['scored']['frames']:,} frames of {len(report['scored']['joints'])} joints"
    facts["protocol"] = protocol["text"]
    return Compared(scores, facts, about["synthetic"], about["trained_on_them_too"], protocol["model"])
