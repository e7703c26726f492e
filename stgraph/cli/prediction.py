"""The two forms of `stgraph.predict`: a file in and files out, or lines in and lines out."""

import argparse
import sys
from io import BufferedIOBase, TextIOBase
from pathlib import Path
from typing import Any, cast

from stgraph.cli.keypoints import keypoint_settings, video_estimator
from stgraph.cli.live import LiveLines, run_lines
from stgraph.formats.files import check_kept
from stgraph.formats.keypoints.read import kind_of, read_keypoints
from stgraph.tracking.options import FPS
from stgraph.training.progress import progress_of
from stgraph.training.task_run import TaskRun


def answer_lines(args: argparse.Namespace, run: TaskRun, options: dict[str, Any]) -> None:
    """Answer standard input."""
    settings, fps = keypoint_settings(args), args.fps or FPS
    lines = LiveLines(lambda joints: run.stream(settings["size"], fps, joints, **options), args.layout, fps)
    run_lines(lines, cast(BufferedIOBase, sys.stdin.buffer), cast(TextIOBase, sys.stdout))


def predict_file(args: argparse.Namespace, run: TaskRun, options: dict[str, Any]) -> None:
    """Predict a video, and write the files."""
    run.check_outputs(args.out)
    inputs = [args.input, *(value for value in options.values() if isinstance(value, Path))]
    for path in args.out:
        check_kept("--out", path, inputs, kind_of)
    about, estimator = keypoint_settings(args), video_estimator(args)
    keypoints = read_keypoints(args.input, video=args.video, fps=args.fps, estimator=estimator, **about)
    with progress_of(keypoints.name) as progress:
        prediction = run.predict(keypoints, progress=progress, **options)
    print(f"{keypoints.name} ({keypoints.format})")
    for line in prediction.summary:
        print(line)
    for note in prediction.notes:
        print(f"  {note}")
    for path in args.out:
        for saved in prediction.save(path, seconds=args.seconds):
            print(f"{saved.path}{': ' if saved.note else ''}{saved.note}", flush=True)
