"""python -m stgraph.convert FAMILY CHECKPOINT --exp NAME: turn a published checkpoint into one of ours, or back."""

import argparse
import json
from pathlib import Path

import torch

from stgraph.cli.command import run_command
from stgraph.errors import InputError
from stgraph.formats.files import replaced, sha256
from stgraph.models.published import convertible, families, find_model, load_published, to_published
from stgraph.settings import params
from stgraph.training.checkpoint import FOLDER, Origin, Weights, save_weights
from stgraph.training.conversion import convert, flat_overrides, read_names
from stgraph.training.engine import Engine
from stgraph.training.run import Run


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.convert", description=__doc__)
    arguments.add_argument("family", choices=families(), help="whose checkpoint it is: %(choices)s")
    arguments.add_argument("checkpoint", type=Path, help="as published, such as root_rel.pth.tar")
    arguments.add_argument("--exp", required=True, help="what to call the result in params/ and checkpoints/")
    arguments.add_argument(
        "--to-published",
        action="store_true",
        help="the other way: write the trained experiment NAME to CHECKPOINT, for the published implementation",
    )
    arguments.add_argument("--params", type=Path, help="its flat settings file (params.json beside the checkpoint)")
    arguments.add_argument(
        "--like",
        metavar="EXP",
        help="experiment that gives the settings which shapes do not tell, such as tcn_causal for a causal network "
        "(the one with its publisher's hyper-parameters)",
    )
    arguments.add_argument("--classes", type=Path, metavar="FILE", help="names of a recogniser's classes, one a line")
    return arguments


def main(args: argparse.Namespace) -> None:
    (give_back if args.to_published else take)(args)


def take(args: argparse.Namespace) -> None:
    """Published to ours."""
    target, experiment = FOLDER / args.exp / "best.safetensors", params.FOLDER / args.exp / "params.json"
    for path in (target, experiment):
        if path.exists():
            raise InputError(f"{path} exists; choose another name with --exp, or remove it")
    flat = args.params or args.checkpoint.with_name("params.json")
    overrides = flat_overrides(flat) if args.params or flat.exists() else []
    state, rest = load_published(args.checkpoint)
    model = find_model(args.family, state, str(args.checkpoint))
    published = convertible()[model][0].published_for(state)
    classes = read_names(args.classes) if args.classes else None
    settings, weights = convert(model, state, overrides, str(args.checkpoint), like=args.like, classes=classes)
    origin = Origin(f"published checkpoint {args.checkpoint.name}", "its publisher's", sha256(args.checkpoint), False)
    epoch = rest.pop("epoch", None)
    epoch = float(epoch) if isinstance(epoch, int | float) else 0.0  # it may be an object that was not run
    save_weights(target, Weights(weights, settings, published.skeleton, origin, epoch, {}))
    with replaced(experiment) as temporary:
        temporary.write_text(json.dumps(settings.model_dump(), indent=2) + "\n")
    like = args.like or published.like
    used = f"settings from {flat}, and those of {like}" if overrides else f"settings of {like}"
    print(
        f"{args.checkpoint}: {len(state)} entries of {model} -> {target} ({len(weights)} weights)\n"
        f"{experiment}: {used}, and what the weights' shapes tell"
    )
    if rest:
        print(f"not used: {', '.join(rest)}")
    print(f"next: python -m stgraph.evaluate --exp {args.exp}")


def give_back(args: argparse.Namespace) -> None:
    """Ours to published."""
    if given := [f"--{name}" for name in ("params", "like", "classes") if getattr(args, name)]:
        raise InputError(f"{', '.join(given)}: a published checkpoint holds weights alone; leave them out")
    if args.checkpoint.exists():
        raise InputError(f"{args.checkpoint} exists; choose another file, or remove it")
    run = Run.load(args.exp, Engine("cpu"))
    state = to_published(args.family, run.model, f"--exp {args.exp}")
    with replaced(args.checkpoint) as temporary:
        torch.save(state, temporary)
    print(f"{args.exp} -> {args.checkpoint} ({len(state)} entries under {args.family}'s names)")


if __name__ == "__main__":
    run_command(parser(), main)
