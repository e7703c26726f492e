"""Curves of a training run."""

from pathlib import Path

from stgraph.formats.files import replaced
from stgraph.scoring.metrics import named_unit


def plot_training(rows: list[dict[str, float]], path: Path, title: str) -> None:
    """Loss and errors over epochs, training and validation, as PNG.

    Args:
        rows: lines of metrics.csv: "epoch", "train/NAME" and perhaps "validation/NAME".
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from stgraph.figures.legible import legible

    names = [name.removeprefix("train/") for name in rows[0] if name.startswith("train/")]
    panels = ["loss", *filter(named_unit, names)]
    figure = Figure(figsize=(5 * len(panels), 3.6), layout="constrained")
    figure.suptitle(legible(title))
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for split, style in (("train", "o-"), ("validation", "s--")):
            if f"{split}/{name}" in rows[0]:
                axes.plot(epochs, [row[f"{split}/{name}"] for row in rows], style, markersize=3, label=split)
        axes.set(xlabel="epoch", ylabel=", ".join(named_unit(name) or (name,)))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=110)
