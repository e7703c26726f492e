"""python -m stgraph.train --exp NAME: train an experiment."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options
from stgraph.data.dataset import Dataset
from stgraph.errors import InputError
from stgraph.settings.params import Settings, load, with_data
from stgraph.training.engine import Engine
from stgraph.training.progress import Terminal
from stgraph.training.run import DATA, Run, data_file

BUILT_IN = DATA / "builtin.h5"


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.train", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/")
    arguments.add_argument("--name", help="what to call the run in checkpoints/ and reports/ (the experiment's name)")
    arguments.add_argument("--data", type=Path, help="dataset file ending in .h5 (data/NAME.h5 by params.json)")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: optim.lr=3e-4")
    arguments.add_argument("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    arguments.add_argument("--restart", action="store_true", help="begin anew; what the run's folder holds is deleted")
    text = "start from a trained run's weights (a name or a .safetensors file); a head of other classes is new"
    arguments.add_argument("--finetune", metavar="FILE", help=text)
    arguments.add_argument("--minutes", type=float, help="stop after so many minutes of training")
    arguments.add_argument(
        "--save-minutes", type=float, default=10.0, help="checkpoint at least so often (%(default)s)"
    )
    engine_options(arguments)
    arguments.add_argument("--devices", type=int, default=1, help="processes on this machine (torchrun sets its own)")
    arguments.add_argument("--nodes", type=int, default=1, help="machines")
    arguments.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    return arguments


def choose_data(settings: Settings, name: str, data: Path | None) -> tuple[Settings, str, str]:
    """Settings, name and a message: Human3.6M where it is, else the built-in set."""
    if data:
        return with_data(settings, dataset=str(data)), name, ""
    path = data_file(settings)
    if path.exists() or settings.data.dataset not in ("h36m", "builtin"):
        return settings, name, ""
    if settings.data.dataset == "builtin":
        return settings, name, f"{path} does not exist: making it of the CMU motion that comes with the package"
    detector = settings.data.detector if settings.data.detector in ("gt", None) else "sim"
    message = (
        f"{path} does not exist: training {name}-builtin on the built-in CMU motion instead "
        f"(prepare the real one with `python -m data_prep h36m FOLDER --out {path}`)"
    )
    built_in = with_data(settings, dataset="builtin", detector=detector, train=None, test=None)
    return built_in, f"{name}-builtin", message


def make_built_in() -> None:
    """Prepare the built-in set where it is missing."""
    from data_prep.__main__ import main, parser

    if not BUILT_IN.exists():
        main(parser().parse_args(["builtin", "--out", str(BUILT_IN)]))


def main(args: argparse.Namespace) -> None:
    for option in ("minutes", "save_minutes"):
        if getattr(args, option) is not None and not getattr(args, option) > 0:
            raise InputError(f"--{option.replace('_', '-')} {getattr(args, option)}: expected more than 0")
    settings, name, message = choose_data(load(args.exp, args.set), args.name or args.exp, args.data)
    path = data_file(settings)
    engine = Engine(args.device, args.devices, args.nodes, args.precision)
    engine.launch()
    if message:
        engine.print(message)
    if engine.is_global_zero and path == BUILT_IN:
        make_built_in()
    engine.barrier()
    dataset = Dataset(path)
    run = Run.create(name, settings, dataset, engine)
    if args.finetune:
        engine.print(run.start_from(args.finetune))
    options = {"resume": args.resume, "restart": args.restart, "compile": args.compile}
    progress = run.fit(dataset, Terminal(), minutes=args.minutes, save_minutes=args.save_minutes, **options)
    engine.print(
        f"{name}: {progress.epoch} epochs and {progress.step} steps in {progress.seconds / 60:.1f} minutes; weights of "
        f"epoch {progress.best_epoch:g} and the curves are in {run.folder}\n"
        f"next: python -m stgraph.evaluate --exp {name}"
    )


if __name__ == "__main__":
    run_command(parser(), main)
