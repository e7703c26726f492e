"""python -m stgraph.baselines --exp NAME: what any lifter must beat, on the experiment's own data and protocol.

The mean training pose, and a ridge regression from the joints of one frame to their places in space.
"""

import argparse
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from stgraph.cli.command import run_command
from stgraph.cli.options import check_task
from stgraph.data.dataset import Dataset
from stgraph.data.windows import Windows
from stgraph.models.base import Model
from stgraph.settings.params import load
from stgraph.tasks.lifting.protocols import PROTOCOLS, find_protocol
from stgraph.tasks.lifting.report import POSES
from stgraph.training.engine import Engine
from stgraph.training.run import REPORTS, Run, data_file


class FrameLinear(Model):
    """An affine map from the joints of a frame to its pose.

    Args:
        weight: (j * c, j * 3). bias: (j * 3), metres.
    """

    sliding = True

    def __init__(self, weight: Float[Tensor, "i o"], bias: Float[Tensor, " o"]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Float[Tensor, "b c t j"], **inputs: Tensor) -> dict[str, Tensor]:
        """The pose head's output (b 3 t j)."""
        pose = rearrange(x, "b c t j -> b t (j c)") @ self.weight + self.bias
        return {"pose": rearrange(pose, "b t (j c) -> b c t j", c=3)}


def fit_baselines(run: Run, windows: Windows, ridge: float) -> dict[str, FrameLinear]:
    """Mean pose, and ridge regression: W = (X'X + ridge n I)^-1 X'Y on centred X and Y, over every frame of windows."""
    products, count = 0.0, 0
    for index in torch.arange(len(windows)).split(1024):
        batch = windows.batch(index)
        x = rearrange(batch["x"], "b c t j -> b t (j c)")[batch["inside"]].double()
        y = rearrange(run.task.target(batch), "b t j c -> b t (j c)")[batch["inside"]].double()
        both = torch.cat([torch.ones_like(x[:, :1]), x, y], dim=1)
        products, count = products + both.T @ both, count + len(both)
    products = products / count
    mean = products[0, 1:]
    covariance = products[1:, 1:] - mean.outer(mean)
    inputs = x.shape[1]
    size = covariance.diagonal()[:inputs].mean()
    weight = torch.linalg.solve(
        covariance[:inputs, :inputs] + ridge * size * torch.eye(inputs).double(), covariance[:inputs, inputs:]
    )
    bias = mean[inputs:] - mean[:inputs] @ weight
    return {
        "mean pose": FrameLinear(torch.zeros_like(weight).float(), mean[inputs:].float()),
        "ridge regression": FrameLinear(weight.float(), bias.float()),
    }


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser("python -m stgraph.baselines", description=__doc__)
    arguments.add_argument("--exp", required=True, help="folder in params/ that gives data and task")
    arguments.add_argument("--data", type=Path, help="dataset file (data/NAME.h5 by params.json)")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override: data.detector=gt")
    arguments.add_argument("--subjects", nargs="+", help="subjects to score (the settings' test subjects)")
    arguments.add_argument("--protocol", default="standard", help=f"{', '.join(PROTOCOLS)} (%(default)s)")
    arguments.add_argument("--ridge", type=float, default=1e-4, help="share of the inputs' variance (%(default)s)")
    return arguments


def main(args: argparse.Namespace) -> None:
    settings = load(args.exp, args.set)
    check_task(args.exp, settings, "lifting")
    dataset = Dataset(args.data or data_file(settings))
    run = Run.create(args.exp, settings, dataset, Engine("cpu"))
    train = run.windows(dataset, run.settings.data.train, margin=(0, 0), stride=settings.data.frames).keep_valid()
    for name, model in fit_baselines(run, train, args.ridge).items():
        run.name, run.model = f"{args.exp}: {name}", model.eval()
        report = run.evaluate(dataset, find_protocol(args.protocol), subjects=args.subjects)
        folder = REPORTS / f"{args.exp}-{name.replace(' ', '-')}-{settings.data.detector}"
        POSES.write(report, folder)
        print(POSES.markdown(report).split("## By action")[0], f"written to {folder}\n", sep="")


if __name__ == "__main__":
    run_command(parser(), main)
