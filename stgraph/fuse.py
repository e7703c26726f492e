"""python -m stgraph.fuse EXP:2 EXP:2 EXP:1 EXP:1: several runs' scores of the same clips as one, by the clips' ids."""

import argparse
from dataclasses import replace
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.settings.places import REPORTS

MOST_CHOSEN = 6  # runs whose combinations of weights are all tried


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.fuse", description=__doc__)
    arguments.add_argument("runs", nargs="+", metavar="EXP[:WEIGHT]", help="evaluated runs with their weights (1)")
    arguments.add_argument(
        "--choose", action="store_true", help="choose the weights by the scores of the validation split"
    )
    arguments.add_argument("--out", type=Path, default=REPORTS / "fused", help="folder of the report (%(default)s)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.scoring.clip_report import CLIP_PLOTS, clip_lines
    from stgraph.scoring.fusion import best_weights, fuse, read_scores, run_weights
    from stgraph.training.report import ReportKind, opening, write_json

    weights = run_weights(args.runs)
    if args.choose:
        if set(weights.values()) != {1.0}:
            raise InputError("chooses the weights itself", where="--choose", remedy="leave them out")
        if len(weights) > MOST_CHOSEN:
            expected = f"at most {MOST_CHOSEN}, whose combinations of weights are all tried"
            raise InputError(where="--choose", found=f"{len(weights)} runs", expected=expected)
        weights = dict(zip(weights, best_weights(read_scores(weights, "validation")), strict=True))
    scores = read_scores(weights, "test")
    fused, first = fuse(scores, list(weights.values())), next(iter(scores.values()))
    about = {
        "experiment": "fused runs",
        "fused": ", ".join(f"{name} x {weight:g}" for name, weight in weights.items()),
        "weights": "chosen on the validation split" if args.choose else "as given",
        "of": "the mean of their probabilities",
        "synthetic": any(each.about.get("synthetic") for each in scores.values()),
        **{name: first.about.get(name) for name in ("data", "source", "terms", "scored")},
    }
    report = replace(fused, about=about).report()
    report["alone"] = {name: each.report()["metrics"]["top1"] for name, each in scores.items()}
    kind = ReportKind(lambda report: "\n".join([*opening(report["about"]), *clip_lines(report)]), CLIP_PLOTS)
    paths = kind.write(report, args.out)
    paths += [write_json(report, args.json)] if args.json else []
    print(kind.markdown(report))
    print(f"written: {', '.join(map(str, paths))}")


if __name__ == "__main__":
    run_command(parser(), main)
