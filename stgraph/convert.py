"""python -m stgraph.convert FAMILY CHECKPOINT --exp NAME: turn a published checkpoint into one of ours, or back."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.errors import InputError


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.convert", description=__doc__)
    arguments.add_argument("family", help="whose checkpoint it is, such as tgraphnet; an unknown one lists all")
    arguments.add_argument("checkpoint", type=Path, help="as published, such as root_rel.pth.tar")
    arguments.add_argument("--exp", required=True, help="what to call the result in params/ and checkpoints/")
    text = "the other way: write the trained experiment NAME to CHECKPOINT, for the published implementation"
    arguments.add_argument("--to-published", action="store_true", help=text)
    arguments.add_argument("--params", type=Path, help="its settings file (params.json beside the checkpoint)")
    text = (
        "experiment that gives the settings which shapes do not determine, such as tcn_causal for a causal network "
        "(the one with its publisher's hyper-parameters)"
    )
    arguments.add_argument("--like", metavar="EXP", help=text)
    arguments.add_argument("--classes", type=Path, metavar="FILE", help="names of a recogniser's classes, one a line")
    return arguments


def main(args: argparse.Namespace) -> None:
    from stgraph.training.conversion import from_published, read_names, write_published

    if args.to_published:
        if unused := [f"--{name}" for name in ("params", "like", "classes") if getattr(args, name)]:
            problem = "a published checkpoint holds weights alone; leave them out"
            raise InputError(problem, where=", ".join(unused))
        print(write_published(args.family, args.exp, args.checkpoint))
        return
    classes = read_names(args.classes) if args.classes else None
    options = {"published_settings": args.params, "like": args.like, "classes": classes}
    print(from_published(args.family, args.checkpoint, args.exp, **options))
    print(f"next: python -m stgraph.evaluate --exp {args.exp}")


if __name__ == "__main__":
    run_command(parser(), main)
