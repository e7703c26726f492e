"""Several experiments on the same frames, side by side: trained where they are not, scored alike, one table."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from stgraph.cli.options import check_task
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.formats.markdown import markdown_table
from stgraph.settings import params
from stgraph.settings.params import Settings, load
from stgraph.tasks.lifting.protocols import Protocol
from stgraph.training.checkpoint import FOLDER
from stgraph.training.cost import frames_per_second, mmac_per_frame, parameters
from stgraph.training.engine import Engine
from stgraph.training.loop import Listener
from stgraph.training.run import Run, data_file

# key of a row -> (title, decimals); those that spread over seeds carry their standard deviation.
COLUMNS = {
    "parameters": ("parameters", 0),
    "mmac": ("MMAC a frame", 2),
    "P1": ("P1, mm", 1),
    "P2": ("P2, mm", 1),
    "MPJVE": ("MPJVE, mm/frame", 2),
    "action": ("action, %", 1),
    "minutes": ("training, min", 1),
    "epochs": ("epochs", 2),
    "window": ("frames at once", 0),
    "fps": ("frames/s at batch 1", 0),
}
ABOUT = ("data", "detector", "subjects", "synthetic", "trained_on_them_too")
SPREAD = ("P1", "P2", "MPJVE", "action")


@dataclass(frozen=True)
class Entry:
    """One training to compare.

    Attributes:
        exp: the experiment or trained run that was asked for.
        name: of its run in checkpoints/.
        settings: to train it with; None for a run that is taken as it is.
    """

    exp: str
    name: str
    settings: Settings | None


def entries(
    exps: Sequence[str], data: Path | None, detector: str | None, overrides: Sequence[str], seeds: Sequence[int]
) -> list[Entry]:
    """What to train or to take, in order; everything that is wrong with their settings is found here.

    An experiment may carry overrides of its own: "tcn:optim.batch_size=64,model.channels=256". A run that is trained
    under the experiment's own name is taken as it is, unless other data, settings or seeds are asked for: those runs
    are called EXP-DATA-SEED-HASH, with a hash of their settings. On other data the subjects are those of the file's
    split.

    Raises:
        InputError: settings that cannot work, or overrides for a run that has no experiment to train anew.
    """
    common = list(overrides)
    if data:
        common = [f"data.dataset={data}", "data.train=null", "data.validation=[]", "data.test=null", *common]
    if detector:
        common.append(f"data.detector={detector}")
    found = []
    for asked in exps:
        exp, _, own = asked.partition(":")
        changes = [*common, *re.split(r",(?=\w+\.)", own)] if own else common
        trained = (FOLDER / exp / "best.safetensors").exists()
        known = (params.FOLDER / exp / "params.json").exists()
        if trained and own and not known:
            raise InputError(
                f"{asked}: {FOLDER / exp} is a trained run without {params.FOLDER / exp / 'params.json'}, so it cannot "
                "be trained with other settings; leave them out, or name the experiment it was made from"
            )
        if trained and not (known and (changes or seeds)):
            found.append(Entry(asked, exp, None))
            continue
        for seed in seeds or [None]:
            settings = load(exp, changes if seed is None else [*changes, f"seed={seed}"])
            name = exp
            if changes or seeds:
                text = json.dumps(settings.model_dump(), sort_keys=True)
                label = re.sub(r"[^\w.=-]+", "_", asked)[:60]
                digest = hashlib.sha256(text.encode()).hexdigest()[:6]
                name = f"{label}-{data_file(settings).stem}-{settings.seed}-{digest}"
            found.append(Entry(asked, name, settings))
    return found


def compare(
    chosen: Sequence[Entry],
    protocol: Protocol,
    engine: Engine,
    listener: Listener,
    *,
    data: Path | None = None,
    detector: str | None = None,
    subjects: list[str] | None = None,
    minutes: float | None = None,
) -> list[dict]:
    """A row for each experiment, the means over its seeds; trains what is untrained, one after the other.

    Raises:
        InputError: settings that the data cannot serve, or runs that score different joints, before anything is
            trained.
    """
    files: dict[Path, Dataset] = {}

    def opened(settings: Settings) -> Dataset:
        path = data or data_file(settings)
        if path not in files:
            files[path] = Dataset(path)
        return files[path]

    joints: dict[tuple[str, ...], str] = {}
    for entry in chosen:
        run = None if entry.settings else Run.load(entry.name, engine)
        check_task(entry.exp, entry.settings or run.settings, "lifting")
        if run is None:
            run = Run.create(entry.name, entry.settings, opened(entry.settings), engine)
            run.windows(opened(entry.settings), run.settings.data.train)
        joints.setdefault(tuple(name for name in run.skeleton.names if name not in protocol.without_joints), entry.exp)
    if len(joints) > 1:
        each = "; ".join(f"{exp}: {len(names)} joints" for names, exp in joints.items())
        raise InputError(
            f"different joints cannot be compared ({each}); train all on the same ones, such as --set "
            "data.skeleton=h36m16, or score those that all have, such as --protocol semgcn"
        )
    rows: dict[str, list[dict]] = {}
    for entry in chosen:
        spent = None
        if entry.settings:
            dataset = opened(entry.settings)
            run = Run.create(entry.name, entry.settings, dataset, engine)
            spent = run.fit(dataset, listener, resume=True, minutes=minutes).seconds / 60
        run = Run.load(entry.name, engine)
        report = run.evaluate(opened(run.settings), protocol, subjects=subjects, detector=detector)
        scores = {name: report["metrics"][name] for name in ("P1", "P2", "MPJVE")}
        if "recognition" in report:
            scores["action"] = report["recognition"]["frames"]["accuracy"]
        about = {name: report["about"][name] for name in ABOUT}
        row = {"exp": entry.exp, "run": entry.name, "joints": len(report["scored"]["joints"])}
        row |= {"frames": report["scored"]["frames"], "about": about, "protocol": report["protocol"]["text"]}
        row |= {"seed": run.settings.seed, "minutes": spent, "epochs": run.epoch, **scores}
        row |= {"parameters": parameters(run), "mmac": mmac_per_frame(run), "fps": frames_per_second(run)}
        row["window"] = run.settings.data.frames - run.model.before - run.model.after
        rows.setdefault(entry.exp, []).append(row)
    return [joined(seeds) for seeds in rows.values()]


def joined(rows: list[dict]) -> dict:
    """One row of an experiment's seeds: means, standard deviations under NAME_std, and each seed's scores."""
    row = dict(rows[0]) | {"seeds": rows}
    for name in COLUMNS:
        values = [entry[name] for entry in rows if entry.get(name) is not None]
        if values:
            row[name] = mean(values)
            if name in SPREAD and len(values) > 1:
                row[f"{name}_std"] = stdev(values)
    return row


def comparison_markdown(rows: Sequence[dict], budget: str) -> str:
    """The table, with what was scored and how."""
    columns = {name: titled for name, titled in COLUMNS.items() if any(row.get(name) is not None for row in rows)}
    lines = ["# Comparison", ""]
    for name, values in {
        "data": [row["about"]["data"] for row in rows],
        "detector": [row["about"]["detector"] for row in rows],
        "subjects": [row["about"]["subjects"] for row in rows],
        "scored": [f"{row['frames']:,} frames of {row['joints']} joints" for row in rows],
    }.items():
        same = len(set(values)) == 1
        warning = "**not the same, so the rows cannot be compared:** " * (not same)
        lines.append(f"- {name}: {warning}{values[0] if same else by_value(rows, values)}")
    # Models differ in the windows that they are scored by, and in nothing else of the protocol.
    sentences = [row["protocol"].removesuffix(".").split(". ") for row in rows]
    common = [sentence for sentence in sentences[0] if all(sentence in others for others in sentences)]
    own = [". ".join(sentence for sentence in each if sentence not in common) for each in sentences]
    windows = f". {by_value(rows, own)}" if any(own) else ""
    lines.append(f"- protocol: {'. '.join(common)}{windows}.")
    for row in rows:
        if row["about"]["trained_on_them_too"]:
            lines.append(
                f"- **{row['exp']} was trained on {row['about']['trained_on_them_too']}, which it is scored on**"
            )
    if any(row["about"]["synthetic"] for row in rows):
        lines.append("- **synthetic data**: the numbers say nothing about real people")
    seeds = max(len(row["seeds"]) for row in rows)
    found = [row["exp"] for row in rows if row["minutes"] is None]
    lines.append(f"- training: {budget}" + (f"; as it was found: {', '.join(found)}" if found else ""))
    lines += [f"- mean ± standard deviation over {seeds} seeds"] * (seeds > 1)
    lines.append("- frames/s: from one window after the other, each of so many predicted frames at once")
    lines.append("")
    table = [(row["exp"], *(cell(row, name, decimals) for name, (_, decimals) in columns.items())) for row in rows]
    return "\n".join([*lines, *markdown_table(("", *(title for title, _ in columns.values())), table), ""])


def by_value(rows: Sequence[dict], values: Sequence[str]) -> str:
    """Which rows have which of several values."""
    exps: dict[str, list[str]] = {}
    for row, value in zip(rows, values, strict=True):
        exps.setdefault(value, []).append(row["exp"])
    return "; ".join(f"{', '.join(names)}: {value}" for value, names in exps.items())


def cell(row: dict, name: str, decimals: int) -> str:
    """A number of the table."""
    if row.get(name) is None:
        return "-"
    spread = f" ± {row[f'{name}_std']:.{decimals}f}" if f"{name}_std" in row else ""
    return f"{row[name]:,.{decimals}f}{spread}"


def check_budget(minutes: float | None, epochs: int | None) -> list[str]:
    """The override that a budget of epochs is. Raises InputError for both budgets, or an impossible one."""
    if minutes is not None and epochs is not None:
        raise InputError("--minutes and --epochs: two budgets; give one")
    for option, value in (("--minutes", minutes), ("--epochs", epochs)):
        if value is not None and not value > 0:
            raise InputError(f"{option} {value}: expected more than 0")
    return [] if epochs is None else [f"optim.epochs={epochs}"]
