"""python -m stgraph.convert MODEL CHECKPOINT --exp NAME: turn a published checkpoint into one of ours."""

import argparse
import json
from pathlib import Path

from stgraph import params
from stgraph.checkpoint import FOLDER, Origin, Weights, save_weights
from stgraph.command import run_command
from stgraph.errors import InputError
from stgraph.io.files import replaced, sha256
from stgraph.models import MODELS
from stgraph.published import convert, flat_overrides, load_published
from stgraph.skeleton import H36M17


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.convert", description=__doc__)
    convertible = [name for name in MODELS.names() if hasattr(MODELS.get(name), "from_published")]
    arguments.add_argument("model", choices=convertible)
    arguments.add_argument("checkpoint", type=Path, help="as published, such as root_rel.pth.tar")
    arguments.add_argument("--exp", required=True, help="what to call the result in params/ and checkpoints/")
    arguments.add_argument("--params", type=Path, help="its flat settings file (params.json beside the checkpoint)")
    arguments.add_argument("--like", default="root_rel", help="experiment that gives all other settings (%(default)s)")
    return arguments


def main(args: argparse.Namespace) -> None:
    target, experiment = FOLDER / args.exp / "best.safetensors", params.FOLDER / args.exp / "params.json"
    for path in (target, experiment):
        if path.exists():
            raise InputError(f"{path} exists; choose another name with --exp, or remove it")
    flat = args.params or args.checkpoint.with_name("params.json")
    overrides = flat_overrides(flat) if args.params or flat.exists() else []
    state, skeleton = load_published(args.checkpoint), H36M17
    settings, weights = convert(args.model, state, args.like, overrides, skeleton, str(args.checkpoint))
    origin = Origin(f"published checkpoint {args.checkpoint.name}", "its publisher's", sha256(args.checkpoint), False)
    save_weights(target, Weights(weights, settings, skeleton, origin, float(settings.optim.epochs), {}))
    with replaced(experiment) as temporary:
        temporary.write_text(json.dumps(settings.model_dump(), indent=2) + "\n")
    used = f"settings from {flat}" if overrides else f"settings of {args.like}: {flat} does not exist"
    print(
        f"{args.checkpoint}: {len(state)} entries -> {target} ({len(weights)} weights, metres)\n"
        f"{experiment}: {used}\n"
        f"next: python -m stgraph.evaluate --exp {args.exp}"
    )


if __name__ == "__main__":
    run_command(parser(), main)
