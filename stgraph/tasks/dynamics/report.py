"""A report of predicted joints and tracks as Markdown."""

from collections.abc import Mapping

from stgraph.formats.markdown import markdown_table, number_text
from stgraph.scoring.tracking.markdown import cells, recovery_markdown
from stgraph.tasks.dynamics.plots import TRACK_PLOTS
from stgraph.training.report import ReportKind, opening


def tracks_markdown(report: Mapping) -> str:
    """Errors of predictions and scores of tracking, for every predictor."""
    forecast = report["forecast"]
    horizons = list(next(iter(forecast["error"].values())))
    lines = [*opening(report["about"]), "", "## Predictions", "", forecast["text"], ""]
    rows = [(name, *map(number_text, errors.values())) for name, errors in forecast["error"].items()]
    rows.append(("joints", *(f"{count:,}" for count in forecast["joints"].values())))
    lines += markdown_table((f"frames ahead ({forecast['unit']})", *horizons), rows)
    lines += ["", "![Error by frames ahead](forecast.png)"]
    if "tracking" not in report:
        return "\n".join([*lines, "", f"Tracking is not scored: {report['not_tracked']}.", ""])
    first = next(iter(report["tracking"].values()))
    lines += ["", "## Tracking", "", f"- mode `{first['mode']}`: {first['what_it_does']}", ""]
    names = [name for name in ("AP", "MOTA", "MOTP", "IDF1", "HOTA") if name in first["overall"]]
    recovered = {
        "recall": "recovered, %",
        "recovering": "recovered",
        "false": "false",
        "kept_share": "identity kept, %",
    }
    rows = [
        (name, *cells(scores["overall"], [*names, "switches"]), *cells(scores["recovery"]["overall"], [*recovered]))
        for name, scores in report["tracking"].items()
    ]
    lines += markdown_table(("", *names, "switches", *recovered.values()), rows)
    lines += [
        "",
        "Recovered, %: of the joints that the detector missed in a gap. Recovered and false: of the joints that the "
        "tracker added. Identity kept: across gaps in which nothing of a person was detected.",
        "",
        "![Recovered joints by length of the gap](recovered.png)",
    ]
    return "\n".join([*lines, *recovery_markdown(first["recovery"]), ""])


TRACKS = ReportKind(tracks_markdown, TRACK_PLOTS)
