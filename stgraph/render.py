"""python -m stgraph.render --exp NAME: draw a run's prediction for a recording, as GIF or MP4.

A lifter's 2D input, ground truth and prediction side by side; or a recogniser's clip with what every joint contributes
to the decision, and the prediction as it grows.
"""

import argparse
import math
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.numbers import picture_size
from stgraph.cli.options import open_run, run_options
from stgraph.errors import InputError
from stgraph.formats.files import check_apart, file_name
from stgraph.settings.places import REPORTS
from stgraph.training.drawing import Drawing


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.render", description=__doc__)
    run_options(arguments)
    arguments.add_argument("--recording", metavar="ID", help='"S9/Walking 1/54138969" (a typical one of every action)')
    arguments.add_argument("--out", type=Path, help=".gif or .mp4 (reports/NAME/RECORDING.gif)")
    arguments.add_argument(
        "--start", type=float, default=Drawing.start, help="seconds into the recording (%(default)s)"
    )
    arguments.add_argument("--seconds", type=float, default=Drawing.seconds, help="length (%(default)s)")
    size = "x".join(map(str, Drawing.size))
    arguments.add_argument("--size", default=size, help="width and height in pixels (%(default)s)")
    arguments.add_argument("--rate", type=float, default=Drawing.rate, help="frames a second to draw (%(default)s)")
    text = "view round the person, degrees (%(default)s)"
    arguments.add_argument("--azimuth", type=float, default=Drawing.azimuth, help=text)
    text = "view from above, degrees (%(default)s)"
    arguments.add_argument("--elevation", type=float, default=Drawing.elevation, help=text)
    arguments.add_argument("--bitrate", type=int, default=Drawing.bitrate, help="of an MP4, kbit/s (%(default)s)")
    arguments.add_argument("--flip", action="store_true", help="average with the prediction for the mirrored input")
    return arguments


def drawing_of(args: argparse.Namespace) -> Drawing:
    """The options as a `Drawing`. Raises InputError for a number out of range."""
    for option, least in (("start", 0), ("seconds", 0), ("azimuth", -360), ("elevation", -360)):
        value = getattr(args, option)
        if not least <= value < math.inf or (option == "seconds" and not value):
            expected = f"a finite number of {least} or more"
            raise InputError(where=f"--{option}", found=f"{value:g}", expected=expected)
    names = ("detector", "start", "seconds", "rate", "azimuth", "elevation", "bitrate", "flip")
    return Drawing(size=picture_size(args.size), **{name: getattr(args, name) for name in names})


def main(args: argparse.Namespace) -> None:
    drawing = drawing_of(args)
    run, dataset = open_run(args)
    if args.recording:
        dataset.find(args.recording)
        out = args.out or REPORTS / run.name / f"{file_name(args.recording)}.gif"
        print(run.draw(dataset, args.recording, out, drawing))
        return
    out = args.out or REPORTS / run.name / "typical.gif"
    chosen = run.typical(dataset, args.detector)
    actions = [str(dataset.recordings["action"][dataset.find(id)]) for id in chosen]
    outs = [out.with_stem(f"{out.stem}-{file_name(action)}") for action in actions]
    check_apart(zip(actions, outs, strict=True))
    for id, path in zip(chosen, outs, strict=True):
        print(run.draw(dataset, id, path, drawing), flush=True)


if __name__ == "__main__":
    run_command(parser(), main)
