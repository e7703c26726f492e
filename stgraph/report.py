"""An evaluation's report as files: JSON, Markdown and plots."""

import json
from collections.abc import Mapping
from pathlib import Path

from stgraph.evaluation import METRICS
from stgraph.figures.plots import CLIP_PLOTS, PLOTS
from stgraph.figures.tracks import TRACK_PLOTS
from stgraph.io.files import replaced
from stgraph.io.tables import markdown_table
from stgraph.tracking_scores import recovery_markdown

SYNTHETIC = (
    "> **Synthetic data.** The motion was made by a program. These numbers show that everything works; they say "
    "nothing about the accuracy on real people."
)
GROUP_TITLES = {
    "recording": "recording",
    "action": "action",
    "subject": "subject",
    "camera": "camera",
    "joint": "joint (mean over {})",
}


def write_report(report: Mapping, folder: Path | str) -> list[Path]:
    """Write report.json, report.md and a PNG per plot, each beside its place and renamed. Returns their paths."""
    folder = Path(folder)
    paths = [write_json(report, folder / "report.json")]
    for name, plot in KINDS[report.get("kind", "poses")][1].items():
        if (figure := plot(report)) is not None:
            paths.append(folder / f"{name}.png")
            with replaced(paths[-1]) as temporary:
                figure.savefig(temporary, dpi=130)
    # Last, since it shows the plots.
    paths.append(folder / "report.md")
    with replaced(paths[-1]) as temporary:
        temporary.write_text(report_markdown(report), encoding="utf-8")
    return paths


def write_json(report: Mapping, path: Path | str) -> Path:
    """The report as one JSON file, written beside its place and renamed."""
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return Path(path)


def report_markdown(report: Mapping) -> str:
    """The report as Markdown: what was scored and how, the scores, tables by group, and the plots."""
    return KINDS[report.get("kind", "poses")][0](report)


def clips_markdown(report: Mapping) -> str:
    """Of recognised clips."""
    about, metrics, scored = report["about"], report["metrics"], report["scored"]
    clips = report["recognition"]["clips"]
    right = sum(clips["confusion"][number][number] for number in range(len(clips["confusion"])))
    persons = f" of {scored['persons']:,} persons" if scored["persons"] else ""
    lines = [*_opening(about), f"- clips: {scored['clips']:,}{persons}", ""]
    rows = [("**top-1**", f"**{_number(metrics['top1'])}**", f"{right:,} of {clips['count']:,}")]
    rows += [("top-5", _number(metrics["top5"]), "")] if metrics["top5"] is not None else []
    rows += [
        ("mean of the classes", _number(metrics["class_accuracy"]), ""),
        ("naming the largest class alone", _number(metrics["largest_class"]), ""),
        ("chance", _number(metrics["chance"]), ""),
    ]
    lines += [
        *markdown_table(("clips", "%", "right"), rows),
        "",
        "## Classes",
        "",
        *_recognition(report["recognition"]),
    ]
    for group, scores in report["by"].items():
        rows = [
            (name, f"{entry['right']:,}", f"{entry['clips']:,}", _number(entry["top1"]))
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


def _opening(about: Mapping) -> list[str]:
    """Title, warning and facts."""
    experiment = about.get("experiment")
    return [
        f"# Evaluation of {experiment}" if experiment else "# Evaluation",
        "",
        *([SYNTHETIC, ""] if about.get("synthetic") else []),
        *(f"- {name}: {value}" for name, value in about.items() if name not in ("experiment", "synthetic") and value),
    ]


def poses_markdown(report: Mapping) -> str:
    """Of lifted poses."""
    about, scored, by = report["about"], report["scored"], report["by"]
    over = f"{report['protocol']['mean_over']}s"
    lines = [
        *_opening(about),
        f"- protocol `{report['protocol']['name']}`: {report['protocol']['text']}",
        f"- scored: {scored['frames']:,} frames of {scored['recordings']:,} recordings in {scored['tracks']:,} tracks, "
        f"{len(scored['joints'])} joints"
        + (f"; with repeats {scored['counted']:,} frames" if scored["counted"] != scored["frames"] else ""),
        *(f"- left out: {what} ({why})" for what, why in report["left_out"]),
        "",
        *markdown_table(
            ("", "what it is", "unit", f"mean over {over}", "mean over frames"),
            (
                (f"**{name}**", METRICS[name][2], METRICS[name][0], _number(mean), _number(report["frame_mean"][name]))
                for name, mean in report["metrics"].items()
            ),
            text=3,
        ),
    ]
    if "recognition" in report:
        lines += ["", "## Recognised actions", "", *_recognition(report["recognition"])]
    for group, title in GROUP_TITLES.items():
        if group == "recording" and report["protocol"]["mean_over"] != group:
            continue  # there may be thousands
        names = list(next(iter(by[group].values())))
        rows = [(label, *(_number(scores[name]) for name in names)) for label, scores in by[group].items()]
        if group == report["protocol"]["mean_over"]:
            rows.append(("**mean**", *(f"**{_number(report['metrics'][name])}**" for name in names)))
        lines += ["", f"## By {title.format(over)}", "", *markdown_table((group, *names), rows)]
        if group in PLOTS or f"{group}s" in PLOTS:
            lines += ["", f"![Error by {group}]({group}s.png)"]
    worst = report["worst"]
    lines += ["", "## Worst recording", "", f"{worst['recording']}, P1 {worst['P1']:.1f} mm.", ""]
    lines += ["![Error along time of the worst recording](worst.png)", ""]
    return "\n".join(lines)


def tracks_markdown(report: Mapping) -> str:
    """Of people who were followed: errors of predictions, and scores of tracking, for every predictor."""
    forecast = report["forecast"]
    horizons = list(next(iter(forecast["error"].values())))
    lines = [*_opening(report["about"]), "", "## Predictions", "", forecast["text"], ""]
    rows = [(name, *map(_number, errors.values())) for name, errors in forecast["error"].items()]
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
    rows = []
    for name, scores in report["tracking"].items():
        overall, again = scores["overall"], scores["recovery"]["overall"]
        row = [_number(overall[key]) for key in names] + [f"{overall['switches']:,}"]
        row += [f"{again[key]:,}" if isinstance(again[key], int) else _number(again[key]) for key in recovered]
        rows.append((name, *row))
    lines += markdown_table(("", *names, "switches", *recovered.values()), rows)
    lines += [
        "",
        "Recovered, %: of the joints that the detector missed in a gap. Recovered and false: of the joints that the "
        "tracker added. Identity kept: across gaps in which nothing of a person was detected.",
        "",
        "![Recovered joints by length of the gap](recovered.png)",
    ]
    return "\n".join([*lines, *recovery_markdown(first["recovery"]), ""])


def _recognition(scores: Mapping) -> list[str]:
    """Accuracy over clips, frames ..., and the recall of every class with its counts."""
    parts = [name for name, part in scores.items() if isinstance(part, Mapping) and part.get("count")]
    lines = []
    if scores["unknown"]:
        left_out = ", ".join(f"{action} ({count})" for action, count in scores["unknown"].items())
        lines += [
            f"{sum(scores['unknown'].values())} recordings have an action that the training recordings did not have "
            f"and are left out of this part: {left_out}.",
            "",
        ]
    if not parts:
        return [*lines, f"Nothing is left to score; the classes are {', '.join(scores['classes'])}."]
    columns = {"accuracy": "accuracy, %", "class_accuracy": "mean of the classes, %"}
    columns |= {"largest_class": "naming the largest class alone, %", "count": "count"}
    rows = [
        (part, *(f"{scores[part][key]:,}" if key == "count" else _number(scores[part][key]) for key in columns))
        for part in parts
    ]
    lines += [*markdown_table(("over", *columns.values()), rows), ""]
    head = ("action", *(f"{part}{what}" for part in parts for what in (" recognised", "", ", recall %")))
    rows, absent = [], 0
    for number, name in enumerate(scores["classes"]):
        if not any(sum(scores[part]["confusion"][number]) for part in parts):
            absent += 1
            continue
        row = [name]
        for part in parts:
            confusion = scores[part]["confusion"][number]
            right, count = confusion[number], sum(confusion)
            row += [f"{right:,}", f"{count:,}", _number(100 * right / count if count else None)]
        rows.append(row)
    note = [f"{absent} of {len(scores['classes'])} classes do not occur and are left out.", ""] if absent else []
    return [*lines, *note, *markdown_table(head, rows), "", "![Recognised against true actions](recognition.png)"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


# Kind of report -> how it is told, and its plots.
KINDS = {
    "poses": (poses_markdown, PLOTS),
    "clips": (clips_markdown, CLIP_PLOTS),
    "tracks": (tracks_markdown, TRACK_PLOTS),
}
