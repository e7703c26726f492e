"""python -m stgraph.score --truth FILE --in FILE: score tracked poses against the annotations of PoseTrack's files."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.keypoints import keypoint_options, keypoint_settings
from stgraph.scoring.tracking import MODES


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.score", description=__doc__)
    path = {"type": Path, "metavar": "FILE_OR_FOLDER"}
    arguments.add_argument("--truth", **path, required=True, help="the annotations")
    text = "the poses that are scored; those without identities get AP alone"
    arguments.add_argument("--in", **path, required=True, dest="result", help=text)
    text = "the detections that were tracked: also report what was recovered where the detector had missed"
    arguments.add_argument("--detections", **path, help=text)
    text = "official repeats where PoseTrack's public evaluator differs, to compare with published numbers (strict)"
    arguments.add_argument("--mode", choices=MODES, default="strict", help=text)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    keypoint_options(arguments)
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.formats.files import check_kept
    from stgraph.formats.keypoints.read import kind_of, read_people
    from stgraph.scoring.tracking.markdown import tracking_markdown
    from stgraph.scoring.tracking.report import paired, score
    from stgraph.training.report import write_json

    if args.json:
        inputs = (path for path in (args.truth, args.result, args.detections) if path)
        check_kept("--json", args.json, inputs, kind_of)
    settings = keypoint_settings(args) | {"listed": args.mode == "official"}
    truths = read_people(args.truth, **settings)
    results = paired(truths, read_people(args.result, **settings), args.result)
    detections = args.detections and paired(truths, read_people(args.detections, **settings), args.detections)
    report = score(list(zip(truths, results, strict=True)), args.mode, detections)
    print(tracking_markdown(report))
    if args.json:
        print(f"written: {write_json(report, args.json)}")


if __name__ == "__main__":
    run_command(parser(), main)
