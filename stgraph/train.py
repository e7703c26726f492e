"""python -m stgraph.train --exp NAME: train an experiment."""

import argparse
from pathlib import Path

from stgraph.cli.command import run_command
from stgraph.cli.options import engine_options, positive, process_options
from stgraph.settings.places import check_name, data_file


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.train", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/")
    arguments.add_argument("--name", help="what to call the run in checkpoints/ and reports/ (the experiment's name)")
    arguments.add_argument("--data", type=Path, help="dataset file ending in .h5 (data/NAME.h5 by params.json)")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: optim.lr=3e-4")
    begin = arguments.add_mutually_exclusive_group()
    begin.add_argument("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
    text = "begin anew; the run that is there goes once the new one has weights"
    begin.add_argument("--restart", action="store_true", help=text)
    text = "start from a trained run's weights (a name or a .safetensors file); a head of other classes is new"
    arguments.add_argument("--finetune", metavar="FILE", help=text)
    arguments.add_argument("--minutes", type=float, help="stop after so many minutes of training")
    text = "checkpoint at least so often (%(default)s)"
    arguments.add_argument("--save-minutes", type=float, default=10.0, help=text)
    engine_options(arguments)
    process_options(arguments)
    arguments.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    return arguments


def make_built_in(path: Path) -> None:
    """Prepare the built-in set where it is missing."""
    from data_prep.__main__ import main, parser

    if not path.exists():
        main(parser().parse_args(["builtin", "--out", str(path)]))


def main(args: argparse.Namespace) -> None:
    from stgraph.settings.params import load

    name = args.exp if args.name is None else args.name
    check_name("--name", name)
    positive("minutes", args.minutes)
    positive("save-minutes", args.save_minutes)
    settings = load(args.exp, args.set)
    from stgraph.data.dataset import Dataset
    from stgraph.training.built_in import BUILT_IN, choose_data
    from stgraph.training.engine import Engine
    from stgraph.training.progress import Terminal
    from stgraph.training.task_run import TaskRun

    settings, name, message = choose_data(settings, name, args.data)
    path = data_file(settings.data.dataset)
    engine = Engine(args.device, args.devices, args.nodes, args.precision)
    engine.launch()
    if message:
        engine.print(message)
    if engine.is_global_zero and path == data_file(BUILT_IN):
        make_built_in(path)
    engine.barrier()
    dataset = Dataset(path)
    run = TaskRun.create(name, settings, dataset, engine)
    if args.finetune:
        engine.print(run.start_from(args.finetune))
    names = ("resume", "restart", "minutes", "save_minutes", "compile")
    progress = run.fit(dataset, Terminal(), **{name: getattr(args, name) for name in names})
    if run.stopped_early:
        engine.print(f"{name} stopped early: {run.stopped_early}; more --minutes with --resume go on from there")
    engine.print(
        f"{name}: {progress.text()} in {progress.seconds / 60:.1f} minutes; weights of epoch "
        f"{progress.best_epoch:.4g} and the curves are in {run.folder}\n"
        f"next: python -m stgraph.evaluate --exp {name}"
    )


if __name__ == "__main__":
    run_command(parser(), main)
