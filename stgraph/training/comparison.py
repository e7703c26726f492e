"""Several experiments on the same data: those untrained are trained, all are scored alike, in one table."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.figures.comparison import plot_comparison
from stgraph.formats.markdown import markdown_table
from stgraph.settings import params
from stgraph.settings.params import Settings, load
from stgraph.settings.places import data_file, experiment_file
from stgraph.training.checkpoint import FOLDER
from stgraph.training.compared import Column
from stgraph.training.cost import frames_per_second, mmac_per_frame, parameters
from stgraph.training.engine import Engine
from stgraph.training.listener import Listener
from stgraph.training.report import Baselines, ReportKind, not_better
from stgraph.training.task_run import TaskRun

SIZE = {"parameters": Column("parameters", 0), "mmac": Column("MMAC a frame", 2)}
EFFORT = {
    "minutes": Column("training, min", 1),
    "epochs": Column("epochs", 2),
    "window": Column("frames at once", 0),
    "fps": Column("frames/s at batch 1", 0),
}


@dataclass(frozen=True)
class Entry:
    """One training to compare.

    Attributes:
        exp: the experiment or trained run, as on the command line.
        name: of its run in checkpoints/.
        settings: to train it with; None for a run that is taken as it is.
    """

    exp: str
    name: str
    settings: Settings | None


def entries(
    exps: Sequence[str], data: Path | None, detector: str | None, overrides: Sequence[str], seeds: Sequence[int]
) -> list[Entry]:
    """The trainings to compare, in order. All settings are validated here.

    An experiment may have its own overrides: "tcn:optim.batch_size=64,model.channels=256". A run that is trained
    under the experiment's name is taken as it is, unless other data, settings or seeds are chosen: those runs
    are called EXP-DATA-SEED-HASH, with a hash of their settings. On other data the subjects are those of the file's
    split.

    Raises:
        InputError: settings that cannot work, or overrides for a run that has no experiment to train anew.
    """
    common = [*overrides, *([f"data.detector={detector}"] if detector else [])]
    if data:
        common = [f"data.dataset={data}", "data.train=null", "data.validation=[]", "data.test=null", *common]
    result = []
    for text in exps:
        exp, _, own_overrides = text.partition(":")
        changes = [*common, *(re.split(r",(?=[a-z]\w*\.)", own_overrides) if own_overrides else [])]
        trained, has_params = (FOLDER / exp / "best.safetensors").exists(), experiment_file(exp) is not None
        if trained and own_overrides and not has_params:
            place = params.FOLDER / exp / "params.json"
            problem = f"{FOLDER / exp} is a trained run without {place}, so other settings cannot be trained"
            raise InputError(problem, where=text, remedy="leave them out, or name the experiment it was made from")
        if trained and not (has_params and (changes or seeds)):
            result.append(Entry(text, exp, None))
            continue
        for seed in seeds or [None]:
            settings = load(exp, changes if seed is None else [*changes, f"seed={seed}"])
            name = exp
            if changes or seeds:
                label = re.sub(r"[^\w.=-]+", "_", text)[:60]
                values = json.dumps(settings.model_dump(), sort_keys=True)
                digest = hashlib.sha256(values.encode()).hexdigest()[:6]
                name = f"{label}-{data_file(settings.data.dataset).stem}-{settings.seed}-{digest}"
            result.append(Entry(text, name, settings))
    return result


def compare(
    chosen: Sequence[Entry],
    engine: Engine,
    listener: Listener,
    *,
    data: Path | None = None,
    minutes: float | None = None,
    protocol: str | None = None,
    detector: str | None = None,
    subjects: list[str] | None = None,
    conditions: bool = False,
) -> dict:
    """Train what is untrained, one after the other, and score all alike.

    Returns:
        a report: `rows` (of each experiment the means over its seeds by column, standard deviations under NAME_std,
        `seeds` (a row of each), `not_better` (a sentence, where a baseline is at least as good), and what was scored
        and how), `scores` (the task's columns; the first is plotted) and `baselines` (name -> score -> value).

    Args:
        data: file to train and score on; by default that of each one's settings.
        minutes: training time of each; on a CPU the processor's, so that other programs do not count.
        protocol: of the task's, if it has any.
        detector, subjects: to score; by default those of the settings.
        conditions: score under the task's conditions too, if it has any.

    Raises:
        InputError: settings that the data cannot serve, or runs that score different joints or classes, before
            anything is trained.
    """
    files: dict[Path, Dataset] = {}

    def opened(settings: Settings) -> Dataset:
        path = data or data_file(settings.data.dataset)
        if path not in files:
            files[path] = Dataset(path)
        return files[path]

    def run_of(entry: Entry) -> TaskRun:
        if entry.settings is None:
            return TaskRun.load(entry.name, engine)
        return TaskRun.create(entry.name, entry.settings, opened(entry.settings), engine)

    exps = {}
    for entry in chosen:
        run = run_of(entry)
        if not run.comparison_columns:
            raise run.refusal("is not compared")
        exps.setdefault(run.check_comparison(opened(run.settings), protocol, conditions), entry.exp)
    if len(exps) > 1:
        counts = "; ".join(f"{exp}: {len(names)} ({names[0]}, ...)" for names, exp in exps.items())
        raise InputError(
            f"different joints or classes cannot be compared ({counts})",
            remedy="train all on the same, such as --set data.skeleton=h36m16, or use a --protocol without the others",
        )
    rows: dict[str, list[dict]] = {}
    columns: Mapping[str, Column] = {}
    baselines = Baselines("", {}, {}, {})
    options: dict[str, Any] = {"subjects": subjects, "detector": detector}
    options |= {"protocol": protocol} if protocol else {}
    options |= {"conditions": True} if conditions else {}
    for entry in chosen:
        spent = None
        if entry.settings:
            run = run_of(entry)
            # By the engine's clock: what else the machine does shall not decide which network is the best.
            done = run.fit(opened(run.settings), listener, resume=True, minutes=minutes, clock=engine.clock)
            spent = done.seconds / 60
        run = TaskRun.load(entry.name, engine)
        columns = run.comparison_columns
        report = run.evaluate(opened(run.settings), **options)
        if not baselines.text:  # the same for all runs that can be compared
            baselines = run.scored_baselines(opened(run.settings), **options)
        result = asdict(run.comparison(report))
        row = {"exp": entry.exp, "run": entry.name, "seed": run.settings.seed, **result.pop("scores"), **result}
        row |= {"minutes": spent, "epochs": run.epoch, "parameters": parameters(run)}
        row |= {"mmac": mmac_per_frame(run), "fps": frames_per_second(run)}
        row["window"] = run.settings.data.frames - run.model.before - run.model.after
        rows.setdefault(entry.exp, []).append(row)
    report = {"rows": [joined(seeds, columns) for seeds in rows.values()], "scores": dict(columns)}
    titles = {key: column.title for key, column in columns.items()}
    for row in report["rows"]:
        row["not_better"] = not_better(row, baselines.scores, titles, baselines.judged)
    shown = {name: {key: each.get(key) for key in columns} for name, each in baselines.scores.items()}
    return report | {"baselines": shown}


def joined(rows: list[dict], columns: Mapping[str, Column]) -> dict:
    """One row of an experiment's seeds: means, standard deviations of the scores under NAME_std, and each seed's."""
    row = dict(rows[0]) | {"seeds": rows}
    for name in (*SIZE, *columns, *EFFORT):
        values = [entry[name] for entry in rows if entry.get(name) is not None]
        if values:
            row[name] = mean(values)
            if name in columns and len(values) > 1:
                row[f"{name}_std"] = stdev(values)
    return row


def comparison_markdown(report: Mapping) -> str:
    """The table, with what was scored and how."""
    rows = report["rows"]
    columns = SIZE | report["scores"] | EFFORT
    columns = {name: column for name, column in columns.items() if any(row.get(name) is not None for row in rows)}
    lines = ["# Comparison", ""]
    for name in rows[0]["about"]:
        values = [row["about"][name] for row in rows]
        same = len(set(values)) == 1
        warning = "" if same else "**not the same, so the rows cannot be compared:** "
        lines.append(f"- {name}: {warning}{values[0] if same else by_value(rows, values)}")
    if any(row["model"] for row in rows):
        lines.append(f"- by model: {by_value(rows, [row['model'] for row in rows])}")
    for row in rows:
        if row["trained_on"]:
            lines.append(f"- **{row['exp']} was trained on {row['trained_on']}, which it is scored on**")
    if any(row["synthetic"] for row in rows):
        lines.append("- **synthetic data**: the numbers say nothing about real people")
    lines += [f"- **{row['exp']}: {row['not_better']}**" for row in rows if row["not_better"]]
    untrained = ", ".join(row["exp"] for row in rows if row["minutes"] is None)
    lines.append(f"- training: {report['training']}" + (f"; not trained here: {untrained}" if untrained else ""))
    seeds = max(len(row["seeds"]) for row in rows)
    lines += [f"- mean ± standard deviation over {seeds} seeds"] * (seeds > 1)
    lines.append("- frames/s: from one window after the other, each of so many predicted frames at once")
    shown = [*rows, *({"exp": name, **scores} for name, scores in report["baselines"].items())]
    table = [(row["exp"], *(cell(row, name, column.decimals) for name, column in columns.items())) for row in shown]
    head = ("", *(column.title for column in columns.values()))
    return "\n".join([*lines, "", *markdown_table(head, table), ""])


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


COMPARISON = ReportKind(comparison_markdown, {"comparison": plot_comparison}, "comparison")
