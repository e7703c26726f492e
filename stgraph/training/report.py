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
    titles = {key: column.title for key, column in baselines.columns.items()}
    kept = {name: {key: values.get(key) for key in titles} for name, values in baselines.scores.items()}
    about = report["about"] | {NOT_BETTER: not_better(report["metrics"], kept, titles, baselines.judged)}
    return report | {"about": about, "baselines": {"text": baselines.text, "titles": titles, "scores": kept}}


def not_better(
    own: Mapping, baselines: Mapping[str, Mapping], titles: Mapping[str, str], judged: Mapping[str, bool]
) -> str:
    """A sentence for each metric of which baselines have a value at least as good; empty without any.

    Args:
        own, baselines: metric -> value, of the run and of each baseline by its name.
        titles: metric -> its title with the unit, "P1, mm"; others are not compared.
        judged: metrics that say which is better -> whether low values are good.

    >>> scores = {"mean pose": {"P1": 120.0}, "ridge regression": {"P1": 95.04}}
    >>> not_better({"P1": 98.8}, scores, {"P1": "P1, mm"}, {"P1": True})
    'Its P1 of 98.80 mm is not better than ridge regression (95.04 mm).'
    """
    sentences = []
    for key, low in judged.items():
        if key not in titles or own.get(key) is None:
            continue
        (title, unit), sign = titles[key].split(", "), 1 if low else -1
        known = {name: scores[key] for name, scores in baselines.items() if scores.get(key) is not None}
        best = {name: value for name, value in known.items() if sign * value <= sign * own[key]}
        listed = " and ".join(f"{name} ({number_text(value)} {unit})" for name, value in best.items())
        if best:
            sentences.append(f"Its {title} of {number_text(own[key])} {unit} is not better than {listed}.")
    return " ".join(sentences)


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
