"""An evaluation's report as files: JSON, Markdown and plots."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stgraph.formats.files import replaced
from stgraph.formats.markdown import markdown_table, number_text
from stgraph.training.compared import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYNTHETIC = (
    "> **Synthetic data.** The motion was made by a program. These numbers show that everything works; they say "
    "nothing about the accuracy on real people."
)

NOT_BETTER = "NOT BETTER THAN BASELINES"  # a fact of a report


@dataclass(frozen=True)
class ReportKind:
    """A task's report as Markdown, and its plots.

    Attributes:
        markdown: what was scored and how, the scores, tables by group, and the plots.
        plots: name of a PNG -> what draws it; None where there is nothing to draw.
        name: of the JSON and Markdown files.
    """

    markdown: Callable[[Mapping], str]
    plots: Mapping[str, Callable[[Mapping], "Figure | None"]]
    name: str = "report"

    def write(self, report: Mapping, folder: Path | str) -> list[Path]:
        """Write the JSON, the Markdown and a PNG per plot, each beside its place and renamed. Returns their paths."""
        folder = Path(folder)
        paths = [write_json(report, folder / f"{self.name}.json")]
        for name, plot in self.plots.items():
            if (figure := plot(report)) is not None:
                paths.append(folder / f"{name}.png")
                with replaced(paths[-1]) as temporary:
                    figure.savefig(temporary, dpi=130)
        # Last, since it shows the plots.
        paths.append(folder / f"{self.name}.md")
        with replaced(paths[-1]) as temporary:
            temporary.write_text(self.markdown(report), encoding="utf-8")
        return paths


def write_json(report: Mapping, path: Path | str) -> Path:
    """The report as one JSON file, written beside its place and renamed."""
    with replaced(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return Path(path)


@dataclass(frozen=True)
class Baselines:
    """Baselines of a task on the data that a run is scored on.

    Attributes:
        text: what they were fitted to, or why there are none.
        scores: name of the baseline -> metric -> value.
        columns: of the metrics that a report shows.
        judged: metrics that say which is better -> whether low values are good.
    """

    text: str
    scores: Mapping[str, Mapping]
    columns: Mapping[str, Column]
    judged: Mapping[str, bool]


def add_baselines(report: dict, baselines: Baselines) -> dict:
    """A report (with `about` and `metrics`) beside baselines, and with a warning where the run is not better."""
    columns = baselines.columns
    kept = {name: {key: values.get(key) for key in columns} for name, values in baselines.scores.items()}
    titles = {key: column.title for key, column in columns.items()}
    warnings = [
        not_better(titles[key], report["metrics"].get(key), {name: kept[name][key] for name in kept}, low)
        for key, low in baselines.judged.items()
    ]
    about = report["about"] | {NOT_BETTER: " ".join(filter(None, warnings))}
    return report | {"about": about, "baselines": {"text": baselines.text, "titles": titles, "scores": kept}}


def not_better(title: str, own: float | None, others: Mapping[str, float | None], low: bool) -> str:
    """A sentence on the baselines that have a score at least as good; empty without any.

    >>> not_better("P1, mm", 98.8, {"mean pose": 120.0, "ridge regression": 95.04}, low=True)
    'Its P1 of 98.80 mm is not better than ridge regression (95.04 mm).'
    """
    (score, unit), sign = title.split(", "), 1 if low else -1
    if own is None:
        return ""
    known = {name: value for name, value in others.items() if value is not None}
    best = {name: value for name, value in known.items() if sign * value <= sign * own}
    listed = " and ".join(f"{name} ({number_text(value)} {unit})" for name, value in best.items())
    return f"Its {score} of {number_text(own)} {unit} is not better than {listed}." if best else ""


def baseline_lines(report: Mapping) -> list[str]:
    """The run beside its baselines, as Markdown; nothing where the report has none."""
    if not (baselines := report.get("baselines")):
        return []
    lines = ["", "## Beside baselines", "", f"Baselines: {baselines['text']}."]
    if not baselines["scores"]:
        return lines
    titles = {key: title for key, title in baselines["titles"].items() if report["metrics"].get(key) is not None}
    rows = {"this run": report["metrics"], **baselines["scores"]}
    table = [(name, *(number_text(scores.get(key)) for key in titles)) for name, scores in rows.items()]
    return [*lines, "", *markdown_table(("", *titles.values()), table)]


def opening(about: Mapping) -> list[str]:
    """Title, warning and facts."""
    experiment = about.get("experiment")
    return [
        f"# Evaluation of {experiment}" if experiment else "# Evaluation",
        "",
        *([SYNTHETIC, ""] if about.get("synthetic") else []),
        *(f"- {name}: {value}" for name, value in about.items() if name not in ("experiment", "synthetic") and value),
    ]
