"""python -m stgraph.score --truth FILE --in FILE: score tracked poses against the annotations of PoseTrack's files."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.formats.posetrack import Video, read_videos
from stgraph.scoring.tracking import MODES, score, tracking_markdown
from stgraph.training.report import write_json


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.score", description=__doc__)
    arguments.add_argument("--truth", type=Path, required=True, metavar="FILE_OR_FOLDER", help="the annotations")
    arguments.add_argument(
        "--in",
        type=Path,
        required=True,
        dest="result",
        metavar="FILE_OR_FOLDER",
        help="the poses that are scored; those without identities get AP alone",
    )
    arguments.add_argument(
        "--detections",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="what the detector gave to the tracker: also say what was recovered where it had missed",
    )
    text = "official repeats what PoseTrack's public evaluator does otherwise, to compare with published numbers"
    arguments.add_argument("--mode", choices=MODES, default="strict", help=f"{text} (strict)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the report's numbers to this file as well")
    return arguments


def named_videos(path: Path) -> dict[str, Video]:
    """The videos of a file or a folder by their names."""
    return {video.name: video for video in read_videos(path)}


def partners(truths: Mapping[str, Video], path: Path) -> list[Video]:
    """The videos at `path` in the order of the truths. Raises InputError for missing or surplus videos."""
    videos = named_videos(path)
    differing = {
        "lacks": [name for name in truths if name not in videos],
        "has beyond the truth": [name for name in videos if name not in truths],
    }
    if any(differing.values()):
        found = "; ".join(f"{what} {', '.join(names)}" for what, names in differing.items() if names)
        raise InputError(
            f"{path}: {found}; give the videos of the truth under the same names, all of them and no others"
        )
    return [videos[name] for name in truths]


def main(args: argparse.Namespace) -> None:
    truths = named_videos(args.truth)
    pairs = list(zip(truths.values(), partners(truths, args.result), strict=True))
    report = score(pairs, args.mode, args.detections and partners(truths, args.detections))
    print(tracking_markdown(report))
    if args.json:
        print(f"written: {write_json(report, args.json)}")


if __name__ == "__main__":
    run_command(parser(), main)
