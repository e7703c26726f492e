"""The report of tracking as Markdown."""

from collections.abc import Mapping, Sequence

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.tracking.measures import COUNTED

MEANINGS = {
    "AP": "average precision by confidence, PCKh at half a head size (its mean is mAP)",
    "MOTA": "1 - (misses + switches + false positives) / objects",
    "MOTP": "1 - mean distance of the matches, in head sizes",
    "MOTP_listed": "MOTP as PoseTrack's evaluator prints it with today's motmetrics, which lists all near pairs",
    "IDF1": "joints in the best one-to-one pairing of persons and identities",
    "HOTA": "mean over 19 thresholds of the geometric mean of DetA and AssA",
    "DetA": "HOTA's part of detection",
    "AssA": "HOTA's part of identities",
}
# Keys of recovery -> titles of their columns.
MISSED = {"missed": "missed", "recovered": "recovered", "recall": "recall, %", "placed_recall": "placed, %"}
ADDED = {
    **{"added": "added", "recovering": "recovering", "right": "else right", "false": "false"},
    **{"not_judged": "not judged", "precision": "precision, %", "false_share": "false, %"},
}
KEPT = {"gaps": "gaps", "kept": "identity kept", "kept_share": "kept, %"}
OF_GROUPS = {
    **{name: name for name in ("missed", "recovered", "added", "false")},
    **{"recall": "recall, %", "precision": "precision, %"},
}


def tracking_markdown(report: Mapping) -> str:
    """The report of `score` as Markdown: facts, scores by joint and video, and recovered joints."""
    scored, overall = report["scored"], report["overall"]
    shares = [name for name in MEANINGS if name in overall]
    counted = [name for name in COUNTED if name in overall]
    lines = [
        "# Scores of tracking",
        "",
        f"- mode `{report['mode']}`: {report['what_it_does']}",
        f"- scored: {scored['frames']:,} labelled frames of {scored['videos']:,} videos, "
        f"{len(report['joints'])} joints; {scored['result_poses']:,} poses against "
        f"{scored['annotated_poses']:,} annotated ones",
    ]
    if report["never_annotated"]:
        kept = ": their AP (of joints that no result has) and MOTP are 0 in the means"
        effect = kept if report["mode"] == "official" else " and left out"
        lines.append(f"- never annotated{effect}: {', '.join(report['never_annotated'])}")
    if not report["tracked"]:
        lines.append("- no identities: AP is the only score")
    rows = [(f"**{name}**", MEANINGS[name], number_text(overall[name])) for name in shares]
    lines += ["", *markdown_table(("", "what it is", "%, mean over joints"), rows, text=2)]
    for group in ("joint", "video"):
        columns = {name: name for name in shares} | {name: name.replace("_", " ") for name in counted}
        rows = {**report[group], f"**{'mean' if group == 'joint' else 'all'}**": overall}
        lines += ["", f"## By {group}", "", *score_table(group, columns, rows)]
    return "\n".join([*lines, *(recovery_markdown(report["recovery"]) if "recovery" in report else []), ""])


def recovery_markdown(recovery: Mapping) -> list[str]:
    """Recovered joints, added joints and kept identities by length of the gap, as lines of a report."""
    overall = recovery["overall"]
    gaps = {**recovery["gap"], "**all**": overall}
    lines = [
        "",
        "## Recovered joints that the detector missed",
        "",
        "A missed joint is recovered if the result has it within half a head size, with the identity that the person "
        "had before the gap (placed: with any identity). "
        f"{overall['outside_gaps']:,} missed joints lie in no gap: there was no detection right before them.",
        "",
        *score_table("frames of the gap", MISSED, gaps),
        "",
        "Joints added to the detected ones, by the frames for which one goes on. Precision is the share of the judged "
        "ones that recover a missed joint; false ones lie at no annotated joint; the others have no annotation.",
        "",
        *score_table("frames added", ADDED, gaps),
        "",
        "Persons who were not detected at all for some frames, and whether their identity is the same afterwards.",
        "",
        *score_table("frames of the gap", KEPT, gaps),
    ]
    for group in ("joint", "video"):
        lines += ["", f"### Recovered by {group}", "", *score_table(group, OF_GROUPS, recovery[group])]
    return lines


def score_table(first: str, columns: Mapping[str, str], rows: Mapping[str, Mapping]) -> list[str]:
    """A table with a row for each name, whose column is called `first`; `columns`: key of a score -> its title."""
    return markdown_table((first, *columns.values()), ((name, *cells(row, [*columns])) for name, row in rows.items()))


def cells(row: Mapping, names: Sequence[str]) -> list[str]:
    """Values of a row: counts, shares in % with two decimals, "-" for None."""
    return [f"{row[name]:,}" if isinstance(row[name], int) else number_text(row[name]) for name in names]
