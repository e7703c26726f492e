"""An evaluation's report as files: JSON, Markdown and plots."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stgraph.formats.files import replaced

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYNTHETIC = (
    "> **Synthetic data.** The motion was made by a program. These numbers show that everything works; they say "
    "nothing about the accuracy on real people."
)


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


def opening(about: Mapping) -> list[str]:
    """Title, warning and facts."""
    experiment = about.get("experiment")
    return [
        f"# Evaluation of {experiment}" if experiment else "# Evaluation",
        "",
        *([SYNTHETIC, ""] if about.get("synthetic") else []),
        *(f"- {name}: {value}" for name, value in about.items() if name not in ("experiment", "synthetic") and value),
    ]
